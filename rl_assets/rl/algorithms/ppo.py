"""Proximal Policy Optimization for a whole population at once.

Every tensor starts with the members' dimension and every coefficient is a tensor `[members, 1]`, so the members may
differ in all that fixes neither shapes nor control flow, and none sees another.

Source:
    Schulman et al., arXiv:1707.06347; details as in CleanRL's `ppo.py` (Huang et al., "The 37 implementation details
    of PPO"). Reset steps of the pool carry no weight.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from rl_assets.config.ppo import PPOConfig
from rl_assets.rl.actor_critics import AutogradActorCritics, fill_rows
from rl_assets.rl.autograd_learner import AutogradLearner
from rl_assets.rl.losses import approximate_kl, clipped_policy_loss, masked_mean, normalize_advantages, value_loss
from rl_assets.rl.optimizer import per_member
from rl_assets.rl.returns import gae
from rl_assets.rl.rollout import Rollout
from rl_assets.rl.seeding import member_stream

METRICS = (
    "policy_loss",
    "value_loss",
    "entropy",
    "approximate_kl",
    "clip_fraction",
    "gradient_norm",
    "clipped_gradients",
)
"""What an update reports for each member, averaged over its minibatches."""


class PPO(AutogradLearner):
    """Learns from rollouts, with torch's own gradients: for every network, and the reference for faster code.

    Args:
        actor_critics: the population; learning changes its parameters in place.
        configs: hyper-parameters of each member, equal in all that fixes shapes or control flow.
        seeds: training seed of each member.
    """

    def __init__(
        self, actor_critics: AutogradActorCritics, *, configs: Sequence[PPOConfig], seeds: Sequence[int]
    ) -> None:
        super().__init__(actor_critics, adam_epsilon=[config.adam_epsilon for config in configs])
        self.config = configs[0]
        self._seeds = seeds
        self._discount = per_member([config.discount for config in configs])
        self._trace_decay = per_member([config.trace_decay for config in configs])
        self._clip = per_member([config.clip_coefficient for config in configs])
        self._entropy_coefficient = per_member([config.entropy_coefficient for config in configs])[:, 0]
        self._value_coefficient = per_member([config.value_coefficient for config in configs])[:, 0]
        self._max_grad_norm = per_member([config.max_grad_norm for config in configs])
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
        order = shuffled_samples(
            self._seeds, counter, num_epochs=self.config.update_epochs, num_samples=batch.num_samples
        )
        active = [True] * self._actor_critics.num_members
        reports: list[np.ndarray] = []
        weights: list[list[bool]] = []
        for epoch in range(self.config.update_epochs):
            for minibatch in batch.deal(order[:, epoch], self.config.num_minibatches):
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
        values, valid = torch.from_numpy(rollout.values), torch.from_numpy(rollout.valid)
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
        network = self._actor_critics.network
        num_samples = advantages[:, 0].numel()
        size = num_samples // self.config.num_minibatches
        # A blank row to fill minibatches up with, where the network wants more rows than they have.
        num_blank = int(network.pad_rows(size) != size)
        observations = network.prepare(samples_of(rollout.observations[:-1]), num_blank=num_blank)
        rows = observations.shape[1]
        columns = (
            torch.from_numpy(rollout.log_probs),
            advantages,
            advantages + values[:-1],
            values[:-1],
            valid.to(torch.float32),
        )
        return Batch(
            num_samples=num_samples,
            minibatch_rows=network.pad_rows(size),
            observations=observations,
            actions=fill_rows(torch.from_numpy(samples_of(rollout.actions)), rows),
            masks=None if rollout.masks is None else fill_rows(torch.from_numpy(samples_of(rollout.masks)), rows),
            columns=torch.stack([fill_rows(column.transpose(0, 1).flatten(1), rows) for column in columns]),
        )

    def _learn(self, minibatch: "Minibatch", learning_rates: Sequence[float], active: Sequence[bool]) -> np.ndarray:
        """Take one gradient step; return `[members, len(METRICS)]`."""
        network, distribution = self._actor_critics.network, self._actor_critics.distribution
        old_log_probs, advantages, returns, old_values, weights = minibatch.columns
        if self.config.normalize_advantages:
            advantages = normalize_advantages(advantages, weights)
        outputs, values = network.forward(minibatch.observations)
        log_std = self._actor_critics.log_std()
        log_probs = distribution.log_prob(outputs, log_std, minibatch.actions, minibatch.masks)
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
        entropies = masked_mean(distribution.entropy(outputs, log_std, minibatch.masks), weights)
        losses = policy_losses - self._entropy_coefficient * entropies + self._value_coefficient * value_losses
        network.backward(losses.sum())
        norms = self.optimizer.step(learning_rates=learning_rates, max_grad_norm=self._max_grad_norm, active=active)
        with torch.no_grad():
            log_probs = log_probs.detach()
            divergences = masked_mean(approximate_kl(log_probs=log_probs, old_log_probs=old_log_probs), weights)
            clipped = ((log_probs - old_log_probs).exp() - 1).abs() > self._clip
            clip_fractions = masked_mean(clipped.to(torch.float32), weights)
            shortened = (norms > self._max_grad_norm[:, 0]).to(torch.float32)
            metrics = (policy_losses, value_losses, entropies, divergences, clip_fractions, norms, shortened)
            return torch.stack([metric.detach() for metric in metrics], dim=1).numpy().astype(np.float64)


@dataclass(frozen=True, kw_only=True)
class Minibatch:
    """Equally many samples of every member, filled up with rows of weight 0."""

    observations: Tensor
    actions: Tensor
    masks: Tensor | None
    columns: Tensor


@dataclass(frozen=True, kw_only=True)
class Batch:
    """One rollout's samples, a block of rows for each member."""

    num_samples: int
    """Rows of each member that hold a sample; the rest is blank."""

    minibatch_rows: int
    """Rows that the network wants for a minibatch."""

    observations: Tensor
    """`[members, rows, ...]` as the network takes them."""

    actions: Tensor
    """`[members, rows, action_size]` float32."""

    masks: Tensor | None
    """`[members, rows, num_outputs]` bool; a blank row allows nothing, which is as good as anything."""

    columns: Tensor
    """`[5, members, rows]` float32: old log probabilities, advantages, returns, old values, weights."""

    def deal(self, order: np.ndarray, num_minibatches: int) -> list[Minibatch]:
        """Deal every member's samples to minibatches.

        Args:
            order: `[members, num_samples]` permutation of each member's samples.
            num_minibatches: how many minibatches; divides the samples.
        """
        members, rows = self.columns.shape[1:]
        size = self.num_samples // num_minibatches
        index = np.full((num_minibatches, members, self.minibatch_rows), rows - 1)
        index[:, :, :size] = order.reshape(members, num_minibatches, size).swapaxes(0, 1)
        index += np.arange(members)[:, None] * rows
        parts = torch.from_numpy(index)

        def pick(tensor: Tensor, part: Tensor) -> Tensor:
            return tensor.flatten(0, 1)[part.flatten()].unflatten(0, part.shape)

        return [
            Minibatch(
                observations=pick(self.observations, part),
                actions=pick(self.actions, part),
                masks=None if self.masks is None else pick(self.masks, part),
                columns=torch.stack([pick(column, part) for column in self.columns]),
            )
            for part in parts
        ]


def shuffled_samples(seeds: Sequence[int], counter: int, *, num_epochs: int, num_samples: int) -> np.ndarray:
    """Draw the order in which each member meets its samples in one update.

    Args:
        seeds: training seed of each member.
        counter: number of the update; it addresses the members' own shuffling.
        num_epochs: passes over the samples.
        num_samples: samples of each member.

    Returns:
        `[members, num_epochs, num_samples]` int64 permutations.
    """
    streams = [member_stream(member_seed=seed, role="shuffle", counter=counter) for seed in seeds]
    return np.stack([[stream.permutation(num_samples) for _ in range(num_epochs)] for stream in streams])


def samples_of(steps: np.ndarray) -> np.ndarray:
    """Turn `[num_steps, members, num_envs, ...]` into `[members, samples, ...]`."""
    by_member = np.ascontiguousarray(steps.swapaxes(0, 1))
    return by_member.reshape(by_member.shape[0], -1, *by_member.shape[3:])
