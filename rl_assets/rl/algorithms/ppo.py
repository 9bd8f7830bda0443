"""Proximal Policy Optimization for a whole population at once.

Every tensor starts with the members' dimension and every coefficient is a tensor `[members, 1]`, so the members may
differ in all that fixes neither shapes nor control flow, and none sees another.

Source:
    Schulman et al., arXiv:1707.06347; details as in CleanRL's `ppo.py` (Huang et al., "The 37 implementation details
    of PPO"). Reset steps of the pool carry no weight.
"""

import math
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from rl_assets.config.ppo import PPOConfig
from rl_assets.rl.losses import approximate_kl, clipped_policy_loss, masked_mean, normalize_advantages, value_loss
from rl_assets.rl.networks.mlp import pad_rows
from rl_assets.rl.optimizer import PopulationAdam
from rl_assets.rl.policy import PolicyStack
from rl_assets.rl.returns import gae
from rl_assets.rl.rollout import Rollout
from rl_assets.rl.seeding import member_stream

METRICS = ("policy_loss", "value_loss", "entropy", "approximate_kl", "clip_fraction", "gradient_norm")
"""What an update reports for each member, averaged over its minibatches."""


class PPO:
    """Learns from rollouts.

    Args:
        policies: the population; learning changes its parameters in place.
        configs: hyper-parameters of each member, equal in all that fixes shapes or control flow.
        seeds: training seed of each member.
    """

    def __init__(self, policies: PolicyStack, *, configs: Sequence[PPOConfig], seeds: Sequence[int]) -> None:
        self.config = configs[0]
        self._policies = policies
        self._seeds = seeds
        network = policies.network
        self.optimizer = PopulationAdam(
            network.by_member,
            network.grad.view_as(network.by_member),
            epsilon=[config.adam_epsilon for config in configs],
        )
        self._discount = _column([config.discount for config in configs])
        self._trace_decay = _column([config.trace_decay for config in configs])
        self._clip = _column([config.clip_coefficient for config in configs])
        self._entropy_coefficient = _column([config.entropy_coefficient for config in configs])[:, 0]
        self._value_coefficient = _column([config.value_coefficient for config in configs])[:, 0]
        self._max_grad_norm = _column([config.max_grad_norm for config in configs])
        self._target_kl = [math.inf if config.target_kl is None else config.target_kl for config in configs]

    def update(
        self, rollout: Rollout, rewards: np.ndarray, *, counter: int, learning_rates: Sequence[float]
    ) -> np.ndarray:
        """Learn from one rollout.

        Args:
            rollout: what the members did.
            rewards: `[num_steps, members, num_envs]` float32 rewards to learn from, scaled or not.
            counter: number of this update; it addresses the members' own shuffling.
            learning_rates: step size of each member.

        Returns:
            `[members, len(METRICS)]` float64, in the order of `METRICS`.
        """
        batch = self._prepare(rollout, rewards)
        streams = [member_stream(member_seed=seed, role="shuffle", counter=counter) for seed in self._seeds]
        active = [True] * self._policies.num_members
        reports: list[np.ndarray] = []
        weights: list[list[bool]] = []
        for _ in range(self.config.update_epochs):
            for minibatch in batch.shuffled(streams, self.config.num_minibatches):
                reports.append(self._learn(minibatch, learning_rates, active))
                weights.append(active)
            divergences = reports[-1][:, METRICS.index("approximate_kl")]
            active = [
                is_active and not divergence > limit
                for is_active, divergence, limit in zip(active, divergences, self._target_kl, strict=True)
            ]
            if not any(active):
                break
        table, counted = np.stack(reports, axis=1), np.array(weights).T
        return np.stack([rows[took_part].mean(axis=0) for rows, took_part in zip(table, counted, strict=True)])

    def _prepare(self, rollout: Rollout, rewards: np.ndarray) -> "Batch":
        values = rollout.values[:, :, : rollout.num_envs]
        valid = torch.from_numpy(rollout.valid)
        advantages = gae(
            rewards=torch.from_numpy(rewards),
            values=values[:-1],
            next_values=values[1:],
            terminated=torch.from_numpy(rollout.terminated),
            truncated=torch.from_numpy(rollout.truncated),
            valid=valid,
            discount=self._discount,
            trace_decay=self._trace_decay,
        )
        num_samples = advantages[:, 0].numel()
        minibatch_size = num_samples // self.config.num_minibatches
        # A blank row to fill minibatches up with, where the kernels' row multiple does not divide them.
        rows = pad_rows(num_samples + (minibatch_size != pad_rows(minibatch_size)))
        actions = _by_member(rollout.actions[:, :, : rollout.num_envs], rows)
        distribution, network = self._policies.distribution, self._policies.network
        with torch.no_grad():
            old_log_probs = distribution.log_prob(
                _by_member(rollout.outputs[:, :, : rollout.num_envs], rows),
                network.log_std() if distribution.has_log_std else None,
                actions,
            )
        return Batch(
            num_samples=num_samples,
            observations=_by_member(rollout.observations[:-1, :, : rollout.num_envs], rows),
            actions=actions,
            columns=torch.stack(
                [
                    old_log_probs,
                    _by_member(advantages, rows),
                    _by_member(advantages + values[:-1], rows),
                    _by_member(values[:-1], rows),
                    _by_member(valid.to(torch.float32), rows),
                ]
            ),
        )

    def _learn(self, minibatch: "Minibatch", learning_rates: Sequence[float], active: Sequence[bool]) -> np.ndarray:
        """Take one gradient step; return `[members, len(METRICS)]`."""
        network, distribution = self._policies.network, self._policies.distribution
        old_log_probs, advantages, returns, old_values, weights = minibatch.columns
        if self.config.normalize_advantages:
            advantages = normalize_advantages(advantages, weights)
        outputs, values = network.forward(minibatch.observations)
        log_std = network.log_std() if distribution.has_log_std else None
        log_probs = distribution.log_prob(outputs, log_std, minibatch.actions)
        policy_losses = masked_mean(
            clipped_policy_loss(
                log_probs=log_probs, old_log_probs=old_log_probs, advantages=advantages, clip_coefficient=self._clip
            ),
            weights,
        )
        value_losses = masked_mean(
            value_loss(
                values=values,
                old_values=old_values,
                returns=returns,
                clip_coefficient=self._clip if self.config.clip_value_loss else None,
            ),
            weights,
        )
        entropies = masked_mean(distribution.entropy(outputs, log_std), weights)
        losses = policy_losses - self._entropy_coefficient * entropies + self._value_coefficient * value_losses
        network.backward(losses.sum())
        norms = self.optimizer.step(learning_rates=learning_rates, max_grad_norm=self._max_grad_norm, active=active)
        with torch.no_grad():
            log_probs = log_probs.detach()
            divergences = masked_mean(approximate_kl(log_probs=log_probs, old_log_probs=old_log_probs), weights)
            clipped = ((log_probs - old_log_probs).exp() - 1).abs() > self._clip
            clip_fractions = masked_mean(clipped.to(torch.float32), weights)
            metrics = (policy_losses, value_losses, entropies, divergences, clip_fractions, norms)
            return torch.stack([metric.detach() for metric in metrics], dim=1).numpy().astype(np.float64)


