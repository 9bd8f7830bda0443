import dataclasses

import numpy as np
import pytest

from rl_assets.config.environment import EnvConfig
from rl_assets.config.network import NetworkConfig
from rl_assets.errors import EnvironmentFault, MetricFault
from rl_assets.rl import evaluation
from rl_assets.rl.envs.catalogue import describe_env
from rl_assets.rl.envs.pool import StepBatch, Views
from rl_assets.rl.envs.spaces import ActionEncoding, DiscreteActions, EnvSpaces, ObservationPart
from rl_assets.rl.evaluation import evaluate, num_streams
from rl_assets.rl.policy import PolicySpec

CARTPOLE = EnvConfig(id="CartPole-v1")
SPACES = EnvSpaces(
    observation_shape=(1,),
    observation_dtype="float32",
    parts=(ObservationPart(path=(), shape=(1,), options=0, scale=1.0),),
    actions=DiscreteActions(n=2),
    encoding=ActionEncoding(shape=(), dtype="int64"),
    mask=None,
    num_players=1,
    reward_threshold=None,
    max_episode_steps=60,
)


class LongOrShortPool:
    """Odd seeds give episodes of 50 steps, even ones of 1 step; each step pays 1. Resets take a step, as EnvPool's."""

    reward = 1.0

    def __init__(self, env, *, spaces, seeds, num_threads=1, on_step=None):
        self.env, self.num_envs = env, len(seeds)
        self._ends_at = np.where(np.array(seeds) % 2, 50, 1)

    def __enter__(self):
        return self

    def __exit__(self, *exc_info):
        pass

    def reset(self):
        self._age = np.zeros(self.num_envs, int)
        self._was_done = np.zeros(self.num_envs, bool)
        return Views(observations=np.zeros((self.num_envs, 1), np.float32), masks=None)

    def step(self, actions):
        valid = ~self._was_done
        self._age = np.where(valid, self._age + 1, 0)
        self._was_done = valid & (self._age >= self._ends_at)
        return StepBatch(
            observations=np.zeros((self.num_envs, 1), np.float32),
            masks=None,
            rewards=np.where(valid, np.float32(self.reward), np.float32(0)),
            terminated=self._was_done & (self._ends_at == 1),
            truncated=self._was_done & (self._ends_at == 50),
            valid=valid,
        )


def spec_for(spaces, **changes):
    return PolicySpec.for_env(spaces, network=NetworkConfig(hidden_sizes=(8,)), normalizes_observations=False)


def draw(spec, seed=0):
    tensors = spec.shape.init_member(np.random.default_rng(seed))
    return {name: array * np.float32(30 if name.startswith("actor.1") else 1) for name, array in tensors.items()}


def run(monkeypatch, pool=LongOrShortPool, **changes):
    monkeypatch.setattr(evaluation, "EnvironmentPool", pool)
    spec = spec_for(SPACES)
    arguments = {
        "spec": spec,
        "members": [draw(spec)],
        "env": CARTPOLE,
        "spaces": SPACES,
        "seeds": [[1, 2, 3, 4]],
        "num_episodes": 12,
        "deterministic": True,
    }
    return evaluate(**(arguments | changes))


def test_long_episodes_are_waited_for(monkeypatch):
    (records,) = run(monkeypatch)
    assert records.returns.tolist() == [50.0] * 3 + [1.0] * 3 + [50.0] * 3 + [1.0] * 3
    assert records.lengths.tolist() == [50] * 3 + [1] * 3 + [50] * 3 + [1] * 3
    assert records.seeds.tolist() == [1, 1, 1, 2, 2, 2, 3, 3, 3, 4, 4, 4]
    assert records.truncated.tolist() == [True] * 3 + [False] * 3 + [True] * 3 + [False] * 3
    assert records.terminated.tolist() == (~records.truncated).tolist()


