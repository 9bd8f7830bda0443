"""Scores of different environments on one scale, without which nothing may be averaged over environments."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from rl_assets.statistics.aggregates import Scores, Values, checked_scores


@dataclass(frozen=True, kw_only=True)
class ReferenceReturns:
    """Two mean returns that fix an environment's scale, both in its reward units."""

    zero: float
    """What scores 0: the mean return of random actions, usually."""
    one: float
    """What scores 1: a published result, the solved threshold, or a person's mean return."""


def normalize_scores(scores: Scores, *, envs: tuple[str, ...], references: Mapping[str, ReferenceReturns]) -> Values:
    """Rescale each environment's returns so that its references score 0 and 1.

    Scores are not clipped: above 1 is better than the reference, below 0 worse than chance.

    Args:
        scores: `[..., num_seeds, num_envs]` mean returns in reward units.
        envs: `[num_envs]` keys, in the order of the last axis.
        references: env key -> its two references; more than are needed may be given.

    Returns:
        The same shape, without unit.

    Raises:
        ValueError: an environment has no references, references that are equal or not finite, or the last axis is not
            as long as `envs`.
    """
    array = checked_scores(scores, name="normalize_scores")
    if array.shape[-1] != len(envs):
        raise ValueError(f"normalize_scores: {array.shape[-1]} columns for {len(envs)} environments {', '.join(envs)}")
    missing = sorted(set(envs) - set(references))
    if missing:
        raise ValueError(
            f"normalize_scores: no reference returns for {', '.join(missing)}: returns of different environments have "
            "no common unit, so state for each what scores 0 and what scores 1"
        )
    zero = np.array([references[env].zero for env in envs], np.float64)
    one = np.array([references[env].one for env in envs], np.float64)
    for env, low, high in zip(envs, zero, one, strict=True):
        if not np.isfinite(high - low) or low == high:
            raise ValueError(
                f"normalize_scores: '{env}' scores 0 at {low} and 1 at {high}, expected two different finite numbers"
            )
    return (array - zero) / (one - zero)
