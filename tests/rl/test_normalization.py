import numpy as np
import pytest

from rl_assets.rl.normalization import RewardScaler, RunningMoments, discounted_sums


def test_moments_of_parts_are_the_moments_of_the_whole():
    rng = np.random.default_rng(0)
    samples = rng.normal(3.0, 5.0, (1000, 2))
    moments = RunningMoments.empty(2)
    for part in np.split(samples, [1, 10, 400]):
        moments = moments.updated(part)
    np.testing.assert_allclose(moments.mean, samples.mean(axis=0), atol=1e-5)
    np.testing.assert_allclose(moments.variance, samples.var(axis=0), rtol=1e-4)
    assert moments.count == pytest.approx(1000)


def test_no_samples_change_nothing():
    moments = RunningMoments.empty(1).updated(np.array([[1.0], [2.0]]))
    assert moments.updated(np.empty((0, 1))) is moments


def test_a_constant_observation_stays_finite():
    moments = RunningMoments.empty(1).updated(np.full((1000, 1), 4.0))
    assert np.isfinite(moments.scale).all()


def test_discounted_sums_start_again_after_an_episode():
    rewards = np.array([[1.0], [1.0], [1.0], [1.0]], np.float32)
    ended = np.array([[False], [True], [False], [False]])
    sums, running = discounted_sums(rewards, ended=ended, start=np.array([2.0]), discount=0.5)
    assert sums[:, 0].tolist() == [2.0, 2.0, 1.0, 1.5]
    assert running.tolist() == [1.5]


def test_rewards_are_divided_by_the_deviation_of_the_discounted_return():
    rewards = np.array([[10.0, -10.0], [10.0, -10.0]], np.float32)
    never, always = np.zeros((2, 2), bool), np.ones((2, 2), bool)
    scaler, scaled = RewardScaler.empty(2).scaled(rewards, ended=never, valid=always, discount=0.0)
    np.testing.assert_allclose(scaled, rewards / 10.0, rtol=1e-3)
    assert scaler.sums.tolist() == [10.0, -10.0]
    assert scaler.restarted().sums.tolist() == [0.0, 0.0]
    assert scaler.restarted().moments is scaler.moments


def test_reset_steps_are_not_counted():
    rewards = np.array([[10.0], [0.0], [-10.0]], np.float32)
    ended, valid = np.array([[True], [False], [False]]), np.array([[True], [False], [True]])
    scaler, _ = RewardScaler.empty(1).scaled(rewards, ended=ended, valid=valid, discount=0.9)
    assert scaler.moments.count == pytest.approx(2, abs=1e-3)
    assert scaler.moments.variance[0] == pytest.approx(100, rel=1e-3)


def test_scaled_rewards_stay_within_their_limit():
    rewards = np.zeros((1000, 1), np.float32)
    rewards[-1] = 1e6
    never, always = np.zeros((1000, 1), bool), np.ones((1000, 1), bool)
    _, scaled = RewardScaler.empty(1).scaled(rewards, ended=never, valid=always, discount=0.0)
    assert scaled.max() == 10.0
