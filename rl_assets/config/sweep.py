"""A sweep: envs x recipes x seeds, as a person writes it."""

import difflib
import itertools
import math
import operator
from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import Field, ValidationError, ValidationInfo, field_validator, model_validator

from rl_assets.config.algorithms import ALGORITHMS, AlgorithmName, hyperparameters_of
from rl_assets.config.environment import EnvConfig, env_key
from rl_assets.config.evaluation import EvaluationConfig, GatesConfig
from rl_assets.config.expectations import Wording
from rl_assets.config.explanation import Path, explain, shown
from rl_assets.config.guardrails import GuardrailsConfig
from rl_assets.config.halving import HalvingConfig
from rl_assets.config.keys import MAX_KEY_LENGTH, check_key
from rl_assets.config.network import NetworkConfig
from rl_assets.config.parent import InitFrom, Parent
from rl_assets.config.recipe import MAX_TIMESTEPS, Recipe, hparam_key
from rl_assets.config.sequence import (
    DatasetKey,
    Grid,
    Hyperparameters,
    SequenceStep,
    refuse_later_parents,
    refuse_other_actors,
)
from rl_assets.config.strict import StrictModel
from rl_assets.errors import InvalidConfig, InvalidPartitionKey

MAX_CELLS = 5_000
MAX_SEEDS = 100
MAX_LINES = 20
_SEEDS = f"how many seeds, 1 to {MAX_SEEDS}, or a list of seeds, each a whole number from 0 to {2**31 - 1:,}"
SweepName = Annotated[str, Wording(f"a text of 1 to {MAX_KEY_LENGTH} letters, digits and . _ = + ; -")]
Seed = Annotated[int, Field(ge=0, lt=2**31)]

_ALGORITHM_FIELDS: set[str] = set().union(*map(hyperparameters_of, ALGORITHMS))
_NETWORK_FIELDS = set(NetworkConfig.model_fields)
_RECIPE_FIELDS = {"total_timesteps", "segment_steps"}
_STEP_FIELDS = ("algorithm", "fixed", "total_timesteps", "segment_steps", "guardrails")
"""Fields of a sweep that its steps take over where they say nothing else."""


class DatasetDeclaration(StrictModel):
    """Whose work this is: the four words that every dataset needs."""

    client_id: str = Field(min_length=1, max_length=200, repr=False)
    """The client's name; it goes to the client register and nowhere else."""

    project: str = Field(min_length=1, max_length=200, repr=False)
    """The client's project."""

    data_source: str = Field(min_length=1, max_length=200, repr=False)
    """Where the data comes from, such as `simulator` or `plant-3`."""

    domain: str = Field(min_length=1, max_length=200, repr=False)
    """What it is about, such as `control` or `logistics`."""

    @field_validator("*")
    @classmethod
    def _words_are_not_blank(cls, value: str) -> str:
        if not value.strip():
            raise ValueError("expected a text, got only blanks: fill it in")
        return value


