"""What the gates of an environment said last, and asking them again for a reason."""

from typing import Any

import dagster as dg

from rl_assets.api.drive import drive, error_of, execute, has_daemon, reason_of
from rl_assets.api.installation import Installation
from rl_assets.errors import BadInput, PromotionError, UnknownPartition
from rl_assets.resources.actors import os_user
from rl_assets.resources.inputs import Inputs
from rl_assets.statistics.gate_rules import IS_INTACT
from rl_assets.store.objects import ObjectStore

GATE = "gate_evaluations"
SHOWN = ("candidate", "member_seed", "num_episodes", "looks", "reign", "test", "alpha")


def verdict(installation: Installation, env: str) -> dict[str, Any]:
    """The newest verdict on a candidate of an environment.

    Returns:
        `{"env", "verdict", "candidate", "member_seed", "num_episodes", "looks", "reign", "test", "alpha", "renewal",
        "decisions"}`; what a verdict that played no episodes does not have is None. A decision has its `name`,
        `verdict`, `reason` and `numbers`.

    Raises:
        UnknownPartition: no candidate was judged there yet.
        StoreError: the verdict's bytes are gone or damaged.
    """
    event = installation.log.latest(GATE, env)
    if event is None:
        known = sorted(installation.log.latest_ids(GATE))
        raise UnknownPartition(
            f"no gate has judged a candidate of env '{env}' yet: expected one of {', '.join(known) or '(none yet)'}; "
            "run a sweep there first"
        )
    with Inputs(log=installation.log, store=ObjectStore(installation.home.store_url)).for_output("query", env) as scope:
        facts = scope.open(event).artifact.facts
    return (
        {"env": env, "verdict": facts["verdict"]}
        | {name: event.metadata.get(name) for name in SHOWN}
        | {"renewal": facts["renewal"], "decisions": facts["decisions"]}
    )


def judge_again(installation: Installation, env: str, *, reason: str) -> dict[str, Any]:
    """Ask the gates again about the newest candidate, with fresh episodes, as a further test of the champion's reign.

    What passes is promoted by the sensor, as ever. The same reason again gets the same answer. A candidate that was
    damaged when it was asked about last is asked about for the first time, which spends nothing further.

    Args:
        installation: where.
        env: env key.
        reason: kept with the verdict for good; no clients' names.

    Returns:
        The verdict, as `verdict` does.

    Raises:
        BadInput: no reason, or one that names a client. Nothing was launched.
        UnknownPartition: no candidate was judged there yet.
        PromotionError: the run failed; it tells why.
    """
    if not reason.strip():
        raise BadInput("asking the gates again needs a reason, as it spends the champion's ledger: add --again REASON")
    installation.register.refuse_client_names(reason, field="reason")
    earlier = verdict(installation, env)
    # What was damaged was never judged: once it is mended, the question is the one that was meant all along.
    was_damaged = any(item["name"] == IS_INTACT and item["verdict"] != "pass" for item in earlier["decisions"])
    asked = {} if was_damaged else {"renewal": reason.strip(), "asked_by": os_user().name}
    config = {"ops": {GATE: {"config": asked}}}
    result = execute(installation, assets=[dg.AssetKey(GATE)], partition=env, tags={"rl/env": env}, run_config=config)
    if not result.success:
        flaws = [item["reason"] for item in verdict(installation, env)["decisions"] if item["name"] == IS_INTACT]
        if error_of(result) is None and flaws:
            raise PromotionError(f"{env}: the candidate cannot be judged: {flaws[0]}")
        raise error_of(result) or PromotionError(f"{env}: {reason_of(result)}")
    if not has_daemon(installation.instance):
        for _ in drive(installation):
            pass
    return verdict(installation, env)
