"""How much better each action was than expected."""

import torch
from torch import Tensor


def gae(
    *,
    rewards: Tensor,
    values: Tensor,
    next_values: Tensor,
    terminated: Tensor,
    truncated: Tensor,
    valid: Tensor,
    discount: Tensor | float,
    trace_decay: Tensor | float,
) -> Tensor:
    """Estimate how much better each action was than the critic expected.

    The batch of environments may have any shape, such as `[members, num_envs]`; coefficients broadcast against it.

    Args:
        rewards: `[num_steps, ...]` float32, after the action, unscaled.
        values: `[num_steps, ...]` float32, the critic's value of the state in which the action was taken.
        next_values: `[num_steps, ...]` float32, its value of the state that followed; at an episode's end of the true
            final state.
        terminated: `[num_steps, ...]` bool; the task ended, nothing follows.
        truncated: `[num_steps, ...]` bool; time ran out, the future still counts.
        valid: `[num_steps, ...]` bool; False on the pool's discarded reset step.
        discount: gamma, a number or a tensor such as `[members, 1]`.
        trace_decay: lambda, likewise.

    Returns:
        `[num_steps, ...]` advantages in reward units, not normalised, 0 where not valid.

    Raises:
        ValueError: shapes differ, or a coefficient lies outside [0, 1].

    Source:
        Schulman et al., arXiv:1506.02438.
    """
    for name, tensor in (
        ("values", values),
        ("next_values", next_values),
        ("terminated", terminated),
        ("truncated", truncated),
        ("valid", valid),
    ):
        if tensor.shape != rewards.shape:
            raise ValueError(f"{name} have shape {tuple(tensor.shape)}: expected the rewards' {tuple(rewards.shape)}")
    for name, coefficient in (("discount", discount), ("trace_decay", trace_decay)):
        tensor = torch.as_tensor(coefficient)
        if not ((tensor >= 0) & (tensor <= 1)).all():
            raise ValueError(f"{name} is {coefficient}: expected 0 to 1")
    continues = valid.to(rewards.dtype)
    bootstraps = continues * (~terminated).to(rewards.dtype) * discount
    errors = (rewards - values) * continues + bootstraps * next_values
    carries = bootstraps * (~truncated).to(rewards.dtype) * trace_decay
    advantages = torch.empty_like(rewards)
    trace = torch.zeros_like(rewards[0])
    for step in range(len(rewards) - 1, -1, -1):
        trace = errors[step] + carries[step] * trace
        advantages[step] = trace
    return advantages
