"""Policies that act: what they are made of, one alone, and several stacked."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from rl_assets.config.network import NetworkConfig
from rl_assets.rl.actor_critics import ActorCritics, NetworkShape
from rl_assets.rl.backend import Backend, choose_backend, make_actor_critics
from rl_assets.rl.distributions import ActionDistribution, distribution_for
from rl_assets.rl.envs.spaces import ActionSpace, EnvSpaces, actions_from_json, actions_to_json
from rl_assets.rl.networks.cnn import CNNShape
from rl_assets.rl.networks.mlp import MLPShape
from rl_assets.rl.normalization import OBSERVATION_LIMIT

NORMALIZER_MEAN = "normalizer.mean"
NORMALIZER_SCALE = "normalizer.scale"


@dataclass(frozen=True, kw_only=True)
class PolicySpec:
    """All that is needed, beside the tensors, to act as a policy acts."""

    network: NetworkConfig
    observation_shape: tuple[int, ...]
    """A flat vector's `(size,)`, or an image's three dimensions."""

    actions: ActionSpace
    normalizes_observations: bool
    squashes_actions: bool = False
    """Whether continuous actions are brought into their bounds by a hyperbolic tangent instead of clipping."""

    @classmethod
    def for_env(
        cls,
        spaces: EnvSpaces,
        *,
        network: NetworkConfig,
        normalizes_observations: bool,
        squashes_actions: bool = False,
    ) -> "PolicySpec":
        """The spec of a policy for an environment; images are never normalised by running statistics."""
        return cls(
            network=network,
            observation_shape=spaces.observation_shape,
            actions=spaces.actions,
            normalizes_observations=normalizes_observations and not spaces.is_image,
            squashes_actions=squashes_actions,
        )

    def to_json(self) -> dict[str, Any]:
        """Return plain data that `from_json` reads back."""
        return {
            "network": self.network.model_dump(mode="json"),
            "observation_shape": list(self.observation_shape),
            "actions": actions_to_json(self.actions),
            "normalizes_observations": self.normalizes_observations,
            "squashes_actions": self.squashes_actions,
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> "PolicySpec":
        """Rebuild from `to_json`."""
        return cls(
            network=NetworkConfig.model_validate(data["network"]),
            observation_shape=tuple(data["observation_shape"]),
            actions=actions_from_json(data["actions"]),
            normalizes_observations=data["normalizes_observations"],
            squashes_actions=data["squashes_actions"],
        )

    @property
    def is_image(self) -> bool:
        """Whether observations are images."""
        return len(self.observation_shape) == 3

    @property
    def shape(self) -> NetworkShape:
        """Shape of the network: perceptrons for vectors, the Nature CNN for images."""
        distribution = self.distribution
        if self.is_image:
            return CNNShape(
                observation_shape=self.observation_shape,
                num_outputs=distribution.num_outputs,
                network=self.network,
                has_log_std=distribution.has_log_std,
            )
        return MLPShape(
            observation_size=self.observation_shape[0],
            num_outputs=distribution.num_outputs,
            network=self.network,
            has_log_std=distribution.has_log_std,
        )

    @property
    def distribution(self) -> ActionDistribution:
        """Distribution of the actions."""
        return distribution_for(self.actions, squashes=self.squashes_actions)


class PolicyStack:
    """The policies of several members, acting together; each acts as it would alone.

    Args:
        spec: what the policies have in common.
        members: tensors of each.
        backend: how to compute; None: the fastest that can.
    """

    def __init__(
        self, spec: PolicySpec, members: Sequence[Mapping[str, np.ndarray]], *, backend: Backend | None = None
    ) -> None:
        self.spec = spec
        self.num_members = len(members)
        self.distribution = spec.distribution
        self.backend: Backend = backend or choose_backend(spec.shape)
        self.actor_critics: ActorCritics = make_actor_critics(
            spec.shape, self.distribution, members, backend=self.backend
        )
        self.scaler = ObservationScaler(self.num_members, spec.observation_shape)
        if spec.normalizes_observations:
            for index, tensors in enumerate(members):
                self.scaler.set_member(index, mean=tensors[NORMALIZER_MEAN], scale=tensors[NORMALIZER_SCALE])

    def read(self, index: int) -> dict[str, np.ndarray]:
        """Copy out one member's tensors: all that acting as it does needs."""
        tensors = self.actor_critics.read(index)
        if self.spec.normalizes_observations:
            tensors |= self.scaler.read(index)
        return tensors

    def act(
        self, observations: np.ndarray, noise: np.ndarray | None = None, masks: np.ndarray | None = None
    ) -> np.ndarray:
        """Choose actions for every member's environments.

        Args:
            observations: `[members, num_envs, *observation_shape]` float32, or uint8 for images.
            noise: `[members, num_envs, num_outputs]` float32 as the distribution draws it; None: the most likely
                actions.
            masks: `[members, num_envs, num_outputs]` bool, the actions that are allowed; None: all are.

        Returns:
            `[members * num_envs]` int64, `[members * num_envs, num_choices]` int64, or `[members * num_envs,
            action_size]` float32, for `EnvironmentPool.step`.
        """
        actions = self.actor_critics.choose(self.scaler.scaled(observations), noise=noise, masks=masks)
        return self.to_env(actions)

    def to_env(self, actions: np.ndarray) -> np.ndarray:
        """Turn stored actions `[members, num_envs, action_size]` into what `EnvironmentPool.step` takes."""
        return self.distribution.to_env(actions.reshape(-1, actions.shape[-1]))


