"""A pool of environments that refuses what would crash or silently corrupt it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from rl_assets.config.environment import EnvConfig
from rl_assets.errors import EnvironmentFault
from rl_assets.rl.envs.library import first_line, import_envpool, without_box_warnings
from rl_assets.rl.envs.spaces import (
    BoxActions,
    DiscreteActions,
    EnvSpaces,
    encode_actions,
    flatten_observations,
    follow,
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Views:
    """What policies see of every environment."""

    observations: np.ndarray
    """`[num_envs, observation_size]` float32, or `[num_envs, ...]` uint8 images."""

    masks: np.ndarray | None
    """`[num_envs, num_outputs]` bool, the actions that are allowed now; None where all always are."""


@dataclass(frozen=True, kw_only=True, slots=True)
class StepBatch(Views):
    """What one step of every environment returned.

    After `terminated` or `truncated` the observation is the true final one.
    """

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

    def __init__(
        self,
        env: EnvConfig,
        *,
        spaces: EnvSpaces,
        seeds: Sequence[int],
        num_threads: int = 1,
        on_step: Callable[[], None] | None = None,
        is_drawn: bool = False,
    ) -> None:
        if num_threads < 1:
            raise ValueError(f"num_threads is {num_threads}: expected at least 1")
        self.env = env
        self.spaces = spaces
        self.num_envs = len(seeds)
        self._was_done = np.zeros(self.num_envs, dtype=bool)
        self._is_reset = False
        self._on_step = on_step
        self._where = f"actions for {self.num_envs} envs of '{env.id}'"
        self._views_shape = (self.num_envs, *spaces.observation_shape)
        self._views_dtype = np.dtype(spaces.observation_dtype)
        actions = spaces.actions
        self._is_continuous = isinstance(actions, BoxActions)
        if isinstance(actions, BoxActions):
            self._action_shape: tuple[int, ...] = (self.num_envs, actions.size)
            self._low, self._high = np.array(actions.low, np.float32), np.array(actions.high, np.float32)
        else:
            ns = (actions.n,) if isinstance(actions, DiscreteActions) else actions.ns
            self._action_shape = (self.num_envs,) if isinstance(actions, DiscreteActions) else (self.num_envs, len(ns))
            self._low, self._high = np.zeros(len(ns), np.uint64), np.array(ns, np.uint64) - np.uint64(1)
        with without_box_warnings():
            self._pool = self._guard(
                "be built",
                lambda: import_envpool().make_gymnasium(
                    env.id,
                    num_envs=self.num_envs,
                    num_threads=num_threads,
                    seed=list(seeds),
                    **({"render_mode": "rgb_array"} if is_drawn else {}),
                    **env.options,
                ),
            )

    def reset(self) -> "Views":
        """Start an episode everywhere.

        Returns:
            What the policies see first.

        Raises:
            EnvironmentFault: EnvPool failed, or returned something of another shape.
        """
        with without_box_warnings():
            observations, info = self._guard("be reset", self._pool.reset)
        self._was_done = np.zeros(self.num_envs, dtype=bool)
        self._is_reset = True
        return self._read_views(observations, info)

    def step(self, actions: np.ndarray) -> StepBatch:
        """Step every environment once.

        Args:
            actions: `[num_envs]` integers below `n`, `[num_envs, num_choices]` such integers, or `[num_envs, size]`
                floats within the bounds.

        Raises:
            ValueError: actions of a wrong shape, dtype or range, or not finite; EnvPool never saw them.
            EnvironmentFault: EnvPool failed, or returned something of another shape.
        """
        if not self._is_reset:
            raise ValueError(f"pool of '{self.env.id}' was not reset: call reset() before step()")
        told = encode_actions(self.spaces, self._checked(actions))
        observations, rewards, terminated, truncated, info = self._guard("be stepped", lambda: self._pool.step(told))
        valid = ~self._was_done
        terminated = np.asarray(terminated, dtype=bool) & valid
        truncated = np.asarray(truncated, dtype=bool) & valid & ~terminated
        self._was_done = terminated | truncated
        rewards = np.asarray(rewards, dtype=np.float32)
        if rewards.shape != (self.num_envs,):
            raise EnvironmentFault(
                f"pool of '{self.env.id}' returned rewards of shape {rewards.shape}: expected ({self.num_envs},)"
            )
        views = self._read_views(observations, info)
        if self._on_step is not None:
            self._on_step()
        return StepBatch(
            observations=views.observations,
            masks=views.masks,
            rewards=np.where(valid, rewards, np.float32(0)),
            terminated=terminated,
            truncated=truncated,
            valid=valid,
        )

    def draw(self) -> np.ndarray:
        """Draw the first environment as it stands; the pool must have been built with `is_drawn`.

        Some environments end the process that draws them where there is no OpenGL: draw in a child process.

        Returns:
            `[height, width, 3]` uint8 red, green and blue.

        Raises:
            EnvironmentFault: it cannot be drawn.
        """
        frames = np.asarray(self._guard("be drawn", lambda: self._pool.render(env_ids=[0])))
        if frames.ndim != 4 or frames.shape[-1] != 3 or frames.dtype != np.uint8:
            raise EnvironmentFault(
                f"pool of '{self.env.id}' drew {frames.dtype} {frames.shape}: expected uint8 (1, height, width, 3)"
            )
        return frames[0]

    def close(self) -> None:
        """Release the environments."""
        self._pool.close()

    def __enter__(self) -> "EnvironmentPool":
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    def _checked(self, actions: np.ndarray) -> np.ndarray:
        """The actions themselves, once nothing is wrong with them: a wrong shape would abort the process."""
        where = self._where
        if not isinstance(actions, np.ndarray) or actions.shape != self._action_shape:
            raise ValueError(f"{where} have shape {np.shape(actions)}: expected {self._action_shape}")
        if self._is_continuous:
            if actions.dtype.kind != "f":
                raise ValueError(f"{where} are {actions.dtype}: expected floats")
            if not np.isfinite(actions).all():
                raise ValueError(f"{where} hold NaN or infinity: expected finite numbers")
            if (actions < self._low).any() or (actions > self._high).any():
                raise ValueError(f"{where} leave the bounds {self._low} to {self._high}: clip them first")
            return actions
        if actions.dtype.kind not in "iu":
            raise ValueError(f"{where} are {actions.dtype}: expected integers")
        # Below zero is far above all bounds when it is read without a sign.
        if (actions.astype(np.uint64) > self._high).any():
            raise ValueError(f"{where} span {actions.min()} to {actions.max()}: expected 0 to {np.max(self._high)}")
        return actions

    def _read_views(self, observations: Any, info: Any) -> "Views":
        spaces = self.spaces
        if spaces.is_image:
            seen = np.asarray(observations)
        else:
            try:
                seen = flatten_observations(spaces.parts, observations)
            except (KeyError, TypeError, ValueError) as error:
                raise EnvironmentFault(
                    f"pool of '{self.env.id}' returned observations that lack {first_line(error)}: "
                    f"expected the parts {', '.join('.'.join(part.path) or 'itself' for part in spaces.parts)}"
                ) from error
        if seen.shape != self._views_shape or seen.dtype != self._views_dtype:
            raise EnvironmentFault(
                f"pool of '{self.env.id}' returned observations {seen.dtype} {seen.shape}: expected "
                f"{self._views_dtype} {self._views_shape}"
            )
        if spaces.mask is None:
            return Views(observations=seen, masks=None)
        allowed = np.asarray(follow(info if spaces.mask.is_info else observations, spaces.mask.path), bool)
        return Views(observations=seen, masks=allowed.reshape(self.num_envs, -1))

    def _guard(self, what: str, call: Any) -> Any:
        try:
            return call()
        except Exception as error:
            raise EnvironmentFault(
                f"pool of {self.num_envs} envs '{self.env.id}' could not {what}: {first_line(error)}"
            ) from error
