"""What learns, whatever it learns from and whatever computes it."""

from collections.abc import Mapping, Sequence
from typing import Protocol

import numpy as np

from rl_assets.config.ppo import PPOConfig
from rl_assets.rl.actor_critics import AutogradActorCritics
from rl_assets.rl.algorithms.ppo import PPO
from rl_assets.rl.policy import PolicyStack
from rl_assets.rl.rollout import Rollout


class Learner(Protocol):
    """Changes the parameters of a population, each member's by its own experience alone."""

    def silence(self, index: int) -> None:
        """Let a member rest for good, harmless to the others."""
        ...

    def optimizer_state(self, index: int) -> dict[str, np.ndarray]:
        """Copy out what the optimizer knows of one member."""
        ...

    def restore_optimizer(self, index: int, state: Mapping[str, np.ndarray]) -> None:
        """Take up what `optimizer_state` copied out."""
        ...

    def parameters(self) -> np.ndarray:
        """`[members, size]` float32 view of everything that learns."""
        ...


class RolloutLearner(Learner, Protocol):
    """Learns from what the population did."""

    def update(
        self, rollout: Rollout, rewards: np.ndarray, *, counter: int, learning_rates: Sequence[float]
    ) -> np.ndarray:
        """Learn from one rollout; return `[members, len(METRICS)]` float64."""
        ...


def make_learner(policies: PolicyStack, *, configs: Sequence[PPOConfig], seeds: Sequence[int]) -> RolloutLearner:
    """Make what learns with the policies' own backend.

    Args:
        policies: the population; learning changes its parameters in place.
        configs: hyper-parameters of each member, equal in all that fixes shapes or control flow.
        seeds: training seed of each member.
    """
    if isinstance(policies.actor_critics, AutogradActorCritics):
        return PPO(policies.actor_critics, configs=configs, seeds=seeds)
    from rl_assets.rl.fused import FusedActorCritics, FusedPPO  # numba takes a while to import, and may be missing

    assert isinstance(policies.actor_critics, FusedActorCritics), "a backend has one kind of actor-critics"
    return FusedPPO(policies.actor_critics, configs=configs, seeds=seeds)
