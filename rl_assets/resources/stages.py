"""What stands and what is out of date, for the sensors: they compare versions, so each thing happens once.

A sensor that compares what is there with what should be there can be restarted, run twice, or run beside a backfill
without asking for anything a second time.
"""

from collections.abc import Iterable, Mapping

from rl_assets.config.canonical import config_hash
from rl_assets.config.evaluation import GatesConfig
from rl_assets.config.keys import short_hash
from rl_assets.resources.demand import Demand
from rl_assets.resources.event_log import Event, EventLog

FLAWS_KEY = "rl/flaws"
"""On a verdict that no gate reached because the candidate is damaged: it is asked again once that is mended."""

GATES_KEY = "rl/gates"
"""On a sweep and on a verdict: which gates are meant, see `gates_version`."""

EVALUATIONS_KEY = "rl/evaluations"
"""On a leaderboard: a hash over the evaluations that it ranked."""


def evaluations_by_env(demand: Demand, versions: Mapping[str, str], envs: Iterable[str]) -> dict[str, dict[str, str]]:
    """Env key -> hparam key -> data version of the newest evaluation, of all cells that a live sweep asks for."""
    asked = demand.hparams_by_env()
    found = {
        env: {hparam: versions[f"{env}|{hparam}"] for hparam in asked.get(env, ()) if f"{env}|{hparam}" in versions}
        for env in envs
    }
    return {env: cells for env, cells in found.items() if cells}


def newest_by_env(ids: Mapping[str, int]) -> dict[str, int]:
    """Env key -> id of the newest event among its cells; a request that names it is made anew once a cell is logged.

    So what failed over a damaged or full store is asked for again after the repair or the next launch, and not before.

    Args:
        ids: cell key -> id of the cell's newest event.
    """
    newest: dict[str, int] = {}
    for cell, event_id in ids.items():
        env = cell.split("|")[0]
        newest[env] = max(newest.get(env, 0), event_id)
    return newest


def ranks_all(leaderboard: Event | None, evaluations: Mapping[str, str]) -> bool:
    """Whether a leaderboard ranks exactly these evaluations."""
    return leaderboard is not None and leaderboard.metadata.get(EVALUATIONS_KEY) == short_hash(dict(evaluations))


def gates_version(gates: GatesConfig, *, is_deterministic: bool) -> str:
    """The same for gates that ask the same of a candidate; where a pass leads is no part of it."""
    return short_hash([config_hash(gates.model_copy(update={"promote_to": "production"})), is_deterministic])


def wanted_gates(leaderboard: Event, demand: Demand) -> str | None:
    """Version of the gates that a leaderboard's candidate has to pass: those of the newest sweep that asks for it.

    Returns:
        None where no sweep asks for it any more, or the sweep does not say.
    """
    sweep = demand.sweep_for(leaderboard.partition, leaderboard.metadata.get("candidate", {}).get("hparam", ""))
    return None if sweep is None else sweep.metadata.get(GATES_KEY)


def answers(gate: Event | None, leaderboard: Event | None, demand: Demand) -> bool:
    """Whether a gate evaluation looked at this leaderboard, by its bytes, with the gates that are wanted now."""
    if gate is None or leaderboard is None or gate.metadata.get(FLAWS_KEY):
        return False
    wanted = wanted_gates(leaderboard, demand)
    return wanted in (None, gate.metadata.get(GATES_KEY)) and any(
        (read.asset, read.data_version) == (leaderboard.asset, leaderboard.data_version) for read in gate.inputs or ()
    )


def awaiting_promotion(gates: Mapping[str, Event], log: EventLog) -> frozenset[str]:
    """Those of the environments whose verdict is a pass that no promotion has acted on, in a few queries for all.

    A promotion acts on the newest verdict, so the newest one answers for most; of the rest whole histories are read,
    with the versions that were only staged.

    Args:
        gates: env key -> its newest gate evaluation.
        log: has the promotions.
    """
    passed = {env: gate for env, gate in gates.items() if awaits_promotion(gate, ())}
    newest = log.newest("promoted_models", passed)
    left = {env for env, gate in passed.items() if awaits_promotion(gate, [newest[env]] if env in newest else [])}
    histories = log.histories("promoted_models", left)
    return frozenset(env for env in left if awaits_promotion(passed[env], histories.get(env, ())))


def awaits_promotion(gate: Event, promotions: Iterable[Event]) -> bool:
    """Whether a verdict is a pass that no promotion has acted on."""
    is_pass = gate.metadata.get("rl/verdict") == "pass"
    return is_pass and all(promotion.metadata.get("verdict_id") != gate.data_version for promotion in promotions)
