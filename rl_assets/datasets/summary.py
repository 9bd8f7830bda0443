"""What a dataset's episodes are, in numbers: counts, shapes, ranges, distributions, and no single step."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from rl_assets.datasets.episodes import Episode

QUANTILES = {"min": 0.0, "p10": 0.1, "median": 0.5, "p90": 0.9, "max": 1.0}


@dataclass(frozen=True, kw_only=True)
class Layout:
    """Shape of one step's array, its dtype, and the range of its numbers."""

    shape: tuple[int, ...]
    dtype: str
    low: npt.NDArray[Any]
    """`shape`; the smallest of each number, those that are NaN left out; NaN where all are."""
    high: npt.NDArray[Any]
    """`shape`; the largest."""
    num_numbers: int
    num_nan: int
    num_infinite: int

    @property
    def label(self) -> str:
        """Short text for errors and tables, such as `float32[4]`."""
        return f"{self.dtype}[{'x'.join(map(str, self.shape))}]" if self.shape else self.dtype

    @property
    def nan_share(self) -> float:
        """Share of numbers that are NaN."""
        return self.num_nan / max(self.num_numbers, 1)


@dataclass(frozen=True, kw_only=True)
class EpisodeSummary:
    """All episodes of a dataset in numbers."""

    returns: npt.NDArray[np.float64]
    """`[num_episodes]`, the sum of each episode's rewards."""
    lengths: npt.NDArray[np.int64]
    """`[num_episodes]`, steps."""
    num_terminated: int
    num_truncated: int
    num_cut: int
    """Episodes whose recording stopped before they did."""
    observations: Layout
    actions: Layout
    rewards: Layout

    @property
    def num_episodes(self) -> int:
        """Episodes."""
        return len(self.returns)

    @property
    def num_steps(self) -> int:
        """Steps of all episodes."""
        return int(self.lengths.sum())

    @property
    def nan_share(self) -> float:
        """Share of all numbers of observations, actions and rewards that are NaN."""
        parts = (self.observations, self.actions, self.rewards)
        return sum(part.num_nan for part in parts) / max(sum(part.num_numbers for part in parts), 1)


def summarize_episodes(episodes: Iterable[Episode]) -> EpisodeSummary | None:
    """Go through all episodes once, keeping no more than one in memory; None where there is none.

    Raises:
        InvalidDataset: as the reading of the episodes.
    """
    returns: list[float] = []
    lengths: list[int] = []
    ends = {"terminated": 0, "truncated": 0, "cut": 0}
    ranges: dict[str, _Range] = {}
    for episode in episodes:
        returns.append(float(episode.rewards.sum()))
        lengths.append(episode.length)
        ends["cut" if episode.is_cut else "terminated" if episode.terminated[-1] else "truncated"] += 1
        for name in ("observations", "actions", "rewards"):
            array = getattr(episode, name)
            ranges.setdefault(name, _Range(array)).add(array)
    if not returns:
        return None
    return EpisodeSummary(
        returns=np.array(returns),
        lengths=np.array(lengths),
        num_terminated=ends["terminated"],
        num_truncated=ends["truncated"],
        num_cut=ends["cut"],
        **{name: each.layout() for name, each in ranges.items()},
    )


def distribution(values: npt.NDArray[Any]) -> dict[str, float]:
    """Mean, spread and quantiles of the finite among some numbers; empty where there are none."""
    finite = values[np.isfinite(values)].astype(np.float64)
    if not len(finite):
        return {}
    quantiles = {name: float(np.quantile(finite, share)) for name, share in QUANTILES.items()}
    return {"mean": float(finite.mean()), "std": float(finite.std()), **quantiles}


class _Range:
    def __init__(self, first: npt.NDArray[Any]) -> None:
        self._shape, self._dtype = first.shape[1:], first.dtype.name
        self._low = np.full(self._shape, np.nan)
        self._high = np.full(self._shape, np.nan)
        self._numbers = self._nan = self._infinite = 0

    def add(self, array: npt.NDArray[Any]) -> None:
        self._numbers += array.size
        if array.dtype.kind == "f":
            self._nan += int(np.isnan(array).sum())
            self._infinite += int(np.isinf(array).sum())
        # fmin and fmax pass over NaN, as minima over numbers that may be missing should
        self._low = np.fmin(self._low, np.fmin.reduce(array, axis=0))
        self._high = np.fmax(self._high, np.fmax.reduce(array, axis=0))

    def layout(self) -> Layout:
        return Layout(
            shape=self._shape,
            dtype=self._dtype,
            low=self._low,
            high=self._high,
            num_numbers=self._numbers,
            num_nan=self._nan,
            num_infinite=self._infinite,
        )
