"""A sweep: envs x recipes x seeds, as a person writes it and as the asset graph runs it."""

import itertools
import math
from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import Field, ValidationError, field_validator, model_validator

from rl_assets.config.environment import EnvConfig, env_key
from rl_assets.config.evaluation import EvaluationConfig, GatesConfig
from rl_assets.config.keys import check_key
from rl_assets.config.network import NetworkConfig
from rl_assets.config.ppo import PPOConfig
from rl_assets.config.recipe import MAX_TIMESTEPS, Recipe, hparam_key
from rl_assets.config.strict import StrictModel, explain
from rl_assets.errors import InvalidConfig

MAX_CELLS = 5_000
MAX_SEEDS = 100
Seed = Annotated[int, Field(ge=0, lt=2**31)]

_ALGORITHM_FIELDS = set(PPOConfig.model_fields) - {"name"}
_NETWORK_FIELDS = set(NetworkConfig.model_fields)
_RECIPE_FIELDS = {"total_timesteps", "segment_steps"}
_SWEEPABLE = _ALGORITHM_FIELDS | _NETWORK_FIELDS | _RECIPE_FIELDS


class DatasetDeclaration(StrictModel):
    """Whose work this is: the four words that every dataset needs."""

    client_id: str = Field(min_length=1, max_length=200)
    """The client's name; it goes to the client register and nowhere else."""

    project: str = Field(min_length=1, max_length=200)
    """The client's project."""

    data_source: str = Field(min_length=1, max_length=200)
    """Where the data comes from, such as `simulator` or `plant-3`."""

    domain: str = Field(min_length=1, max_length=200)
    """What it is about, such as `control` or `logistics`."""


class SweepConfig(StrictModel):
    """A sweep as written in a YAML file or built in Python."""

    name: str
    """Partition key of the sweep."""

    envs: tuple[EnvConfig, ...] = Field(min_length=1, strict=False)
    """Environments, each an id or `{id: ..., options: {...}}`."""

    algorithm: Literal["ppo"] = "ppo"
    """The training algorithm."""

    network: NetworkConfig = Field(default_factory=NetworkConfig)
    """The policy's network, unless the grid varies it."""

    fixed: dict[str, Any] = Field(default_factory=dict)
    """Hyper-parameters that all recipes share."""

    grid: dict[str, Annotated[tuple[Any, ...], Field(min_length=1, strict=False)]] = Field(default_factory=dict)
    """Hyper-parameters to vary, each with its list of values; the recipes are their product."""

    seeds: int | tuple[Seed, ...] = Field(5)
    """Training seeds of each recipe: how many (0, 1, 2, ...) or which."""

    total_timesteps: int = Field(200_000, ge=1, le=MAX_TIMESTEPS)
    """Environment steps of each member."""

    segment_steps: int = Field(1_000_000, ge=1, le=MAX_TIMESTEPS)
    """Environment steps after which the pool is rebuilt, so that a training can resume exactly."""

    dataset: str | DatasetDeclaration
    """Key of a registered dataset, or a declaration of simulator-only work."""

    action_space: Literal["discrete", "continuous"] | None = None
    """Refuse environments whose actions are of the other kind."""

    evaluation: EvaluationConfig = Field(default_factory=EvaluationConfig)
    """How trained policies are evaluated for the leaderboard."""

    gates: GatesConfig = Field(default_factory=GatesConfig)
    """What a policy must show before it is promoted."""

    @field_validator("envs", mode="before")
    @classmethod
    def _ids_are_environments(cls, value: Any) -> Any:
        if not isinstance(value, list | tuple):
            return value
        return tuple({"id": env} if isinstance(env, str) else env for env in value)

    @field_validator("seeds", mode="before")
    @classmethod
    def _seeds_are_a_count_or_a_list(cls, value: Any) -> Any:
        return tuple(value) if isinstance(value, list) else value

    @field_validator("seeds")
    @classmethod
    def _seeds_are_distinct(cls, value: int | tuple[int, ...]) -> int | tuple[int, ...]:
        count = value if isinstance(value, int) else len(value)
        if not 1 <= count <= MAX_SEEDS:
            raise ValueError(f"expected 1 to {MAX_SEEDS} seeds")
        if not isinstance(value, int) and len(set(value)) != len(value):
            raise ValueError("a seed is named twice: name each once")
        return value

    @model_validator(mode="after")
    def _fields_can_be_swept(self) -> Self:
        for place, values in (("fixed", self.fixed), ("grid", self.grid)):
            for name in values:
                if name not in _SWEEPABLE:
                    raise ValueError(
                        f"'{place}.{name}' is no hyper-parameter: expected one of {', '.join(sorted(_SWEEPABLE))}"
                    )
        both = sorted(set(self.fixed) & set(self.grid))
        if both:
            raise ValueError(f"'{both[0]}' stands under both fixed and grid: keep one")
        return self

    @property
    def seed_list(self) -> tuple[int, ...]:
        """The training seeds of each recipe."""
        return tuple(range(self.seeds)) if isinstance(self.seeds, int) else self.seeds

    @classmethod
    def parse(cls, data: Any, *, source: str) -> Self:
        """Validate a document and every recipe that its grid spans.

        Raises:
            InvalidConfig: names every wrong field, also inside the grid, or says that the sweep is too large.
        """
        sweep = super().parse(data, source=source)
        check_key(sweep.name, kind="sweep")
        cells = len(sweep.envs) * math.prod(len(values) for values in sweep.grid.values())
        if cells > MAX_CELLS:
            raise InvalidConfig(
                f"{source}: field 'grid' spans {cells} combinations of env and recipe: expected at most {MAX_CELLS}; "
                "split the sweep or drop values"
            )
        expand_recipes(sweep, dataset="check", source=source)
        return sweep


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

    evaluation: EvaluationConfig
    """How trained policies are evaluated."""

    gates: GatesConfig
    """What a policy must show before it is promoted."""

    @property
    def num_members(self) -> int:
        """Trainings in all: envs x recipes x seeds."""
        return len(self.envs) * len(self.recipes) * len(self.seeds)


