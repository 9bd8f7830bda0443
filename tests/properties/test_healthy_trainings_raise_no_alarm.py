"""No false alarm: fifty healthy short trainings over environments, seeds and settings, judged with little patience."""

import pytest

from rl_assets.config.environment import EnvConfig
from rl_assets.config.guardrails import GuardrailsConfig
from rl_assets.config.network import NetworkConfig
from rl_assets.config.ppo import PPOConfig
from rl_assets.config.recipe import Recipe, hparam_key
from rl_assets.rl.envs.catalogue import describe_env
from rl_assets.rl.outcomes import TrainedMember
from rl_assets.rl.plan import Member
from rl_assets.rl.population import train_population

SEEDS = range(5)
IMPATIENT = GuardrailsConfig(patience=10)
"""The default limits, and a fifth of the default patience: healthy trainings keep a distance."""

SETTINGS = [
    ("CartPole-v1", {}),
    ("CartPole-v1", {"num_envs": 32, "num_steps": 32, "update_epochs": 4, "learning_rate": 1e-2}),
    ("Acrobot-v1", {"normalize_rewards": False, "normalize_observations": True, "learning_rate": 3e-4}),
    ("Pendulum-v1", {"num_steps": 64, "update_epochs": 4, "discount": 0.9}),
    ("Pendulum-v1", {"num_steps": 64, "update_epochs": 4, "normalize_rewards": False, "squash_actions": True}),
    ("MountainCarContinuous-v0", {"num_envs": 16, "num_steps": 64, "update_epochs": 4, "normalize_observations": True}),
    ("LunarLander-v3", {"num_envs": 16, "num_steps": 64, "update_epochs": 4, "entropy_coefficient": 0.01}),
    ("HalfCheetah-v4", {"num_steps": 64, "update_epochs": 4, "normalize_observations": True, "discount": 0.98}),
    ("InvertedPendulum-v4", {"num_steps": 64, "update_epochs": 4}),
    ("FrozenLake-v1", {"num_steps": 64, "update_epochs": 4, "learning_rate": 3e-3}),
]


@pytest.mark.parametrize(("env_id", "algorithm"), SETTINGS, ids=lambda value: value if isinstance(value, str) else "")
def test_healthy_trainings_raise_no_alarm(env_id, algorithm):
    recipe = Recipe(
        algorithm=PPOConfig(**algorithm),
        network=NetworkConfig(hidden_sizes=(32, 32)),
        total_timesteps=16_384,
        guardrails=IMPATIENT,
        dataset="d",
    )
    env, hparam = EnvConfig(id=env_id), hparam_key(recipe)
    members = [Member(recipe=recipe, hparam=hparam, seed=seed) for seed in SEEDS]
    results = train_population(env=env, spaces=describe_env(env), members=members, on_update=lambda report: None)
    assert [str(getattr(result, "error", "")) for result in results] == [""] * len(SEEDS)
    assert all(isinstance(result, TrainedMember) and len(result.history["entropy"]) >= 16 for result in results)


def test_there_are_fifty_of_them():
    assert len(SETTINGS) * len(SEEDS) == 50
