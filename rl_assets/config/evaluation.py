"""How policies are evaluated, and what they must show to be promoted."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from rl_assets.config.expectations import Wording
from rl_assets.config.strict import StrictModel


class EvaluationConfig(StrictModel):
    """Selection episodes: they rank recipes and choose the candidate, and never decide a promotion."""

    num_episodes: int = Field(default=100, ge=1, le=100_000)
    """Episodes of each member, a fixed quota for each environment stream."""

    deterministic: bool = True
    """Take the most likely action instead of a sampled one."""


class GatesConfig(StrictModel):
    """Eval gates on fresh episodes."""

    floor: Annotated[float | dict[str, float], Wording("a number, or a mapping of env to number")] | None = None
    """Least mean return to promote, one for all or by env key; without one, the threshold Gymnasium publishes."""

    num_episodes: int = Field(default=100, ge=2, le=100_000)
    """Fresh episodes, each the first of its own environment stream, for the candidate and the champion alike."""

    confidence: float = Field(default=0.95, gt=0.5, lt=1)
    """One-sided confidence of both gates."""

    beats_champion: bool = True
    """Ask the candidate to be better than the reigning champion on the same starts."""

    promote_to: Literal["production", "staging"] = "production"
    """Where a pass leads: the champion at once, or staged until a person promotes it; it decides no verdict."""

    @model_validator(mode="after")
    def _floors_are_named(self) -> Self:
        if isinstance(self.floor, dict) and not self.floor:
            raise ValueError("floor names no env: give a number, a mapping of env to number, or leave it out")
        return self

    def floor_of(self, env: str) -> float | None:
        """The configured floor of an env key; None where none is configured."""
        return self.floor.get(env) if isinstance(self.floor, dict) else self.floor