def plan_sweep(sweep: SweepConfig, *, dataset: str, source: str | None = None) -> SweepPlan:
    """Expand a sweep whose environment ids are exact, for a dataset known by its partition key.

    Raises:
        InvalidConfig: two environments are the same, or a combination of the grid is no valid recipe.
    """
    source = source or sweep.name
    envs = {env_key(env): env for env in sweep.envs}
    if len(envs) != len(sweep.envs):
        keys = [env_key(env) for env in sweep.envs]
        twice = sorted({key for key in keys if keys.count(key) > 1})
        raise InvalidConfig(f"{source}: field 'envs' names '{twice[0]}' twice: name each environment once")
    recipes = {hparam_key(recipe): recipe for recipe in expand_recipes(sweep, dataset=dataset, source=source)}
    return SweepPlan(
        name=check_key(sweep.name, kind="sweep"),
        envs=envs,
        recipes=recipes,
        seeds=sweep.seed_list,
        evaluation=sweep.evaluation,
        gates=sweep.gates,
    )


def expand_recipes(sweep: SweepConfig, *, dataset: str, source: str) -> tuple[Recipe, ...]:
    """Build the recipe of every combination of the grid, the grid's names in alphabetical order.

    Raises:
        InvalidConfig: names the grid's combination and the wrong field.
    """
    names = sorted(sweep.grid)
    return tuple(
        _build_recipe(sweep, dict(zip(names, values, strict=True)), dataset=dataset, source=source)
        for values in itertools.product(*(sweep.grid[name] for name in names))
    )


def _build_recipe(sweep: SweepConfig, varied: Mapping[str, Any], *, dataset: str, source: str) -> Recipe:
    chosen = {**sweep.fixed, **varied}
    document = {
        "algorithm": {"name": sweep.algorithm} | _pick(chosen, _ALGORITHM_FIELDS),
        "network": sweep.network.model_dump() | _pick(chosen, _NETWORK_FIELDS),
        "total_timesteps": sweep.total_timesteps,
        "segment_steps": sweep.segment_steps,
        "dataset": dataset,
    } | _pick(chosen, _RECIPE_FIELDS)
    try:
        return Recipe.model_validate(document)
    except ValidationError as error:
        where = ", ".join(f"{name}={value!r}" for name, value in varied.items())
        raise InvalidConfig(explain(error, source=f"{source} ({where})" if where else source, model=Recipe)) from error


def _pick(values: Mapping[str, Any], names: set[str]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if name in names}
