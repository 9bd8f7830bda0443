"""Faults injected into real trainings: caught in that very update, in that member only, the others' bytes unchanged."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest

from rl_assets.config.environment import EnvConfig
from rl_assets.config.guardrails import GuardrailsConfig
from rl_assets.config.network import NetworkConfig
from rl_assets.config.ppo import PPOConfig
from rl_assets.config.recipe import Recipe, hparam_key
from rl_assets.errors import (
    GradientExploded,
    GuardrailTripped,
    MemberDiverged,
    PolicyJumped,
    RewardOutlier,
    RewardOutOfRange,
    ValueExploded,
)
from rl_assets.rl import interaction
from rl_assets.rl.backend import BACKEND_VARIABLE
from rl_assets.rl.envs.catalogue import describe_env
from rl_assets.rl.envs.pool import EnvironmentPool
from rl_assets.rl.learner import Learner
from rl_assets.rl.outcomes import MemberFailure, TrainedMember
from rl_assets.rl.plan import Member
from rl_assets.rl.population import train_population

UPDATES, FAULTY_UPDATE, FAULTY_MEMBER = 10, 7, 1
NUM_ENVS, NUM_STEPS = 4, 16
ENVS = ["CartPole-v1", "Pendulum-v1"]


def members(**guardrails: Any) -> list[Member]:
    """Three members that differ in their seed, of ten updates each."""
    recipe = Recipe(
        algorithm=PPOConfig(num_envs=NUM_ENVS, num_steps=NUM_STEPS, num_minibatches=2, update_epochs=3),
        network=NetworkConfig(hidden_sizes=(8,)),
        total_timesteps=UPDATES * NUM_ENVS * NUM_STEPS,
        guardrails=GuardrailsConfig(**guardrails),
        dataset="d",
    )
    return [Member(recipe=recipe, hparam=hparam_key(recipe), seed=seed) for seed in range(3)]


def train(env_id: str, team: Sequence[Member]) -> list[TrainedMember | MemberFailure]:
    env = EnvConfig(id=env_id)
    return train_population(env=env, spaces=describe_env(env), members=team, on_update=lambda report: None)


def bytes_of(result: TrainedMember | MemberFailure) -> dict[str, bytes]:
    assert isinstance(result, TrainedMember), result
    parts = {"tensors": result.tensors, "optimizer": result.optimizer_state, "history": result.history}
    return {f"{part}/{name}": array.tobytes() for part, arrays in parts.items() for name, array in arrays.items()}


def expect_one_failure(env_id: str, team: Sequence[Member], inject: Callable[[], None]) -> GuardrailTripped:
    """Train without and with the fault; the other two must not notice it."""
    first, _, last = train(env_id, team)
    inject()
    first_beside, failed, last_beside = train(env_id, team)
    assert bytes_of(first_beside) == bytes_of(first)
    assert bytes_of(last_beside) == bytes_of(last)
    assert isinstance(failed, MemberFailure)
    assert isinstance(failed.error, GuardrailTripped)
    assert (failed.error.member, failed.error.update) == (team[FAULTY_MEMBER].label, FAULTY_UPDATE)
    return failed.error


def break_environment(patch: pytest.MonkeyPatch, field: str, value: float) -> None:
    """Let one environment of one member return nonsense in one step."""
    real, count = EnvironmentPool.step, 0

    def step(self: EnvironmentPool, actions: np.ndarray) -> Any:
        nonlocal count
        batch, count = real(self, actions), count + 1
        if count == FAULTY_UPDATE * NUM_STEPS + 5:
            getattr(batch, field)[FAULTY_MEMBER * NUM_ENVS + 2] = value
        return batch

    patch.setattr(EnvironmentPool, "step", step)


class FaultyLearner:
    """A learner that does something to one member in one update."""

    def __init__(self, learner: Learner, fault: str) -> None:
        self._learner, self._fault = learner, fault

    def __getattr__(self, name: str) -> Any:
        return getattr(self._learner, name)

    def update(self, rollout: Any, rewards: np.ndarray, *, counter: int, learning_rates: Sequence[float]) -> Any:
        strikes, rates = counter == FAULTY_UPDATE, list(learning_rates)
        if strikes and self._fault == "huge learning rate":
            rates[FAULTY_MEMBER] = 1e5
        if strikes and self._fault == "exploding gradient":
            rewards[:, FAULTY_MEMBER] += 1e12
        metrics = self._learner.update(rollout, rewards, counter=counter, learning_rates=rates)
        if strikes and self._fault == "infinite parameter":
            self._learner.parameters()[FAULTY_MEMBER, 3] = np.inf
        return metrics


def break_learner(patch: pytest.MonkeyPatch, fault: str) -> None:
    real = interaction.make_learner
    patch.setattr(interaction, "make_learner", lambda *args, **kwargs: FaultyLearner(real(*args, **kwargs), fault))


@pytest.mark.parametrize("env_id", ENVS)
@pytest.mark.parametrize(
    ("field", "value", "error"),
    [
        ("observations", np.nan, MemberDiverged),
        ("observations", np.inf, MemberDiverged),
        ("rewards", np.nan, MemberDiverged),
        ("rewards", -np.inf, MemberDiverged),
        ("rewards", 1e9, RewardOutOfRange),
        ("rewards", -1e9, RewardOutOfRange),
        ("rewards", 1e6, RewardOutlier),
        ("rewards", -1e6, RewardOutlier),
    ],
)
def test_nonsense_from_one_environment_stops_its_member_alone(env_id, field, value, error, monkeypatch):
    caught = expect_one_failure(env_id, members(), lambda: break_environment(monkeypatch, field, value))
    assert type(caught) is error
    assert str(caught.value) == str(float(value))
    if isinstance(caught, MemberDiverged):
        assert 0 < caught.share < 0.02, "one number of one environment in one step"


LEARNER_FAULTS = [
    ("infinite parameter", {}, MemberDiverged),
    ("huge learning rate", {}, PolicyJumped),
    ("exploding gradient", {}, ValueExploded),
    ("exploding gradient", {"max_value_loss_ratio": None}, GradientExploded),
]


@pytest.mark.parametrize("env_id", ENVS)
@pytest.mark.parametrize("backend", ["fused", "torch"])
@pytest.mark.parametrize(("fault", "guardrails", "error"), LEARNER_FAULTS)
def test_what_goes_wrong_in_learning_stops_that_member_alone(env_id, backend, fault, guardrails, error, monkeypatch):
    monkeypatch.setenv(BACKEND_VARIABLE, backend)
    caught = expect_one_failure(env_id, members(**guardrails), lambda: break_learner(monkeypatch, fault))
    assert type(caught) is error


def test_a_poisoned_first_update_is_caught_by_the_absolute_limit(monkeypatch):
    real = EnvironmentPool.step

    def step(self, actions):
        batch = real(self, actions)
        batch.rewards[0] = 1e9
        return batch

    monkeypatch.setattr(EnvironmentPool, "step", step)
    failed, *_ = train("CartPole-v1", members())
    assert isinstance(failed, MemberFailure)
    assert (type(failed.error), getattr(failed.error, "update", None)) == (RewardOutOfRange, 0)


@pytest.mark.parametrize("name", ["max_reward", "max_reward_ratio"])
def test_either_reward_guardrail_catches_what_the_other_lets_pass(name, monkeypatch):
    other = {"max_reward": "max_reward_ratio", "max_reward_ratio": "max_reward"}[name]
    caught = expect_one_failure(
        "CartPole-v1", members(**{other: None}), lambda: break_environment(monkeypatch, "rewards", 1e9)
    )
    assert caught.guardrail == name


def test_with_all_guardrails_off_a_poisoned_reward_is_learned_from(monkeypatch):
    off = dict.fromkeys([name for name in GuardrailsConfig.model_fields if name.startswith(("max_", "min_"))])
    break_environment(monkeypatch, "rewards", 1e9)
    results = train("CartPole-v1", members(**off))
    assert [len(result.history["reward_max"]) for result in results if isinstance(result, TrainedMember)] == [10] * 3
    poisoned = results[FAULTY_MEMBER]
    assert isinstance(poisoned, TrainedMember)
    assert poisoned.history["reward_max"].tolist() == [1.0] * 7 + [1e9] + [1.0] * 2