class LuckyPool(LongOrShortPool):
    """Each episode is of 50 steps or of 1, decided by its stream's own generator when it begins."""

    def __init__(self, env, *, seeds, **arguments):
        super().__init__(env, seeds=seeds, **arguments)
        lots = [np.random.default_rng(seed).random(200) < 0.5 for seed in seeds]
        self._lengths = np.where(np.stack(lots), 50, 1)
        self._episode = np.zeros(len(seeds), int)

    def step(self, actions):
        self._ends_at = self._lengths[np.arange(self.num_envs), self._episode]
        batch = super().step(actions)
        self._episode += self._was_done
        return batch


def test_the_mean_of_long_or_short_episodes_has_a_bias_of_less_than_one_percent(monkeypatch):
    spec = spec_for(SPACES)
    num_policies, num_episodes, streams = 200, 100, 25
    seeds = np.arange(num_policies * streams).reshape(num_policies, streams).tolist()
    records = run(
        monkeypatch,
        pool=LuckyPool,
        members=[draw(spec)] * num_policies,
        seeds=seeds,
        num_episodes=num_episodes,
    )
    truth = np.mean([50 if long else 1 for s in range(5000) for long in np.random.default_rng(s).random(4) < 0.5])
    measured = np.mean([record.returns.mean() for record in records])
    assert measured == pytest.approx(truth, rel=1e-12), "every stream's first four episodes, long or short"
    assert truth == pytest.approx(25.5, rel=0.01), "20,000 episodes: a standard error of 0.7 %"
    assert first_to_finish(LuckyPool, seeds, num_episodes) < 0.85 * truth, "what this guards against"


def first_to_finish(pool, seeds, num_episodes):
    """The mean that a policy gets from whichever episodes end first, over all policies."""
    means = []
    for own in seeds[:50]:
        with pool(CARTPOLE, spaces=SPACES, seeds=own, num_threads=1) as envs:
            envs.reset()
            returns, ended = np.zeros(len(own)), []
            while len(ended) < num_episodes:
                batch = envs.step(None)
                returns += batch.rewards
                done = batch.terminated | batch.truncated
                ended += returns[done].tolist()
                returns[done] = 0
        means.append(np.mean(ended[:num_episodes]))
    return np.mean(means)


def test_quotas_are_fixed_beforehand_where_episodes_do_not_divide(monkeypatch):
    (records,) = run(monkeypatch, num_episodes=6)
    assert records.seeds.tolist() == [1, 1, 2, 2, 3, 4]


def test_as_many_streams_as_episodes_gives_first_episodes_only(monkeypatch):
    (records,) = run(monkeypatch, num_episodes=4)
    assert records.seeds.tolist() == [1, 2, 3, 4]


@pytest.mark.parametrize("seeds", [[[1, 2], [1]], [[]], [[1, 2, 3]]])
def test_streams_that_cannot_share_the_episodes_are_refused(monkeypatch, seeds):
    spec = spec_for(SPACES)
    with pytest.raises(ValueError, match="streams per policy are"):
        run(monkeypatch, seeds=seeds, members=[draw(spec)] * len(seeds), num_episodes=2)


def test_an_episode_that_never_ends_is_a_fault(monkeypatch):
    class Endless(LongOrShortPool):
        def __init__(self, env, *, spaces, seeds, num_threads, on_step):
            super().__init__(env, spaces=spaces, seeds=seeds, num_threads=num_threads, on_step=on_step)
            self._ends_at = np.full(len(seeds), 10**9)

    with pytest.raises(EnvironmentFault, match="did not end within 60 steps: set max_episode_steps"):
        run(monkeypatch, pool=Endless)


def test_a_return_that_is_not_finite_never_becomes_a_score(monkeypatch):
    class Broken(LongOrShortPool):
        reward = np.nan

    with pytest.raises(EnvironmentFault, match="policy 0 of 1 got a return that is not finite"):
        run(monkeypatch, pool=Broken)


def test_sampling_needs_seeds(monkeypatch):
    with pytest.raises(ValueError, match="sampling_seeds is None"):
        run(monkeypatch, deterministic=False)


