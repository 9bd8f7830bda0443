"""Learning curves of one recipe's members drawn together: their mean, and from the lowest to the highest seed."""

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
    """`[num_points]` environment steps of one member, ascending."""
    mean: Floats
    """`[num_points]` mean over the members that are known there."""
    low: Floats
    """`[num_points]` the lowest of them."""
    high: Floats
    """`[num_points]` the highest of them."""
    num_members: int
    """Members with at least one known value."""


def seed_band(histories: Sequence[Mapping[str, npt.NDArray[Any]]], column: str = "mean_return") -> SeedBand | None:
    """Lay the members' curves over each other.

    Between two known values a member is taken to be on the straight line that a plot would draw; before its first and
    after its last it is not counted. Long curves are thinned by averages over equal numbers of updates.

    Args:
        histories: per member, columns of `[num_updates]`, `env_steps` among them; an empty mapping has no updates.
        column: the metric; values that are not finite are unknown.

    Returns:
        The band, or None where no member has a known value.

    Raises:
        ValueError: a history's columns differ in length.
    """
    curves = [known_points(history["env_steps"], history[column]) for history in histories if history]
    curves = [thin_curve(steps, values, max_points=MAX_POINTS) for steps, values in curves if len(steps)]
    if not curves:
        return None
    grid = np.unique(np.concatenate([steps for steps, _ in curves]))
    if len(grid) > MAX_POINTS:
        grid = grid[np.unique(np.linspace(0, len(grid) - 1, MAX_POINTS).round().astype(int))]
    table = np.stack([np.interp(grid, steps, values, left=np.nan, right=np.nan) for steps, values in curves])
    counted = np.isfinite(table).any(axis=0)
    grid, table = grid[counted], table[:, counted]
    return SeedBand(
        steps=grid,
        mean=np.nanmean(table, axis=0),
        low=np.nanmin(table, axis=0),
        high=np.nanmax(table, axis=0),
        num_members=len(curves),
    )


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
