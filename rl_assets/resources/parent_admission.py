"""Does the policy that a sweep starts from exist, and do its weights fit?"""

from collections.abc import Mapping

from rl_assets.config.environment import env_key
from rl_assets.config.parent import Parent
from rl_assets.config.sweep import SweepConfig
from rl_assets.config.sweep_plan import SweepPlan, plan_sweep
from rl_assets.errors import InputNotFound, InvalidConfig, ParentMismatch, ParentMissing
from rl_assets.resources.demand import read_demand
from rl_assets.resources.inputs import Inputs
from rl_assets.resources.parents import OpenParent, open_parent
from rl_assets.rl.envs.catalogue import describe_env
from rl_assets.rl.parents import refuse_misfit
from rl_assets.rl.plan import policy_spec


def admit_parents(sweep: SweepConfig, *, inputs: Inputs, source: str | None = None) -> Mapping[str, int] | None:
    """Find the policy that a sweep starts from, and refuse one that cannot be started from.

    A policy that is not trained yet is taken if some sweep asks for it: the trainings then wait for it.

    Args:
        sweep: with exact environments.
        inputs: knows champions and policies.
        source: what to call the sweep in an error; its name where it is not given.

    Returns:
        Env key -> generation of the champion that reigns there now, where one is meant, as `plan_sweep` takes it.

    Raises:
        InvalidConfig: there is no champion or policy of that name, or it lacks a member that a seed needs.
        ParentMismatch: its network, its spaces or its way of acting are others.
    """
    if sweep.parent is None:
        return None
    is_in_step = bool(sweep.sequence) and sweep.sequence[0].init_from is not None
    place = f"{source or sweep.name}: field '{'sequence.0.' if is_in_step else ''}init_from'"
    generations = _reigning(sweep, inputs=inputs, place=place)
    plan = plan_sweep(sweep, dataset="check", source=source, generations=generations)
    parent = sweep.parent.resolved(generations)
    for env in plan.envs:
        opened = _open(plan, parent, env=env, inputs=inputs, place=place)
        if opened is not None:
            _check_fit(plan, parent, opened, env=env, place=place)
    return generations


def _reigning(sweep: SweepConfig, *, inputs: Inputs, place: str) -> dict[str, int] | None:
    """Env key -> generation of its champion, where the sweep starts from champions."""
    parent = sweep.parent
    if parent is None or not parent.is_champion:
        return None
    generations = {}
    for env in [env_key(env) for env in sweep.envs] if parent.env is None else [parent.env]:
        champion = inputs.champions(env).current()
        if champion is None:
            raise InvalidConfig(
                f"{place}: there is no champion of '{env}' to start from: promote a policy there first, or name the "
                "hparam key of a policy"
            )
        generations[env] = champion.generation
    return generations


def _open(plan: SweepPlan, parent: Parent, *, env: str, inputs: Inputs, place: str) -> OpenParent | None:
    """The parent of an environment's first trainings; None where it is still to be trained."""
    try:
        with inputs.for_output("sweep_configs", plan.name) as scope:  # nothing is published: this only looks
            return open_parent(scope, parent, env_key=env, seeds=plan.seeds)
    except ParentMissing as missing:
        order = inputs.tombstones.order_of_partition("trained_policies", missing.parent)
        if order is not None and not missing.seen:
            raise InvalidConfig(
                f"{place}: the policy '{missing.parent}' was erased by order {order}: start from another, or from "
                "fresh weights"
            ) from missing
        if missing.seen:
            raise InvalidConfig(f"{place}: expected the policy '{missing.parent}', {missing.reason}") from missing
        if read_demand(inputs.log).sweep_for(parent.env_of(env), parent.hparam) is None:
            raise InvalidConfig(
                f"{place}: there is no policy '{missing.parent}' to start from, and no sweep asks for one: take a key "
                f"from `rlctl leaderboard {parent.env_of(env)}`, or launch its sweep first"
            ) from missing
        return None
    except InputNotFound as error:
        raise InvalidConfig(f"{place}: {error}") from error


def _check_fit(plan: SweepPlan, parent: Parent, opened: OpenParent, *, env: str, place: str) -> None:
    spaces = describe_env(plan.envs[env])
    for hparam, recipe in plan.recipes.items():
        if recipe.init_from != parent:
            continue
        try:
            refuse_misfit(opened.spec, policy_spec(recipe, spaces), parent=opened.name, child=f"'{env}|{hparam}'")
        except ParentMismatch as error:
            raise ParentMismatch(f"{place}: {error}") from error
