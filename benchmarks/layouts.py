"""Settings that both sides share, so that a ratio compares two programs and not two recipes."""

from dataclasses import dataclass

LEARNING_RATE = 2.5e-4
"""Adam's step size where nothing depends on what is learned."""


@dataclass(frozen=True, kw_only=True)
class Layout:
    """How a batch is collected and cut; all else is PPO as both sides have it by default in the field.

    Both sides: actor and critic of two tanh layers of 64 units that share nothing, orthogonal initialisation, discount
    0.99, trace decay 0.95, clip 0.2 without a clipped value loss, no entropy bonus, value coefficient 0.5, gradient
    norm 0.5, advantages normalised in each minibatch, Adam with epsilon 1e-5, a rate that falls linearly to zero.
    """

    num_envs: int = 8
    """Environments stepped side by side."""

    num_steps: int = 128
    """Steps in each environment between two updates."""

    num_minibatches: int = 4
    """Parts of a batch."""

    update_epochs: int = 4
    """Passes over each batch."""

    @property
    def batch_size(self) -> int:
        """Samples in one update."""
        return self.num_envs * self.num_steps

    @property
    def label(self) -> str:
        """Short text for tables."""
        return f"{self.num_envs} x {self.num_steps}"
