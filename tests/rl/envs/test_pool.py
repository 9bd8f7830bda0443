import numpy as np
import pytest

from rl_assets.config.environment import EnvConfig
from rl_assets.errors import EnvironmentFault
from rl_assets.rl.envs.catalogue import describe_env
from rl_assets.rl.envs.pool import EnvironmentPool

DISCRETE, BOX = EnvConfig(id="CartPole-v1"), EnvConfig(id="Pendulum-v1")


def build(env, seeds=(1, 2)):
    return EnvironmentPool(env, spaces=describe_env(env), seeds=list(seeds))


class RecordingPool:
    """Stands where EnvPool does and remembers the actions that reach it."""

    def __init__(self, *, rewards=(0.0, 0.0), observations=None):
        self.seen, self._rewards = [], rewards
        self._observations = np.zeros((2, 4)) if observations is None else observations

    def reset(self):
        return np.zeros((2, 4)), {}

    def step(self, actions):
        self.seen.append(actions)
        return self._observations, np.array(self._rewards), np.zeros(2, bool), np.zeros(2, bool), {}

    def close(self):
        pass


@pytest.mark.parametrize(
    ("env", "actions", "words"),
    [
        (DISCRETE, np.zeros(3, np.int64), r"shape \(3,\): expected \(2,\)"),
        (DISCRETE, np.zeros((2, 1), np.int64), r"shape \(2, 1\): expected \(2,\)"),
        (DISCRETE, [0, 0], r"expected \(2,\)"),
        (DISCRETE, np.zeros(2, np.float32), "are float32: expected integers"),
        (DISCRETE, np.array([0, 2]), "span 0 to 2: expected 0 to 1"),
        (DISCRETE, np.array([-1, 0]), "span -1 to 0: expected 0 to 1"),
        (BOX, np.zeros((2, 2), np.float32), r"shape \(2, 2\): expected \(2, 1\)"),
        (BOX, np.zeros((2, 1), np.int64), "are int64: expected floats"),
        (BOX, np.array([[0.0], [np.nan]], np.float32), "hold NaN or infinity"),
        (BOX, np.array([[0.0], [np.inf]], np.float32), "hold NaN or infinity"),
        (BOX, np.array([[0.0], [2.1]], np.float32), "leave the bounds"),
    ],
)
def test_wrong_actions_are_refused_before_envpool_sees_them(env, actions, words):
    pool = build(env)
    pool.reset()
    pool._pool = recording = RecordingPool()
    with pytest.raises(ValueError, match=f"actions for 2 envs of '{env.id}'.*{words}"):
        pool.step(actions)
    assert not recording.seen


def test_actions_at_the_bounds_pass():
    with build(BOX) as pool:
        pool.reset()
        assert pool.step(np.array([[2.0], [-2.0]], np.float32)).valid.all()


def test_a_pool_that_was_not_reset_is_not_stepped():
    with build(DISCRETE) as pool, pytest.raises(ValueError, match="was not reset"):
        pool.step(np.zeros(2, np.int64))


def test_the_step_after_an_end_is_marked_and_shows_the_true_final_observation():
    with build(DISCRETE, seeds=[3]) as pool:
        pool.reset()
        for _ in range(30):
            batch = pool.step(np.ones(1, np.int64))
            if batch.terminated[0]:
                break
        assert batch.valid[0]
        assert abs(batch.observations[0, 2]) > 0.2, "the pole has fallen in the final observation"
        dummy = pool.step(np.ones(1, np.int64))
        assert not dummy.valid[0]
        assert dummy.rewards[0] == 0
        assert abs(dummy.observations[0, 2]) < 0.06, "the next episode has begun"
        assert pool.step(np.ones(1, np.int64)).valid[0]


def test_running_out_of_time_is_no_termination():
    env = EnvConfig(id="MountainCar-v0")
    with build(env, seeds=[3]) as pool:
        pool.reset()
        batches = [pool.step(np.zeros(1, np.int64)) for _ in range(200)]
    assert not any(batch.terminated[0] for batch in batches)
    assert [batch.truncated[0] for batch in batches] == [False] * 199 + [True]


def test_seeds_decide_the_start_whatever_the_pools_size():
    with build(DISCRETE, seeds=[7, 8, 9]) as three, build(DISCRETE, seeds=[8]) as one:
        np.testing.assert_array_equal(three.reset().observations[1:2], one.reset().observations)


def test_observations_are_float32_also_where_the_environment_has_float64():
    with build(EnvConfig(id="HalfCheetah-v4")) as pool:
        assert pool.reset().observations.dtype == np.float32


def test_a_misshapen_answer_is_a_fault_of_the_environment():
    pool = build(DISCRETE)
    pool.reset()
    pool._pool = RecordingPool(observations=np.zeros((2, 5)))
    with pytest.raises(EnvironmentFault, match=r"returned observations float32 \(2, 5\): expected float32 \(2, 4\)"):
        pool.step(np.zeros(2, np.int64))
    pool._pool = RecordingPool(rewards=(0.0, 0.0, 0.0))
    with pytest.raises(EnvironmentFault, match=r"returned rewards of shape \(3,\): expected \(2,\)"):
        pool.step(np.zeros(2, np.int64))


def test_what_envpool_raises_is_a_fault_of_the_environment():
    with pytest.raises(EnvironmentFault, match=r"pool of 1 envs 'CartPole-v1' could not be built: .*nope"):
        EnvironmentPool(EnvConfig(id="CartPole-v1", options={"nope": 1}), spaces=describe_env(DISCRETE), seeds=[1])


def test_no_threads_are_refused_because_envpool_would_end_the_process():
    with pytest.raises(ValueError, match="num_threads is -3"):
        EnvironmentPool(DISCRETE, spaces=describe_env(DISCRETE), seeds=[1], num_threads=-3)