class SweepConfig(StrictModel):
    """A sweep as written in a YAML file or built in Python."""

    ENV_FIELD: ClassVar[str] = "envs.{position}"
    ACTION_SPACE_FIELDS: ClassVar[Mapping[str, str]] = {
        kind: f"action_space: {kind}" for kind in ("discrete", "continuous")
    }
    WRITTEN_ELSEWHERE: ClassVar[Mapping[str, str]] = dict.fromkeys(
        GuardrailsConfig.model_fields, "it is a guardrail: put it under guardrails"
    ) | dict.fromkeys(
        _ALGORITHM_FIELDS | _NETWORK_FIELDS,
        "it is a hyper-parameter: put it under fixed, or a list of values under grid",
    )

    name: SweepName
    """Partition key of the sweep."""

    envs: tuple[EnvConfig, ...] = Field(min_length=1, strict=False)
    """Environments, each named once."""

    algorithm: AlgorithmName = "ppo"
    """The training algorithm: ppo learns by acting, bc from the dataset's episodes."""

    network: NetworkConfig = Field(default_factory=NetworkConfig)
    """The policy's network; what the grid varies of it is left out here."""

    fixed: Hyperparameters = Field(default_factory=dict)
    """Hyper-parameters that all recipes share."""

    grid: Grid = Field(default_factory=dict)
    """Hyper-parameters to vary, each with its list of distinct values; the recipes are their product."""

    seeds: Annotated[int | tuple[Seed, ...], Wording(_SEEDS)] = 5
    """Training seeds of each recipe: how many (0, 1, 2, ...) or which."""

    total_timesteps: int = Field(default=200_000, ge=1, le=MAX_TIMESTEPS)
    """Environment steps of each member, or samples of the dataset for bc."""

    segment_steps: int | None = Field(default=None, ge=1, le=MAX_TIMESTEPS, examples=[1_000_000])
    """Steps between two checkpoints, where the pool gets fresh seeds; null: 250,000, or 4,000 for each env if more."""

    init_from: InitFrom | None = None
    """Policy whose weights all recipes start from; left out: each member starts from fresh weights of its own."""

    sequence: tuple[SequenceStep, ...] = Field(default=(), strict=False)
    """Trainings that each start from the one before; what a step leaves out is taken from the fields around it."""

    halving: HalvingConfig | None = None
    """Stop recipes that are behind before their budget is used; left out: all train to the end."""

    save_all_checkpoints: bool = False
    """Keep the checkpoint of every segment with the policy, not the best and the last alone."""

    guardrails: GuardrailsConfig = Field(default_factory=GuardrailsConfig)
    """What stops a member before its budget is spent: signs of a failed training, or a target that is reached."""

    max_wall_time_s: float | None = Field(default=None, gt=0, examples=[3600.0])
    """Seconds that a population may train in one run; members that are not done by then fail."""

    dataset: DatasetKey | DatasetDeclaration
    """Whose work this is: a registered dataset, or the four words that declare one."""

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

    @field_validator("init_from", mode="before")
    @classmethod
    def _a_text_names_the_policy(cls, value: Any) -> Any:
        return {"hparam": value} if isinstance(value, str) else value

    @field_validator("seeds", mode="before")
    @classmethod
    def _seeds_are_a_count_or_a_list(cls, value: Any) -> Any:
        return tuple(value) if isinstance(value, list) else value

    @field_validator("seeds")
    @classmethod
    def _seeds_are_distinct(cls, value: int | tuple[int, ...]) -> int | tuple[int, ...]:
        count = value if isinstance(value, int) else len(value)
        if not 1 <= count <= MAX_SEEDS:
            raise ValueError(f"expected 1 to {MAX_SEEDS} seeds, got {count}: try 5")
        if not isinstance(value, int) and len(set(value)) != len(value):
            raise ValueError(f"expected each seed once, got {_repeated(value)} twice: remove one")
        return value

    @field_validator("fixed", "grid")
    @classmethod
    def _names_are_hyperparameters(cls, value: dict[str, Any], info: ValidationInfo) -> dict[str, Any]:
        algorithm: AlgorithmName | None = info.data.get("algorithm")
        if algorithm is None:  # it was refused itself
            return value
        known = hyperparameters_of(algorithm) | _NETWORK_FIELDS | _RECIPE_FIELDS
        wrong = sorted(set(value) - known)
        if wrong:
            near = difflib.get_close_matches(wrong[0].lower(), known, n=1, cutoff=0.7)
            others = [other for other in ALGORITHMS if wrong[0] in hyperparameters_of(other)]
            raise ValueError(
                f"{shown(wrong[0])} is no hyper-parameter"
                + (f" of {algorithm} but of {others[0]}: " if others else ": ")
                + (f"did you mean '{near[0]}'? " if near else "")
                + f"expected one of {', '.join(sorted(known))}"
            )
        return value

    @field_validator("grid")
    @classmethod
    def _each_network_is_a_list(cls, value: dict[str, Any]) -> dict[str, Any]:
        widths = [item for item in value.get("hidden_sizes", ()) if not isinstance(item, list | tuple)]
        if widths:
            layers = ", ".join(map(shown, widths[:8]))
            raise ValueError(
                f"hidden_sizes: expected a list of networks, each a list of widths, got {shown(widths[0])}: write "
                f"[[{layers}]] for one network of these layers"
            )
        return value

    @model_validator(mode="after")
    def _each_value_is_said_once(self) -> Self:
        both = sorted(set(self.fixed) & set(self.grid))
        if both:
            raise ValueError(f"'{both[0]}' stands under both fixed and grid: keep one")
        for name in sorted((set(self.fixed) | set(self.grid)) - _ALGORITHM_FIELDS):
            holder, place = (self.network, f"network.{name}") if name in _NETWORK_FIELDS else (self, name)
            if getattr(holder, name) != type(holder).model_fields[name].default:
                under = "grid" if name in self.grid else "fixed"
                raise ValueError(f"'{name}' stands both as field '{place}' and under {under}: keep one")
        return self

    @model_validator(mode="after")
    def _a_sequence_says_all_in_its_steps(self) -> Self:
        refuse_later_parents(self.sequence)
        if self.sequence and self.grid:
            raise ValueError("'grid' stands beside 'sequence': put it into the step that it belongs to")
        if self.sequence and self.halving is not None:
            raise ValueError("'halving' stands beside 'sequence', whose steps all train to the end: take one out")
        return self

    @model_validator(mode="after")
    def _what_needs_training_episodes_has_them(self) -> Self:
        needing = {"halving": self.halving, "guardrails.target_return": self.guardrails.target_return}
        for field, value in needing.items():
            if self.algorithm == "bc" and value is not None:
                raise ValueError(
                    f"'{field}' looks at the returns of training episodes, and bc plays none: remove it, or train with "
                    "ppo"
                )
        return self

    @property
    def parent(self) -> InitFrom | None:
        """The policy that the first trainings start from, wherever it stands; None: fresh weights."""
        first = self.sequence[0].init_from if self.sequence else None
        return first or self.init_from

    @property
    def num_recipes(self) -> int:
        """How many recipes it asks for: the product of its grid, or of each step with all steps before it."""
        steps = [step.grid for step in self.sequence] or [self.grid]
        sizes = [math.prod(len(values) for values in grid.values()) for grid in steps]
        return sum(itertools.accumulate(sizes, operator.mul))

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
        try:
            check_key(sweep.name, kind="sweep")
        except InvalidPartitionKey as error:
            raise InvalidPartitionKey(f"{source}: field 'name': {error}") from error
        refuse_equal_envs(sweep, source=source)
        cells = len(sweep.envs) * sweep.num_recipes
        if cells > MAX_CELLS:
            field = "sequence" if sweep.sequence else "grid"
            raise InvalidConfig(
                f"{source}: field '{field}' spans {cells} combinations of env and recipe: expected at most "
                f"{MAX_CELLS}; split the sweep or drop values"
            )
        recipes = expand_recipes(sweep, dataset="check", source=source)
        _refuse_rungs_that_stop_nobody(sweep, recipes, source=source)
        grids = {f"sequence.{number}.grid": step.grid for number, step in enumerate(sweep.sequence)}
        for place, grid in (grids or {"grid": sweep.grid}).items():
            for name, values in grid.items():
                twice = _repeated([tuple(value) if isinstance(value, list) else value for value in values])
                if twice is not None:
                    raise InvalidConfig(
                        f"{source}: field '{place}.{name}': expected each value once, got {twice} twice: remove one"
                    )
        return sweep


