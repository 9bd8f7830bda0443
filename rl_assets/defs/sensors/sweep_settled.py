"""Everything that a sweep asked for has been decided: write its report."""

import dagster as dg

from rl_assets.defs.sensors.sweep_configured import training_request
from rl_assets.resources.activity import REQUEST_TAG, Activity, graph_of
from rl_assets.resources.demand import Demand, envs_of, hparams_of, read_demand
from rl_assets.resources.event_log import Event, EventLog
from rl_assets.resources.stages import answers, awaiting_promotion, evaluations_by_env, ranks_all

REPORT = dg.AssetKey("sweep_reports")
_UPSTREAM = ("trained_policies", "policy_evaluations", "eval_leaderboards", "gate_evaluations", "promoted_models")


@dg.sensor(
    asset_selection=dg.AssetSelection.assets(REPORT),
    minimum_interval_seconds=5,
    default_status=dg.DefaultSensorStatus.RUNNING,
)
def sweep_settled(context: dg.SensorEvaluationContext) -> dg.SensorResult:
    """Request one report for each materialization of a sweep, when nothing of its environments is in work any more."""
    log = EventLog(context.instance)
    demand = read_demand(log)
    reported = log.latest_ids("sweep_reports")
    open_sweeps = [sweep for sweep in demand.sweeps.values() if reported.get(sweep.partition, 0) < sweep.event_id]
    if not open_sweeps:
        return dg.SensorResult()
    activity = Activity(context.instance, graph_of(context))
    busy = {key.split("|")[0] for asset in _UPSTREAM for key in activity.partitions_in_work(asset)}
    settled = _settled_envs(log, demand)
    evaluated = log.latest_ids("policy_evaluations")
    in_work = activity.partitions_in_work("sweep_reports")
    trainings = (training_request(sweep, env) for sweep in open_sweeps for env in envs_of(sweep))
    before = activity.requested_before([*trainings, *(_report_request(sweep) for sweep in open_sweeps)])
    requests = []
    for sweep in open_sweeps:
        request = _report_request(sweep)
        envs = set(envs_of(sweep))
        was_tried = {env for env in envs if training_request(sweep, env) in before}
        begun = was_tried | {
            env
            for env in envs
            if any(evaluated.get(f"{env}|{hparam}", 0) > sweep.event_id for hparam in hparams_of(sweep, env))
        }
        is_done = envs <= begun and not envs & busy and envs <= settled | was_tried and envs & settled
        if is_done and request not in before and sweep.partition not in in_work:
            requests.append(
                dg.RunRequest(
                    run_key=request,
                    partition_key=sweep.partition,
                    asset_selection=[REPORT],
                    tags={REQUEST_TAG: request, "rl/sweep": sweep.partition},
                )
            )
    return dg.SensorResult(run_requests=requests)


def _report_request(sweep: Event) -> str:
    return f"report/{sweep.partition}/{sweep.event_id}"


def _settled_envs(log: EventLog, demand: Demand) -> set[str]:
    """Environments whose evaluations are ranked, whose leaderboard is judged, and whose verdict was acted on."""
    envs = {env for sweep in demand.sweeps.values() for env in envs_of(sweep)}
    evaluations = evaluations_by_env(demand, log.latest_versions("policy_evaluations"), envs)
    boards = log.newest("eval_leaderboards", evaluations)
    ranked = {env for env, versions in evaluations.items() if ranks_all(boards.get(env), versions)}
    judged = log.newest("gate_evaluations", ranked)
    gates = {env: gate for env, gate in judged.items() if answers(gate, boards[env], demand)}
    return set(gates) - awaiting_promotion(gates, log)
