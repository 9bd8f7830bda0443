import itertools

import numpy as np
import pytest

from rl_assets.config.environment import EnvConfig
from rl_assets.errors import EnvironmentFault, MemberDiverged, WallTimeExceeded
from rl_assets.rl import interaction
from rl_assets.rl.backend import BACKEND_VARIABLE
from rl_assets.rl.envs.catalogue import describe_env
from rl_assets.rl.envs.pool import EnvironmentPool
from rl_assets.rl.guardrails import Guardrails
from rl_assets.rl.networks.mlp import MLPShape
from rl_assets.rl.outcomes import MemberFailure, TrainedMember
from rl_assets.rl.population import Population, single_thread, train_population

CARTPOLE = EnvConfig(id="CartPole-v1")


def train(members, env=CARTPOLE, on_update=lambda report: None, **clock):
    return train_population(env=env, spaces=describe_env(env), members=members, on_update=on_update, **clock)


def bytes_of(result):
    assert isinstance(result, TrainedMember), result
    parts = {"tensors": result.tensors, "optimizer": result.optimizer_state, "history": result.history}
    return {f"{part}/{name}": array.tobytes() for part, arrays in parts.items() for name, array in arrays.items()}


def poison(monkeypatch, *, member, step, members, field="rewards", value=np.nan):
    """Let one member's environments return nonsense from one step on."""
    real, count = EnvironmentPool.step, 0

    def step_with_poison(self, actions):
        nonlocal count
        batch, count = real(self, actions), count + 1
        if count > step:
            each = self.num_envs // members
            getattr(batch, field)[member * each : (member + 1) * each] = value
        return batch

    monkeypatch.setattr(EnvironmentPool, "step", step_with_poison)


def test_history_has_one_value_for_each_update_and_counts_real_steps_only(make_member):
    (result,) = train([make_member(0)])
    assert {len(values) for values in result.history.values()} == {4}
    resets = 256 - result.env_steps
    assert result.history["env_steps"][-1] == result.env_steps
    assert 0 < resets <= result.history["episodes"].sum()
    assert result.history["learning_rate"].tolist() == pytest.approx([1e-3, 0.75e-3, 0.5e-3, 0.25e-3])


def test_learning_rates_stay_where_they_are_not_annealed(make_member):
    (result,) = train([make_member(0, anneal_learning_rate=False)])
    assert result.history["learning_rate"].tolist() == [1e-3] * 4


def test_progress_is_told_after_every_update(make_member):
    reports = []
    train([make_member(0), make_member(1)], on_update=reports.append)
    assert [report.env_steps for report in reports] == [128] * 4
    assert reports[-1].mean_return > 5


def test_the_last_update_is_whole(make_member):
    (result,) = train([make_member(0, total_timesteps=65)])
    assert len(result.history["env_steps"]) == 2


def test_the_pool_is_rebuilt_with_new_seeds_at_every_segment(make_member, monkeypatch):
    seen = []

    class Recorder(EnvironmentPool):
        def __init__(self, env, *, seeds, **arguments):
            seen.append(list(seeds))
            super().__init__(env, seeds=seeds, **arguments)

    monkeypatch.setattr(interaction, "EnvironmentPool", Recorder)
    train([make_member(0), make_member(1)])
    assert [len(seeds) for seeds in seen] == [8, 8]
    assert len({seed for seeds in seen for seed in seeds}) == 16


@pytest.mark.parametrize(("field", "quantity"), [("rewards", "a reward"), ("observations", "an observation")])
@pytest.mark.parametrize("value", [np.nan, np.inf])
@pytest.mark.parametrize("is_normalized", [False, True])
def test_a_diverging_member_is_named_and_the_others_bytes_do_not_change(
    make_member, monkeypatch, field, quantity, value, is_normalized
):
    scaling = {"normalize_rewards": is_normalized, "normalize_observations": is_normalized}
    members = [make_member(seed, **scaling) for seed in range(3)]
    healthy = train(members)
    poison(monkeypatch, member=1, step=20, members=3, field=field, value=value)
    first, failed, last = train(members)
    assert bytes_of(first) == bytes_of(healthy[0])
    assert bytes_of(last) == bytes_of(healthy[2])
    assert isinstance(failed, MemberFailure)
    error = failed.error
    assert isinstance(error, MemberDiverged)
    assert (error.member, error.update, error.quantity) == (members[1].label, 1, quantity)
    assert str(error.value) == str(value)
    assert f"diverged in update 1: {quantity} is {value}" in str(error)


