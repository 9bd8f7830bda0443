"""A pool of environments that refuses what would crash or silently corrupt it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from rl_assets.config.environment import EnvConfig
from rl_assets.errors import EnvironmentFault
from rl_assets.rl.envs.library import first_line, import_envpool, without_box_warnings
from rl_assets.rl.envs.spaces import DiscreteActions, EnvSpaces


@dataclass(frozen=True, kw_only=True, slots=True)
class StepBatch:
    """What one step of every environment returned."""

    observations: np.ndarray
    """`[num_envs, observation_size]` float32; after `terminated` or `truncated` the true final observation."""

    rewards: np.ndarray
    """`[num_envs]` float32, 0 where not valid."""

    terminated: np.ndarray
    """`[num_envs]` bool; the task ended and nothing follows."""

    truncated: np.ndarray
    """`[num_envs]` bool; time ran out while the task went on. Never together with `terminated`."""

    valid: np.ndarray
    """`[num_envs]` bool; False on the dummy step after an episode's end, in which the pool resets the environment."""


class EnvironmentPool:
    """Environments stepped together, one seed each; the seeds alone decide what they do.

    EnvPool resets a finished environment on the *next* step: that step ignores its action and is marked `valid=False`.
    """

    def __init__(self, env: EnvConfig, *, spaces: EnvSpaces, seeds: Sequence[int], num_threads: int = 1) -> None:
        if num_threads < 1:
            raise ValueError(f"num_threads is {num_threads}: expected at least 1")
        self.env = env
        self.spaces = spaces
        self.num_envs = len(seeds)
        self._was_done = np.zeros(self.num_envs, dtype=bool)
        self._is_reset = False
        with without_box_warnings():
            self._pool = self._guard(
                "be built",
                lambda: import_envpool().make_gymnasium(
                    env.id, num_envs=self.num_envs, num_threads=num_threads, seed=list(seeds), **env.options
                ),
            )

    def reset(self) -> np.ndarray:
        """Start an episode everywhere.

        Returns:
            `[num_envs, observation_size]` float32 first observations.

        Raises:
            EnvironmentFault: EnvPool failed, or returned something of another shape.
        """
        with without_box_warnings():
            observations, _ = self._guard("be reset", self._pool.reset)
        self._was_done = np.zeros(self.num_envs, dtype=bool)
        self._is_reset = True
        return self._check_observations(observations)

    def step(self, actions: np.ndarray) -> StepBatch:
        """Step every environment once.

        Args:
            actions: `[num_envs]` integers below `n`, or `[num_envs, size]` floats within the bounds.

        Raises:
            ValueError: actions of a wrong shape, dtype or range, or not finite; EnvPool never saw them.
            EnvironmentFault: EnvPool failed, or returned something of another shape.
        """
        if not self._is_reset:
            raise ValueError(f"pool of '{self.env.id}' was not reset: call reset() before step()")
        self._check_actions(actions)
        observations, rewards, terminated, truncated, _ = self._guard("be stepped", lambda: self._pool.step(actions))
        valid = ~self._was_done
        terminated = np.asarray(terminated, dtype=bool) & valid
        truncated = np.asarray(truncated, dtype=bool) & valid & ~terminated
        self._was_done = terminated | truncated
        rewards = np.asarray(rewards, dtype=np.float32)
        if rewards.shape != (self.num_envs,):
            raise EnvironmentFault(
                f"pool of '{self.env.id}' returned rewards of shape {rewards.shape}: expected ({self.num_envs},)"
            )
        return StepBatch(
            observations=self._check_observations(observations),
            rewards=np.where(valid, rewards, np.float32(0)),
            terminated=terminated,
            truncated=truncated,
            valid=valid,
        )

    def close(self) -> None:
        """Release the environments."""
        self._pool.close()

    def __enter__(self) -> "EnvironmentPool":
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    def _check_actions(self, actions: np.ndarray) -> None:
        space = self.spaces.actions
        shape = (self.num_envs,) if isinstance(space, DiscreteActions) else (self.num_envs, space.size)
        where = f"actions for {self.num_envs} envs of '{self.env.id}'"
        if not isinstance(actions, np.ndarray) or actions.shape != shape:
            raise ValueError(f"{where} have shape {np.shape(actions)}: expected {shape}")
        if isinstance(space, DiscreteActions):
            if not np.issubdtype(actions.dtype, np.integer):
                raise ValueError(f"{where} are {actions.dtype}: expected integers")
            if actions.min() < 0 or actions.max() >= space.n:
                raise ValueError(f"{where} span {actions.min()} to {actions.max()}: expected 0 to {space.n - 1}")
            return
        if not np.issubdtype(actions.dtype, np.floating):
            raise ValueError(f"{where} are {actions.dtype}: expected floats")
        if not np.isfinite(actions).all():
            raise ValueError(f"{where} hold NaN or infinity: expected finite numbers")
        low, high = np.asarray(space.low, actions.dtype), np.asarray(space.high, actions.dtype)
        if (actions < low).any() or (actions > high).any():
            raise ValueError(f"{where} leave the bounds {space.low} to {space.high}: clip them first")

    def _check_observations(self, observations: Any) -> np.ndarray:
        expected = (self.num_envs, *self.spaces.observation_shape)
        if np.shape(observations) != expected:
            raise EnvironmentFault(
                f"pool of '{self.env.id}' returned observations of shape {np.shape(observations)}: expected {expected}"
            )
        with np.errstate(over="ignore"):  # a float64 beyond float32 becomes infinite, which the caller looks for
            return np.asarray(observations, dtype=np.float32)

    def _guard(self, what: str, call: Any) -> Any:
        try:
            return call()
        except Exception as error:
            raise EnvironmentFault(
                f"pool of {self.num_envs} envs '{self.env.id}' could not {what}: {first_line(error)}"
            ) from error
