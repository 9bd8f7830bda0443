"""Which recipes may be the best one: ties are stated as ties, however many recipes compete."""

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from scipy.special import stdtr

from rl_assets.statistics.estimates import Sample, checked_confidence, checked_sample, mean, sample_std

REPLICATION_SEEDS = 5
"""Recipes with fewer seeds are shown as unreplicated, and cannot be told apart from any other."""


def may_be_best(scores: Sequence[Sample], *, confidence: float = 0.95) -> npt.NDArray[np.bool_]:
    """Find the recipes that cannot be told apart from the one with the highest mean.

    A recipe is told apart where Welch's one-sided t test against the leader, at `(1 - confidence) / (K - 1)` for K
    recipes, says that it is worse. The share is divided because the leader was picked for its high mean: however many
    compete, the truly best recipe is left out in at most `1 - confidence` of cases. A recipe or leader with fewer than
    `REPLICATION_SEEDS` seeds is never told apart: there, simulated errors reach 28 %. It is the set of recipes that may
    be best, not a test of each against each.

    Args:
        scores: for each recipe `[num_seeds]` mean returns, one for each training seed, not empty.
        confidence: that the truly best recipe is in the set, in (0.5, 1).

    Returns:
        `[num_recipes]` bool; True for every recipe whose mean is the highest.

    Raises:
        ValueError: a recipe has no scores, a score is not finite, or the confidence is out of range.

    Source:
        Welch, Biometrika 34 (1947); comparing with the best after Hsu, Annals of Statistics 9 (1981), by Bonferroni.
    """
    error = 1 - checked_confidence(confidence)
    samples = [checked_sample(sample, name=f"scores of recipe {place}") for place, sample in enumerate(scores)]
    if not samples:
        return np.ones(0, bool)
    counts = np.array([len(sample) for sample in samples])
    means = np.array([mean(sample) for sample in samples])
    is_comparable = counts >= REPLICATION_SEEDS
    leader = _leader(means, counts)
    if not is_comparable[leader]:
        return np.ones(len(samples), bool)
    errors = np.array([sample_std(s) / math.sqrt(len(s)) if len(s) > 1 else 0.0 for s in samples])
    behind = is_comparable & (means < means[leader])
    probabilities = np.ones(len(samples))
    probabilities[behind] = _welch(
        means[leader] - means[behind],
        errors[leader],
        errors[behind],
        freedom=counts[leader] - 1,
        other_freedom=counts[behind] - 1,
    )
    return probabilities >= error / max(1, len(samples) - 1)


def unseen_failure_rate(num_seeds: int, *, confidence: float = 0.95) -> float:
    """Bound how often a training may fail although none of these seeds did.

    No interval can hold a failure that has not happened yet: after 5 seeds without one, up to 45 % of all trainings
    may still fail, at 95 % confidence.

    Args:
        num_seeds: seeds that all went well.
        confidence: that at least one of them would have failed at a higher rate, in (0.5, 1).

    Raises:
        ValueError: there are no seeds, or the confidence is out of range.

    Source:
        Clopper and Pearson, Biometrika 26 (1934), for no event in `num_seeds` trials.
    """
    if num_seeds < 1:
        raise ValueError(f"unseen_failure_rate: num_seeds is {num_seeds}, expected at least 1")
    return 1 - (1 - checked_confidence(confidence)) ** (1 / num_seeds)


def _leader(means: npt.NDArray[np.float64], counts: npt.NDArray[np.int_]) -> int:
    """Of the recipes with the highest mean the one with the most seeds."""
    best = np.flatnonzero(means == means.max())
    return int(best[np.argmax(counts[best])])


def _welch(
    leads: npt.NDArray[np.float64],
    error: float,
    others: npt.NDArray[np.float64],
    *,
    freedom: int,
    other_freedom: npt.NDArray[np.int_],
) -> npt.NDArray[np.float64]:
    """One-sided probability of so large a lead where there is none; 0 where neither side has any spread."""
    # Ratios of standard errors, because squares of tiny ones would underflow.
    scale = np.maximum(error, others)
    has_spread = scale > 0
    safe = np.where(has_spread, scale, 1.0)
    ours, theirs = (error / safe) ** 2, (others / safe) ** 2
    both = np.where(has_spread, ours + theirs, 1.0)
    degrees = both**2 / np.where(has_spread, ours**2 / freedom + theirs**2 / other_freedom, 1.0)
    found = stdtr(degrees, -leads / (safe * np.sqrt(both)))
    return np.where(has_spread, found, 0.0)
