"""Selection and gate episodes of real, untrained policies."""

import numpy as np
import pytest

from rl_assets.config.environment import EnvConfig
from rl_assets.config.evaluation import EvaluationConfig
from rl_assets.config.network import NetworkConfig
from rl_assets.rl.envs.catalogue import describe_env
from rl_assets.rl.policy import PolicySpec
from rl_assets.rl.seeding import gate_seeds
from rl_assets.rl.trials import first_episodes, selection_episodes

ENV = EnvConfig(id="CartPole-v1")


def contender(width: int, seed: int) -> tuple[PolicySpec, dict[str, np.ndarray]]:
    """A policy with random weights."""
    spec = PolicySpec.for_env(
        describe_env(ENV), network=NetworkConfig(hidden_sizes=(width,)), normalizes_observations=False
    )
    random = np.random.default_rng(seed)
    sizes = {"actor": (width, 2), "critic": (width, 1)}
    tensors = {}
    for tower, (hidden, outputs) in sizes.items():
        for layer, (rows, columns) in enumerate([(hidden, 4), (outputs, hidden)]):
            tensors[f"{tower}.{layer}.weight"] = random.normal(size=(rows, columns)).astype(np.float32)
            tensors[f"{tower}.{layer}.bias"] = np.zeros(rows, np.float32)
    return spec, tensors


@pytest.mark.parametrize("deterministic", [True, False])
def test_a_members_selection_episodes_do_not_depend_on_its_company(deterministic: bool) -> None:
    config = EvaluationConfig(num_episodes=7, deterministic=deterministic)
    spec, first = contender(8, 0)
    _, second = contender(8, 1)
    spaces = describe_env(ENV)
    together = selection_episodes(env=ENV, spaces=spaces, spec=spec, members=[(3, first), (9, second)], config=config)
    alone = selection_episodes(env=ENV, spaces=spaces, spec=spec, members=[(9, second)], config=config)
    assert [len(records.returns) for records in together] == [7, 7]
    assert np.array_equal(together[1].returns, alone[0].returns)
    assert np.array_equal(together[1].seeds, alone[0].seeds)


def test_contenders_of_different_shape_meet_the_same_starts() -> None:
    seeds = gate_seeds(env_key="CartPole-v1", question="q", num_envs=6)
    wide, narrow = first_episodes(ENV, [contender(16, 0), contender(8, 1)], seeds=seeds, deterministic=True)
    assert wide.seeds.tolist() == narrow.seeds.tolist() == seeds
    twin_a, twin_b = first_episodes(ENV, [contender(8, 1), contender(8, 1)], seeds=seeds, deterministic=True)
    assert np.array_equal(twin_a.returns, twin_b.returns), "equal weights on equal starts are equal episodes"
    assert np.array_equal(twin_a.returns, narrow.returns)


def test_other_questions_are_played_on_other_starts() -> None:
    one, two = (gate_seeds(env_key="CartPole-v1", question=text, num_envs=50) for text in ("one", "two"))
    assert not set(one) & set(two)


@pytest.mark.parametrize("deterministic", [True, False])
def test_the_other_mode_is_played_on_the_same_starts_and_changes_nothing(deterministic: bool) -> None:
    spec, tensors = contender(8, 0)
    arguments = {"env": ENV, "spaces": describe_env(ENV), "spec": spec, "members": [(3, tensors)]}
    config = EvaluationConfig(num_episodes=7, deterministic=deterministic, metrics=("action_change",))
    (both,) = selection_episodes(**arguments, config=config.model_copy(update={"both_modes": True}))
    (one,) = selection_episodes(**arguments, config=config)
    (other,) = selection_episodes(**arguments, config=config.model_copy(update={"deterministic": not deterministic}))
    assert one.other_mode is None
    assert both.other_mode is not None
    assert (both.mode, both.other_mode.mode) == (one.mode, other.mode)
    assert one.mode == ("deterministic" if deterministic else "stochastic") != other.mode
    assert both.returns.tobytes() == one.returns.tobytes()
    assert both.other_mode.returns.tobytes() == other.returns.tobytes()
    assert both.other_mode.metrics["action_change"].tobytes() == other.metrics["action_change"].tobytes()
    assert both.seeds.tolist() == both.other_mode.seeds.tolist()


def test_gate_episodes_can_be_measured_too() -> None:
    seeds = gate_seeds(env_key="CartPole-v1", question="q", num_envs=6)
    plain, measured = (
        first_episodes(ENV, [contender(8, 0)], seeds=seeds, deterministic=False, metrics=metrics)[0]
        for metrics in ([], ["action_change"])
    )
    assert measured.metrics["action_change"].shape == (6,)
    assert ((measured.metrics["action_change"] >= 0) & (measured.metrics["action_change"] <= 1)).all()
    assert np.array_equal(plain.returns, measured.returns)
