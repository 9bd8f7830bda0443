"""Losses of actors and critics, one number for each sample; `masked_mean` makes one of them for each member."""

import torch
from torch import Tensor


def clipped_policy_loss(
    *, log_probs: Tensor, old_log_probs: Tensor, advantages: Tensor, clip_coefficient: Tensor | float
) -> Tensor:
    """PPO's clipped surrogate, negated so that less is better.

    Args:
        log_probs: `[members, rows]` float32, of the actions under the current policy.
        old_log_probs: `[members, rows]` float32, under the policy that acted.
        advantages: `[members, rows]` float32.
        clip_coefficient: how far the ratio may leave 1, a number or `[members, 1]`.

    Returns:
        `[members, rows]` max(-A r, -A clip(r, 1 - c, 1 + c)) with the ratio r = exp(log_probs - old_log_probs).

    Source:
        Schulman et al., arXiv:1707.06347, equation 7.
    """
    ratio = (log_probs - old_log_probs).exp()
    low, high = _bounds(1.0, clip_coefficient, like=ratio)
    clipped = torch.minimum(torch.maximum(ratio, low), high)
    return torch.maximum(-advantages * ratio, -advantages * clipped)


def value_loss(
    *, values: Tensor, old_values: Tensor, returns: Tensor, clip_coefficient: Tensor | float | None
) -> Tensor:
    """Half the squared error of the critic.

    Args:
        values: `[members, rows]` float32, under the current critic.
        old_values: `[members, rows]` float32, under the critic that acted.
        returns: `[members, rows]` float32 targets.
        clip_coefficient: how far a value may move before its gradient stops, a number or `[members, 1]`; None: as far
            as it likes.

    Returns:
        `[members, rows]` 0.5 (V - R)^2, with a limit 0.5 max((V - R)^2, (V_old + clip(V - V_old) - R)^2).

    Source:
        Engstrom et al., arXiv:2005.12729, section 3.
    """
    squared = (values - returns).square()
    if clip_coefficient is None:
        return 0.5 * squared
    low, high = _bounds(0.0, clip_coefficient, like=values)
    clipped = old_values + torch.minimum(torch.maximum(values - old_values, low), high)
    return 0.5 * torch.maximum(squared, (clipped - returns).square())


def approximate_kl(*, log_probs: Tensor, old_log_probs: Tensor) -> Tensor:
    """The low-variance, never negative estimate of KL(old, new): (r - 1) - log r.

    Args:
        log_probs: `[members, rows]` float32, of the actions under the current policy.
        old_log_probs: `[members, rows]` float32, under the policy that acted.

    Returns:
        `[members, rows]` nats.

    Source:
        Schulman, "Approximating KL divergence" (joschu.net/blog/kl-approx.html), estimator k3.
    """
    log_ratio = log_probs - old_log_probs
    return log_ratio.exp() - 1 - log_ratio


def masked_mean(samples: Tensor, weights: Tensor) -> Tensor:
    """Average over the rows that count.

    Args:
        samples: `[members, rows]` float32.
        weights: `[members, rows]` float32, 1 where a row counts and 0 where not.

    Returns:
        `[members]` means; 0 for a member of whose rows none counts.
    """
    return (samples * weights).sum(-1) / weights.sum(-1).clamp(min=1)


def normalize_advantages(advantages: Tensor, weights: Tensor) -> Tensor:
    """Scale to zero mean and unit deviation over the rows that count, each member by itself.

    Args:
        advantages: `[members, rows]` float32.
        weights: `[members, rows]` float32, 1 where a row counts and 0 where not.

    Returns:
        `[members, rows]` float32, 0 where a row does not count.
    """
    centred = (advantages - masked_mean(advantages, weights)[:, None]) * weights
    degrees = (weights.sum(-1) - 1).clamp(min=1)
    deviation = (centred.square().sum(-1) / degrees).sqrt()
    return centred / (deviation[:, None] + 1e-8)


def _bounds(middle: float, reach: Tensor | float, *, like: Tensor) -> tuple[Tensor, Tensor]:
    reach = torch.as_tensor(reach, dtype=like.dtype)
    return middle - reach, middle + reach
