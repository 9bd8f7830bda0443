"""What followed each step of an episode, whether it ended, ran out of time or was cut off."""

import numpy as np
import pytest

from rl_assets.config.environment import EnvConfig
from rl_assets.rl.demonstrations import Demonstrations, moments_of_returns, returns_to_go, scaled_rewards
from rl_assets.rl.envs.catalogue import describe_env
from rl_assets.rl.normalization import RunningMoments
from tests.rl.demonstrators import made_up

ENDED, OUT_OF_TIME, CUT_UNSEEN = 0, 1, 2


def three_episodes() -> Demonstrations:
    """Three steps each, rewards 1, 2, 4: one that ended, one that ran out of time, one without its last observation."""
    return Demonstrations(
        observations=np.zeros((9, 1), np.float32),
        actions=np.zeros((9, 1), np.int64),
        rewards=np.array([1, 2, 4] * 3, np.float32),
        lengths=np.array([3, 3, 3]),
        terminated=np.array([True, False, False]),
        last_observations=np.zeros((3, 1), np.float32),
        shows_end=np.array([True, True, False]),
    )


def test_returns_worked_by_hand() -> None:
    episodes = three_episodes()
    returns = returns_to_go(episodes, episodes.rewards, discount=0.5)
    # 1 + 2/2 + 4/4 = 3, 2 + 4/2 = 4, 4; where the last observation is unknown, the last reward is not counted either
    assert returns.known.tolist() == [3, 4, 4, 3, 4, 4, 2, 2, 0]
    assert returns.weight_after.tolist() == [0, 0, 0, 0.125, 0.25, 0.5, 0.25, 0.5, 1.0]
    assert returns.counts.tolist() == [True] * 8 + [False]
    targets = returns.targets(np.array([100, 8, 16], np.float32), episodes.episodes)
    assert targets.tolist() == [3, 4, 4, 4, 6, 8, 6, 10, 16]


@pytest.mark.parametrize("discount", [0.0, 0.9, 1.0])
def test_returns_are_the_sums_of_what_followed(discount: float) -> None:
    episodes = made_up(describe_env(EnvConfig(id="CartPole-v1")))
    values = np.random.default_rng(1).normal(size=episodes.num_episodes).astype(np.float32)
    returns = returns_to_go(episodes, episodes.rewards, discount=discount)
    targets = returns.targets(values, episodes.episodes)
    begin = 0
    for number, length in enumerate(episodes.lengths):
        is_unseen = not episodes.terminated[number] and not episodes.shows_end[number]
        end = begin + length - is_unseen
        for step in range(begin, end):
            rewards = episodes.rewards[step:end].astype(np.float64)
            expected = (rewards * discount ** np.arange(len(rewards))).sum()
            if not episodes.terminated[number]:
                expected += discount ** (end - step) * values[number]
            assert targets[step] == pytest.approx(expected, abs=1e-5)
            assert returns.counts[step]
        assert returns.counts[end : begin + length].tolist() == [False] * is_unseen
        begin += length


def test_whole_episodes_are_held_out_by_the_seed_alone() -> None:
    episodes = made_up(describe_env(EnvConfig(id="CartPole-v1")))
    chosen = [episodes.held_out(0.3, seed=seed) for seed in range(20)]
    for held_out in chosen:
        by_episode = [set(held_out[episodes.episodes == number].tolist()) for number in range(6)]
        assert sorted(map(sorted, by_episode)) == [[False]] * 4 + [[True]] * 2
    assert len({held_out.tobytes() for held_out in chosen}) > 5
    assert episodes.held_out(0.3, seed=3).tolist() == chosen[3].tolist()


@pytest.mark.parametrize(("share", "count"), [(0.0, 0), (1e-9, 1), (0.5, 3)])
def test_one_episode_at_least_is_held_out_and_never_all(share: float, count: int) -> None:
    spaces = describe_env(EnvConfig(id="CartPole-v1"))
    episodes = made_up(spaces)
    assert len(set(episodes.episodes[episodes.held_out(share, seed=0)])) == count
    assert not made_up(spaces, lengths=(4,)).held_out(share, seed=0).any()


def test_rewards_are_scaled_by_the_deviation_of_the_discounted_return() -> None:
    episodes = three_episodes()
    steps = np.arange(9) < 6
    moments = moments_of_returns(episodes, RunningMoments.empty(1), steps=steps, discount=0.5)
    sums = np.array([1, 2.5, 5.25] * 2)  # each reward and half of the sum before it, anew in each episode
    assert moments.count == pytest.approx(6, abs=1e-3)
    assert moments.variance[0] == pytest.approx(sums.var(), rel=1e-3)
    assert scaled_rewards(episodes, moments)[:3] == pytest.approx(np.array([1, 2, 4]) / sums.std(), rel=1e-3)