def expand_recipes(
    sweep: SweepConfig, *, dataset: str, source: str, generations: Mapping[str, int] | None = None
) -> tuple[Recipe, ...]:
    """Build the recipe of every combination of the grid, the grid's names in alphabetical order.

    Each step of a sequence is built for each recipe of the step before it; parents stand before their children.

    Raises:
        InvalidConfig: names the grid's combination and the wrong field, or two steps that do not fit together.
    """
    first = None if sweep.parent is None else sweep.parent.resolved(generations)
    if not sweep.sequence:
        return _expand_grid(sweep, parent=first, dataset=dataset, source=source)
    recipes: list[Recipe] = []
    before: tuple[Recipe | None, ...] = (None,)
    for number, step in enumerate(sweep.sequence):
        settings = _step_settings(sweep, number, source=source)

        def written_at(path: Path, number: int = number, step: SequenceStep = step) -> Path:
            return step.written_at(number, path)

        made: list[Recipe] = []
        for recipe in before:
            parent = first if recipe is None else Parent(hparam=hparam_key(recipe))
            own = _expand_grid(
                settings, parent=parent, dataset=step.dataset or dataset, source=source, written_at=written_at
            )
            if recipe is not None:
                for child in own:
                    refuse_other_actors(recipe, child, number=number, source=source)
            made += own
        recipes += made
        before = tuple(made)
    return tuple(recipes)


def _step_settings(sweep: SweepConfig, number: int, *, source: str) -> SweepConfig:
    """A sweep of one step of the sequence.

    Raises:
        InvalidConfig: the step's fields contradict each other or those that all steps share.
    """
    step = sweep.sequence[number]
    shared = {name: getattr(sweep, name) for name in ("name", "envs", "network", "dataset", *_STEP_FIELDS)}
    try:
        return type(sweep).model_validate(step.settings(shared))
    except ValidationError as error:
        lines = explain(
            error,
            source=f"{source} (step {number + 1} of the sequence)",
            model=type(sweep),
            written_at=lambda path: step.written_at(number, path),
        )
        raise InvalidConfig("\n".join(lines)) from error


