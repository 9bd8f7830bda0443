"""Episodes that somebody else played, as policies see and do things."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from rl_assets.rl.normalization import REWARD_LIMIT, RunningMoments, discounted_sums
from rl_assets.rl.seeding import member_stream


@dataclass(frozen=True, kw_only=True)
class Demonstrations:
    """The steps of several episodes, one episode after the other."""

    observations: np.ndarray
    """`[num_steps, *observation_shape]` float32 vectors or uint8 images, seen before each action, unscaled."""

    actions: np.ndarray
    """`[num_steps, action_size]` int64 choices that begin at 0, or float32 within the environment's bounds."""

    rewards: np.ndarray
    """`[num_steps]` float32, after each action, unscaled."""

    lengths: np.ndarray
    """`[num_episodes]` int64 steps of each episode, at least 1."""

    terminated: np.ndarray
    """`[num_episodes]` bool; the task ended with the last step, and nothing follows. Else time or the recording did,
    and the future still counts."""

    last_observations: np.ndarray
    """`[num_episodes, *observation_shape]`, seen after the last step, or before it where `shows_end` is False."""

    shows_end: np.ndarray
    """`[num_episodes]` bool; whether it is known what was seen after the last step."""

    @property
    def num_steps(self) -> int:
        """Steps of all episodes."""
        return len(self.rewards)

    @property
    def size_bytes(self) -> int:
        """Memory that the arrays take."""
        arrays = (self.observations, self.actions, self.rewards, self.lengths, self.last_observations)
        return sum(array.nbytes for array in arrays)

    @property
    def num_episodes(self) -> int:
        """Episodes."""
        return len(self.lengths)

    @cached_property
    def episodes(self) -> np.ndarray:
        """`[num_steps]` int64 number of the episode that each step belongs to."""
        return np.repeat(np.arange(self.num_episodes), self.lengths)

    @cached_property
    def is_last(self) -> np.ndarray:
        """`[num_steps]` bool; whether it is its episode's last step."""
        last = np.zeros(self.num_steps, bool)
        last[np.cumsum(self.lengths) - 1] = True
        return last

    def held_out(self, share: float, *, seed: int) -> np.ndarray:
        """Choose whole episodes to measure on, by the seed alone.

        Args:
            share: of the episodes; of two or more, one at least is chosen unless it is 0, and never all.
            seed: training seed of the member.

        Returns:
            `[num_steps]` bool; whether a step is kept apart.
        """
        count = min(max(1, round(share * self.num_episodes)), self.num_episodes - 1) if share else 0
        chosen = np.zeros(self.num_episodes, bool)
        chosen[member_stream(member_seed=seed, role="validation").permutation(self.num_episodes)[:count]] = True
        return chosen[self.episodes]


@dataclass(frozen=True, kw_only=True)
class ReturnsToGo:
    """What was still to come at each step: what is known of it, and how much what follows the episode adds."""

    known: np.ndarray
    """`[num_steps]` float32 discounted sum of the rewards until the episode's end, or until its last state that can be
    valued."""

    weight_after: np.ndarray
    """`[num_steps]` float32 weight of the value of that state; 0 where the task ended."""

    counts: np.ndarray
    """`[num_steps]` bool; False where nothing is known: at the last step of an episode that was cut off unseen."""

    def targets(self, values_after: np.ndarray, episodes: np.ndarray) -> np.ndarray:
        """Complete the returns.

        Args:
            values_after: `[num_episodes]` float32 values of the episodes' last observations.
            episodes: `[num_steps]` int64 episode of each step.

        Returns:
            `[num_steps]` float32.
        """
        return self.known + self.weight_after * values_after[episodes]


def returns_to_go(demonstrations: Demonstrations, rewards: np.ndarray, *, discount: float) -> ReturnsToGo:
    """Sum up what followed each step.

    Args:
        demonstrations: the episodes.
        rewards: `[num_steps]` float32, scaled or not.
        discount: gamma.
    """
    episodes, last = demonstrations.episodes, demonstrations.is_last
    is_unseen = (~demonstrations.terminated & ~demonstrations.shows_end)[episodes]
    paid = np.where(is_unseen & last, np.float32(0), rewards).astype(np.float32)
    first = np.zeros(len(last), bool)
    first[np.cumsum(demonstrations.lengths) - demonstrations.lengths] = True
    backward, _ = discounted_sums(
        np.ascontiguousarray(paid[::-1, None]),
        ended=np.ascontiguousarray(first[::-1, None]),
        start=np.zeros(1),
        discount=discount,
    )
    ends = np.cumsum(demonstrations.lengths)[episodes]
    steps_left = ends - np.arange(len(last)) - is_unseen
    weight = np.where(demonstrations.terminated[episodes], 0.0, np.power(float(discount), steps_left))
    return ReturnsToGo(
        known=backward[::-1, 0].astype(np.float32),
        weight_after=weight.astype(np.float32),
        counts=~(is_unseen & last),
    )


def moments_of_returns(
    demonstrations: Demonstrations, moments: RunningMoments, *, steps: np.ndarray, discount: float
) -> RunningMoments:
    """Take in the discounted sums of rewards, as PPO's scaling of rewards does while it acts.

    Args:
        demonstrations: the episodes.
        moments: so far.
        steps: `[num_steps]` bool; which ones to look at, whole episodes.
        discount: gamma.
    """
    sums, _ = discounted_sums(
        np.ascontiguousarray(demonstrations.rewards[steps, None]),
        ended=np.ascontiguousarray(demonstrations.is_last[steps, None]),
        start=np.zeros(1),
        discount=discount,
    )
    return moments.updated(sums)


def scaled_rewards(demonstrations: Demonstrations, moments: RunningMoments) -> np.ndarray:
    """`[num_steps]` float32 rewards divided by the deviation of the discounted return, within PPO's limit."""
    scaled = demonstrations.rewards * moments.scale[0]
    return np.clip(scaled, -REWARD_LIMIT, REWARD_LIMIT).astype(np.float32)
