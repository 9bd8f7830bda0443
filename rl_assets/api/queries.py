"""Questions about what stands: leaderboards, verdicts, champions."""

import json
from typing import Any

from rl_assets.api.installation import Installation
from rl_assets.errors import UnknownPartition
from rl_assets.resources.inputs import Inputs
from rl_assets.resources.lineage_log import ASSETS as ASSETS
from rl_assets.statistics.gates import GateDecision
from rl_assets.statistics.ranking import LeaderboardRow
from rl_assets.store.history import ChampionHistory
from rl_assets.store.objects import ObjectStore
from rl_assets.store.transitions import Transition


def leaderboard(installation: Installation, env: str) -> dict[str, Any]:
    """The newest leaderboard of an environment.

    Returns:
        `{"env", "champion", "event_id", "rows": [{"hparam", "mean_return", "std_return", ...}]}`, best first; a row's
        fields are those of `LeaderboardRow.to_json`.

    Raises:
        UnknownPartition: nothing was ranked there yet.
    """
    event = installation.log.latest("eval_leaderboards", env)
    if event is None:
        known = sorted(installation.log.latest_ids("eval_leaderboards"))
        raise UnknownPartition(
            f"no leaderboard for env '{env}': expected one of {', '.join(known) or '(none yet)'}; "
            "run a sweep with `rlctl sweep -f FILE` first"
        )
    with _inputs(installation).for_output("query", env) as scope:
        stored = json.loads(scope.open(event).artifact.read("leaderboard.json"))
    rows = [LeaderboardRow.from_json(row).to_json() for row in stored]
    current = ChampionHistory(ObjectStore(installation.home.store_url), env).current()
    return {"env": env, "champion": current.hparam if current else None, "event_id": event.event_id, "rows": rows}


def gate_decisions(installation: Installation, env: str) -> tuple[GateDecision, ...]:
    """What the gates of an environment decided on its newest candidate, in the order asked, each with its reason.

    Raises:
        UnknownPartition: no candidate was judged there yet.
    """
    event = installation.log.latest("gate_evaluations", env)
    if event is None:
        raise UnknownPartition(f"no gate has judged a candidate of env '{env}' yet: run a sweep there first")
    with _inputs(installation).for_output("query", env) as scope:
        return tuple(GateDecision.from_json(item) for item in scope.open(event).artifact.facts["decisions"])


def champion(installation: Installation, env: str) -> dict[str, Any]:
    """The reigning champion of an environment: which exact weights, since when and why.

    Raises:
        UnknownPartition: nothing was promoted there yet, or it was vacated.
    """
    standing = ChampionHistory(ObjectStore(installation.home.store_url), env).standing()
    current = standing.production
    if standing.vacated is not None:
        raise vacancy(env, standing.vacated)
    if current is None:
        known = sorted(installation.log.latest_ids("promoted_models"))
        raise UnknownPartition(
            f"no champion for env '{env}': expected one of {', '.join(known) or '(none yet)'}; a policy is promoted "
            "when it "
            "passes its gates: see gate_evaluations in the UI"
        )
    return current.to_json()


def vacancy(env: str, vacated: Transition) -> UnknownPartition:
    """What to tell whoever asks for the champion of an environment that has none any more."""
    order = f"; its model was erased by order {vacated.erased_by}" if vacated.erased_by else ""
    reason = f" ({vacated.reason})" if vacated.reason else ""
    return UnknownPartition(
        f"env '{env}' has no champion since {vacated.at[:10]}: production was vacated by {vacated.actor}{reason}{order}"
        f": promote another model with `rlctl promote {env}`, or train one; `rlctl history {env}` shows what happened"
    )


def _inputs(installation: Installation) -> Inputs:
    return Inputs(log=installation.log, store=ObjectStore(installation.home.store_url))
