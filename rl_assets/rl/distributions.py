"""Action distributions: how a network's outputs become actions, and how likely an action was."""

import math
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from rl_assets.rl.envs.spaces import ActionSpace, BoxActions, DiscreteActions, MultiDiscreteActions

MASKED_LOGIT = -1e8
"""Logit of an action that the environment forbids: its probability is exactly 0, its product with it too."""

SQUASHED_REACH = 0.999
"""How far a squashed action reaches, in halves of its range: what lies beyond is as good as the bound."""

_HALF_LOG_TWO_PI = 0.5 * math.log(2 * math.pi)


class ActionDistribution(Protocol):
    """What the learner and the evaluator need to know about an action space.

    `log_std` are the log deviations `[members, 1, num_outputs]` of a distribution that has them, else None. `masks` are
    `[..., num_outputs]` bool, the outputs that may be chosen; None where all may.
    """

    num_outputs: int
    """Outputs the actor must have."""

    has_log_std: bool
    """Whether the actor owns a state-independent log standard deviation for each output."""

    action_size: int
    """Numbers in one action as it is stored."""

    def draw_noise(self, rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
        """Draw the randomness of `shape` actions: `[*shape, num_outputs]` float32."""
        ...

    def sample(self, outputs: Tensor, log_std: Tensor | None, noise: Tensor, masks: Tensor | None = None) -> Tensor:
        """Turn noise into actions `[..., action_size]` float32, as they are stored and learnt from."""
        ...

    def mode(self, outputs: Tensor, masks: Tensor | None = None) -> Tensor:
        """The most likely actions `[..., action_size]` float32."""
        ...

    def to_env(self, actions: np.ndarray) -> np.ndarray:
        """Turn stored actions `[rows, action_size]` into what the environment takes, always within its bounds."""
        ...

    def from_env(self, actions: np.ndarray) -> np.ndarray:
        """Turn `[rows, action_size]` actions as the environment takes them into float32 ones as they are stored."""
        ...

    def log_prob(self, outputs: Tensor, log_std: Tensor | None, actions: Tensor, masks: Tensor | None = None) -> Tensor:
        """Log probability (density) of stored actions, `[...]` float32."""
        ...

    def entropy(self, outputs: Tensor, log_std: Tensor | None, masks: Tensor | None = None) -> Tensor:
        """Entropy in nats, `[...]` float32."""
        ...


def distribution_for(actions: ActionSpace, *, squashes: bool = False) -> ActionDistribution:
    """The distribution we learn over an action space.

    Args:
        actions: the space.
        squashes: bring continuous actions into their bounds by a hyperbolic tangent instead of clipping.
    """
    if isinstance(actions, BoxActions):
        return DiagonalGaussian(actions, squashes=squashes)
    return Categorical(actions)


class Categorical:
    """Choices that are independent of each other, each with probabilities softmax(its outputs)."""

    has_log_std = False

    def __init__(self, actions: DiscreteActions | MultiDiscreteActions) -> None:
        self.is_single = isinstance(actions, DiscreteActions)
        self.choices = (actions.n,) if isinstance(actions, DiscreteActions) else actions.ns
        self.num_outputs = sum(self.choices)
        self.action_size = len(self.choices)

    def draw_noise(self, rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
        """Draw standard Gumbel noise, with which the arg max over outputs + noise is a sample."""
        exponential = rng.standard_exponential((*shape, self.num_outputs), dtype=np.float32)
        return -np.log(np.maximum(exponential, np.finfo(np.float32).tiny))

    def sample(self, outputs: Tensor, log_std: Tensor | None, noise: Tensor, masks: Tensor | None = None) -> Tensor:  # noqa: ARG002
        """Choose arg max(outputs + noise)."""
        return self.mode(_masked(outputs, masks) + noise)

    def mode(self, outputs: Tensor, masks: Tensor | None = None) -> Tensor:
        """Choose the largest output, the first of equals."""
        chosen = [part.argmax(-1) for part in self._split(_masked(outputs, masks))]
        return torch.stack(chosen, dim=-1).to(torch.float32)

    def to_env(self, actions: np.ndarray) -> np.ndarray:
        """Return int64 choices, `[rows]` for a single one and `[rows, action_size]` else."""
        chosen = actions.astype(np.int64)
        return chosen[:, 0] if self.is_single else chosen

    def from_env(self, actions: np.ndarray) -> np.ndarray:
        """The same choices as float32."""
        return actions.astype(np.float32)

    def log_prob(
        self,
        outputs: Tensor,
        log_std: Tensor | None,  # noqa: ARG002
        actions: Tensor,
        masks: Tensor | None = None,
    ) -> Tensor:
        """Sum of the log softmax at each choice."""
        chosen = actions.to(torch.int64)
        log_probs = [
            torch.log_softmax(part, -1).gather(-1, chosen[..., index : index + 1]).squeeze(-1)
            for index, part in enumerate(self._split(_masked(outputs, masks)))
        ]
        return torch.stack(log_probs).sum(0)

    def entropy(self, outputs: Tensor, log_std: Tensor | None, masks: Tensor | None = None) -> Tensor:  # noqa: ARG002
        """Minus the sum of p log p, over all choices."""
        parts = [torch.log_softmax(part, -1) for part in self._split(_masked(outputs, masks))]
        return torch.stack([-(part.exp() * part).sum(-1) for part in parts]).sum(0)

    def _split(self, outputs: Tensor) -> tuple[Tensor, ...]:
        return outputs.split(self.choices, -1)


class DiagonalGaussian:
    """Independent normals whose deviations do not depend on the state.

    Where both bounds are finite the network acts in [-1, 1], which is stretched to the bounds. What leaves them is
    clipped; or all is squashed by a hyperbolic tangent. Either belongs to what the environment is told, not to what
    is stored and learnt from: the squashing's density is the same under the old and the new policy and cancels in
    their ratio. The entropy is that of the normals.

    Source:
        Squashing as in Haarnoja et al., arXiv:1812.05905, appendix C.
    """

    has_log_std = True

    def __init__(self, actions: BoxActions, *, squashes: bool = False) -> None:
        self.num_outputs = self.action_size = actions.size
        self._low, self._high = np.asarray(actions.low, np.float32), np.asarray(actions.high, np.float32)
        bounded = np.isfinite(self._low) & np.isfinite(self._high)
        with np.errstate(invalid="ignore"):
            self._middle = np.where(bounded, self._low / 2 + self._high / 2, 0).astype(np.float32)
            self._half = np.where(bounded, self._high / 2 - self._low / 2, 1).astype(np.float32)
        self._bounded, self._squashed = bounded, bounded & squashes

    def draw_noise(self, rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
        """Draw standard normals."""
        return rng.standard_normal((*shape, self.num_outputs), dtype=np.float32)

    def sample(self, outputs: Tensor, log_std: Tensor | None, noise: Tensor, masks: Tensor | None = None) -> Tensor:  # noqa: ARG002
        """Return mean + deviation * noise, as it is before it meets the bounds: the gradient needs the draw itself."""
        assert log_std is not None
        return outputs + log_std.exp() * noise

    def mode(self, outputs: Tensor, masks: Tensor | None = None) -> Tensor:  # noqa: ARG002
        """The means."""
        return outputs

    def to_env(self, actions: np.ndarray) -> np.ndarray:
        """Bring within the bounds; what is not finite becomes 0 first, so that one member cannot stop all."""
        finite = np.nan_to_num(actions)
        if self._squashed.any():
            finite = np.where(self._squashed, np.tanh(finite), finite)
        with np.errstate(over="ignore"):
            return np.clip(finite * self._half + self._middle, self._low, self._high)

    def from_env(self, actions: np.ndarray) -> np.ndarray:
        """Measure in halves of the range from its middle; what is squashed ends just before the bounds."""
        half = np.where(self._half > 0, self._half, np.float32(1))
        stored = ((actions - self._middle) / half).astype(np.float32)
        stored = np.where(self._bounded, np.clip(stored, -1, 1), stored)
        reach = np.clip(stored, -SQUASHED_REACH, SQUASHED_REACH)
        return np.where(self._squashed, np.arctanh(reach), stored).astype(np.float32)

    def log_prob(
        self,
        outputs: Tensor,
        log_std: Tensor | None,
        actions: Tensor,
        masks: Tensor | None = None,  # noqa: ARG002
    ) -> Tensor:
        """Sum of the normals' log densities."""
        assert log_std is not None
        standardized = (actions - outputs) * (-log_std).exp()
        return (-0.5 * standardized.square() - log_std - _HALF_LOG_TWO_PI).sum(-1)

    def entropy(self, outputs: Tensor, log_std: Tensor | None, masks: Tensor | None = None) -> Tensor:  # noqa: ARG002
        """Sum of 0.5 + 0.5 log(2 pi) + log std, the same in every state."""
        assert log_std is not None
        return (log_std + (0.5 + _HALF_LOG_TWO_PI)).sum(-1).expand(outputs.shape[:-1])


def _masked(outputs: Tensor, masks: Tensor | None) -> Tensor:
    return outputs if masks is None else torch.where(masks, outputs, MASKED_LOGIT)
