"""When a training is stopped before its budget is spent."""

from pydantic import Field

from rl_assets.config.strict import StrictModel


class GuardrailsConfig(StrictModel):
    """What no healthy training does, and the target at which one is done; judged in each update, for each seed."""

    max_reward: float | None = Field(default=1e7, gt=0)
    """Largest reward of one step, of either sign; null switches this guardrail off."""

    max_reward_ratio: float | None = Field(default=1e4, gt=1)
    """How many times larger than each of earlier updates a reward may be, where those below 1 count as 1; null: off."""

    max_saturated_actions: float | None = Field(default=0.999, gt=0, le=1)
    """Largest share of a continuous policy's action numbers that lie at or beyond their bounds; null: off."""

    max_kl: float | None = Field(default=1e3, gt=0)
    """Largest mean divergence in nats of the policy that learned from the one that acted, in one update; null: off."""

    max_value_loss_ratio: float | None = Field(default=1e6, gt=1)
    """How many times larger than is usual for this member an update's value error may be; null: off."""

    max_gradient_ratio: float | None = Field(default=1e6, gt=1)
    """How many times larger than is usual for this member an update's gradient may be; null: off."""

    min_entropy: float | None = Field(default=1e-6, gt=0, le=1)
    """Least entropy in nats of a policy that chooses; null: off."""

    min_action_deviation: float | None = Field(default=1e-4, gt=0, le=1)
    """Least deviation of a continuous policy's actions, in halves of their range; null: off."""

    max_return_drop: float | None = Field(default=1.0, gt=0)
    """How much of the progress since the start a member may lose again, 1 being all of it; null: off."""

    patience: int = Field(default=50, ge=1, le=1_000_000)
    """Updates in a row before saturated actions, a lost entropy or a fallen return stop a member."""

    target_return: float | None = Field(default=None, examples=[475.0])
    """Stop as trained once the latest training episodes have this mean return; without one, the budget is spent."""

    target_episodes: int = Field(default=100, ge=1, le=1_000_000)
    """Training episodes whose mean return is held against the target, whole updates being counted."""
