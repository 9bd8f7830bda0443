"""No setting is read by nobody: whatever a recipe changes, other bytes are trained."""

import pytest

from rl_assets.config.environment import EnvConfig
from rl_assets.config.guardrails import GuardrailsConfig
from rl_assets.config.network import NetworkConfig
from rl_assets.config.ppo import PPOConfig
from rl_assets.config.recipe import Recipe, hparam_key
from rl_assets.rl.backend import BACKEND_VARIABLE
from rl_assets.rl.envs.catalogue import describe_env
from rl_assets.rl.outcomes import MemberFailure, TrainedMember
from rl_assets.rl.plan import Member
from rl_assets.rl.population import train_population

ALGORITHM = {
    "learning_rate": 2e-2,
    "anneal_learning_rate": False,
    "num_envs": 8,
    "num_steps": 32,
    "num_minibatches": 4,
    "update_epochs": 5,
    "discount": 0.9,
    "trace_decay": 0.5,
    "clip_coefficient": 0.05,
    "clip_value_loss": False,
    "entropy_coefficient": 0.1,
    "value_coefficient": 1.0,
    "max_grad_norm": 0.05,
    "normalize_advantages": False,
    "target_kl": 1e-4,
    "normalize_observations": False,
    "normalize_rewards": False,
    "squash_actions": True,
    "adam_epsilon": 1e-2,
}
NETWORK = {"hidden_sizes": (9,), "activation": "relu"}
IMAGE_NETWORK = {"image_features": 17, "image_precision": "float32"}
BUDGET = {"total_timesteps": 1_024, "segment_steps": 128}
GUARDRAILS = {
    "max_reward": 1.0,
    "max_reward_ratio": 1.0001,
    "max_saturated_actions": 0.01,
    "max_kl": 1e-9,
    "max_value_loss_ratio": 1.0001,
    "max_gradient_ratio": 1.0001,
    "min_entropy": 1.0,
    "min_action_deviation": 1.0,
    "max_return_drop": 1e-3,
    "patience": 5,
    "target_return": -2000.0,
    "target_episodes": 1,
}
"""A value of each with which a short training ends early; those in `BESIDE` need another to have an effect."""

BESIDE = {
    "patience": {"max_saturated_actions": 0.01},
    "target_episodes": {"target_return": -2000.0},
}


def train(env_id="Pendulum-v1", *, algorithm=None, network=None, **recipe):
    """Tensors of one small training; wide steps, so that every limit is felt."""
    base = {
        "learning_rate": 1e-2,
        "num_envs": 4,
        "num_steps": 16,
        "num_minibatches": 2,
        "update_epochs": 4,
        "normalize_observations": True,
    }
    whole = Recipe(
        algorithm=PPOConfig(**(base | (algorithm or {}))),
        network=NetworkConfig(**({"hidden_sizes": (8,), "image_features": 16} | (network or {}))),
        **({"total_timesteps": 512, "dataset": "c-1.d1"} | recipe),
    )
    env = EnvConfig(id=env_id)
    member = Member(recipe=whole, hparam=hparam_key(whole), seed=0)
    (trained,) = train_population(env=env, spaces=describe_env(env), members=[member], on_update=lambda report: None)
    assert isinstance(trained, TrainedMember), trained
    return {name: array.tobytes() for name, array in trained.tensors.items() if not name.startswith("normalizer.")}


@pytest.mark.parametrize("backend", ["fused", "torch"])
@pytest.mark.parametrize("name", ALGORITHM)
def test_every_hyper_parameter_changes_what_is_learned(name, backend, monkeypatch):
    monkeypatch.setenv(BACKEND_VARIABLE, backend)
    assert train(algorithm={name: ALGORITHM[name]}) != train()


@pytest.mark.parametrize("name", NETWORK)
def test_every_setting_of_perceptrons_changes_what_is_learned(name):
    assert train(network={name: NETWORK[name]}) != train()


@pytest.mark.parametrize("name", IMAGE_NETWORK)
def test_every_setting_of_convolutions_changes_what_is_learned(name):
    few = {"num_envs": 2, "num_steps": 4, "normalize_observations": False}
    changed, plain = (
        train("CarRacing-v3", algorithm=few, network=network, total_timesteps=8)
        for network in ({name: IMAGE_NETWORK[name]}, {})
    )
    assert changed != plain


def updates_of(env_id, **guardrails):
    """Updates that a short training makes before something stops it."""
    algorithm = PPOConfig(
        num_envs=4,
        num_steps=16,
        num_minibatches=2,
        learning_rate=2e-2,
        anneal_learning_rate=False,
        normalize_rewards=False,
    )
    recipe = Recipe(
        algorithm=algorithm,
        network=NetworkConfig(hidden_sizes=(8,)),
        total_timesteps=120 * 64,
        guardrails=GuardrailsConfig(**({"patience": 1, "target_episodes": 8} | guardrails)),
        dataset="c-1.d1",
    )
    env = EnvConfig(id=env_id)
    member = Member(recipe=recipe, hparam=hparam_key(recipe), seed=0)
    (result,) = train_population(env=env, spaces=describe_env(env), members=[member], on_update=lambda report: None)
    if isinstance(result, MemberFailure):
        return result.error.update, result.error.guardrail
    return len(result.history["env_steps"]), "" if result.early_stop is None else "target_return"


@pytest.mark.parametrize("name", GUARDRAILS)
def test_every_setting_of_the_guardrails_changes_when_a_training_stops(name):
    env_id = "CartPole-v1" if name in {"min_entropy", "max_return_drop"} else "Pendulum-v1"
    beside = BESIDE.get(name, {})
    stopped = updates_of(env_id, **beside, **{name: GUARDRAILS[name]})
    assert stopped != updates_of(env_id, **beside)
    assert stopped[0] < 120
    assert stopped[1] == next(iter(beside), name)


@pytest.mark.parametrize("name", BUDGET)
def test_budget_and_segments_change_what_is_learned(name):
    assert train(**{name: BUDGET[name]}) != train()


def test_the_tables_above_hold_every_setting():
    assert set(ALGORITHM) == set(PPOConfig.model_fields) - {"name"}
    assert set(NETWORK) | set(IMAGE_NETWORK) == set(NetworkConfig.model_fields)
    assert set(BUDGET) == set(Recipe.model_fields) - {"algorithm", "network", "guardrails", "dataset", "init_from"}
    assert set(GUARDRAILS) == set(GuardrailsConfig.model_fields)
