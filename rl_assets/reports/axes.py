"""A linear axis: round ticks, and where a value stands between the two ends."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from rl_assets.statistics.ranking import LeaderboardRow

_WIDEST, _NARROWEST = 1e150, 1e-150
_STEPS = (1.0, 2.0, 2.5, 5.0, 10.0)


@dataclass(frozen=True, kw_only=True)
class Axis:
    """A range of values with ticks inside it."""

    low: float
    high: float
    ticks: tuple[float, ...]

    def fraction(self, value: float) -> float:
        """Where a value stands: 0 at the low end, 1 at the high end, cut to that range."""
        inside = min(self.high, max(self.low, float(value)))
        return (inside - self.low) / (self.high - self.low)

    def holds(self, value: float) -> bool:
        """Whether a value lies on the axis."""
        return self.low <= value <= self.high


def axis_over(values: Iterable[float], *, num_ticks: int = 5, margin: float = 0.0) -> Axis:
    """Span an axis over values that are finite, with about `num_ticks` ticks on round numbers.

    Args:
        values: in any order; those that are not finite are ignored, and without any the axis runs from 0 to 1.
        num_ticks: how many ticks to aim at.
        margin: share of the range to leave free at either end.
    """
    known = [min(_WIDEST, max(-_WIDEST, float(value))) for value in values if math.isfinite(value)]
    low, high = (min(known), max(known)) if known else (0.0, 1.0)
    if high - low <= max(_NARROWEST, 1e-12 * max(abs(low), abs(high))):
        pad = 0.05 * abs(low) if abs(low) > _NARROWEST else 0.5
        low, high = low - pad, high + pad
    pad = margin * (high - low)
    low, high = low - pad, high + pad
    step = _round_step((high - low) / num_ticks)
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return Axis(low=low, high=high, ticks=tuple(_tidy(index * step) for index in range(first, last + 1)))


def standings_axis(rows: Sequence[LeaderboardRow]) -> Axis:
    """Span the axis of a leaderboard's picture.

    It holds every mean and worst seed, and the intervals as far as they leave the means readable: Student's interval
    over two seeds can be hundreds of times wider than all differences between recipes.
    """
    points = [value for row in rows for value in (row.mean_return, row.worst_seed_return)]
    low, high = min(points), max(points)
    widths = [row.ci_high - row.ci_low for row in rows if row.ci_low is not None and row.ci_high is not None]
    reach = 1.5 * max(high - low, float(np.median(widths)) if widths else 0.0)
    ends = [end for row in rows for end in (row.ci_low, row.ci_high) if end is not None]
    return axis_over([*points, *(min(high + reach, max(low - reach, end)) for end in ends)], margin=0.04)


def _round_step(rough: float) -> float:
    """Of 1, 2, 2.5 and 5 times a power of ten the one nearest to the rough step, by ratio."""
    power = 10.0 ** math.floor(math.log10(rough))
    return min((factor * power for factor in _STEPS), key=lambda step: abs(math.log(step / rough)))


def _tidy(value: float) -> float:
    """Remove the noise of binary fractions: 0.30000000000000004 is 0.3."""
    return float(f"{value:.12g}")
