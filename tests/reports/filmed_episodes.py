"""Recorded episodes to film."""

import numpy as np

from rl_assets.config.environment import EnvConfig
from rl_assets.config.evaluation import EvaluationConfig
from rl_assets.config.network import NetworkConfig
from rl_assets.rl.envs.catalogue import describe_env
from rl_assets.rl.policy import PolicySpec
from rl_assets.rl.replay import Replay, worst_episode
from rl_assets.rl.trials import selection_episodes, selection_seeds


def recorded_episode(env_id: str, *, num_episodes: int = 3) -> Replay:
    """The worst of a few sampled episodes of an untrained policy."""
    env = EnvConfig(id=env_id)
    spaces = describe_env(env)
    spec = PolicySpec.for_env(spaces, network=NetworkConfig(hidden_sizes=(8,)), normalizes_observations=False)
    tensors = spec.shape.init_member(np.random.default_rng(0))
    config = EvaluationConfig(num_episodes=num_episodes, deterministic=False)
    (records,) = selection_episodes(env=env, spaces=spaces, spec=spec, members=[(0, tensors)], config=config)
    return Replay(
        episode=worst_episode({0: records}),
        env=env,
        spaces=spaces,
        spec=spec,
        tensors=tensors,
        streams=selection_seeds(env, member_seed=0, num_episodes=num_episodes),
    )
