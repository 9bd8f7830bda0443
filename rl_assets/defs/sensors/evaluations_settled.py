"""All work on an environment's evaluations has ended: rank them, then ask the gates."""

import dagster as dg

from rl_assets.config.keys import short_hash
from rl_assets.defs.partitions import split_cell
from rl_assets.resources.activity import REQUEST_TAG, Activity, graph_of
from rl_assets.resources.demand import read_demand
from rl_assets.resources.event_log import EventLog
from rl_assets.resources.stages import answers, evaluations_by_env, newest_by_env, ranks_all, wanted_gates

BOARD = dg.AssetKey("eval_leaderboards")
GATE = dg.AssetKey("gate_evaluations")


@dg.sensor(
    asset_selection=dg.AssetSelection.assets(BOARD, GATE),
    minimum_interval_seconds=5,
    default_status=dg.DefaultSensorStatus.RUNNING,
)
def evaluations_settled(context: dg.SensorEvaluationContext) -> dg.SensorResult:
    """Request the leaderboard and gates of every environment whose evaluations changed and have settled.

    It compares what is ranked with what is evaluated, so it needs no memory of its own. A run that failed is requested
    again when something that it read was logged again.
    """
    log = EventLog(context.instance)
    activity = Activity(context.instance, graph_of(context))
    busy = {
        split_cell(key)[0]
        for asset in ("trained_policies", "policy_evaluations")
        for key in activity.partitions_in_work(asset)
    }
    busy |= activity.partitions_in_work("eval_leaderboards") | activity.partitions_in_work("gate_evaluations")
    envs = [env for env in context.instance.get_dynamic_partitions("env") if env not in busy]
    demand = read_demand(log)
    evaluations = evaluations_by_env(demand, log.latest_versions("policy_evaluations"), envs)
    boards, gates = log.newest("eval_leaderboards", evaluations), log.newest("gate_evaluations", evaluations)
    evaluated = newest_by_env(log.latest_ids("policy_evaluations"))
    promoted = log.latest_ids("promoted_models")
    requests = []
    for env, versions in evaluations.items():
        board, gate = boards.get(env), gates.get(env)
        if board is None or not ranks_all(board, versions):
            state = f"{short_hash(versions)}/{board.event_id if board else 0}/{evaluated[env]}"
            requests.append(_request(f"rank/{env}/{state}", env, [BOARD, GATE]))
        elif not answers(gate, board, demand):
            wanted = wanted_gates(board, demand) or "any"
            state = f"{board.event_id}/{evaluated[env]}/{promoted.get(env, 0)}/{wanted}"
            requests.append(_request(f"gate/{env}/{state}", env, [GATE]))
    before = activity.requested_before(new.tags[REQUEST_TAG] for new in requests)
    return dg.SensorResult(run_requests=[new for new in requests if new.tags[REQUEST_TAG] not in before])


def _request(request: str, env: str, assets: list[dg.AssetKey]) -> dg.RunRequest:
    return dg.RunRequest(
        run_key=request, partition_key=env, asset_selection=assets, tags={REQUEST_TAG: request, "rl/env": env}
    )