def test_a_continuous_member_that_diverges_leaves_the_others_alone_too(make_member, monkeypatch):
    env, members = EnvConfig(id="Pendulum-v1"), [make_member(seed) for seed in range(2)]
    healthy = train(members, env)
    poison(monkeypatch, member=0, step=3, members=2, field="observations")
    failed, other = train(members, env)
    assert isinstance(failed, MemberFailure)
    assert bytes_of(other) == bytes_of(healthy[1])


def test_parameters_that_overflow_are_found(make_member, monkeypatch):
    real = MLPShape.init_member
    monkeypatch.setattr(
        MLPShape,
        "init_member",
        lambda shape, rng: {name: a + np.float32(3e38) for name, a in real(shape, rng).items()},
    )
    (failed,) = train([make_member(0)])
    assert failed.error.update == 0
    assert failed.error.quantity == "a log probability"


def test_training_stops_when_nobody_is_left(make_member, monkeypatch):
    poison(monkeypatch, member=0, step=0, members=1)
    reports = []
    (failed,) = train([make_member(0)], on_update=reports.append)
    assert isinstance(failed, MemberFailure)
    assert len(reports) == 1


def test_a_pool_that_fails_is_a_fault_of_the_environment(make_member, monkeypatch):
    def fail(self, actions):
        raise EnvironmentFault("pool of 4 envs 'CartPole-v1' could not be stepped: boom")

    monkeypatch.setattr(EnvironmentPool, "step", fail)
    with pytest.raises(EnvironmentFault, match="boom"):
        train([make_member(0)])


def test_normalizers_are_part_of_what_is_kept(make_member):
    (result,) = train([make_member(0, normalize_observations=True, normalize_rewards=True)])
    assert result.spec.normalizes_observations
    assert result.tensors["normalizer.mean"].shape == (4,)
    assert result.optimizer_state["observations.count"] == pytest.approx(result.env_steps, abs=1)
    assert result.optimizer_state["returns.variance"] > 0
    np.testing.assert_allclose(
        result.tensors["normalizer.scale"], result.optimizer_state["observations.variance"] ** -0.5, rtol=1e-3
    )


def test_threads_are_given_back(make_member):
    import torch

    torch.set_num_threads(2)
    seen = []
    train([make_member(0)], on_update=lambda report: seen.append(torch.get_num_threads()))
    assert (seen[0], torch.get_num_threads()) == (1, 2)


def test_threads_of_environments_change_no_bytes(make_member):
    env, member = EnvConfig(id="HalfCheetah-v4"), make_member(0)
    one, three = (
        train_population(
            env=env, spaces=describe_env(env), members=[member], on_update=lambda report: None, env_threads=threads
        )
        for threads in (1, 3)
    )
    assert bytes_of(one[0]) == bytes_of(three[0])


EASY_TARGET = {"target_return": 10.0, "target_episodes": 10}


@pytest.mark.parametrize("backend", ["fused", "torch"])
def test_a_member_that_reaches_its_target_is_trained_and_keeps_the_weights_of_that_update(
    make_member, monkeypatch, backend
):
    monkeypatch.setenv(BACKEND_VARIABLE, backend)
    goal, budget = {"total_timesteps": 20 * 64, "segment_steps": 5 * 64}, range(3)
    plain = [make_member(seed, **goal) for seed in budget]
    first, stopped, last = train([plain[0], make_member(1, **goal, guardrails=EASY_TARGET), plain[2]])
    untouched = train(plain)
    assert bytes_of(first) == bytes_of(untouched[0])
    assert bytes_of(last) == bytes_of(untouched[2])
    stop = stopped.early_stop
    assert stop is not None
    assert 0 < stop.update < 19
    assert {len(column) for column in stopped.history.values()} == {stop.update + 1}
    assert stop.env_steps == stopped.env_steps == stopped.history["env_steps"][-1]
    assert stop.mean_return >= stop.target_return == 10.0
    with single_thread(), Population(CARTPOLE, describe_env(CARTPOLE), plain) as together:
        while together.update <= stop.update:
            together.advance()
        assert {name: array.tobytes() for name, array in stopped.tensors.items()} == {
            name: array.tobytes() for name, array in together.read(1).items()
        }
    (alone,) = train([make_member(1, **goal, guardrails=EASY_TARGET)])
    assert bytes_of(alone) == bytes_of(stopped)
    assert alone.early_stop == stop


