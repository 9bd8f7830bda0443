"""Policies that act: what they are made of, one alone, and several stacked."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from rl_assets.config.network import NetworkConfig
from rl_assets.rl.distributions import ActionDistribution, distribution_for
from rl_assets.rl.envs.spaces import ActionSpace, EnvSpaces, actions_from_json, actions_to_json
from rl_assets.rl.networks.mlp import MLPShape, StackedMLP, pad_rows
from rl_assets.rl.normalization import OBSERVATION_LIMIT

NORMALIZER_MEAN = "normalizer.mean"
NORMALIZER_SCALE = "normalizer.scale"


@dataclass(frozen=True, kw_only=True)
class PolicySpec:
    """All that is needed, beside the tensors, to act as a policy acts."""

    network: NetworkConfig
    observation_size: int
    actions: ActionSpace
    normalizes_observations: bool

    @classmethod
    def for_env(cls, spaces: EnvSpaces, *, network: NetworkConfig, normalizes_observations: bool) -> "PolicySpec":
        """The spec of a policy for an environment."""
        return cls(
            network=network,
            observation_size=spaces.observation_shape[0],
            actions=spaces.actions,
            normalizes_observations=normalizes_observations,
        )

    def to_json(self) -> dict[str, Any]:
        """Return plain data that `from_json` reads back."""
        return {
            "network": self.network.model_dump(mode="json"),
            "observation_size": self.observation_size,
            "actions": actions_to_json(self.actions),
            "normalizes_observations": self.normalizes_observations,
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> "PolicySpec":
        """Rebuild from `to_json`."""
        return cls(
            network=NetworkConfig.model_validate(data["network"]),
            observation_size=data["observation_size"],
            actions=actions_from_json(data["actions"]),
            normalizes_observations=data["normalizes_observations"],
        )

    @property
    def shape(self) -> MLPShape:
        """Shape of the network."""
        distribution = self.distribution
        return MLPShape(
            observation_size=self.observation_size,
            num_outputs=distribution.num_outputs,
            network=self.network,
            has_log_std=distribution.has_log_std,
        )

    @property
    def distribution(self) -> ActionDistribution:
        """Distribution of the actions."""
        return distribution_for(self.actions)


class PolicyStack:
    """The policies of several members, acting together; each acts as it would alone."""

    def __init__(self, spec: PolicySpec, members: Sequence[Mapping[str, np.ndarray]]) -> None:
        self.spec = spec
        self.num_members = len(members)
        self.distribution = spec.distribution
        self.network = StackedMLP(spec.shape, members)
        self.scaler = ObservationScaler(self.num_members, spec.observation_size)
        if spec.normalizes_observations:
            for index, tensors in enumerate(members):
                self.scaler.set_member(index, mean=tensors[NORMALIZER_MEAN], scale=tensors[NORMALIZER_SCALE])

    def read(self, index: int) -> dict[str, np.ndarray]:
        """Copy out one member's tensors: all that acting as it does needs."""
        tensors = self.network.read(index)
        if self.spec.normalizes_observations:
            tensors |= self.scaler.read(index)
        return tensors

    def act(self, observations: np.ndarray, noise: np.ndarray | None) -> np.ndarray:
        """Choose actions for every member's environments.

        Args:
            observations: `[members, num_envs, observation_size]` float32.
            noise: `[members, num_envs, num_outputs]` float32 as the distribution draws it; None: the most likely
                actions.

        Returns:
            `[members * num_envs]` int64, or `[members * num_envs, action_size]` float32, for `EnvironmentPool.step`.
        """
        members, num_envs, _ = observations.shape
        rows = torch.zeros(members, pad_rows(num_envs), self.spec.shape.padded_observation_size)
        self.scaler.write(observations, rows[:, :num_envs])
        with torch.no_grad():
            outputs, _ = self.network.forward(rows)
            if noise is None:
                actions = self.distribution.mode(outputs)
            else:
                padded = torch.zeros(members, rows.shape[1], noise.shape[-1])
                padded[:, :num_envs] = torch.from_numpy(noise)
                log_std = self.network.log_std() if self.distribution.has_log_std else None
                actions = self.distribution.sample(outputs, log_std, padded)
            return self.distribution.to_env(actions[:, :num_envs].reshape(members * num_envs, -1))


