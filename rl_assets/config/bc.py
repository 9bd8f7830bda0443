"""Hyper-parameters of behaviour cloning."""

from typing import Literal

from pydantic import Field

from rl_assets.config.strict import StrictModel


class BCConfig(StrictModel):
    """Behaviour cloning (Pomerleau, 1989): learn to act as the dataset's episodes do, and what that is worth."""

    name: Literal["bc"] = "bc"
    """The algorithm."""

    learning_rate: float = Field(default=1e-3, gt=0, le=1)
    """Adam's step size at the start."""

    anneal_learning_rate: bool = True
    """Let the learning rate fall linearly to zero over the training."""

    batch_size: int = Field(default=64, ge=1, le=65_536)
    """Samples in one gradient step."""

    steps_per_update: int = Field(default=16, ge=1, le=4096)
    """Gradient steps between two rows of the history."""

    validation_share: float = Field(default=0.1, ge=0, le=0.5)
    """Share of the episodes that are kept apart to measure on; whole ones, drawn by the seed."""

    discount: float = Field(default=0.99, ge=0, le=1)
    """Gamma: the weight of a reward one step later, in what the critic learns."""

    value_coefficient: float = Field(default=0.5, ge=0, le=10)
    """Weight of the critic's loss."""

    max_grad_norm: float = Field(default=0.5, gt=0, le=1000)
    """Global norm to which gradients are clipped."""

    normalize_observations: bool = False
    """Scale observations by the dataset's mean and deviation, which become part of the policy."""

    normalize_rewards: bool = True
    """Scale rewards by the deviation of the dataset's discounted return, as PPO does."""

    squash_actions: bool = False
    """Bring continuous actions into their bounds by a hyperbolic tangent instead of clipping them."""

    adam_epsilon: float = Field(default=1e-5, gt=0, le=1e-1)
    """Adam's denominator term."""

    @property
    def samples_per_update(self) -> int:
        """Samples in one update."""
        return self.batch_size * self.steps_per_update

    @property
    def num_streams(self) -> int:
        """Environments stepped side by side: none."""
        return 0
