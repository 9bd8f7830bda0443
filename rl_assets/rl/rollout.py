"""Acting with a population and remembering what happened."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from rl_assets.rl.envs.pool import EnvironmentPool
from rl_assets.rl.networks.mlp import pad_rows
from rl_assets.rl.policy import PolicyStack


@dataclass(frozen=True, kw_only=True)
class Rollout:
    """What `num_steps` steps of every member's environments gave; rows beyond `num_envs` are padding."""

    num_envs: int
    """Environments of each member."""

    observations: Tensor
    """`[num_steps + 1, members, rows, padded_observation_size]` float32, scaled; the last is what comes next."""

    raw_observations: np.ndarray
    """`[num_steps, members, num_envs, observation_size]` float32, as the environments returned them."""

    outputs: Tensor
    """`[num_steps, members, rows, num_outputs]` float32 outputs of the actor."""

    values: Tensor
    """`[num_steps + 1, members, rows]` float32."""

    actions: Tensor
    """`[num_steps, members, rows, action_size]` float32."""

    rewards: np.ndarray
    """`[num_steps, members, num_envs]` float32, as the environments gave them."""

    terminated: np.ndarray
    """`[num_steps, members, num_envs]` bool."""

    truncated: np.ndarray
    """`[num_steps, members, num_envs]` bool."""

    valid: np.ndarray
    """`[num_steps, members, num_envs]` bool; False on the pool's discarded reset step."""

    @classmethod
    def empty(cls, policies: PolicyStack, *, num_steps: int, num_envs: int) -> "Rollout":
        """Reserve memory to be filled again and again."""
        shape, members, rows = policies.spec.shape, policies.num_members, pad_rows(num_envs)
        envs = (num_steps, members, num_envs)
        return cls(
            num_envs=num_envs,
            observations=torch.zeros(num_steps + 1, members, rows, shape.padded_observation_size),
            raw_observations=np.zeros((*envs, shape.observation_size), np.float32),
            outputs=torch.zeros(num_steps, members, rows, shape.num_outputs),
            values=torch.zeros(num_steps + 1, members, rows),
            actions=torch.zeros(num_steps, members, rows, policies.distribution.action_size),
            rewards=np.zeros(envs, np.float32),
            terminated=np.zeros(envs, bool),
            truncated=np.zeros(envs, bool),
            valid=np.zeros(envs, bool),
        )


class Actors:
    """A pool with every member's environments, and where its episodes stand."""

    def __init__(self, pool: EnvironmentPool, policies: PolicyStack) -> None:
        self._pool = pool
        self._policies = policies
        self._shape = (policies.num_members, pool.num_envs // policies.num_members)
        self._observations = pool.reset().reshape(*self._shape, -1)
        self._returns = np.zeros(self._shape)
        self._lengths = np.zeros(self._shape, np.int64)

    def collect_rollout(self, rollout: Rollout, noise: Tensor) -> list[list[tuple[float, int]]]:
        """Step every environment `num_steps` times and fill the rollout.

        Args:
            rollout: memory to fill.
            noise: `[num_steps, members, rows, num_outputs]` float32, the members' own randomness.

        Returns:
            For each member the (return, length) of the episodes that ended, in order.
        """
        policies, network, distribution = self._policies, self._policies.network, self._policies.distribution
        members, num_envs = self._shape
        finished: list[list[tuple[float, int]]] = [[] for _ in range(members)]
        with torch.no_grad():
            log_std = network.log_std() if distribution.has_log_std else None
            for step in range(len(noise)):
                observations = rollout.observations[step]
                policies.scaler.write(self._observations, observations[:, :num_envs])
                rollout.raw_observations[step] = self._observations
                outputs, values = network.forward(observations)
                actions = distribution.sample(outputs, log_std, noise[step])
                batch = self._pool.step(distribution.to_env(actions[:, :num_envs].reshape(members * num_envs, -1)))
                rollout.outputs[step], rollout.values[step], rollout.actions[step] = outputs, values, actions
                rollout.rewards[step] = batch.rewards.reshape(self._shape)
                rollout.terminated[step] = batch.terminated.reshape(self._shape)
                rollout.truncated[step] = batch.truncated.reshape(self._shape)
                rollout.valid[step] = batch.valid.reshape(self._shape)
                self._observations = batch.observations.reshape(*self._shape, -1)
                self._follow_episodes(rollout, step, finished)
            policies.scaler.write(self._observations, rollout.observations[-1][:, :num_envs])
            rollout.values[-1] = network.forward(rollout.observations[-1])[1]
        return finished

    def _follow_episodes(self, rollout: Rollout, step: int, finished: list[list[tuple[float, int]]]) -> None:
        self._returns += rollout.rewards[step]
        self._lengths += rollout.valid[step]
        ended = rollout.terminated[step] | rollout.truncated[step]
        if ended.any():
            for member, env in zip(*np.nonzero(ended), strict=True):
                finished[member].append((float(self._returns[member, env]), int(self._lengths[member, env])))
            self._returns[ended] = 0.0
            self._lengths[ended] = 0
