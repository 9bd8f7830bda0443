"""The examination of both sides: 100 episodes that nobody trained on, the same starts for both."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from rl_assets.config.environment import EnvConfig, env_key
from rl_assets.rl.envs.catalogue import describe_env
from rl_assets.rl.envs.pool import EnvironmentPool
from rl_assets.rl.seeding import Purpose, env_seeds

ENV = EnvConfig(id="CartPole-v1")
NUM_EPISODES = 100
SOLVED_AT = 475.0
INTERVAL_STEPS = 1_024
"""Environment steps between two examinations."""


@dataclass(frozen=True, kw_only=True)
class Solved:
    """How a training went that was to stop at the first examination passed."""

    seconds: float
    """Training wall time from the first environment on, examinations left out."""

    env_steps: int
    """Environment steps taken."""

    mean_return: float
    """At the last examination."""

    @property
    def is_solved(self) -> bool:
        """Whether it passed before its budget ended."""
        return self.mean_return >= SOLVED_AT


def held_out_return(act: Callable[[np.ndarray], np.ndarray], *, seed: int) -> float:
    """Mean return over the first episode of each of 100 streams.

    Args:
        act: `[num_envs, 4]` float32 observations -> `[num_envs]` integer actions.
        seed: training seed; each has streams of its own, and no training uses them.
    """
    seeds = env_seeds(purpose=Purpose.AUDIT, env_key=env_key(ENV), member_seed=seed, num_envs=NUM_EPISODES)
    returns, running = np.zeros(NUM_EPISODES), np.ones(NUM_EPISODES, bool)
    with EnvironmentPool(ENV, spaces=describe_env(ENV), seeds=seeds) as pool:
        observations = pool.reset().observations
        while running.any():
            batch = pool.step(act(observations))
            observations = batch.observations
            returns += batch.rewards * running
            running &= ~(batch.terminated | batch.truncated)
    return float(returns.mean())
