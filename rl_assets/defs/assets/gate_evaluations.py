"""Gates: fresh episodes of the candidate and the champion, and a verdict that is never redrawn."""

import dagster as dg

from rl_assets.defs.partitions import ENVS
from rl_assets.resources.configured import InputsResource
from rl_assets.resources.gating import BEATS_CHAMPION, MEETS_FLOOR, GateQuestion
from rl_assets.statistics.gates import GateDecision


@dg.asset(
    partitions_def=ENVS,
    deps=["eval_leaderboards"],
    check_specs=[
        dg.AssetCheckSpec(
            MEETS_FLOOR,
            asset="gate_evaluations",
            partitions_def=ENVS,
            description=(
                "The lower confidence bound of the candidate's mean return on fresh episodes reaches the floor."
            ),
        ),
        dg.AssetCheckSpec(
            BEATS_CHAMPION,
            asset="gate_evaluations",
            partitions_def=ENVS,
            description="On the same fresh starts the candidate is better than the reigning champion, with confidence.",
        ),
    ],
    group_name="promotion",
    owners=["team:rl"],
    kinds={"gate"},
    description=(
        "Fresh paired episodes of the candidate and the reigning champion, and the verdict: pass, hold or fail. The "
        "same two "
        "sets of weights under the same gates get the same verdict for good: it is stored and never drawn again."
    ),
)
def gate_evaluations(context: dg.AssetExecutionContext, inputs: InputsResource) -> dg.MaterializeResult:
    """Ask whether the leaderboard's candidate may be promoted."""
    with inputs.for_output("gate_evaluations", context.partition_key) as scope:
        publication, decisions = GateQuestion(scope, env=context.partition_key, log=inputs.log).answer()
    return publication.as_result(tuple(_check_result(decision) for decision in decisions))


def _check_result(decision: GateDecision) -> dg.AssetCheckResult:
    """Show a decision as a check; a hold or a fail is a warning that turns no run red, as holds are usual."""
    return dg.AssetCheckResult(
        check_name=decision.name,
        passed=decision.verdict == "pass",
        severity=dg.AssetCheckSeverity.WARN,
        description=decision.reason,
        metadata={"verdict": decision.verdict, **decision.numbers},
    )
