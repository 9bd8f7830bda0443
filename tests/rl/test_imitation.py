"""What a population learns of a dataset: in which order, what it is measured on, and that it comes to act like it."""

import math

import numpy as np
import pytest

from rl_assets.config.environment import EnvConfig
from rl_assets.config.evaluation import EvaluationConfig
from rl_assets.config.ppo import PPOConfig
from rl_assets.config.recipe import Recipe
from rl_assets.datasets.demonstrations import read_demonstrations
from rl_assets.errors import MemberDiverged
from rl_assets.rl.algorithms.bc import BC
from rl_assets.rl.checkpoints import Checkpoint
from rl_assets.rl.demonstrations import Demonstrations
from rl_assets.rl.envs.catalogue import describe_env
from rl_assets.rl.normalization import RunningMoments
from rl_assets.rl.outcomes import MemberFailure, TrainedMember
from rl_assets.rl.plan import Member, num_updates, plan_training
from rl_assets.rl.population import train_population
from rl_assets.rl.training import train
from rl_assets.rl.trials import selection_episodes
from tests.datasets.episode_files import npz
from tests.rl.demonstrators import balance, cloning_member, made_up, record, swing_up

CARTPOLE = EnvConfig(id="CartPole-v1")
SPACES = describe_env(CARTPOLE)


def clone(members, demonstrations, *, env=CARTPOLE, **settings):
    return train_population(
        env=env,
        spaces=describe_env(env),
        members=members,
        demonstrations=demonstrations,
        on_update=lambda report: None,
        **settings,
    )


def trained(members, demonstrations, **settings) -> list[TrainedMember]:
    results = clone(members, demonstrations, **settings)
    assert all(isinstance(result, TrainedMember) for result in results), results
    return [result for result in results if isinstance(result, TrainedMember)]


@pytest.fixture
def seen(monkeypatch):
    """Every batch that is learned from, and every block that is measured."""
    learned, measured = [], []
    learn, measure = BC._learn, BC.measure

    def spy_learn(self, samples, learning_rates):
        learned.append(samples)
        return learn(self, samples, learning_rates)

    def spy_measure(self, samples):
        measured.append(samples)
        return measure(self, samples)

    monkeypatch.setattr(BC, "_learn", spy_learn)
    monkeypatch.setattr(BC, "measure", spy_measure)
    return learned, measured


def numbered() -> Demonstrations:
    """Episodes in which the first number of an observation is that of the step."""
    episodes = made_up(SPACES)
    episodes.observations[:, 0] = np.arange(episodes.num_steps)
    return episodes


def test_every_step_is_met_once_in_an_epoch_in_an_order_of_the_members_own(seen):
    learned, _ = seen
    episodes = numbered()
    members = [cloning_member(seed, total_timesteps=10 * 16) for seed in range(2)]
    clone(members, episodes)
    orders = np.concatenate([samples.observations[:, :, 0] for samples in learned], axis=1).astype(int)
    for order, member in zip(orders, members, strict=True):
        own = np.flatnonzero(~episodes.held_out(0.3, seed=member.seed))
        epochs = [order[begin : begin + len(own)].tolist() for begin in range(0, len(order) - len(own), len(own))]
        assert len(epochs) >= 3
        assert all(sorted(epoch) == own.tolist() for epoch in epochs)
        assert len(set(map(tuple, epochs))) == len(epochs)
    assert orders[0].tolist() != orders[1].tolist()


