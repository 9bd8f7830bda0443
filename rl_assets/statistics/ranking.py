"""The leaderboard of recipes: the unit is the training seed, never the pooled episode."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Self

import numpy as np

from rl_assets.statistics.aggregates import probability_of_improvement
from rl_assets.statistics.comparisons import REPLICATION_SEEDS, may_be_best
from rl_assets.statistics.estimates import Sample, Values, checked_sample, cvar, iqm, mean, sample_std, t_interval

IQM_SEEDS = 4
"""With fewer, trimming a quarter on each side trims nothing."""


@dataclass(frozen=True, kw_only=True)
class CellEpisodes:
    """Evaluation episodes of one recipe, by training seed."""

    returns: Sequence[Sample]
    """Per seed, `[num_episodes]` undiscounted returns of a fixed quota of episodes."""
    lengths: Sequence[Sample] | None = None
    """Per seed, `[num_episodes]` steps of the same episodes, where known."""
    env_steps: int | None = None
    """Environment steps that all seeds were trained for, where known."""
    steps_per_s: float | None = None
    """Environment steps per second of the population that they were trained in, where known."""
    metrics: Mapping[str, Sequence[Sample]] = field(default_factory=dict)
    """Further metric -> per seed, `[num_episodes]` values of the same episodes."""


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
    may_be_best: bool
    """Whether it cannot be told apart from the first, see `rl_assets.statistics.comparisons.may_be_best`."""
    probability_of_improvement: float | None
    """How likely one training scores higher than one of the first recipe; None for the first itself."""
    env_steps: int | None
    """Environment steps that all seeds were trained for; None where not given."""
    steps_per_s: float | None
    """Environment steps per second of the population that they were trained in; None where not given."""
    metrics: Mapping[str, float] = field(default_factory=dict)
    """Further metric -> mean over seeds of each seed's mean over its episodes."""

    @property
    def process_s(self) -> float | None:
        """What the training cost: seconds of one training process, its share of a population's time. Not money.

        Evaluation and waiting are not in it. None where steps or speed are not known.
        """
        return self.env_steps / self.steps_per_s if self.env_steps is not None and self.steps_per_s else None

    @property
    def is_replicated(self) -> bool:
        """Whether there are enough seeds to believe the ranking."""
        return self.num_seeds >= REPLICATION_SEEDS

    def to_json(self) -> dict[str, Any]:
        """Plain data for tables and commands, derived values included."""
        return asdict(self) | {name: getattr(self, name) for name in _DERIVED}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """Read back what `to_json` wrote, also before there were comparisons and costs: nothing is known of those."""
        return cls(**{**_UNKNOWN, **{name: value for name, value in data.items() if name not in _DERIVED}})


_DERIVED = ("is_replicated", "process_s")
_UNKNOWN: Mapping[str, Any] = {
    "may_be_best": True,
    "probability_of_improvement": None,
    "env_steps": None,
    "steps_per_s": None,
    "metrics": {},
}


def rank_policies(cells: Mapping[str, CellEpisodes], *, confidence: float = 0.95) -> tuple[LeaderboardRow, ...]:
    """Rank recipes by their mean over seeds, best first.

    Args:
        cells: hparam key -> its episodes.
        confidence: of the interval over seeds, and that the truly best recipe is among those that may be best.

    Raises:
        ValueError: a recipe without seeds, a seed without episodes, a value that is not finite, or lengths or metrics
            that do not match the returns. A recipe that failed has no row; leave it out.
    """
    scores = {hparam: _seed_scores(hparam, cell) for hparam, cell in cells.items()}
    order = sorted(scores, key=lambda hparam: (-mean(scores[hparam]), hparam))
    ties = may_be_best([scores[hparam] for hparam in order], confidence=confidence)
    return tuple(
        LeaderboardRow(
            hparam=hparam,
            rank=position + 1,
            may_be_best=bool(ties[position]),
            probability_of_improvement=_improvement(scores[hparam], scores[order[0]]) if position else None,
            **_summarize(hparam, cells[hparam], scores[hparam], confidence=confidence),
        )
        for position, hparam in enumerate(order)
    )


def metric_names(rows: Sequence[LeaderboardRow]) -> tuple[str, ...]:
    """All further metrics that any of the rows has, in alphabetical order."""
    return tuple(sorted({name for row in rows for name in row.metrics}))


def _seed_scores(hparam: str, cell: CellEpisodes) -> Values:
    """`[num_seeds]` means over episodes."""
    if len(cell.returns) == 0:
        raise ValueError(f"recipe '{hparam}' has no evaluated seeds: leave it out of the ranking")
    return np.array(
        [
            mean(checked_sample(seed, name=f"returns of recipe '{hparam}', seed {place}"))
            for place, seed in enumerate(cell.returns)
        ]
    )


def _improvement(scores: Values, best: Values) -> float:
    return float(probability_of_improvement(scores[:, None], best[:, None]))


def _summarize(hparam: str, cell: CellEpisodes, scores: Values, *, confidence: float) -> dict[str, Any]:
    """All fields of a row that other recipes have no part in."""
    counts = [len(sample) for sample in cell.returns]
    episodes = np.concatenate([np.asarray(sample, np.float64) for sample in cell.returns])
    interval = t_interval(scores, confidence=confidence) if len(scores) >= 2 else None
    return {
        "mean_return": mean(scores),
        "std_return": sample_std(episodes) if len(episodes) >= 2 else None,
        "iqm": iqm(scores) if len(scores) >= IQM_SEEDS else None,
        "ci_low": interval.low if interval else None,
        "ci_high": interval.high if interval else None,
        "worst_seed_return": float(scores.min()),
        "cvar10": cvar(episodes, level=0.1),
        "mean_length": None
        if cell.lengths is None
        else _mean_over_seeds(hparam, "lengths", cell.lengths, counts=counts),
        "metrics": {
            name: _mean_over_seeds(hparam, name, values, counts=counts) for name, values in sorted(cell.metrics.items())
        },
        "num_episodes": len(episodes),
        "num_seeds": len(scores),
        "env_steps": cell.env_steps,
        "steps_per_s": cell.steps_per_s,
    }


def _mean_over_seeds(hparam: str, name: str, values: Sequence[Sample], *, counts: list[int]) -> float:
    samples = [checked_sample(seed, name=f"{name} of recipe '{hparam}', seed {i}") for i, seed in enumerate(values)]
    if [len(sample) for sample in samples] != counts:
        raise ValueError(
            f"recipe '{hparam}': {[len(sample) for sample in samples]} {name} per seed do not match {counts} returns"
        )
    return mean([mean(sample) for sample in samples])
