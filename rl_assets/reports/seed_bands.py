"""Learning curves of one recipe's seeds drawn together: their mean, and from the lowest to the highest seed."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
MAX_POINTS = 240
"""Points of a curve; a page has no more pixels to show."""


@dataclass(frozen=True, kw_only=True)
class SeedBand:
    """One recipe's learning curve."""

    steps: Floats
    """`[num_points]` steps that one member had learned from, ascending."""
    mean: Floats
    """`[num_points]` mean over the same `num_known` members at every point."""
    low: Floats
    """`[num_points]` the lowest of them."""
    high: Floats
    """`[num_points]` the highest of them."""
    num_known: int
    """Members with at least one known value; the others have no number to count with."""


def seed_band(histories: Sequence[Mapping[str, npt.NDArray[Any]]], column: str = "mean_return") -> SeedBand | None:
    """Lay the members' curves over each other.

    A member counts at every point or at none, so that one which is stuck in an episode still weighs on the mean:
    between two known values it is on the straight line that a plot would draw, after its last one it keeps that value.
    The curve begins where the last member has its first value and ends with the shortest training. Long curves are
    thinned by averages over equal numbers of updates.

    Args:
        histories: per member, columns of `[num_updates]`, those that `steps_of` reads among them; an empty mapping has
            no updates.
        column: the metric; values that are not finite are unknown.

    Returns:
        The band, or None where no member has a known value.

    Raises:
        ValueError: a history's columns differ in length.
    """
    curves: list[tuple[Floats, Floats]] = []
    ends: list[float] = []
    for history in filter(None, histories):
        steps, values = known_points(steps_of(history), history[column])
        if len(steps):
            curves.append(thin_curve(steps, values, max_points=MAX_POINTS))
            ends.append(float(np.nanmax(steps_of(history))))
    if not curves:
        return None
    start = max(steps[0] for steps, _ in curves)
    end = max(start, min(ends))
    grid = np.unique(np.concatenate([steps for steps, _ in curves] + [[end]]))
    grid = grid[(start <= grid) & (grid <= end)]
    if len(grid) > MAX_POINTS:
        grid = grid[np.unique(np.linspace(0, len(grid) - 1, MAX_POINTS).round().astype(int))]
    table = np.stack([np.interp(grid, steps, values) for steps, values in curves])
    return SeedBand(
        steps=grid,
        mean=table.mean(axis=0),
        low=table.min(axis=0),
        high=table.max(axis=0),
        num_known=len(curves),
    )


def steps_of(history: Mapping[str, npt.NDArray[Any]]) -> npt.NDArray[Any]:
    """`[num_updates]` steps that a member had learned from: its `samples` of a dataset, or else its `env_steps`."""
    return history["samples"] if "samples" in history else history["env_steps"]


def known_points(steps: npt.ArrayLike, values: npt.ArrayLike) -> tuple[Floats, Floats]:
    """Drop the updates at which no value is known.

    Raises:
        ValueError: the lengths differ.
    """
    x, y = np.asarray(steps, np.float64), np.asarray(values, np.float64)
    if x.shape != y.shape or x.ndim != 1:
        raise ValueError(f"learning curve: expected steps and values of one length, got shapes {x.shape} and {y.shape}")
    known = np.isfinite(x) & np.isfinite(y)
    return x[known], y[known]


def thin_curve(steps: Floats, values: Floats, *, max_points: int) -> tuple[Floats, Floats]:
    """Average neighbours until at most `max_points` are left, all of equally many updates but for rounding."""
    if len(steps) <= max_points:
        return steps, values
    starts = np.linspace(0, len(steps), max_points, endpoint=False).astype(int)
    counts = np.diff(np.append(starts, len(steps)))
    return np.add.reduceat(steps, starts) / counts, np.add.reduceat(values, starts) / counts
