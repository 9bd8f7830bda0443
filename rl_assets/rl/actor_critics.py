"""Actors and critics of several members: what they must be able to do, and how they do it in torch."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from rl_assets.rl.distributions import ActionDistribution
from rl_assets.rl.networks.cnn import CNNShape, NatureCNNs
from rl_assets.rl.networks.mlp import MLPShape, StackedMLP

NetworkShape = MLPShape | CNNShape


@dataclass(frozen=True, kw_only=True)
class Acts:
    """What the members did in one step."""

    actions: np.ndarray
    """`[members, num_envs, action_size]` float32, as they are stored."""

    log_probs: np.ndarray
    """`[members, num_envs]` float32 log probabilities (densities) of the actions."""

    values: np.ndarray
    """`[members, num_envs]` float32 values of the states."""


class ActorCritics(Protocol):
    """The networks of several members; what one does depends on its own parameters and inputs alone.

    Observations are `[members, num_envs, *observation_shape]`, scaled; noise is `[members, num_envs, num_outputs]`
    float32 as the distribution draws it; masks are `[members, num_envs, num_outputs]` bool, or None where every
    action is allowed.
    """

    num_members: int

    def act(self, observations: np.ndarray, *, noise: np.ndarray, masks: np.ndarray | None) -> Acts:
        """Sample actions."""
        ...

    def choose(self, observations: np.ndarray, *, noise: np.ndarray | None, masks: np.ndarray | None) -> np.ndarray:
        """Sample `[members, num_envs, action_size]` float32 actions, or take the most likely ones without noise."""
        ...

    def values(self, observations: np.ndarray) -> np.ndarray:
        """`[members, num_envs]` float32 values."""
        ...

    def read(self, index: int) -> dict[str, np.ndarray]:
        """Copy out one member's parameters, in `torch.nn.Linear`'s convention."""
        ...


class AutogradActorCritics:
    """In torch: any network and any distribution, and gradients for whoever learns.

    Attributes:
        network: the stacked networks.
    """

    def __init__(
        self,
        shape: NetworkShape,
        distribution: ActionDistribution,
        members: Sequence[Mapping[str, np.ndarray]],
    ) -> None:
        self.num_members = len(members)
        self.distribution = distribution
        self.network = NatureCNNs(shape, members) if isinstance(shape, CNNShape) else StackedMLP(shape, members)

    def act(self, observations: np.ndarray, *, noise: np.ndarray, masks: np.ndarray | None) -> Acts:
        """Sample actions; see `ActorCritics`."""
        with torch.no_grad():
            outputs, values = self._forward(observations)
            log_std, allowed = self.log_std(), self._filled(masks)
            actions = self.distribution.sample(outputs, log_std, self._fill(torch.from_numpy(noise)), allowed)
            log_probs = self.distribution.log_prob(outputs, log_std, actions, allowed)
        num_envs = observations.shape[1]
        return Acts(
            actions=actions[:, :num_envs].numpy(),
            log_probs=log_probs[:, :num_envs].numpy(),
            values=values[:, :num_envs].numpy(),
        )

    def choose(self, observations: np.ndarray, *, noise: np.ndarray | None, masks: np.ndarray | None) -> np.ndarray:
        """Sample actions, or take the most likely ones; see `ActorCritics`."""
        with torch.no_grad():
            outputs, _ = self._forward(observations)
            allowed = self._filled(masks)
            if noise is None:
                actions = self.distribution.mode(outputs, allowed)
            else:
                drawn = self._fill(torch.from_numpy(noise))
                actions = self.distribution.sample(outputs, self.log_std(), drawn, allowed)
        return actions[:, : observations.shape[1]].numpy()

    def values(self, observations: np.ndarray) -> np.ndarray:
        """Values; see `ActorCritics`."""
        with torch.no_grad():
            return self._forward(observations)[1][:, : observations.shape[1]].numpy()

    def read(self, index: int) -> dict[str, np.ndarray]:
        """Copy out one member's parameters."""
        return self.network.read(index)

    def log_std(self) -> Tensor | None:
        """`[members, 1, num_outputs]` log deviations of Gaussian actions, with their gradient."""
        return self.network.log_std() if self.distribution.has_log_std else None

    def _forward(self, observations: np.ndarray) -> tuple[Tensor, Tensor]:
        return self.network.forward(self.network.prepare(observations))

    def _filled(self, masks: np.ndarray | None) -> Tensor | None:
        return None if masks is None else self._fill(torch.from_numpy(masks))

    def _fill(self, samples: Tensor) -> Tensor:
        """Fill up to the rows of the network, so that every member's numbers stand alike in the vectors."""
        return fill_rows(samples, self.network.pad_rows(samples.shape[1]))


def fill_rows(samples: Tensor, rows: int) -> Tensor:
    """Fill `[members, samples, ...]` up to a number of rows with zeros."""
    blank = samples.new_zeros((samples.shape[0], rows - samples.shape[1], *samples.shape[2:]))
    return torch.cat([samples, blank], dim=1)
