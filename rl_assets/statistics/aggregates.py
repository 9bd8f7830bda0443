"""What the scores of several seeds in several environments say together, in arrays.

All functions take `[..., num_seeds, num_envs]` float scores, one axis for the seeds of one recipe and one for
environments; axes before these two are a batch, such as the resamples of a bootstrap. They compute in float64, answer
one number for each element of the batch, and refuse empty or unfinite scores with a `ValueError`. Scores of several
environments must be normalised first, see `rl_assets.statistics.normalization`: returns of two environments have no
common unit.

Source: Agarwal et al., Deep Reinforcement Learning at the Edge of the Statistical Precipice, arXiv:2108.13264.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

Scores = npt.NDArray[Any] | Sequence[Any]
Values = npt.NDArray[np.float64]

_SCORE_AXES = (-2, -1)


def checked_scores(scores: Scores, *, name: str) -> Values:
    """Return the scores as `[..., num_seeds, num_envs]` float64.

    Args:
        name: what they are, for the error.

    Raises:
        ValueError: fewer than two axes, no seeds, no environments, or a score that is not finite.
    """
    array = np.asarray(scores, dtype=np.float64)
    if array.ndim < 2 or 0 in array.shape:
        raise ValueError(
            f"{name}: expected [..., num_seeds, num_envs] with at least one of each, got shape {array.shape}"
        )
    if not np.isfinite(array).all():
        place = tuple(int(index[0]) for index in np.nonzero(~np.isfinite(array)))
        raise ValueError(
            f"{name}: the score at {place} is {array[place]}, expected a finite number: a failed training is not a "
            "score, leave it out and say so"
        )
    return array


def interquartile_mean(scores: Scores) -> Values:
    """Average the middle half of all seeds in all environments.

    The lowest and the highest quarter, each rounded down to whole scores, are left out, as `estimates.iqm` does it
    for one sample.

    Args:
        scores: `[..., num_seeds, num_envs]`, normalised where there are several environments.

    Returns:
        `[...]` float64 in the unit of the scores.

    Raises:
        ValueError: the scores are empty or not finite.
    """
    array = checked_scores(scores, name="interquartile_mean")
    pooled = np.sort(array.reshape(*array.shape[:-2], -1), axis=-1)
    cut = pooled.shape[-1] // 4
    return pooled[..., cut : pooled.shape[-1] - cut].mean(axis=-1)


def optimality_gap(scores: Scores, *, target: float = 1.0) -> Values:
    """Measure by how much scores miss a target on average; what exceeds the target counts as the target.

    Args:
        scores: `[..., num_seeds, num_envs]`, normalised.
        target: the score that is good enough, 1.0 for the reference of the normalisation.

    Returns:
        `[...]` float64 of at least 0; 0 where every score reaches the target.

    Raises:
        ValueError: the scores are empty or not finite, or the target is not finite.
    """
    array = checked_scores(scores, name="optimality_gap")
    if not np.isfinite(target):
        raise ValueError(f"optimality_gap: target {target} is not a finite number: state the score that is good enough")
    return np.asarray(target - np.minimum(array, target).mean(axis=_SCORE_AXES))


def performance_profile(scores: Scores, thresholds: Sequence[float] | npt.NDArray[Any]) -> Values:
    """Tell which share of all seeds in all environments exceeds each threshold.

    Args:
        scores: `[..., num_seeds, num_envs]`, normalised where there are several environments.
        thresholds: `[num_thresholds]` in the unit of the scores.

    Returns:
        `[..., num_thresholds]` float64 in [0, 1].

    Raises:
        ValueError: the scores are empty or not finite, or the thresholds are not one axis of numbers.
    """
    array = checked_scores(scores, name="performance_profile")
    levels = np.asarray(thresholds, dtype=np.float64)
    if levels.ndim != 1 or len(levels) == 0 or np.isnan(levels).any():
        raise ValueError(f"performance_profile: thresholds are {thresholds!r}, expected one axis of numbers")
    # One threshold at a time: all at once would need num_thresholds times the memory of the scores.
    return np.stack([(array > level).mean(axis=_SCORE_AXES) for level in levels], axis=-1)


def probability_of_improvement(scores: Scores, baseline: Scores) -> Values:
    """Estimate how likely one training is to score higher than one of a baseline in the same environment.

    Every seed meets every seed of the baseline, equal scores count half, and the environments are averaged: the
    statistic of Mann and Whitney over the number of pairs.

    Args:
        scores: `[..., num_seeds, num_envs]`; no normalisation is needed, since only order counts.
        baseline: `[..., num_baseline_seeds, num_envs]` in the same environments.

    Returns:
        `[...]` float64 in [0, 1]; 0.5 where neither is favoured.

    Raises:
        ValueError: scores are empty or not finite, or the numbers of environments differ.
    """
    ours = checked_scores(scores, name="probability_of_improvement, scores")
    theirs = checked_scores(baseline, name="probability_of_improvement, baseline")
    if ours.shape[-1] != theirs.shape[-1]:
        raise ValueError(
            f"probability_of_improvement: scores in {ours.shape[-1]} and baseline in {theirs.shape[-1]} environments: "
            "compare in the same ones"
        )
    ours, theirs = ours[..., :, None, :], theirs[..., None, :, :]
    return ((ours > theirs) + 0.5 * (ours == theirs)).mean(axis=(-3, -2, -1))
