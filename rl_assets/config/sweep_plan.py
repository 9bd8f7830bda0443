"""A sweep as the asset graph runs it: exact environments and recipes, each by its key."""

from collections.abc import Mapping

from pydantic import Field

from rl_assets.config.environment import EnvConfig, env_key
from rl_assets.config.evaluation import EvaluationConfig, GatesConfig
from rl_assets.config.halving import HalvingConfig
from rl_assets.config.keys import check_key
from rl_assets.config.parent import Parent
from rl_assets.config.recipe import Recipe, hparam_key
from rl_assets.config.strict import StrictModel
from rl_assets.config.sweep import Seed, SweepConfig, expand_recipes, refuse_equal_envs


class SweepPlan(StrictModel):
    """A sweep as the graph runs it: exact envs, recipes by key, and a dataset known by its pseudonymous key alone."""

    name: str
    """Partition key of the sweep."""

    envs: dict[str, EnvConfig]
    """Env key -> environment."""

    recipes: dict[str, Recipe]
    """Hparam key -> recipe."""

    seeds: tuple[Seed, ...] = Field(strict=False)
    """Training seeds of each recipe."""

    halving: HalvingConfig | None
    """When recipes that are behind are stopped; None: never."""

    save_all_checkpoints: bool
    """Whether the checkpoint of every segment is kept with the policy."""

    evaluation: EvaluationConfig
    """How trained policies are evaluated."""

    gates: GatesConfig
    """What a policy must show before it is promoted."""

    max_wall_time_s: float | None = None
    """Seconds that a population may train in one run; no part of the recipes."""

    @property
    def num_members(self) -> int:
        """Trainings in all: envs x recipes x seeds."""
        return len(self.envs) * len(self.recipes) * len(self.seeds)

    @property
    def datasets(self) -> tuple[str, ...]:
        """Keys of all datasets that its recipes are for, in the order of the recipes."""
        return tuple(dict.fromkeys(recipe.dataset for recipe in self.recipes.values()))

    @property
    def parents(self) -> dict[str, Parent]:
        """Hparam key -> the policy that the recipe starts from, of those that start from one; champions are none."""
        found = {hparam: recipe.init_from for hparam, recipe in self.recipes.items()}
        return {hparam: parent for hparam, parent in found.items() if parent is not None and not parent.is_champion}

    @property
    def num_levels(self) -> int:
        """Trainings of the longest chain in which each starts from the one before."""
        depths: dict[str, int] = {}
        for hparam, recipe in self.recipes.items():  # parents stand before those that start from them
            parent = recipe.init_from
            depths[hparam] = 1 + (depths.get(parent.hparam, 0) if parent is not None and parent.env is None else 0)
        return max(depths.values())


def plan_sweep(
    sweep: SweepConfig, *, dataset: str, source: str | None = None, generations: Mapping[str, int] | None = None
) -> SweepPlan:
    """Expand a sweep whose environment ids are exact, for a dataset known by its partition key.

    Args:
        sweep: the sweep.
        dataset: of all recipes whose step names no other.
        source: what to call it in an error; its name where it is not given.
        generations: env key -> generation of the champion that recipes start from; None where they start from none.

    Raises:
        InvalidConfig: two environments are the same, or a combination of the grid is no valid recipe.
    """
    source = source or sweep.name
    refuse_equal_envs(sweep, source=source)
    envs = {env_key(env): env for env in sweep.envs}
    expanded = expand_recipes(sweep, dataset=dataset, source=source, generations=generations)
    recipes = {hparam_key(recipe): recipe for recipe in expanded}
    return SweepPlan(
        name=check_key(sweep.name, kind="sweep"),
        envs=envs,
        recipes=recipes,
        seeds=sweep.seed_list,
        halving=sweep.halving,
        save_all_checkpoints=sweep.save_all_checkpoints,
        evaluation=sweep.evaluation,
        gates=sweep.gates,
        max_wall_time_s=sweep.max_wall_time_s,
    )
