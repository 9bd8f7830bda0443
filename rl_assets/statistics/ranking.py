"""The leaderboard of recipes: the unit is the training seed, never the pooled episode."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Self

import numpy as np

from rl_assets.statistics.estimates import Sample, checked_sample, cvar, iqm, mean, sample_std, t_interval

REPLICATION_SEEDS = 5
"""Recipes with fewer seeds are shown as unreplicated."""
IQM_SEEDS = 4
"""With fewer, trimming a quarter on each side trims nothing."""


@dataclass(frozen=True, kw_only=True)
class CellEpisodes:
    """Evaluation episodes of one recipe, by training seed."""

    returns: Sequence[Sample]
    """Per seed, `[num_episodes]` undiscounted returns of a fixed quota of episodes."""
    lengths: Sequence[Sample] | None = None
    """Per seed, `[num_episodes]` steps of the same episodes, where known."""


@dataclass(frozen=True, kw_only=True)
class LeaderboardRow:
    """One recipe's claim; all returns in the environment's reward units."""

    hparam: str
    rank: int
    """From 1; recipes with equal means follow each other in alphabetical order."""
    mean_return: float
    """Mean over seeds of each seed's mean over its episodes."""
    std_return: float | None
    """Sample standard deviation over all episodes of all seeds; None with fewer than two."""
    iqm: float | None
    """Interquartile mean over seeds; None with fewer than four."""
    ci_low: float | None
    """Low end of Student's interval over seeds; None with fewer than two."""
    ci_high: float | None
    """High end of Student's interval over seeds; None with fewer than two."""
    worst_seed_return: float
    """The lowest of the seeds' means."""
    cvar10: float
    """Mean of the worst tenth of all episodes."""
    mean_length: float | None
    """Mean over seeds of each seed's mean episode length in steps; None where lengths were not given."""
    num_episodes: int
    num_seeds: int

    @property
    def is_replicated(self) -> bool:
        """Whether there are enough seeds to believe the ranking."""
        return self.num_seeds >= REPLICATION_SEEDS

    def to_json(self) -> dict[str, Any]:
        """Plain data for tables and commands, `is_replicated` included."""
        return asdict(self) | {"is_replicated": self.is_replicated}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """Read back what `to_json` wrote."""
        return cls(**{name: value for name, value in data.items() if name != "is_replicated"})


def rank_policies(cells: Mapping[str, CellEpisodes], *, confidence: float = 0.95) -> tuple[LeaderboardRow, ...]:
    """Rank recipes by their mean over seeds, best first.

    Args:
        cells: hparam key -> its episodes.
        confidence: of the interval over seeds.

    Raises:
        ValueError: a recipe without seeds, a seed without episodes, a value that is not finite, or lengths that do
            not match the returns. A recipe that failed has no row; leave it out.
    """
    rows = [_summarize(hparam, cell, confidence=confidence) for hparam, cell in cells.items()]
    rows.sort(key=lambda row: (-row["mean_return"], row["hparam"]))
    return tuple(LeaderboardRow(rank=position, **row) for position, row in enumerate(rows, start=1))


def _summarize(hparam: str, cell: CellEpisodes, *, confidence: float) -> dict[str, Any]:
    """All fields of a row but its rank."""
    if len(cell.returns) == 0:
        raise ValueError(f"recipe '{hparam}' has no evaluated seeds: leave it out of the ranking")
    samples = [
        checked_sample(seed, name=f"returns of recipe '{hparam}', seed {i}") for i, seed in enumerate(cell.returns)
    ]
    scores = np.array([mean(sample) for sample in samples])
    episodes = np.concatenate(samples)
    interval = t_interval(scores, confidence=confidence) if len(scores) >= 2 else None
    return {
        "hparam": hparam,
        "mean_return": mean(scores),
        "std_return": sample_std(episodes) if len(episodes) >= 2 else None,
        "iqm": iqm(scores) if len(scores) >= IQM_SEEDS else None,
        "ci_low": interval.low if interval else None,
        "ci_high": interval.high if interval else None,
        "worst_seed_return": float(scores.min()),
        "cvar10": cvar(episodes, level=0.1),
        "mean_length": None
        if cell.lengths is None
        else _mean_length(hparam, cell.lengths, counts=[len(s) for s in samples]),
        "num_episodes": len(episodes),
        "num_seeds": len(scores),
    }


def _mean_length(hparam: str, lengths: Sequence[Sample], *, counts: list[int]) -> float:
    samples = [checked_sample(seed, name=f"lengths of recipe '{hparam}', seed {i}") for i, seed in enumerate(lengths)]
    if [len(sample) for sample in samples] != counts:
        raise ValueError(
            f"recipe '{hparam}': {[len(sample) for sample in samples]} lengths per seed do not match {counts} returns"
        )
    return mean([mean(sample) for sample in samples])
