"""Acting with a population and remembering what happened."""

from dataclasses import dataclass

import numpy as np

from rl_assets.rl.envs.pool import EnvironmentPool
from rl_assets.rl.policy import PolicyStack


@dataclass(frozen=True, kw_only=True)
class Rollout:
    """What `num_steps` steps of every member's environments gave."""

    observations: np.ndarray
    """`[num_steps + 1, members, num_envs, *observation_shape]` as the networks saw them: float32 and scaled, or uint8
    images; the last is what comes next."""

    raw_observations: np.ndarray
    """The same as the environments returned them; the same memory where nothing is scaled."""

    masks: np.ndarray | None
    """`[num_steps, members, num_envs, num_outputs]` bool, the actions that were allowed; None where all were."""

    log_probs: np.ndarray
    """`[num_steps, members, num_envs]` float32 log probabilities (densities) of the actions."""

    values: np.ndarray
    """`[num_steps + 1, members, num_envs]` float32."""

    actions: np.ndarray
    """`[num_steps, members, num_envs, action_size]` float32."""

    rewards: np.ndarray
    """`[num_steps, members, num_envs]` float32, as the environments gave them."""

    terminated: np.ndarray
    """`[num_steps, members, num_envs]` bool."""

    truncated: np.ndarray
    """`[num_steps, members, num_envs]` bool."""

    valid: np.ndarray
    """`[num_steps, members, num_envs]` bool; False on the pool's discarded reset step."""

    @classmethod
    def empty(cls, policies: PolicyStack, *, num_steps: int, num_envs: int, has_masks: bool) -> "Rollout":
        """Reserve memory to be filled again and again."""
        spec, distribution = policies.spec, policies.distribution
        envs = (num_steps, policies.num_members, num_envs)
        seen = (num_steps + 1, *envs[1:])
        dtype = np.uint8 if spec.is_image else np.float32
        observations = np.zeros((*seen, *spec.observation_shape), dtype)
        return cls(
            observations=observations,
            raw_observations=np.zeros_like(observations) if spec.normalizes_observations else observations,
            masks=np.ones((*envs, distribution.num_outputs), bool) if has_masks else None,
            log_probs=np.zeros(envs, np.float32),
            values=np.zeros(seen, np.float32),
            actions=np.zeros((*envs, distribution.action_size), np.float32),
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
        self._views = pool.reset()
        self._returns = np.zeros(self._shape)
        self._lengths = np.zeros(self._shape, np.int64)

    def collect_rollout(self, rollout: Rollout, noise: np.ndarray) -> list[list[tuple[float, int]]]:
        """Step every environment `num_steps` times and fill the rollout.

        Args:
            rollout: memory to fill.
            noise: `[num_steps, members, num_envs, num_outputs]` float32, the members' own randomness.

        Returns:
            For each member the (return, length) of the episodes that ended, in order.
        """
        actor_critics = self._policies.actor_critics
        finished: list[list[tuple[float, int]]] = [[] for _ in range(self._shape[0])]
        for step in range(len(noise)):
            observations = self._remember_observations(rollout, step)
            masks = None
            if rollout.masks is not None and self._views.masks is not None:
                masks = rollout.masks[step] = self._views.masks.reshape(*self._shape, -1)
            acts = actor_critics.act(observations, noise=noise[step], masks=masks)
            batch = self._pool.step(self._policies.to_env(acts.actions))
            rollout.log_probs[step], rollout.values[step], rollout.actions[step] = (
                acts.log_probs,
                acts.values,
                acts.actions,
            )
            rollout.rewards[step] = batch.rewards.reshape(self._shape)
            rollout.terminated[step] = batch.terminated.reshape(self._shape)
            rollout.truncated[step] = batch.truncated.reshape(self._shape)
            rollout.valid[step] = batch.valid.reshape(self._shape)
            self._views = batch
            self._follow_episodes(rollout, step, finished)
        rollout.values[-1] = actor_critics.values(self._remember_observations(rollout, -1))
        return finished

    def _remember_observations(self, rollout: Rollout, step: int) -> np.ndarray:
        """Note what the members see now, and return it as their networks see it."""
        seen = self._views.observations
        raw = rollout.raw_observations[step]
        raw[...] = seen.reshape(raw.shape)
        if rollout.raw_observations is not rollout.observations:
            rollout.observations[step] = self._policies.scaler.scaled(raw)
        return rollout.observations[step]

    def _follow_episodes(self, rollout: Rollout, step: int, finished: list[list[tuple[float, int]]]) -> None:
        self._returns += rollout.rewards[step]
        self._lengths += rollout.valid[step]
        ended = rollout.terminated[step] | rollout.truncated[step]
        if ended.any():
            for member, env in zip(*np.nonzero(ended), strict=True):
                finished[member].append((float(self._returns[member, env]), int(self._lengths[member, env])))
            self._returns[ended] = 0.0
            self._lengths[ended] = 0
