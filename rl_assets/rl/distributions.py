"""Action distributions: how a network's outputs become actions, and how likely an action was."""

import math
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from rl_assets.rl.envs.spaces import ActionSpace, BoxActions, DiscreteActions

_HALF_LOG_TWO_PI = 0.5 * math.log(2 * math.pi)


class ActionDistribution(Protocol):
    """What the learner and the evaluator need to know about an action space."""

    num_outputs: int
    """Outputs the actor must have."""

    has_log_std: bool
    """Whether the actor owns a state-independent log standard deviation for each output."""

    action_size: int
    """Numbers in one action as it is stored."""

    def draw_noise(self, rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
        """Draw the randomness of `shape` actions: `[*shape, num_outputs]` float32."""
        ...

    def sample(self, outputs: Tensor, log_std: Tensor | None, noise: Tensor) -> Tensor:
        """Turn noise into actions `[..., action_size]` float32, as they are stored and learnt from."""
        ...

    def mode(self, outputs: Tensor) -> Tensor:
        """The most likely actions `[..., action_size]` float32."""
        ...

    def to_env(self, actions: Tensor) -> np.ndarray:
        """Turn stored actions `[rows, action_size]` into what the environment takes, always within its bounds."""
        ...

    def log_prob(self, outputs: Tensor, log_std: Tensor | None, actions: Tensor) -> Tensor:
        """Log probability (density) of stored actions, `[...]` float32."""
        ...

    def entropy(self, outputs: Tensor, log_std: Tensor | None) -> Tensor:
        """Entropy in nats, `[...]` float32."""
        ...


def distribution_for(actions: ActionSpace) -> ActionDistribution:
    """The distribution we learn over an action space."""
    return Categorical(actions) if isinstance(actions, DiscreteActions) else DiagonalGaussian(actions)


class Categorical:
    """A choice among n actions with probabilities softmax(outputs)."""

    has_log_std = False
    action_size = 1

    def __init__(self, actions: DiscreteActions) -> None:
        self.num_outputs = actions.n

    def draw_noise(self, rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
        """Draw standard Gumbel noise, with which the arg max over outputs + noise is a sample."""
        exponential = rng.standard_exponential((*shape, self.num_outputs), dtype=np.float32)
        return -np.log(np.maximum(exponential, np.finfo(np.float32).tiny))

    def sample(self, outputs: Tensor, log_std: Tensor | None, noise: Tensor) -> Tensor:  # noqa: ARG002
        """Choose arg max(outputs + noise)."""
        return (outputs + noise).argmax(-1, keepdim=True).to(torch.float32)

    def mode(self, outputs: Tensor) -> Tensor:
        """Choose the largest output, the first of equals."""
        return outputs.argmax(-1, keepdim=True).to(torch.float32)

    def to_env(self, actions: Tensor) -> np.ndarray:
        """Return `[rows]` int64 choices."""
        return actions[:, 0].numpy().astype(np.int64)

    def log_prob(self, outputs: Tensor, log_std: Tensor | None, actions: Tensor) -> Tensor:  # noqa: ARG002
        """Log softmax at the chosen action."""
        return torch.log_softmax(outputs, -1).gather(-1, actions.to(torch.int64)).squeeze(-1)

    def entropy(self, outputs: Tensor, log_std: Tensor | None) -> Tensor:  # noqa: ARG002
        """Minus the sum of p log p."""
        log_probs = torch.log_softmax(outputs, -1)
        return -(log_probs.exp() * log_probs).sum(-1)


class DiagonalGaussian:
    """Independent normals whose deviations do not depend on the state; what leaves the bounds is clipped.

    Where both bounds are finite the network acts in [-1, 1], which is stretched to the bounds.
    """

    has_log_std = True

    def __init__(self, actions: BoxActions) -> None:
        self.num_outputs = self.action_size = actions.size
        low, high = np.asarray(actions.low, np.float32), np.asarray(actions.high, np.float32)
        bounded = np.isfinite(low) & np.isfinite(high)
        self._low, self._high = torch.from_numpy(low), torch.from_numpy(high)
        with np.errstate(invalid="ignore"):
            self._middle = torch.from_numpy(np.where(bounded, low / 2 + high / 2, 0).astype(np.float32))
            self._half = torch.from_numpy(np.where(bounded, high / 2 - low / 2, 1).astype(np.float32))

    def draw_noise(self, rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
        """Draw standard normals."""
        return rng.standard_normal((*shape, self.num_outputs), dtype=np.float32)

    def sample(self, outputs: Tensor, log_std: Tensor | None, noise: Tensor) -> Tensor:
        """Return mean + deviation * noise, not clipped: the gradient needs the draw itself."""
        assert log_std is not None
        return outputs + log_std.exp() * noise

    def mode(self, outputs: Tensor) -> Tensor:
        """The means."""
        return outputs

    def to_env(self, actions: Tensor) -> np.ndarray:
        """Stretch to the bounds and clip; what is not finite becomes 0 clipped, so that one member cannot stop all."""
        stretched = torch.nan_to_num(actions * self._half + self._middle, nan=0.0)
        return torch.maximum(torch.minimum(stretched, self._high), self._low).numpy()

    def log_prob(self, outputs: Tensor, log_std: Tensor | None, actions: Tensor) -> Tensor:
        """Sum of the normals' log densities."""
        assert log_std is not None
        standardized = (actions - outputs) * (-log_std).exp()
        return (-0.5 * standardized.square() - log_std - _HALF_LOG_TWO_PI).sum(-1)

    def entropy(self, outputs: Tensor, log_std: Tensor | None) -> Tensor:
        """Sum of 0.5 + 0.5 log(2 pi) + log std, the same in every state."""
        assert log_std is not None
        return (log_std + (0.5 + _HALF_LOG_TWO_PI)).sum(-1).expand(outputs.shape[:-1])
