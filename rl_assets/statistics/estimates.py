"""What a sample says about the mean behind it, and how surely.

All functions take `[n]` numbers in any order, compute in float64 and answer in the unit of the numbers. They refuse
an empty sample, NaN and infinity with a `ValueError`: a failure is not a score.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.special import betaincinv, stdtrit
from scipy.stats import binom

LARGEST = 1e150
"""Numbers of larger size have squares that overflow."""

Sample = Sequence[float] | npt.NDArray[Any]
Values = npt.NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Interval:
    """A range that holds the true mean with the stated confidence."""

    low: float
    high: float


@dataclass(frozen=True, kw_only=True)
class PairedImprovement:
    """How much better a candidate did than a champion on the same starts."""

    mean: float
    lower_bound: float
    """One-sided: the true improvement is above it with the stated confidence."""
    upper_bound: float
    """One-sided: the true improvement is below it with the stated confidence."""
    std: float
    """Sample standard deviation of the differences."""
    num_pairs: int


def checked_sample(values: Sample, *, name: str, at_least: int = 1) -> Values:
    """Return the values as `[n]` float64.

    Args:
        name: what they are, for the error.
        at_least: the smallest n that the question makes sense for.

    Raises:
        ValueError: fewer values, another number of dimensions, or a value that is not finite.
    """
    array = np.asarray(values, dtype=np.float64)
    if array.ndim != 1:
        raise ValueError(f"{name}: expected one dimension, got shape {array.shape}")
    if len(array) < at_least:
        raise ValueError(
            f"{name}: expected at least {at_least} values, got {len(array)}: collect more episodes or seeds"
        )
    is_usable = np.abs(array) <= LARGEST
    if not is_usable.all():
        index = int(np.flatnonzero(~is_usable)[0])
        raise ValueError(
            f"{name}: value {index} is {array[index]}, expected a finite number up to {LARGEST:g} in size: "
            "a failed episode is not a score, find out why it failed"
        )
    return array


def checked_confidence(confidence: float) -> float:
    """Return the confidence.

    Raises:
        ValueError: it lies outside (0.5, 1), where no interval makes sense.
    """
    if not 0.5 < confidence < 1:
        raise ValueError(f"confidence {confidence} is outside (0.5, 1): 0.95 is usual")
    return confidence


def mean(values: Sample) -> float:
    """Average a sample, correctly rounded: the order of the values does not matter.

    Raises:
        ValueError: the sample is empty or holds a value that is not finite.
    """
    sample = checked_sample(values, name="mean")
    # Equal values have exactly their own mean: without the clip, rounding could give them a spread.
    return float(np.clip(math.fsum(sample) / len(sample), sample.min(), sample.max()))


def sample_std(values: Sample) -> float:
    """Estimate the standard deviation, dividing by n - 1; 0 exactly if all values are equal.

    Raises:
        ValueError: fewer than two values, or one that is not finite.
    """
    sample = checked_sample(values, name="sample_std", at_least=2)
    return math.sqrt(math.fsum((sample - mean(sample)) ** 2) / (len(sample) - 1))


def iqm(values: Sample) -> float:
    """Average the middle half: the lowest and the highest quarter, each rounded down to whole values, are left out.

    Raises:
        ValueError: the sample is empty or holds a value that is not finite.

    Source:
        Agarwal et al., arXiv:2108.13264; cut as in `scipy.stats.trim_mean(values, 0.25)`.
    """
    sample = np.sort(checked_sample(values, name="iqm"))
    cut = len(sample) // 4
    return mean(sample[cut : len(sample) - cut])


def cvar(values: Sample, *, level: float = 0.1) -> float:
    """Average the worst share of a sample: its conditional value at risk.

    The value at the border counts by the part of it that the share holds, so 5 values at level 0.1 give the worst.

    Args:
        level: the share, in (0, 1].

    Raises:
        ValueError: the sample is empty or holds a value that is not finite, or the level is out of range.

    Source:
        Rockafellar and Uryasev, Journal of Risk 2 (2000), proposition 8 for discrete distributions.
    """
    sample = np.sort(checked_sample(values, name="cvar"))
    if not 0 < level <= 1:
        raise ValueError(f"cvar: level {level} is outside (0, 1]")
    share = level * len(sample)
    weights = np.clip(share - np.arange(len(sample)), 0.0, 1.0)
    weights /= weights[0]  # so that a share of less than one value is exactly the worst
    worst = math.fsum(weights * sample) / math.fsum(weights)
    return float(np.clip(worst, sample[0], mean(sample)))


def t_interval(values: Sample, *, confidence: float = 0.95) -> Interval:
    """Bound the mean on both sides by Student's t, which stays honest at few values if they are about normal.

    Raises:
        ValueError: fewer than two values, one that is not finite, or a confidence outside (0.5, 1).

    Source:
        Student, Biometrika 6 (1908).
    """
    sample = checked_sample(values, name="t_interval", at_least=2)
    centre = mean(sample)
    margin = _margin(sample, probability=0.5 + checked_confidence(confidence) / 2)
    return Interval(low=centre - margin, high=centre + margin)


def lower_bound(values: Sample, *, confidence: float = 0.95) -> float:
    """Bound the mean from below, one-sided, by Student's t.

    Raises:
        ValueError: fewer than two values, one that is not finite, or a confidence outside (0.5, 1).
    """
    sample = checked_sample(values, name="lower_bound", at_least=2)
    return mean(sample) - _margin(sample, probability=checked_confidence(confidence))


def upper_bound(values: Sample, *, confidence: float = 0.95) -> float:
    """Bound the mean from above, one-sided, by Student's t.

    Raises:
        ValueError: fewer than two values, one that is not finite, or a confidence outside (0.5, 1).
    """
    sample = checked_sample(values, name="upper_bound", at_least=2)
    return mean(sample) + _margin(sample, probability=checked_confidence(confidence))


def tail_interval(values: Sample, *, level: float = 0.1, confidence: float = 0.95) -> Interval | None:
    """Bound the mean of the worst share from both sides, each side with the stated confidence.

    Nobody knows how many of the values belong to the worst share of what there is. So the lower bound takes as few of
    the worst values as may belong to it, the upper one as many, each at half of the error; Student's t at the other
    half bounds the mean of those. In simulation with normal, uniform, exponential and log-normal tails and with rare
    failures, of 100 and of 300 values, both sides hold at least as often as stated.

    Args:
        level: the share, in (0, 1).
        confidence: of each side.

    Returns:
        None where so few values belong to the worst share that nothing can be said.

    Raises:
        ValueError: the sample is empty or holds a value that is not finite, or a number is out of range.

    Source:
        Clopper and Pearson, Biometrika 26 (1934), for the count; Student, Biometrika 6 (1908), for the mean.
    """
    sample = np.sort(checked_sample(values, name="tail_interval"))
    if not 0 < level < 1:
        raise ValueError(f"tail_interval: level {level} is outside (0, 1)")
    each = (1 - checked_confidence(confidence)) / 2
    fewest = int(binom.ppf(each, len(sample), level))
    most = int(binom.ppf(1 - each, len(sample), level))
    if fewest < 2:
        return None
    low, high = sample[:fewest], sample[:most]
    return Interval(
        low=mean(low) - _margin(low, probability=1 - each), high=mean(high) + _margin(high, probability=1 - each)
    )


def share_interval(hits: int, num: int, *, confidence: float = 0.95) -> Interval:
    """Bound a probability from both sides, each with the stated confidence, whatever its size.

    Args:
        hits: how often it happened.
        num: how often it could have, at least once.
        confidence: of each side.

    Raises:
        ValueError: the counts contradict each other, or the confidence is outside (0.5, 1).

    Source:
        Clopper and Pearson, Biometrika 26 (1934).
    """
    if not 0 <= hits <= num or num < 1:
        raise ValueError(f"share_interval: {hits} of {num} is no count: expected 0 to num hits and num at least 1")
    error = 1 - checked_confidence(confidence)
    low = 0.0 if hits == 0 else float(betaincinv(hits, num - hits + 1, error))
    high = 1.0 if hits == num else float(betaincinv(hits + 1, num - hits, 1 - error))
    return Interval(low=low, high=high)


def paired_improvement(candidate: Sample, champion: Sample, *, confidence: float = 0.95) -> PairedImprovement:
    """Estimate by how much a candidate is better on average, from pairs that share their starts.

    Args:
        candidate: `[num_pairs]` returns.
        champion: `[num_pairs]` returns; the same index is the same seed's first episode.

    Raises:
        ValueError: the numbers of episodes differ, there are fewer than two pairs, a value is not finite, or the
            confidence is outside (0.5, 1).
    """
    better = checked_sample(candidate, name="candidate returns", at_least=2)
    worse = checked_sample(champion, name="champion returns", at_least=2)
    if len(better) != len(worse):
        raise ValueError(
            f"paired_improvement: {len(better)} candidate and {len(worse)} champion episodes do not pair up"
        )
    differences = better - worse
    return PairedImprovement(
        mean=mean(differences),
        lower_bound=lower_bound(differences, confidence=confidence),
        upper_bound=upper_bound(differences, confidence=confidence),
        std=sample_std(differences),
        num_pairs=len(differences),
    )


def _margin(sample: Values, *, probability: float) -> float:
    """Student's quantile times the standard error of the mean."""
    return float(stdtrit(len(sample) - 1, probability)) * sample_std(sample) / math.sqrt(len(sample))
