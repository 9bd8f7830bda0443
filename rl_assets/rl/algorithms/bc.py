"""Behaviour cloning for a whole population at once.

The actor learns to find the demonstrated actions likely, and the critic what followed them, so that a training that
goes on by acting starts with both. Every tensor starts with the members' dimension, and none sees another.

Source:
    Pomerleau, "ALVINN: An autonomous land vehicle in a neural network", NeurIPS 1988.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from rl_assets.config.bc import BCConfig
from rl_assets.rl.actor_critics import AutogradActorCritics, fill_rows
from rl_assets.rl.autograd_learner import AutogradLearner
from rl_assets.rl.losses import masked_mean, value_loss
from rl_assets.rl.optimizer import per_member


@dataclass(frozen=True, kw_only=True)
class Samples:
    """Equally many demonstrated steps of every member."""

    observations: np.ndarray
    """`[members, rows, *observation_shape]` as the networks see them: float32 and scaled, or uint8 images."""

    actions: np.ndarray
    """`[members, rows, action_size]` float32 as policies store them."""

    returns: np.ndarray
    """`[members, rows]` float32 discounted rewards from there on."""

    has_return: np.ndarray
    """`[members, rows]` float32, 1 where the return is known and 0 where not."""

    weights: np.ndarray
    """`[members, rows]` float32, 1 where a row counts and 0 where it fills up."""


class BC(AutogradLearner):
    """Learns from demonstrated steps, with torch's own gradients.

    Args:
        actor_critics: the population; learning changes its parameters in place.
        configs: hyper-parameters of each member, equal in all that fixes shapes or control flow.

    Attributes:
        error: name of how far the most likely actions are from the demonstrated ones: `accuracy`, the share of steps in
            which every choice is the same, or `squared_error`, the mean over action numbers as networks put them out.
        metrics: what an update reports for each member, averaged over its batches.
    """

    def __init__(self, actor_critics: AutogradActorCritics, *, configs: Sequence[BCConfig]) -> None:
        super().__init__(actor_critics, adam_epsilon=[config.adam_epsilon for config in configs])
        self.error = "squared_error" if actor_critics.distribution.has_log_std else "accuracy"
        self.metrics = (
            "negative_log_likelihood",
            "value_loss",
            self.error,
            "entropy",
            "gradient_norm",
            "clipped_gradients",
        )
        self._value_coefficient = per_member([config.value_coefficient for config in configs])[:, 0]
        self._max_grad_norm = per_member([config.max_grad_norm for config in configs])

    def update(self, batches: Iterable[Samples], *, learning_rates: Sequence[float]) -> np.ndarray:
        """Take one gradient step with each batch.

        Args:
            batches: at least one.
            learning_rates: step size of each member.

        Returns:
            `[members, len(metrics)]` float64, in the order of `metrics`.
        """
        return np.mean([self._learn(samples, learning_rates) for samples in batches], axis=0)

    def measure(self, samples: Samples) -> np.ndarray:
        """Compute the first three metrics of samples that nobody learns from.

        Returns:
            `[members, 3]` float64 means over the rows that count.
        """
        with torch.no_grad():
            return _table(self._losses(samples)[:3])

    def _learn(self, samples: Samples, learning_rates: Sequence[float]) -> np.ndarray:
        """Take one gradient step; return `[members, len(metrics)]`."""
        likelihoods, value_losses, errors, entropies = self._losses(samples)
        self._actor_critics.network.backward((likelihoods + self._value_coefficient * value_losses).sum())
        everybody = [True] * self._actor_critics.num_members
        norms = self.optimizer.step(learning_rates=learning_rates, max_grad_norm=self._max_grad_norm, active=everybody)
        shortened = (norms > self._max_grad_norm[:, 0]).to(torch.float32)
        return _table([likelihoods, value_losses, errors, entropies, norms, shortened])

    def _losses(self, samples: Samples) -> list[Tensor]:
        """Negative log-likelihood, value loss, error and entropy, each `[members]`."""
        network, distribution = self._actor_critics.network, self._actor_critics.distribution
        rows = network.pad_rows(samples.weights.shape[1])
        actions, returns, has_return, weights = (
            fill_rows(torch.from_numpy(array), rows)
            for array in (samples.actions, samples.returns, samples.has_return, samples.weights)
        )
        outputs, values = network.forward(network.prepare(samples.observations))
        log_std = self._actor_critics.log_std()
        distances = value_loss(values=values, old_values=values, returns=returns, clip_coefficient=None)
        most_likely = distribution.mode(outputs.detach())
        if distribution.has_log_std:
            errors = (most_likely - actions).square().mean(-1)
        else:
            errors = (most_likely == actions).all(-1).to(torch.float32)
        return [
            masked_mean(-distribution.log_prob(outputs, log_std, actions), weights),
            masked_mean(distances, weights * has_return),
            masked_mean(errors, weights),
            masked_mean(distribution.entropy(outputs, log_std), weights),
        ]


def _table(columns: Sequence[Tensor]) -> np.ndarray:
    return torch.stack([column.detach() for column in columns], dim=1).numpy().astype(np.float64)
