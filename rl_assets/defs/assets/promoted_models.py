"""Promoted models: one member's exact weights for each environment, by compare-and-swap."""

from collections.abc import Iterator

import dagster as dg

from rl_assets.defs.partitions import ENVS
from rl_assets.resources.champion_repair import restore_champion
from rl_assets.resources.configured import InputsResource
from rl_assets.resources.promotion import Promotion


@dg.asset(
    partitions_def=ENVS,
    deps=["gate_evaluations"],
    output_required=False,
    group_name="promotion",
    owners=["team:rl"],
    kinds={"model"},
    description=(
        "The champion of an environment: one member's exact weights. It reads the verdict itself: on hold or fail, "
        "or when "
        "this verdict was acted on before, nothing is materialized and the champion stays."
    ),
)
def promoted_models(context: dg.AssetExecutionContext, inputs: InputsResource) -> Iterator[dg.MaterializeResult]:
    """Act on the newest verdict of this environment, once; a champion whose bytes were lost is made again first."""
    env = context.partition_key
    actor = context.run.tags.get("dagster/sensor_name") or context.run.tags.get("user") or "run"
    history = inputs.champions(env)
    with inputs.for_output("promoted_models", env) as scope:
        restored = restore_champion(scope, env=env, history=history, log=inputs.log)
    if restored is not None:
        context.log.warning(f"{env}: bytes of the champion were lost; they are made again from its policy")
        context.log_event(restored.as_event(ENVS))
    with inputs.for_output("promoted_models", env) as scope:
        promotion = Promotion(scope, env=env, history=history, log=inputs.log)
        if promotion.reason_to_decline is not None:
            context.log.info(f"{env}: {promotion.reason_to_decline}; the champion stays")
            return
        publication = promotion.carry_out(actor=actor)
    yield publication.as_result()