def test_training_ends_when_everybody_has_reached_the_target_or_failed(make_member, monkeypatch):
    poison(monkeypatch, member=0, step=0, members=2)
    reports = []
    failed, stopped = train(
        [make_member(seed, total_timesteps=50 * 64, guardrails=EASY_TARGET) for seed in (0, 1)],
        on_update=reports.append,
    )
    assert isinstance(failed, MemberFailure)
    assert stopped.early_stop.update + 1 == len(reports) < 50


def test_a_target_that_is_not_reached_changes_nothing(make_member):
    (plain,), (aimed,) = train([make_member(0)]), train([make_member(0, guardrails={"target_return": 500.0})])
    assert bytes_of(plain) == bytes_of(aimed)
    assert aimed.early_stop is None


def test_what_happens_beside_a_member_at_rest_is_not_noticed(make_member, monkeypatch):
    """Its environments may return what they like from then on."""
    members = [make_member(0, guardrails={"target_return": 1.0, "target_episodes": 1}, total_timesteps=20 * 64)]
    (calm,) = train(members)
    poison(monkeypatch, member=0, step=16 * (calm.early_stop.update + 1), members=1)
    (disturbed,) = train(members)
    assert bytes_of(disturbed) == bytes_of(calm)


def test_a_member_whose_time_is_over_fails_by_name_and_the_others_train_on(make_member):
    hurried, patient = train([make_member(0, max_wall_time_s=1.5), make_member(1)], clock=itertools.count().__next__)
    assert isinstance(hurried, MemberFailure)
    assert isinstance(hurried.error, WallTimeExceeded)
    assert (hurried.error.update, hurried.error.value) == (1, 2)
    assert "expected 4 updates within 1.5 (guardrail max_wall_time_s); give the sweep a larger" in str(hurried.error)
    assert isinstance(patient, TrainedMember)


def test_a_training_that_is_done_when_its_time_is_over_is_done(make_member):
    (result,) = train([make_member(0, max_wall_time_s=3.5)], clock=itertools.count().__next__)
    assert isinstance(result, TrainedMember)


def test_the_history_says_how_near_the_limits_a_training_was(make_member):
    (cartpole,), (pendulum,) = (
        train([make_member(0, max_grad_norm=limit)], EnvConfig(id=env_id))
        for env_id, limit in (("CartPole-v1", 1e-3), ("Pendulum-v1", 1000))
    )
    assert cartpole.history["reward_min"].tolist() == cartpole.history["reward_max"].tolist() == [1.0] * 4
    assert np.isnan(cartpole.history["saturated_actions"]).all()
    assert cartpole.history["clipped_gradients"].tolist() == [1.0] * 4
    assert (pendulum.history["reward_min"] < pendulum.history["reward_max"]).all()
    # A normal of deviation 1 is beyond -1 or 1 in 32 % of all draws.
    assert pendulum.history["saturated_actions"][0] == pytest.approx(0.32, abs=0.15)
    assert pendulum.history["clipped_gradients"].tolist() == [0.0] * 4


def test_a_training_that_is_replayed_row_by_row_has_the_guardrails_that_it_ended_with(make_member):
    """What resuming needs: the live state and the one made from the history alone are the same."""
    member = make_member(0, guardrails=EASY_TARGET, total_timesteps=20 * 64)
    with single_thread(), Population(CARTPOLE, describe_env(CARTPOLE), [member]) as live:
        while not live.everybody_rests:
            live.advance()
        (result,) = live.results()
        again = Guardrails(member.recipe.guardrails, describe_env(CARTPOLE).actions)
        rows = zip(*(column.tolist() for column in result.history.values()), strict=True)
        assert again.replay(dict(zip(result.history, row, strict=True)) for row in rows) == result.early_stop
        assert again == live.trainees[0].guardrails
