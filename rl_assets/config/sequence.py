"""A sequence in a sweep: trainings that each start from the one before."""

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import Field, field_validator

from rl_assets.config.algorithms import ALGORITHMS, AlgorithmName, hyperparameters_of
from rl_assets.config.expectations import Wording
from rl_assets.config.explanation import Path, shown
from rl_assets.config.guardrails import GuardrailsConfig
from rl_assets.config.parent import InitFrom
from rl_assets.config.recipe import MAX_TIMESTEPS, Recipe
from rl_assets.config.strict import StrictModel
from rl_assets.errors import InvalidConfig

DatasetKey = Annotated[str, Wording("the key of a registered dataset")]
Hyperparameters = Annotated[dict[str, Any], Wording("a mapping of hyper-parameter to value")]
Grid = Annotated[
    dict[str, Annotated[tuple[Any, ...], Field(min_length=1, strict=False)]],
    Wording("a mapping of hyper-parameter to a list of values"),
]

_SINGLE = ("algorithm", "total_timesteps", "segment_steps", "guardrails")
"""Fields of a step that replace the sweep's own where they are set."""

_BUDGET = ("total_timesteps", "segment_steps")
"""Those of them that may also stand under `fixed` or `grid`."""

_ACTING = ("normalize_observations", "squash_actions")
"""Hyper-parameters that decide how weights act."""


class SequenceStep(StrictModel):
    """One training of a sequence; what it does not say is taken from the sweep."""

    algorithm: AlgorithmName | None = None
    """The training algorithm."""

    fixed: Hyperparameters = Field(default_factory=dict)
    """Hyper-parameters of this step, beside those that all steps share."""

    grid: Grid = Field(default_factory=dict)
    """Hyper-parameters to vary in this step, for each recipe of the step before."""

    total_timesteps: int | None = Field(default=None, ge=1, le=MAX_TIMESTEPS, examples=[50_000])
    """Environment steps of each member in this step."""

    segment_steps: int | None = Field(default=None, ge=1, le=MAX_TIMESTEPS, examples=[1_000_000])
    """Steps between two checkpoints."""

    guardrails: GuardrailsConfig | None = None
    """What stops a member in this step; replaces the sweep's own as a whole."""

    dataset: DatasetKey | None = None
    """Whose work this step is, where it is not the sweep's."""

    init_from: InitFrom | None = None
    """Policy that the sequence starts from; in the first step alone."""

    @field_validator("init_from", mode="before")
    @classmethod
    def _a_text_names_the_policy(cls, value: Any) -> Any:
        return {"hparam": value} if isinstance(value, str) else value

    def settings(self, shared: Mapping[str, Any]) -> dict[str, Any]:
        """What decides the recipes of this step: the sweep's own fields, and this step's in their place.

        Shared hyper-parameters that only another step's algorithm has are that step's alone.

        Args:
            shared: fields of the sweep that all steps share, `fixed` among them.
        """
        algorithm: AlgorithmName = self.algorithm or shared["algorithm"]
        of_others = frozenset().union(*map(hyperparameters_of, ALGORITHMS)) - hyperparameters_of(algorithm)
        shared_by_all = {
            name: value for name, value in shared["fixed"].items() if name not in self.grid and name not in of_others
        }
        fixed = shared_by_all | self.fixed
        merged = {**shared, "fixed": fixed, "grid": self.grid}
        for name in _SINGLE:
            value = getattr(self, name)
            if value is not None:
                merged[name] = value
                if name not in self.fixed:
                    fixed.pop(name, None)
        for name in _BUDGET:
            if name in {*self.fixed, *self.grid} and getattr(self, name) is None:
                merged.pop(name)
        return merged

    def written_at(self, number: int, path: Path) -> Path:
        """Where the author wrote what stands at a path of this step's settings: in the step, or above all steps.

        Args:
            number: place of the step in the sequence, from 0.
            path: such as `("fixed", "discount")`.
        """
        name = path[0] if path else ""
        own = getattr(self, str(name), None) if name in type(self).model_fields else None
        is_own = path[1] in own if isinstance(own, dict) and len(path) > 1 else bool(own)
        return ("sequence", number, *path) if is_own else path


def refuse_later_parents(steps: tuple[SequenceStep, ...]) -> None:
    """Only the first step may say what it starts from.

    Raises:
        ValueError: a later one does.
    """
    late = next((number for number, step in enumerate(steps) if number and step.init_from is not None), None)
    if late is not None:
        raise ValueError(
            f"sequence.{late}.init_from: a later step starts from the step before it: take it out, or put it into the "
            "first step"
        )


def refuse_other_actors(parent: Recipe, child: Recipe, *, number: int, source: str) -> None:
    """A step's policies must act as those of the step before, or the weights would mean something else.

    Args:
        parent: a recipe of the step before.
        child: one that starts from it.
        number: place of the child's step in the sequence, from 0.
        source: what to call the sweep.

    Raises:
        InvalidConfig: names both steps and what they differ in.
    """
    before, after = _how_it_acts(parent), _how_it_acts(child)
    for name, expected in before.items():
        if after[name] != expected:
            raise InvalidConfig(
                f"{source}: field 'sequence.{number}': step {number + 1} starts from step {number} and must act like "
                f"it: expected {name} {shown(expected)}, got {shown(after[name])}: say it once for all steps"
            )


def _how_it_acts(recipe: Recipe) -> dict[str, Any]:
    return {
        **recipe.network.model_dump(),
        **{name: getattr(recipe.algorithm, name) for name in _ACTING},
    }