def _expand_grid(
    sweep: SweepConfig,
    *,
    parent: Parent | None,
    dataset: str,
    source: str,
    written_at: Callable[[Path], Path] = lambda path: path,
) -> tuple[Recipe, ...]:
    """Build the recipe of every combination of one grid."""
    names = sorted(sweep.grid)
    recipes: list[Recipe] = []
    lines: dict[str, None] = {}
    for values in itertools.product(*(sweep.grid[name] for name in names)):
        varied = dict(zip(names, values, strict=True))
        try:
            recipe = _build_recipe(sweep, varied, dataset=dataset)
            recipes.append(recipe if parent is None else recipe.model_copy(update={"init_from": parent}))
        except ValidationError as error:
            lines |= dict.fromkeys(_explain_recipe(error, sweep, varied, source=source, written_at=written_at))
    if lines:
        further = [f"{source}: and {len(lines) - MAX_LINES} more"] if len(lines) > MAX_LINES else []
        raise InvalidConfig("\n".join([*list(lines)[:MAX_LINES], *further]))
    return tuple(recipes)


def _build_recipe(sweep: SweepConfig, varied: Mapping[str, Any], *, dataset: str) -> Recipe:
    chosen = {**sweep.fixed, **varied}
    document = {
        "algorithm": {"name": sweep.algorithm} | _pick(chosen, _ALGORITHM_FIELDS),
        "network": sweep.network.model_dump() | _pick(chosen, _NETWORK_FIELDS),
        "total_timesteps": sweep.total_timesteps,
        "segment_steps": sweep.segment_steps,
        "guardrails": sweep.guardrails.model_dump(),
        "dataset": dataset,
    } | _pick(chosen, _RECIPE_FIELDS)
    return Recipe.model_validate(document)


def _explain_recipe(
    error: ValidationError,
    sweep: SweepConfig,
    varied: Mapping[str, Any],
    *,
    source: str,
    written_at: Callable[[Path], Path],
) -> list[str]:
    """Name fields as the sweep writes them; values that are wrong together are named with their combination."""

    def place_of(path: Path) -> Path:
        inside = path[1:] if path[:1] == ("algorithm",) else path
        name = inside[1] if inside[:1] == ("network",) and len(inside) > 1 else inside[0] if inside else None
        return written_at(("grid", name) if name in sweep.grid else ("fixed", name) if name in sweep.fixed else inside)

    whole = {(), ("algorithm", sweep.algorithm)}
    is_about_one = all(problem["loc"] not in whole for problem in error.errors(include_url=False))
    where = ", ".join(f"{name}={shown(value)}" for name, value in varied.items())
    return explain(
        error,
        source=source if is_about_one or not where else f"{source} ({where})",
        model=Recipe,
        written_at=place_of,
    )


def _refuse_rungs_that_stop_nobody(sweep: SweepConfig, recipes: Sequence[Recipe], *, source: str) -> None:
    """Rungs lie at the ends of segments, before the end of the training."""
    if sweep.halving is None:
        return
    budget = min(recipe.total_timesteps for recipe in recipes)
    if sweep.halving.rungs[-1] >= budget:
        raise InvalidConfig(
            f"{source}: field 'halving.rungs': expected numbers of steps below the budget of {budget:,}, got "
            f"{sweep.halving.rungs[-1]:,}: lower it or raise total_timesteps"
        )
    segment = max(recipe.steps_per_segment for recipe in recipes)
    gaps = [high - low for low, high in itertools.pairwise((0, *sweep.halving.rungs))]
    if min(gaps) < segment:
        raise InvalidConfig(
            f"{source}: field 'halving.rungs': expected a segment of {segment:,} steps before each rung at least, "
            f"got rungs {min(gaps):,} steps apart: move them apart or set segment_steps to {min(gaps)} or less"
        )


def refuse_equal_envs(sweep: SweepConfig, *, source: str) -> None:
    """Refuse a sweep in which two environments are the same.

    Raises:
        InvalidConfig: names the one that stands twice.
    """
    twice = _repeated([env_key(env) for env in sweep.envs])
    if twice is not None:
        raise InvalidConfig(f"{source}: field 'envs': expected each environment once, got {twice} twice: remove one")


def _repeated(values: Sequence[Hashable]) -> str | None:
    """The first value that stands twice, as text."""
    seen: set[Hashable] = set()
    for value in values:
        if value in seen:
            return shown(value)
        seen.add(value)
    return None


def _pick(values: Mapping[str, Any], names: set[str]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if name in names}
