"""Stable-Baselines3's side: its PPO, set up as its documentation and its zoo do."""

import time
from collections.abc import Callable
from importlib import import_module
from typing import Any

import numpy as np
import torch
from stable_baselines3 import PPO
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.env_util import make_atari_env, make_vec_env
from stable_baselines3.common.vec_env import DummyVecEnv, SubprocVecEnv, VecEnv, VecFrameStack, VecNormalize

from benchmarks.layouts import LEARNING_RATE, Layout
from benchmarks.processes import Measurement


def falling(start: float) -> Callable[[float], float]:
    """A schedule that falls linearly to zero."""
    return lambda remaining: remaining * start


def make_model(envs: VecEnv, layout: Layout, *, policy: str = "MlpPolicy", learning_rate: float = LEARNING_RATE) -> PPO:
    """PPO with the settings that both sides share; what is not named here is equal by default."""
    return PPO(
        policy,
        envs,
        n_steps=layout.num_steps,
        batch_size=layout.batch_size // layout.num_minibatches,
        n_epochs=layout.update_epochs,
        learning_rate=falling(learning_rate),
        device="cpu",
        seed=0,
    )


def make_envs(env_id: str, num_envs: int, *, subprocesses: bool = False, seed: int = 0) -> VecEnv:
    """Environments of Gymnasium, in this process or in one process each."""
    if subprocesses:
        # Forked, as torch and Gymnasium are imported already: the start does not count either way.
        return make_vec_env(
            env_id, num_envs, seed=seed, vec_env_cls=SubprocVecEnv, vec_env_kwargs={"start_method": "fork"}
        )
    return make_vec_env(env_id, num_envs, seed=seed, vec_env_cls=DummyVecEnv)


class Training:
    """Trains one policy for some updates each time it is told to, going on where it was, after one that does not count.

    Args:
        env_id: Gymnasium's id.
        layout: how a batch is collected and cut.
        updates: that count.
        subprocesses: whether each environment has a process of its own.
        normalized: whether observations and rewards are scaled by running statistics.
        is_atari: whether the environment shows images of an Atari game.
    """

    def __init__(
        self,
        *,
        env_id: str,
        layout: Layout,
        updates: int,
        subprocesses: bool = False,
        normalized: bool = False,
        is_atari: bool = False,
    ) -> None:
        torch.set_num_threads(1)
        if is_atari:
            import_module("ale_py")  # registers its games with Gymnasium
            self._envs: VecEnv = VecFrameStack(make_atari_env(env_id, layout.num_envs, seed=0), n_stack=4)
        else:
            self._envs = make_envs(env_id, layout.num_envs, subprocesses=subprocesses)
        if normalized:
            self._envs = VecNormalize(self._envs)
        self._model = make_model(self._envs, layout, policy="CnnPolicy" if is_atari else "MlpPolicy")
        self._model.learn(layout.batch_size)
        self._steps = updates * layout.batch_size

    def measure(self) -> Measurement:
        """Train on."""
        before, started_at = self._model.num_timesteps, time.perf_counter()
        self._model.learn(self._steps, reset_num_timesteps=False)
        return Measurement(steps=self._model.num_timesteps - before, seconds=time.perf_counter() - started_at)

    def close(self) -> None:
        """End the environments' processes."""
        self._envs.close()


class Solver:
    """Trains one policy until it passes its examination.

    Args:
        total_timesteps: budget.
        num_envs: stepped side by side.
        scales_rewards: whether rewards are divided by the running deviation of the discounted return.
        falls: whether the learning rate and the clip range fall linearly to zero.
        settings: keyword arguments of `PPO`.
    """

    def __init__(
        self, *, total_timesteps: int, num_envs: int, scales_rewards: bool, falls: bool, settings: dict[str, Any]
    ) -> None:
        torch.set_num_threads(1)
        self._total_timesteps, self._num_envs, self._scales_rewards = total_timesteps, num_envs, scales_rewards
        scheduled = ("learning_rate", "clip_range") if falls else ()
        self._settings = settings | {name: falling(settings[name]) for name in scheduled}

    def solve(self, *, seed: int, total_timesteps: int | None = None) -> Any:
        """Train with a seed; environments and network are built while the clock runs.

        Args:
            seed: of the training.
            total_timesteps: another budget, to warm up with.
        """
        examiner = _Examiner(seed)
        envs = make_envs("CartPole-v1", self._num_envs, seed=seed)
        if self._scales_rewards:
            envs = VecNormalize(envs, norm_obs=False, gamma=self._settings["gamma"])
        model = PPO("MlpPolicy", envs, **self._settings, device="cpu", seed=seed)
        model.learn(total_timesteps or self._total_timesteps, callback=examiner)
        return examiner.result()


class _Examiner(BaseCallback):
    """Examines the policy after each interval with the clock stopped, and ends the training once it passes.

    The examination is imported here and not above: it brings our package, which the other benchmarks' side is without.
    """

    def __init__(self, seed: int) -> None:
        super().__init__()
        from benchmarks.held_out import INTERVAL_STEPS, SOLVED_AT

        self._seed, self._interval, self._solved_at = seed, INTERVAL_STEPS, SOLVED_AT
        self._seconds, self._started_at = 0.0, time.perf_counter()
        self._score, self._examined_at = float("-inf"), 0

    def _on_rollout_start(self) -> None:
        """Called after each update, before the next batch is collected."""
        if self.num_timesteps and self.num_timesteps % self._interval == 0:
            self._examine()

    def _on_step(self) -> bool:
        return self._score < self._solved_at

    def _on_training_end(self) -> None:
        if self._score < self._solved_at and self._examined_at != self.num_timesteps:
            self._examine()

    def _examine(self) -> None:
        from benchmarks.held_out import held_out_return

        self._seconds += time.perf_counter() - self._started_at
        self._score, self._examined_at = held_out_return(self._act, seed=self._seed), self.num_timesteps
        self._started_at = time.perf_counter()

    def _act(self, observations: np.ndarray) -> np.ndarray:
        return self.model.predict(observations, deterministic=True)[0]

    def result(self) -> Any:
        from benchmarks.held_out import Solved

        return Solved(seconds=self._seconds, env_steps=self._examined_at, mean_return=self._score)
