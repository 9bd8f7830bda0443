"""Hyper-parameters of Proximal Policy Optimization."""

from typing import Literal

from pydantic import Field, model_validator

from rl_assets.config.strict import StrictModel


class PPOConfig(StrictModel):
    """Proximal Policy Optimization (Schulman et al., arXiv:1707.06347), in CleanRL's formulation."""

    name: Literal["ppo"] = "ppo"
    """The algorithm."""

    learning_rate: float = Field(default=1e-3, gt=0, le=1)
    """Adam's step size at the start."""

    anneal_learning_rate: bool = True
    """Let the learning rate fall linearly to zero over the training."""

    num_envs: int = Field(default=8, ge=1, le=4096)
    """Environments stepped side by side, for each member."""

    num_steps: int = Field(default=128, ge=1, le=65_536)
    """Steps taken in each environment between two updates."""

    num_minibatches: int = Field(default=4, ge=1, le=4096)
    """Parts that a batch of `num_envs * num_steps` samples is cut into; must divide it."""

    update_epochs: int = Field(default=10, ge=1, le=100)
    """Passes over each batch."""

    discount: float = Field(default=0.99, ge=0, le=1)
    """Gamma: the weight of a reward one step later."""

    trace_decay: float = Field(default=0.95, ge=0, le=1)
    """Lambda of generalized advantage estimation."""

    clip_coefficient: float = Field(default=0.2, gt=0, le=1)
    """How far the probability ratio may move before its gradient stops."""

    clip_value_loss: bool = True
    """Clip the critic's step by the same coefficient."""

    entropy_coefficient: float = Field(default=0.0, ge=0, le=1)
    """Weight of the entropy bonus."""

    value_coefficient: float = Field(default=0.5, ge=0, le=10)
    """Weight of the critic's loss."""

    max_grad_norm: float = Field(default=0.5, gt=0, le=1000)
    """Global norm to which gradients are clipped."""

    normalize_advantages: bool = True
    """Scale advantages to zero mean and unit variance in each minibatch."""

    target_kl: float | None = Field(default=None, gt=0, le=10, examples=[0.02])
    """Stop an update's epochs when the approximate KL divergence passes this."""

    normalize_observations: bool = False
    """Scale observations by running statistics, which become part of the policy."""

    normalize_rewards: bool = True
    """Scale rewards by the running deviation of the discounted return."""

    squash_actions: bool = False
    """Bring continuous actions into their bounds by a hyperbolic tangent instead of clipping them."""

    adam_epsilon: float = Field(default=1e-5, gt=0, le=1e-1)
    """Adam's denominator term."""

    @property
    def batch_size(self) -> int:
        """Samples in one batch."""
        return self.num_envs * self.num_steps

    @property
    def samples_per_update(self) -> int:
        """Samples in one update, which learns from one batch."""
        return self.batch_size

    @property
    def num_streams(self) -> int:
        """Environments stepped side by side."""
        return self.num_envs

    @model_validator(mode="after")
    def _minibatches_divide_the_batch(self) -> "PPOConfig":
        if self.batch_size % self.num_minibatches:
            raise ValueError(
                f"num_minibatches {self.num_minibatches} does not divide the batch of "
                f"{self.num_envs} envs x {self.num_steps} steps = {self.batch_size}: choose a divisor"
            )
        return self