def test_held_out_episodes_are_measured_at_the_end_of_each_epoch_and_never_learned(seen):
    learned, measured = seen
    episodes = numbered()
    member = cloning_member(total_timesteps=10 * 16)
    (result,) = trained([member], episodes)
    held_out = set(np.flatnonzero(episodes.held_out(0.3, seed=0)).tolist())
    for samples in measured:
        counted = samples.observations[0, samples.weights[0] > 0, 0]
        assert sorted(counted.astype(int).tolist()) == sorted(held_out)
    assert not held_out & {int(step) for samples in learned for step in samples.observations[0, :, 0]}
    size = episodes.num_steps - len(held_out)
    is_due = [(update + 1) * 16 // size > update * 16 // size or update == 9 for update in range(10)]
    for name in ("negative_log_likelihood", "value_loss", "accuracy"):
        assert np.isfinite(result.history[f"validation_{name}"]).tolist() == is_due
    assert len(measured) == sum(is_due)


def test_without_held_out_episodes_nothing_is_measured(seen):
    _, measured = seen
    (result,) = trained([cloning_member(validation_share=0.0)], numbered())
    assert measured == []
    assert np.isnan(result.history["validation_value_loss"]).all()


def test_what_is_measured_is_the_plain_mean_over_the_held_out_steps():
    episodes = made_up(SPACES, lengths=(900, 700, 800, 1100))
    (result,) = trained([cloning_member(validation_share=0.5, total_timesteps=16)], episodes)
    steps = np.flatnonzero(episodes.held_out(0.5, seed=0))
    assert len(steps) > 1024, "more than one block"
    tensors = result.tensors

    def forward(tower):
        hidden = episodes.observations[steps]
        for layer in ("0", "1"):
            hidden = np.tanh(hidden @ tensors[f"{tower}.{layer}.weight"].T + tensors[f"{tower}.{layer}.bias"])
        return hidden @ tensors[f"{tower}.2.weight"].T + tensors[f"{tower}.2.bias"]

    logits = forward("actor").astype(np.float64)
    log_probs = logits - np.log(np.exp(logits).sum(1, keepdims=True))
    chosen = episodes.actions[steps, 0]
    assert result.history["validation_negative_log_likelihood"][-1] == pytest.approx(
        -log_probs[np.arange(len(steps)), chosen].mean(), rel=1e-5
    )
    assert result.history["validation_accuracy"][-1] == pytest.approx((logits.argmax(1) == chosen).mean())


def test_statistics_are_those_of_the_episodes_that_are_learned_from():
    episodes = made_up(SPACES)
    (result,) = trained([cloning_member(normalize_observations=True, discount=0.5)], episodes)
    own = ~episodes.held_out(0.3, seed=0)
    expected = RunningMoments.empty(4).updated(episodes.observations[own])
    assert result.optimizer_state["observations.mean"] == pytest.approx(expected.mean)
    assert result.tensors["normalizer.mean"] == pytest.approx(expected.mean.astype(np.float32))
    assert result.tensors["normalizer.scale"] == pytest.approx(expected.scale.astype(np.float32))
    assert float(result.optimizer_state["returns.count"]) == pytest.approx(own.sum(), abs=1e-3)


def test_no_environment_step_is_counted_and_progress_is_in_samples():
    reports = []
    members = [cloning_member(seed) for seed in range(3)]
    results = train_population(
        env=CARTPOLE, spaces=SPACES, members=members, demonstrations=made_up(SPACES), on_update=reports.append
    )
    assert [report.env_steps for report in reports] == [3 * 16] * 6
    assert all(report.mean_return is None for report in reports)
    for result in results:
        assert isinstance(result, TrainedMember)
        assert (result.env_steps, result.best, result.steps_per_s > 0) == (0, None, True)
        assert result.history["samples"].tolist() == [16, 32, 48, 64, 80, 96]


@pytest.mark.parametrize("env_id", ["CartPole-v1", "Pendulum-v1", "HalfCheetah-v4"])
@pytest.mark.parametrize("normalizes", [False, True])
def test_ppo_goes_on_from_what_was_cloned(env_id, normalizes):
    """All that PPO keeps of a member is there, under its names and in its shapes."""
    env = EnvConfig(id=env_id)
    spaces = describe_env(env)
    (cloned,) = trained([cloning_member(normalize_observations=normalizes)], made_up(spaces), env=env)
    algorithm = PPOConfig(num_envs=2, num_steps=8, num_minibatches=1, normalize_observations=normalizes)
    recipe = Recipe(algorithm=algorithm, network=cloning_member().recipe.network, total_timesteps=32, dataset="c-1.d1")
    member = Member(recipe=recipe, hparam="h", seed=0)
    fresh = train_population(env=env, spaces=spaces, members=[member], on_update=lambda report: None)
    assert isinstance(fresh[0], TrainedMember)
    for parts in ("tensors", "optimizer_state"):
        ours, theirs = getattr(cloned, parts), getattr(fresh[0], parts)
        assert {name: (a.shape, a.dtype) for name, a in ours.items()} == {
            name: (a.shape, a.dtype) for name, a in theirs.items()
        }
    start = Checkpoint(
        update=1,
        is_final=False,
        env_steps=16,
        tensors=cloned.tensors,
        optimizer_state=cloned.optimizer_state,
        history={name: column[:1] for name, column in fresh[0].history.items()},
        best=None,
        numerics=fresh[0].numerics,
    )
    (tuned,) = train_population(env=env, spaces=spaces, members=[member], starts=[start], on_update=lambda report: None)
    assert isinstance(tuned, TrainedMember), tuned


def test_a_member_whose_numbers_leave_the_finite_stops_alone():
    members = [cloning_member(0), cloning_member(1), cloning_member(2)]
    episodes = made_up(SPACES)
    healthy = trained(members, episodes)
    real = BC._learn

    def break_one(self, samples, learning_rates):
        rates = [math.inf if index == 1 else rate for index, rate in enumerate(learning_rates)]
        return real(self, samples, rates)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(BC, "_learn", break_one)
        first, failed, last = clone(members, episodes)
    assert isinstance(failed, MemberFailure)
    assert isinstance(failed.error, MemberDiverged)
    for result, expected in ((first, healthy[0]), (last, healthy[2])):
        assert isinstance(result, TrainedMember)
        assert [array.tobytes() for array in result.tensors.values()] == [
            array.tobytes() for array in expected.tensors.values()
        ]


def test_a_demonstrator_who_never_hesitates_is_no_reason_to_stop():
    episodes = made_up(SPACES)
    episodes.actions[:] = 1
    member = cloning_member(total_timesteps=16 * 400, learning_rate=1e-1, guardrails={"min_entropy": 1e-3})
    (result,) = trained([member], episodes)
    entropies = result.history["entropy"]
    assert (entropies[-100:] < 1e-3).all(), "lower than a member that acts may have"
    assert len(entropies) == num_updates(member.recipe)


def test_members_of_different_datasets_are_never_one_population():
    one = cloning_member(0)
    other = Member(recipe=one.recipe.model_copy(update={"dataset": "c-1.d2"}), hparam="other", seed=0)
    plan = plan_training(CARTPOLE, [one, other, cloning_member(1)])
    assert sorted(sorted(plan.members[index].recipe.dataset for index in chunk.members) for chunk in plan.chunks) == [
        ["c-1.d1", "c-1.d1"],
        ["c-1.d2"],
    ]
    outcomes = list(train(plan, demonstrations={"c-1.d1": made_up(SPACES), "c-1.d2": made_up(SPACES, lengths=(9, 9))}))
    assert all(isinstance(member, TrainedMember) for outcome in outcomes for member in outcome.members)


@pytest.mark.parametrize(
    ("env_id", "rule", "fields", "score"),
    [
        ("CartPole-v1", balance, {}, 475.0),
        ("MountainCarContinuous-v0", swing_up, {}, 90.0),
        ("MountainCarContinuous-v0", swing_up, {"squash_actions": True}, 90.0),
    ],
)
def test_members_come_to_act_as_well_as_the_demonstrator(env_id, rule, fields, score):
    env = EnvConfig(id=env_id)
    spaces = describe_env(env)
    files = {"a.npz": npz(**record(env_id, rule, num_episodes=10))}
    demonstrations = read_demonstrations(files, spaces, env=env_id, what="d")
    returns = np.bincount(demonstrations.episodes, demonstrations.rewards)
    assert returns.mean() >= score, "the demonstrator is good"
    members = [
        cloning_member(
            seed,
            total_timesteps=60_000,
            batch_size=64,
            steps_per_update=16,
            validation_share=0.1,
            learning_rate=3e-3,
            normalize_observations=True,
            hidden_sizes=(64, 64),
            **fields,
        )
        for seed in range(3)
    ]
    results = trained(members, demonstrations, env=env)
    records = selection_episodes(
        env=env,
        spaces=spaces,
        spec=results[0].spec,
        members=[(result.seed, result.tensors) for result in results],
        config=EvaluationConfig(num_episodes=10),
        on_step=lambda: None,
    )
    assert [own.returns.mean() for own in records] == pytest.approx([returns.mean()] * 3, rel=0.05)
    assert all(result.history["value_loss"][-1] < 0.5 * result.history["value_loss"][0] for result in results)
