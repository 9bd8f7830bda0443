"""Promoted models: one member's exact weights for each environment, by compare-and-swap."""

from collections.abc import Iterator
from typing import Any, Literal

import dagster as dg
from dagster._core.storage.tags import ROOT_RUN_ID_TAG
from pydantic import Field

from rl_assets.defs.partitions import ENVS
from rl_assets.errors import LineageError, RoleMissing, StoreError
from rl_assets.resources.actors import Actor, acting
from rl_assets.resources.champion_repair import record_champion, record_staged, restore_champion
from rl_assets.resources.configured import ClientsResource, InputsResource, RolesResource
from rl_assets.resources.manual_decisions import Decision, carry_out, refusals_noted
from rl_assets.resources.promotion import Promotion


class PromotionConfig(dg.Config):
    """What may be asked for in the launchpad; `rlctl promote` and `rlctl rollback` fill it in."""

    action: Literal["act_on_verdict", "promote", "roll_back"] = "act_on_verdict"
    """Act on the newest verdict, as the sensor does; or change production by hand, which needs a role."""

    hparam: str | None = None
    """To promote: the recipe; left out, what is staged, else what the gates held."""

    member_seed: int | None = None
    """To promote: the member of the recipe; left out, its best on selection episodes."""

    to_generation: int | None = Field(default=None, ge=1)
    """To roll back: the generation to go back to; left out, the newest earlier version that is whole."""

    expected_generation: int | None = Field(default=None, ge=0)
    """The generation that reigned when it was decided; if another reigns by then, nothing is changed."""

    actor: str | None = None
    """Who decides; recorded as claimed."""

    reason: str = ""
    """Why; kept in the history for good."""


@dg.asset(
    partitions_def=ENVS,
    deps=["gate_evaluations"],
    output_required=False,
    group_name="promotion",
    owners=["team:rl"],
    kinds={"model"},
    description=(
        "The champion of an environment: one member's exact weights. It reads the verdict itself: on hold or fail, or "
        "when this verdict was acted on before, nothing is materialized and the champion stays. `action` in the "
        "launchpad promotes or rolls back by hand; `rlctl promote` and `rlctl rollback` do the same."
    ),
)
def promoted_models(
    context: dg.AssetExecutionContext,
    config: PromotionConfig,
    inputs: InputsResource,
    clients: ClientsResource,
    roles: RolesResource,
) -> Iterator[dg.MaterializeResult]:
    """Complete what an earlier run left undone, then act on the newest verdict or on a person's decision, once."""
    env = context.partition_key
    place: dict[str, Any] = {"env": env, "history": inputs.champions(env), "log": inputs.log}
    try:
        _restore(context, inputs, place)
        _tell_graph(context, inputs, place)
    except (StoreError, LineageError) as error:
        if config.action == "act_on_verdict":
            raise
        context.log.warning(f"{env}: {error}")  # a champion that is lost for good must not stop a rollback
    with inputs.for_output("promoted_models", env) as scope:
        if config.action == "act_on_verdict":
            promotion = Promotion(scope, **place)
            if promotion.reason_to_decline is not None:
                context.log.info(f"{env}: {promotion.reason_to_decline}; the champion stays")
                return
            publication = promotion.carry_out(actor=_sensor_or_user(context), request=_request(context))
            if promotion.leads_to_staging:
                context.log_event(publication.as_observation())
                return
        else:
            decision = _decision(context, config)
            with refusals_noted(decision, place["history"]):
                decision.check(register=clients.open(), roles=roles.open(), log=inputs.log)
                publication = carry_out(scope, decision, history=place["history"], log=inputs.log)
    if publication is not None:
        context.log_event(publication.as_event(ENVS))
        _tell_graph(context, inputs, place)
    yield from ()


def _restore(context: dg.AssetExecutionContext, inputs: InputsResource, place: dict[str, Any]) -> None:
    """Make bytes of the champion that were lost again from its policy."""
    with inputs.for_output("promoted_models", place["env"]) as scope:
        restored = restore_champion(scope, **place)
    if restored is not None:
        context.log.warning(f"{place['env']}: bytes of the champion were lost; they are made again from its policy")
        context.log_event(restored.as_event(ENVS))


def _tell_graph(context: dg.AssetExecutionContext, inputs: InputsResource, place: dict[str, Any]) -> None:
    """Record what stands in the history and not in the graph, as after a kill, or after another run's later record."""
    with inputs.for_output("promoted_models", place["env"]) as scope:
        champion = record_champion(scope, **place)
    if champion is not None:
        context.log_event(champion.as_event(ENVS))
    with inputs.for_output("promoted_models", place["env"]) as scope:
        staged = record_staged(scope, **place)
    if staged is not None:
        context.log_event(staged.as_observation())


def _decision(context: dg.AssetExecutionContext, config: PromotionConfig) -> Decision:
    """What a person decided, whom somebody vouched for or who is named in the launchpad."""
    assert config.action != "act_on_verdict", "a verdict is nobody's decision"
    actor = acting() or (Actor(name=config.actor) if config.actor else None)
    if actor is None:
        raise RoleMissing(
            f"nobody is named who wants to {config.action.replace('_', ' ')} in '{context.partition_key}': use "
            "`rlctl promote` or `rlctl rollback`, or give `actor` and `reason` in the launchpad"
        )
    return Decision(
        env=context.partition_key,
        action=config.action,
        actor=actor,
        reason=config.reason,
        hparam=config.hparam,
        member_seed=config.member_seed,
        to_generation=config.to_generation,
        expected_generation=config.expected_generation,
        request=_request(context),
    )


def _request(context: dg.AssetExecutionContext) -> str:
    """The run, or the first of those that it retries or resumes."""
    return context.run.tags.get(ROOT_RUN_ID_TAG, context.run.run_id)


def _sensor_or_user(context: dg.AssetExecutionContext) -> str:
    """Who let the verdict be acted on; a verdict needs nobody's role."""
    return context.run.tags.get("dagster/sensor_name") or context.run.tags.get("user") or "run"