class Policy:
    """One member's exact weights, ready to act."""

    def __init__(self, spec: PolicySpec, tensors: Mapping[str, np.ndarray]) -> None:
        self.spec = spec
        self._stack = PolicyStack(spec, [tensors])

    def act(
        self, observations: np.ndarray, *, deterministic: bool = True, generator: np.random.Generator | None = None
    ) -> np.ndarray:
        """Choose one action for each observation.

        Args:
            observations: `[num_envs, observation_size]` numbers.
            deterministic: take the most likely action instead of a sampled one.
            generator: where samples come from; needed unless deterministic.

        Returns:
            `[num_envs]` int64, or `[num_envs, action_size]` float32 within the bounds.

        Raises:
            ValueError: observations of another shape or not finite, or no generator to sample with.
        """
        if observations.ndim != 2 or observations.shape[1] != self.spec.observation_size:
            raise ValueError(
                f"observations have shape {observations.shape}: expected [num_envs, {self.spec.observation_size}]"
            )
        if not np.isfinite(observations).all():
            raise ValueError("observations hold NaN or infinity: expected finite numbers")
        noise = None
        if not deterministic:
            if generator is None:
                raise ValueError("generator is None: give one, or ask for deterministic actions")
            noise = self.spec.distribution.draw_noise(generator, (1, len(observations)))
        return self._stack.act(observations.astype(np.float32)[None], noise)


def load_policy(spec: PolicySpec, tensors: Mapping[str, np.ndarray]) -> Policy:
    """Make a policy of stored tensors.

    Raises:
        ValueError: a tensor is missing, of another shape or dtype, or holds NaN or infinity.
    """
    names = [NORMALIZER_MEAN, NORMALIZER_SCALE] if spec.normalizes_observations else []
    for name in names:
        if name not in tensors or tensors[name].shape != (spec.observation_size,):
            raise ValueError(f"tensor '{name}' is missing or misshapen: expected float32 ({spec.observation_size},)")
    for name, tensor in tensors.items():
        if not np.isfinite(tensor).all():
            raise ValueError(f"tensor '{name}' holds NaN or infinity: this policy is damaged, train it again")
    return Policy(spec, tensors)


class ObservationScaler:
    """Scales each member's observations by fixed means and deviations; leaves them as they are until told."""

    def __init__(self, num_members: int, observation_size: int) -> None:
        self._mean = torch.zeros(num_members, 1, observation_size)
        self._scale = torch.ones(num_members, 1, observation_size)
        self._is_identity = True

    def set_member(self, index: int, *, mean: np.ndarray, scale: np.ndarray) -> None:
        """Set one member's `[observation_size]` float32 mean and factor."""
        self._mean[index, 0] = torch.from_numpy(np.asarray(mean, np.float32))
        self._scale[index, 0] = torch.from_numpy(np.asarray(scale, np.float32))
        self._is_identity = False

    def read(self, index: int) -> dict[str, np.ndarray]:
        """Copy out one member's `[observation_size]` float32 mean and factor, under their names among the tensors."""
        return {
            NORMALIZER_MEAN: self._mean[index, 0].numpy().copy(),
            NORMALIZER_SCALE: self._scale[index, 0].numpy().copy(),
        }

    def write(self, observations: np.ndarray, target: Tensor) -> None:
        """Write scaled `[members, num_envs, observation_size]` observations into a wider `[members, num_envs, >=]`."""
        raw = torch.from_numpy(observations)
        if not self._is_identity:
            raw = ((raw - self._mean) * self._scale).clamp(-OBSERVATION_LIMIT, OBSERVATION_LIMIT)
        target[:, :, : observations.shape[-1]] = raw
