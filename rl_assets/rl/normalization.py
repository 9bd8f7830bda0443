"""Running statistics that scale observations and rewards; they are part of the policy's state."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from rl_assets.rl.compiler import has_numba

OBSERVATION_LIMIT = 10.0
REWARD_LIMIT = 10.0
OBSERVATION_STATISTICS = "observations."
"""Begins the names under which the statistics of observations stand in what training on needs."""

_EPSILON = 1e-8


@dataclass(frozen=True, kw_only=True)
class RunningMoments:
    """Mean and variance of everything seen so far.

    Source:
        Chan, Golub and LeVeque, "Updating formulae and a pairwise algorithm for computing sample variances", 1979.
    """

    mean: np.ndarray
    """`[size]` float64."""

    variance: np.ndarray
    """`[size]` float64, over the population."""

    count: float
    """Samples seen; a little more than 0 at the start."""

    @classmethod
    def empty(cls, size: int) -> "RunningMoments":
        """Moments of nothing: they leave what they scale nearly as it is."""
        return cls(mean=np.zeros(size), variance=np.ones(size), count=1e-4)

    def updated(self, samples: np.ndarray) -> "RunningMoments":
        """Return the moments with more samples, `[rows, size]` of any float dtype; no rows change nothing."""
        if not len(samples):
            return self
        samples = samples.astype(np.float64)
        rows, total = len(samples), self.count + len(samples)
        difference = samples.mean(axis=0) - self.mean
        squares = self.variance * self.count + samples.var(axis=0) * rows + difference**2 * (self.count * rows / total)
        return RunningMoments(mean=self.mean + difference * (rows / total), variance=squares / total, count=total)

    def to_arrays(self) -> dict[str, np.ndarray]:
        """The moments as float64 arrays, for storage."""
        return {"mean": self.mean, "variance": self.variance, "count": np.array(self.count)}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, np.ndarray]) -> "RunningMoments":
        """Read back what `to_arrays` gave."""
        return cls(mean=arrays["mean"], variance=arrays["variance"], count=float(arrays["count"]))

    @property
    def scale(self) -> np.ndarray:
        """`[size]` float64 factors to unit deviation."""
        return 1.0 / np.sqrt(self.variance + _EPSILON)


def discounted_sums(
    rewards: np.ndarray, *, ended: np.ndarray, start: np.ndarray, discount: float
) -> tuple[np.ndarray, np.ndarray]:
    """Follow the discounted sum of rewards in every environment.

    Args:
        rewards: `[num_steps, num_envs]` float32.
        ended: `[num_steps, num_envs]` bool; an episode ended with this reward, and the sum starts again after it.
        start: `[num_envs]` float64, sums so far.
        discount: gamma.

    Returns:
        `[num_steps, num_envs]` float64 sums after each reward, and `[num_envs]` sums to go on with.
    """
    sums = np.empty(rewards.shape, np.float64)
    if has_numba():
        from rl_assets.rl import kernels  # numba takes a while to import, and may be missing

        running = start.copy()
        kernels.discounted_sums(rewards, ended, running, discount, sums)
        return sums, running
    running = start
    for step, reward in enumerate(rewards):
        sums[step] = running * discount + reward
        running = np.where(ended[step], 0.0, sums[step])
    return sums, running


@dataclass(frozen=True, kw_only=True)
class RewardScaler:
    """Divides one member's rewards by the running deviation of the discounted return.

    Source:
        Engstrom et al., arXiv:2005.12729, section 3; Gymnasium's `NormalizeReward`.
    """

    sums: np.ndarray
    """`[num_envs]` float64 discounted sums of the episodes under way."""

    moments: RunningMoments
    """Moments of the discounted sums."""

    @classmethod
    def empty(cls, num_envs: int) -> "RewardScaler":
        """A scaler that has seen nothing."""
        return cls(sums=np.zeros(num_envs), moments=RunningMoments.empty(1))

    def scaled(
        self, rewards: np.ndarray, *, ended: np.ndarray, valid: np.ndarray, discount: float
    ) -> tuple["RewardScaler", np.ndarray]:
        """Learn from one rollout's rewards and scale them.

        Args:
            rewards: `[num_steps, num_envs]` float32.
            ended: `[num_steps, num_envs]` bool; an episode ended with this reward.
            valid: `[num_steps, num_envs]` bool; False on the pool's reset steps.
            discount: gamma.

        Returns:
            The scaler to go on with, and `[num_steps, num_envs]` float32 rewards within the limit.
        """
        sums, running = discounted_sums(rewards, ended=ended, start=self.sums, discount=discount)
        moments = self.moments.updated(sums[valid][:, None])
        scaled = np.clip(rewards * moments.scale[0], -REWARD_LIMIT, REWARD_LIMIT).astype(np.float32)
        return RewardScaler(sums=running, moments=moments), scaled

    def with_moments(self, moments: RunningMoments) -> "RewardScaler":
        """The same episodes under way, scaled otherwise."""
        return RewardScaler(sums=self.sums, moments=moments)

    def restarted(self) -> "RewardScaler":
        """The same moments, with no episode under way: the pool was rebuilt."""
        return RewardScaler(sums=np.zeros_like(self.sums), moments=self.moments)