class Policy:
    """One member's exact weights, ready to act."""

    def __init__(self, spec: PolicySpec, tensors: Mapping[str, np.ndarray]) -> None:
        self.spec = spec
        self._stack = PolicyStack(spec, [tensors])

    def __repr__(self) -> str:
        seen = "x".join(map(str, self.spec.observation_shape))
        return f"Policy({seen} observations -> {self.spec.actions.label})"

    def act(
        self,
        observations: np.ndarray,
        *,
        deterministic: bool = True,
        generator: np.random.Generator | None = None,
        masks: np.ndarray | None = None,
    ) -> np.ndarray:
        """Choose one action for each observation.

        Args:
            observations: `[num_envs, observation_size]` numbers, or `[num_envs, ...]` uint8 images.
            deterministic: take the most likely action instead of a sampled one.
            generator: where samples come from; needed unless deterministic.
            masks: `[num_envs, num_outputs]` bool, the actions that are allowed; None: all are.

        Returns:
            `[num_envs]` int64, `[num_envs, num_choices]` int64, or `[num_envs, action_size]` float32 within the bounds.

        Raises:
            ValueError: observations of another shape or not finite, or no generator to sample with.
        """
        expected = ("num_envs", *self.spec.observation_shape)
        observations = np.asarray(observations)
        if observations.ndim != len(expected) or observations.shape[1:] != self.spec.observation_shape:
            raise ValueError(
                f"observations have shape {observations.shape}: expected [{', '.join(map(str, expected))}]"
            )
        if self.spec.is_image and observations.dtype != np.uint8:
            raise ValueError(f"observations are {observations.dtype}: expected uint8 images")
        if not np.isfinite(observations).all():
            raise ValueError("observations hold NaN or infinity: expected finite numbers")
        num_outputs = self.spec.distribution.num_outputs
        if masks is not None and masks.shape != (len(observations), num_outputs):
            raise ValueError(f"masks have shape {masks.shape}: expected ({len(observations)}, {num_outputs})")
        noise = None
        if not deterministic:
            if generator is None:
                raise ValueError("generator is None: give one, or ask for deterministic actions")
            noise = self.spec.distribution.draw_noise(generator, (1, len(observations)))
        seen = observations if self.spec.is_image else observations.astype(np.float32)
        return self._stack.act(seen[None], noise, None if masks is None else masks[None].astype(bool))


def load_policy(spec: PolicySpec, tensors: Mapping[str, np.ndarray]) -> Policy:
    """Make a policy of stored tensors.

    Raises:
        ValueError: a tensor is missing, of another shape or dtype, or holds NaN or infinity.
    """
    names = [NORMALIZER_MEAN, NORMALIZER_SCALE] if spec.normalizes_observations else []
    for name in names:
        if name not in tensors or tensors[name].shape != spec.observation_shape:
            raise ValueError(f"tensor '{name}' is missing or misshapen: expected float32 {spec.observation_shape}")
    for name, tensor in tensors.items():
        if not np.isfinite(tensor).all():
            raise ValueError(f"tensor '{name}' holds NaN or infinity: this policy is damaged, train it again")
    return Policy(spec, tensors)


class ObservationScaler:
    """Scales each member's observations by fixed means and deviations; leaves them as they are until told."""

    def __init__(self, num_members: int, observation_shape: tuple[int, ...]) -> None:
        self._mean = np.zeros((num_members, 1, *observation_shape), np.float32)
        self._scale = np.ones((num_members, 1, *observation_shape), np.float32)
        self._is_identity = True

    def set_member(self, index: int, *, mean: np.ndarray, scale: np.ndarray) -> None:
        """Set one member's `[observation_size]` float32 mean and factor."""
        self._mean[index, 0], self._scale[index, 0] = mean, scale
        self._is_identity = False

    def read(self, index: int) -> dict[str, np.ndarray]:
        """Copy out one member's `[observation_size]` float32 mean and factor, under their names among the tensors."""
        return {NORMALIZER_MEAN: self._mean[index, 0].copy(), NORMALIZER_SCALE: self._scale[index, 0].copy()}

    def scaled(self, observations: np.ndarray) -> np.ndarray:
        """Scale `[members, num_envs, observation_size]` float32 observations."""
        if self._is_identity:
            return observations
        return np.clip((observations - self._mean) * self._scale, -OBSERVATION_LIMIT, OBSERVATION_LIMIT)
