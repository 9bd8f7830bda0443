"""An environment's gates passed: promote the candidate."""

import dagster as dg

from rl_assets.resources.activity import REQUEST_TAG, Activity, graph_of
from rl_assets.resources.event_log import EventLog
from rl_assets.resources.stages import awaits_promotion, newest_by_env

PROMOTED = dg.AssetKey("promoted_models")


@dg.sensor(
    asset_selection=dg.AssetSelection.assets(PROMOTED),
    minimum_interval_seconds=5,
    default_status=dg.DefaultSensorStatus.RUNNING,
)
def gate_passed(context: dg.SensorEvaluationContext) -> dg.SensorResult:
    """Request the promotion of every environment whose newest verdict is a pass that nobody acted on.

    The cursor is the event id up to which every verdict has been dealt with; a verdict whose environment is busy with a
    run or a backfill stays ahead of it and is looked at again. A verdict is looked at again, too, when its environment
    was evaluated again: its promotion may have failed.
    """
    log = EventLog(context.instance)
    activity = Activity(context.instance, graph_of(context))
    busy = activity.partitions_in_work("promoted_models") | activity.partitions_in_work("gate_evaluations")
    cursor = int(context.cursor) if context.cursor else 0
    evaluated = newest_by_env(log.latest_ids("policy_evaluations"))
    verdicts = {
        env: (gate, news)
        for env, gate in log.newest("gate_evaluations").items()
        if (news := max(gate.event_id, evaluated.get(env, 0))) > cursor
    }
    waiting = [news for env, (_, news) in verdicts.items() if env in busy]
    requests = []
    for env, (gate, news) in verdicts.items():
        request = f"promote/{env}/{gate.event_id}/{news}"
        if env in busy or not awaits_promotion(gate, log.versions("promoted_models", env)):
            continue
        if not activity.was_requested(request):
            requests.append(
                dg.RunRequest(
                    run_key=request,
                    partition_key=env,
                    asset_selection=[PROMOTED],
                    tags={REQUEST_TAG: request, "rl/env": env},
                )
            )
    seen = max((news for _, news in verdicts.values()), default=cursor)
    return dg.SensorResult(run_requests=requests, cursor=str(min([*waiting, seen + 1]) - 1))
