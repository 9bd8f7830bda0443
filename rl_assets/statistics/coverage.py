"""How often the statistics of a leaderboard are right, by simulation: the seeds of real recipes are rarely normal."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from rl_assets.statistics.comparisons import may_be_best
from rl_assets.statistics.estimates import Interval, t_interval

Values = npt.NDArray[np.float64]
IntervalMethod = Callable[[Values], Interval]
"""Takes `[num_seeds]` scores and bounds their true mean."""


@dataclass(frozen=True, kw_only=True)
class SeedScores:
    """A way in which the scores of one recipe's seeds may scatter."""

    about: str
    """In words that complete `where ...`."""
    mean: float
    """The true mean."""
    std: float
    """The true standard deviation."""
    draw: Callable[[np.random.Generator, tuple[int, ...]], Values]
    """Draws scores of a shape."""


def _long_or_short(share: float, *, about: str) -> SeedScores:
    """Seeds reach 500 with this probability and are stuck at 50 otherwise, as a pole that is or is not balanced."""
    noise = 5.0

    def draw(generator: np.random.Generator, shape: tuple[int, ...]) -> Values:
        return np.where(generator.random(shape) < share, 500.0, 50.0) + noise * generator.standard_normal(shape)

    spread = 450.0 * np.sqrt(share * (1 - share))
    return SeedScores(
        about=about,
        mean=50.0 + 450.0 * share,
        std=float(np.hypot(spread, noise)),
        draw=draw,
    )


SCORES: Mapping[str, SeedScores] = {
    "normal": SeedScores(
        about="seeds scatter normally", mean=0.0, std=1.0, draw=lambda g, shape: g.standard_normal(shape)
    ),
    "skewed": SeedScores(
        about="they tail off downward",
        mean=-1.0,
        std=1.0,
        draw=lambda g, shape: -g.exponential(size=shape),
    ),
    "very skewed": SeedScores(
        about="they tail off far downward",
        mean=-float(np.exp(0.5)),
        std=float(np.sqrt((np.e - 1) * np.e)),
        draw=lambda g, shape: -np.exp(g.standard_normal(shape)),
    ),
    "half fail": _long_or_short(0.5, about="half of the trainings fail"),
    "a fifth fails": _long_or_short(0.8, about="a fifth of them fails"),
    "a tenth fails": _long_or_short(0.9, about="a tenth of them fails"),
}
"""From what statistics assume to what reinforcement learning does."""

COVERAGE_CONFIDENCE = 0.95
"""Of the intervals behind `COVERAGE`."""

COVERAGE: Mapping[int, Mapping[str, float]] = {
    2: dict(zip(SCORES, (0.95, 0.909, 0.891, 0.502, 0.349, 0.442), strict=True)),
    3: dict(zip(SCORES, (0.95, 0.885, 0.837, 0.748, 0.48, 0.272), strict=True)),
    5: dict(zip(SCORES, (0.952, 0.884, 0.816, 0.935, 0.664, 0.408), strict=True)),
    10: dict(zip(SCORES, (0.952, 0.898, 0.839, 0.947, 0.888, 0.651), strict=True)),
    20: dict(zip(SCORES, (0.951, 0.917, 0.863, 0.959, 0.924, 0.877), strict=True)),
}
"""Number of seeds -> scatter -> share of 95 % intervals of Student that hold the true mean, of 20,000 simulated."""


def known_coverage(num_seeds: int) -> Mapping[str, float]:
    """The simulated coverage of 95 % intervals, by scatter, for the most seeds simulated that are not more than these.

    Raises:
        ValueError: there are fewer than two seeds, which have no interval.
    """
    if num_seeds < min(COVERAGE):
        raise ValueError(f"known_coverage: num_seeds is {num_seeds}, expected at least {min(COVERAGE)}")
    return COVERAGE[max(known for known in COVERAGE if known <= num_seeds)]


def simulate_coverage(
    scores: SeedScores, *, num_seeds: int, num_trials: int, seed: int, method: IntervalMethod = t_interval
) -> float:
    """Tell which share of intervals holds the true mean.

    Args:
        scores: how seeds scatter.
        num_seeds: seeds of each recipe.
        num_trials: recipes simulated; the answer's standard error is at most half of its inverse square root.
        seed: of the draws.
        method: bounds the mean of one recipe's scores.
    """
    trials = scores.draw(np.random.default_rng(seed), (num_trials, num_seeds))
    intervals = [method(trial) for trial in trials]
    return float(np.mean([interval.low <= scores.mean <= interval.high for interval in intervals]))


def simulate_exclusion(
    scores: SeedScores, *, num_recipes: int, num_seeds: int, num_trials: int, seed: int, lead: float = 0.0
) -> tuple[float, float]:
    """Let one recipe be better than all others and tell how often each side is told apart from the leader.

    Args:
        scores: how seeds scatter, alike for all recipes.
        num_recipes: that compete, at least 2.
        num_seeds: seeds of each.
        num_trials: leaderboards simulated.
        seed: of the draws.
        lead: by how many true standard deviations the best recipe is better; 0 makes all equal, the hardest case.

    Returns:
        The share of leaderboards on which the best recipe was wrongly told apart, and the mean share of the other
        recipes that were told apart from the leader.
    """
    generator = np.random.default_rng(seed)
    errors, others = 0, 0.0
    for _ in range(num_trials):
        trial = scores.draw(generator, (num_recipes, num_seeds))
        trial[0] += lead * scores.std
        found = may_be_best(list(trial))
        errors += not found[0]
        others += 1 - found[1:].mean()
    return errors / num_trials, others / num_trials