@pytest.mark.parametrize("env_id", ["CartPole-v1", "Pendulum-v1"])
@pytest.mark.parametrize("deterministic", [True, False])
def test_a_policys_episodes_do_not_depend_on_its_company(env_id, deterministic):
    env = EnvConfig(id=env_id, options={})
    spaces = describe_env(env)
    spec = spec_for(spaces)
    members, seeds = [draw(spec, seed) for seed in range(3)], [[5, 6, 7], [8, 9, 10], [5, 6, 7]]

    def run_some(indices):
        return evaluate(
            spec=spec,
            members=[members[index] for index in indices],
            env=env,
            spaces=spaces,
            seeds=[seeds[index] for index in indices],
            num_episodes=4,
            deterministic=deterministic,
            sampling_seeds=[100 + index for index in indices],
            metrics=["action_change"],
        )

    together = run_some([0, 1, 2])
    for index in range(3):
        (alone,) = run_some([index])
        assert alone.returns.tobytes() == together[index].returns.tobytes()
        assert alone.lengths.tobytes() == together[index].lengths.tobytes()
        assert alone.metrics["action_change"].tobytes() == together[index].metrics["action_change"].tobytes()
        assert alone.is_deterministic == deterministic


def test_episodes_are_numbered_within_their_streams(monkeypatch):
    (records,) = run(monkeypatch, num_episodes=6)
    assert records.seeds.tolist() == [1, 1, 2, 2, 3, 4]
    assert records.numbers.tolist() == [0, 1, 0, 1, 0, 0]
    assert records.numbers.dtype == np.int32


def test_wall_times_run_from_the_first_step_of_an_episode_to_its_end(monkeypatch):
    ticks = iter(range(10_000))
    (records,) = run(monkeypatch, clock=lambda: next(ticks))
    assert records.wall_times_s.tolist() == [50.0] * 3 + [1.0] * 3 + [50.0] * 3 + [1.0] * 3, "a tick is a step"


class Reset(LongOrShortPool):
    """What streams return on the dummy step of a reset is no part of any episode, whatever the pool says."""

    def step(self, actions):
        batch = super().step(actions)
        return dataclasses.replace(batch, observations=np.where(batch.valid, 1, 99)[:, None].astype(np.float32))


class SumOfObservations:
    """Sums what was seen after each step."""

    version = "1"

    def begin(self, num_streams):
        self.sums = np.zeros(num_streams)

    def observe(self, steps):
        self.sums += np.where(steps.valid, steps.next_observations[:, 0], 0)

    def finish(self, ended):
        values = self.sums.copy()
        self.sums[ended] = 0
        return values


def test_metrics_are_computed_of_each_recorded_episode(monkeypatch):
    monkeypatch.setattr("rl_assets.rl.metrics.BUILT_IN", {"sum": SumOfObservations})
    (records,) = run(monkeypatch, pool=Reset, metrics=["sum"])
    assert records.metrics["sum"].tolist() == records.lengths.tolist()
    assert records.metrics["sum"].dtype == np.float64


def test_a_metric_changes_nothing_else(monkeypatch):
    (plain,) = run(monkeypatch)
    (measured,) = run(monkeypatch, metrics=["action_change"])
    assert plain.metrics == {}
    assert (measured.metrics["action_change"] >= 0).all()
    assert plain.returns.tobytes() == measured.returns.tobytes()


def test_a_metric_without_a_number_is_a_fault_and_no_score(monkeypatch):
    class Broken(SumOfObservations):
        def finish(self, ended):
            return super().finish(ended) * np.nan

    monkeypatch.setattr("rl_assets.rl.metrics.BUILT_IN", {"sum": Broken})
    with pytest.raises(MetricFault, match=r"metric 'sum' \(version 1\) gave nan for an episode"):
        run(monkeypatch, metrics=["sum"])


def test_many_episodes_share_a_limited_number_of_streams():
    assert (num_streams(3), num_streams(100)) == (3, 25)
