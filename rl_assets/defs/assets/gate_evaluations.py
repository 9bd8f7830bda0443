"""Gates: fresh episodes of the candidate and the champion, and a verdict that is never redrawn."""

from datetime import UTC, datetime

import dagster as dg

from rl_assets.config.plugins import GATES, plugin_names
from rl_assets.defs.partitions import ENVS
from rl_assets.resources.configured import InputsResource
from rl_assets.resources.gating import GateQuestion
from rl_assets.statistics.gate_rules import (
    BEATS_CHAMPION,
    BUILT_IN_GATES,
    IS_INTACT,
    IS_STABLE,
    MEETS_FLOOR,
    MEETS_METRIC_LIMITS,
)
from rl_assets.statistics.gates import GateDecision

DESCRIPTIONS = {
    IS_INTACT: "Every file of the candidate has its checksum, and the chain of what it was made from is complete.",
    MEETS_FLOOR: "The lower confidence bound of the candidate's mean return on fresh episodes reaches the floor.",
    MEETS_METRIC_LIMITS: "The means of further metrics keep their limits, with confidence.",
    IS_STABLE: "Few enough fresh episodes fall below the least return, with confidence.",
    BEATS_CHAMPION: "On the same fresh starts the candidate is better than the reigning champion, with confidence.",
}


class GateConfig(dg.Config):
    """What may be changed in the launchpad."""

    renewal: str = ""
    """Why to ask again, with fresh episodes, what was answered before; it counts as a further test of the reign."""

    asked_by: str = ""
    """Who asks again; a claim."""


CHECKS = (*BUILT_IN_GATES, *(name for name in plugin_names(GATES) if name not in BUILT_IN_GATES))
"""The product's own gates, and those that were installed when this process began."""


@dg.asset(
    partitions_def=ENVS,
    deps=["eval_leaderboards"],
    check_specs=[
        dg.AssetCheckSpec(
            name,
            asset="gate_evaluations",
            partitions_def=ENVS,
            blocking=name == IS_INTACT,
            description=DESCRIPTIONS.get(name, "A gate of an installed package, asked where a sweep names it."),
        )
        for name in CHECKS
    ],
    group_name="promotion",
    owners=["team:rl"],
    kinds={"gate"},
    description=(
        "Fresh paired episodes of the candidate and the reigning champion, and the verdict: pass, hold or fail. The "
        "same two sets of weights under the same gates get the same verdict for good: it is stored and never drawn "
        "again."
    ),
)
def gate_evaluations(
    context: dg.AssetExecutionContext, config: GateConfig, inputs: InputsResource
) -> dg.MaterializeResult:
    """Ask whether the leaderboard's candidate may be promoted."""
    env = context.partition_key
    with inputs.for_output("gate_evaluations", env) as scope:
        question = GateQuestion(scope, env=env, inputs=inputs.plain, renewal=config.renewal, asked_by=config.asked_by)
        publication, decisions = question.answer(asked_at=datetime.now(UTC))
    return publication.as_result(_check_results(decisions))


def _check_results(decisions: tuple[GateDecision, ...]) -> tuple[dg.AssetCheckResult, ...]:
    """Show decisions as checks; only a damaged candidate blocks and turns a run red, as holds and fails are usual."""
    made = {decision.name: decision for decision in decisions}
    return tuple(_check_result(name, made.get(name)) for name in CHECKS)


def _check_result(name: str, decision: GateDecision | None) -> dg.AssetCheckResult:
    severity = dg.AssetCheckSeverity.ERROR if name == IS_INTACT else dg.AssetCheckSeverity.WARN
    if decision is None:
        return dg.AssetCheckResult(
            check_name=name, passed=True, severity=severity, description="not asked", metadata={"verdict": "not asked"}
        )
    return dg.AssetCheckResult(
        check_name=name,
        passed=decision.verdict == "pass",
        severity=severity,
        description=decision.reason,
        metadata={"verdict": decision.verdict, **decision.numbers},
    )