class Minibatch:
    """Equally many samples of every member, padded with rows of weight 0."""

    def __init__(self, observations: Tensor, actions: Tensor, columns: Tensor) -> None:
        self.observations = observations
        self.actions = actions
        self.columns = columns


class Batch:
    """One rollout's samples, a block of rows for each member.

    Args:
        num_samples: rows of each member that hold a sample; the rest is blank.
        observations: `[members, rows, padded_observation_size]` float32.
        actions: `[members, rows, action_size]` float32.
        columns: `[5, members, rows]` float32: old log probabilities, advantages, returns, old values, weights.
    """

    def __init__(self, *, num_samples: int, observations: Tensor, actions: Tensor, columns: Tensor) -> None:
        self._num_samples = num_samples
        self._members, self._rows = columns.shape[1:]
        self._observations = observations.flatten(0, 1)
        self._actions = actions.flatten(0, 1)
        self._columns = columns.flatten(1, 2)

    def shuffled(self, streams: Sequence[np.random.Generator], num_minibatches: int) -> list[Minibatch]:
        """Deal every member's samples, in an order of its own, to `num_minibatches` minibatches."""
        size = self._num_samples // num_minibatches
        rows = pad_rows(size)
        index = np.full((num_minibatches, self._members, rows), self._rows - 1)
        for member, stream in enumerate(streams):
            index[:, member, :size] = stream.permutation(self._num_samples).reshape(num_minibatches, size)
        index += np.arange(self._members)[:, None] * self._rows
        flat = torch.from_numpy(index).flatten()
        shape = (num_minibatches, self._members, rows)
        observations = self._observations.index_select(0, flat).unflatten(0, shape)
        actions = self._actions.index_select(0, flat).unflatten(0, shape)
        columns = self._columns.index_select(1, flat).unflatten(1, shape)
        return [Minibatch(observations[i], actions[i], columns[:, i]) for i in range(num_minibatches)]


def _by_member(steps: Tensor, rows: int) -> Tensor:
    """Turn `[num_steps, members, num_envs, ...]` into `[members, rows, ...]`, filled up with zeros."""
    samples = steps.transpose(0, 1).flatten(1, 2)
    blank = samples.new_zeros((samples.shape[0], rows - samples.shape[1], *samples.shape[2:]))
    return torch.cat([samples, blank], dim=1)


def _column(numbers: Sequence[float]) -> Tensor:
    return torch.tensor(list(numbers), dtype=torch.float32)[:, None]
