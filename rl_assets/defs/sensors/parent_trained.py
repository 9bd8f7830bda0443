"""A policy landed that others were waiting for to start from: train those."""

import json
from collections.abc import Mapping
from dataclasses import asdict

import dagster as dg

from rl_assets.config.keys import short_hash
from rl_assets.defs.assets.policy_runs import EVALUATED, TRAINED
from rl_assets.defs.partitions import split_cell
from rl_assets.defs.sensors.sweep_configured import places_of_recipes, training_request, training_run
from rl_assets.resources.activity import Activity, graph_of
from rl_assets.resources.demand import read_demand
from rl_assets.resources.event_log import EventLog, Wait


@dg.sensor(
    asset_selection=dg.AssetSelection.assets(TRAINED, EVALUATED),
    minimum_interval_seconds=5,
    default_status=dg.DefaultSensorStatus.RUNNING,
)
def parent_trained(context: dg.SensorEvaluationContext) -> dg.SensorResult:
    """Request training of cells that were refused for want of the policy that they start from, when that is there.

    A refusal is answered once: with one run for all cells of a sweep in an environment whose parents have landed since.
    Cells that a run or a backfill works on are left to it. The cursor holds the event id up to which refusals were
    seen, and those that still wait.
    """
    log = EventLog(context.instance)
    state = json.loads(context.cursor) if context.cursor else {"seen": 0, "waiting": {}}
    fresh = log.waits("trained_policies", after=state["seen"])
    waiting = {cell: Wait(**wait) for cell, wait in state["waiting"].items()} | fresh
    seen = max([state["seen"], *(wait.event_id for wait in fresh.values())])
    trained = log.latest_ids("trained_policies") if waiting else {}
    landed = {cell: wait for cell, wait in waiting.items() if trained.get(wait.parent, 0) > wait.seen}
    left = {cell: wait for cell, wait in waiting.items() if cell not in landed}
    if not landed:
        return dg.SensorResult(cursor=_remember(seen, left))
    demand = read_demand(log)
    activity = Activity(context.instance, graph_of(context))
    busy = activity.partitions_in_work("trained_policies")
    ready: dict[tuple[str, str], dict[str, int]] = {}
    for cell, wait in landed.items():
        env, hparam = split_cell(cell)
        sweep = demand.sweep_for(env, hparam)
        if sweep is None or trained.get(cell, 0) > wait.event_id:
            continue
        if cell in busy:
            left[cell] = wait
        else:
            ready.setdefault((sweep.partition, env), {})[hparam] = wait.event_id
    places = places_of_recipes(context.instance)
    runs = []
    for (name, env), refusals in ready.items():
        sweep = demand.sweeps[name]
        request = f"{training_request(sweep, env)}/{short_hash(sorted(refusals.items()))}"
        runs.append(training_run(sweep, env, list(refusals), places=places, request=request))
    before = activity.requested_before(run.run_key or "" for run in runs)
    return dg.SensorResult(
        run_requests=[run for run in runs if run.run_key not in before],
        cursor=_remember(seen, left),
    )


def _remember(seen: int, waiting: Mapping[str, Wait]) -> str:
    """A cursor: the event id up to which refusals were seen, and those that still wait."""
    return json.dumps({"seen": seen, "waiting": {cell: asdict(wait) for cell, wait in waiting.items()}})
