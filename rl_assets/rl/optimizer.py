"""Adam over a population: one sweep over all members' parameters, each with its own step size and clipping."""

from collections.abc import Sequence

import torch
from torch import Tensor

_BETA1 = 0.9
_BETA2 = 0.999
_NORM_EPSILON = 1e-6


class PopulationAdam:
    """Adam on parameters stacked as `[members, size]`.

    Attributes:
        exp_avg: `[members, size]` float32, running mean of gradients.
        exp_avg_sq: `[members, size]` float32, running mean of their squares.
        steps: steps that each member has taken.

    Source:
        Kingma and Ba, arXiv:1412.6980; gradient clipping as `torch.nn.utils.clip_grad_norm_`.
    """

    def __init__(self, parameters: Tensor, gradients: Tensor, *, epsilon: Sequence[float]) -> None:
        self._parameters = parameters
        self._gradients = gradients
        self._epsilon = per_member(epsilon)
        self.exp_avg = torch.zeros_like(parameters)
        self.exp_avg_sq = torch.zeros_like(parameters)
        self.steps = [0] * len(parameters)

    def step(self, *, learning_rates: Sequence[float], max_grad_norm: Tensor, active: Sequence[bool]) -> Tensor:
        """Take one step with the gradients that a backward pass left.

        Args:
            learning_rates: step size of each member.
            max_grad_norm: `[members, 1]` float32, norm to which a member's gradient is clipped.
            active: members to move; the others keep parameters and moments bit by bit.

        Returns:
            `[members]` gradient norms before clipping.
        """
        gradients = self._gradients
        norms = gradients.square().sum(1, keepdim=True).sqrt()
        gradients.mul_((max_grad_norm / (norms + _NORM_EPSILON)).clamp(max=1))
        moved = [count + 1 for count in self.steps]
        step_sizes = per_member([lr / (1 - _BETA1**count) for lr, count in zip(learning_rates, moved, strict=True)])
        corrections = per_member([(1 - _BETA2**count) ** -0.5 for count in moved])
        if all(active):
            self._advance(self.exp_avg, self.exp_avg_sq, self._parameters, step_sizes, corrections)
            self.steps = moved
            return norms[:, 0]
        mask = torch.tensor(list(active))[:, None]
        for old, new in zip(
            (self.exp_avg, self.exp_avg_sq, self._parameters),
            self._advance(
                self.exp_avg.clone(), self.exp_avg_sq.clone(), self._parameters.clone(), step_sizes, corrections
            ),
            strict=True,
        ):
            old.copy_(torch.where(mask, new, old))
        self.steps = [new if moves else old for old, new, moves in zip(self.steps, moved, active, strict=True)]
        return norms[:, 0]

    def silence(self, index: int) -> None:
        """Zero a member's parameters and moments, so that it computes on harmlessly beside the others."""
        for tensor in (self._parameters, self._gradients, self.exp_avg, self.exp_avg_sq):
            tensor[index] = 0

    def _advance(
        self, exp_avg: Tensor, exp_avg_sq: Tensor, parameters: Tensor, step_sizes: Tensor, corrections: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        gradients = self._gradients
        exp_avg.mul_(_BETA1).add_(gradients, alpha=1 - _BETA1)
        exp_avg_sq.mul_(_BETA2).addcmul_(gradients, gradients, value=1 - _BETA2)
        denominator = exp_avg_sq.sqrt().mul_(corrections).add_(self._epsilon)
        parameters.sub_(exp_avg.div(denominator).mul_(step_sizes))
        return exp_avg, exp_avg_sq, parameters


def per_member(numbers: Sequence[float]) -> Tensor:
    """One number of each member as `[members, 1]` float32."""
    return torch.tensor(list(numbers), dtype=torch.float32)[:, None]
