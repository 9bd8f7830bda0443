"""A sweep was materialized: train exactly what it asks for, one run for each environment."""

import json
from collections.abc import Mapping

import dagster as dg

from rl_assets.defs.assets.policies import TRAINING_POOL
from rl_assets.defs.assets.policy_runs import EVALUATED, TRAINED
from rl_assets.defs.partitions import cell_key
from rl_assets.resources.activity import CELLS_TAG, REQUEST_TAG, Activity, graph_of, limit_pool
from rl_assets.resources.demand import envs_of, hparams_of
from rl_assets.resources.event_log import Event, EventLog


@dg.sensor(
    asset_selection=dg.AssetSelection.assets(TRAINED, EVALUATED),
    minimum_interval_seconds=5,
    default_status=dg.DefaultSensorStatus.RUNNING,
)
def sweep_configured(context: dg.SensorEvaluationContext) -> dg.SensorResult:
    """Request training of the cells that new sweeps ask for.

    Cells that a backfill works on are left to it, and so are those that were evaluated after the sweep was asked for.
    The cursor is the event id of the last sweep that was seen.
    """
    limit_pool(context.instance, TRAINING_POOL)
    log = EventLog(context.instance)
    activity = Activity(context.instance, graph_of(context))
    in_work = activity.partitions_in_backfill("trained_policies")
    cursor = int(context.cursor) if context.cursor else 0
    evaluated = log.latest_ids("policy_evaluations")
    newest = {event.partition: event for event in log.history("sweep_configs", after=cursor)}
    places = places_of_recipes(context.instance)
    before = activity.requested_before(
        training_request(sweep, env) for sweep in newest.values() for env in envs_of(sweep)
    )
    requests = []
    for sweep in newest.values():
        cursor = max(cursor, sweep.event_id)
        for env in envs_of(sweep):
            hparams = [
                hparam
                for hparam in hparams_of(sweep, env)
                if (key := cell_key(env, hparam)) not in in_work and evaluated.get(key, 0) < sweep.event_id
            ]
            if hparams and training_request(sweep, env) not in before:
                request = training_request(sweep, env)
                requests.append(training_run(sweep, env, hparams, places=places, request=request))
    return dg.SensorResult(run_requests=requests, cursor=str(cursor))


def training_request(sweep: Event, env: str) -> str:
    """Name of the one training run that a materialization of a sweep leads to in an environment."""
    return f"train/{sweep.partition}/{env}/{sweep.event_id}"


def places_of_recipes(instance: dg.DagsterInstance) -> dict[str, int]:
    """Hparam key -> its place in the order in which Dagster lists the partitions."""
    return {key: place for place, key in enumerate(instance.get_dynamic_partitions("hparam"))}


def training_run(
    sweep: Event, env: str, hparams: list[str], *, places: Mapping[str, int], request: str
) -> dg.RunRequest:
    """A run over the range that covers all cells, with the exact cells in a tag.

    Args:
        sweep: who asks.
        env: its env key.
        hparams: of the cells, at least one.
        places: as `places_of_recipes` gives them.
        request: name of the request, under which it is made once.
    """
    inserted = sorted(hparams, key=lambda hparam: places[hparam])
    return dg.RunRequest(
        run_key=request,
        asset_selection=[TRAINED, EVALUATED],
        tags={
            "dagster/asset_partition_range_start": cell_key(env, inserted[0]),
            "dagster/asset_partition_range_end": cell_key(env, inserted[-1]),
            CELLS_TAG: json.dumps({env: hparams}),
            REQUEST_TAG: request,
            "rl/sweep": sweep.partition,
            "rl/env": env,
        },
    )
