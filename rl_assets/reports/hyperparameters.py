"""Which hyper-parameters differ between recipes, and where their values stand on an axis."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from rl_assets.config.canonical import spell_value
from rl_assets.config.recipe import Recipe
from rl_assets.reports.axes import axis_over

Kind = Literal["linear", "log", "category"]
_NO_HYPERPARAMETERS = {"name", "dataset", "guardrails"}
LOG_RATIO = 8
"""Positive numbers whose largest is at least this many times the smallest stand on a logarithmic axis."""
MAX_LABELLED = 8
"""An axis with more values than this has round ticks instead of one tick for each value."""


@dataclass(frozen=True, kw_only=True)
class Hyperparameter:
    """One field of the recipes that has at least two values among them."""

    name: str
    kind: Kind
    levels: tuple[Any, ...]
    """Distinct values: numbers ascending, False before True, anything else in the order of the recipes."""
    values: Mapping[str, Any]
    """Hparam -> value."""

    def position(self, hparam: str) -> float:
        """Where a recipe's value stands: 0 at the first level, 1 at the last."""
        return self._fraction(self.values[hparam])

    def level(self, hparam: str) -> int:
        """Index of a recipe's value among the levels."""
        return self.levels.index(self.values[hparam])

    @property
    def texts(self) -> tuple[str, ...]:
        """The levels as words, floats with three significant digits where that keeps all apart."""
        brief = [f"{level:.3g}" if isinstance(level, float) else spell_value(level) for level in self.levels]
        return tuple(brief if len(set(brief)) == len(brief) else map(spell_value, self.levels))

    def ticks(self, *, min_gap: float) -> list[tuple[float, str]]:
        """Positions and texts along the axis, none nearer to the one before than `min_gap`, a share of the axis."""
        marked = [(self._fraction(value), text) for value, text in self._marked()]
        kept: list[tuple[float, str]] = []
        for place, text in marked:
            if not kept or place - kept[-1][0] >= min_gap:
                kept.append((place, text))
        return kept

    def _marked(self) -> Sequence[tuple[Any, str]]:
        if len(self.levels) <= MAX_LABELLED or self.kind == "category":
            return list(zip(self.levels, self.texts, strict=True))
        low, high = self.levels[0], self.levels[-1]
        if self.kind == "linear":
            return [(tick, spell_value(tick)) for tick in axis_over(self.levels).ticks if low <= tick <= high]
        powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
        inside = [10.0**power for power in powers if low <= 10.0**power <= high]
        if len(inside) > 1:
            return [(power, spell_value(power)) for power in inside]
        return [(low, self.texts[0]), (high, self.texts[-1])]

    def _fraction(self, value: Any) -> float:
        if self.kind == "category":
            return self.levels.index(value) / (len(self.levels) - 1)
        low, high, here = (
            (math.log(number) if self.kind == "log" else float(number))
            for number in (self.levels[0], self.levels[-1], value)
        )
        return (here - low) / (high - low)


def recipe_fields(recipe: Recipe) -> dict[str, Any]:
    """All fields of a recipe, those of its algorithm and network among them, by their own names."""
    return {
        **recipe.algorithm.model_dump(),
        **recipe.network.model_dump(),
        **recipe.model_dump(exclude={"algorithm", "network"}),
    }


def varied_hyperparameters(recipes: Mapping[str, Recipe]) -> tuple[Hyperparameter, ...]:
    """Find the fields with more than one value among these recipes, in the order of declaration."""
    fields = {hparam: recipe_fields(recipe) for hparam, recipe in recipes.items()}
    names = dict.fromkeys(name for own in fields.values() for name in own if name not in _NO_HYPERPARAMETERS)
    found = (hyperparameter(name, {hparam: own.get(name) for hparam, own in fields.items()}) for name in names)
    return tuple(parameter for parameter in found if parameter is not None)


def hyperparameter(name: str, values: Mapping[str, Any]) -> Hyperparameter | None:
    """Lay out the axis of one field, or None where all recipes have the same value.

    Args:
        name: of the field.
        values: hparam -> value.
    """
    levels = _levels(list(values.values()))
    if len(levels) < 2:
        return None
    return Hyperparameter(name=name, kind=_kind(levels), levels=tuple(levels), values=values)


def by_effect(parameters: Sequence[Hyperparameter], returns: Mapping[str, float]) -> tuple[Hyperparameter, ...]:
    """Order hyper-parameters by how much of the differences between mean returns goes with them, most first.

    Args:
        parameters: those that vary.
        returns: hparam -> mean return, of every recipe that the parameters know.
    """
    return tuple(sorted(parameters, key=lambda parameter: -_explained(parameter, returns)))


def _explained(parameter: Hyperparameter, returns: Mapping[str, float]) -> float:
    """Share of the variance of returns that lies between levels, adjusted for their number.

    Where nearly every recipe has a level of its own, as in a random search, it is that of a straight line instead.
    """
    scores = np.array(list(returns.values()), np.float64)
    total = float(np.sum((scores - scores.mean()) ** 2))
    if not total > 0 or not math.isfinite(total):
        return 0.0
    if len(parameter.levels) > len(scores) / 2:
        positions = np.array([parameter.position(hparam) for hparam in returns])
        return float(np.corrcoef(positions, scores)[0, 1] ** 2)
    levels = np.array([parameter.level(hparam) for hparam in returns])
    within = sum(float(np.var(scores[levels == level])) * int(np.sum(levels == level)) for level in set(levels))
    return 1 - within / total * (len(scores) - 1) / (len(scores) - len(parameter.levels))


def _levels(values: list[Any]) -> list[Any]:
    """Distinct values; they need not be hashable."""
    seen: list[Any] = []
    for value in values:
        if value not in seen:
            seen.append(value)
    return sorted(seen) if all(isinstance(value, int | float) for value in seen) else seen


def _kind(levels: Sequence[Any]) -> Kind:
    if not all(isinstance(level, int | float) and not isinstance(level, bool) for level in levels):
        return "category"
    return "log" if levels[0] > 0 and levels[-1] / levels[0] >= LOG_RATIO else "linear"
