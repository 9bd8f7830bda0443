"""When a sweep stops the recipes that are behind."""

from pydantic import Field, model_validator

from rl_assets.config.strict import StrictModel


class HalvingConfig(StrictModel):
    """Successive halving (Jamieson and Talwalkar, arXiv:1502.07943): recipes that are behind at a rung stop there."""

    rungs: tuple[int, ...] = Field(min_length=1, strict=False, examples=[[250_000, 500_000]])
    """Environment steps of each member at which the recipes of an environment are compared, ascending."""

    keep: float = Field(default=0.5, gt=0, lt=1)
    """Share of the recipes that go on at each rung, rounded up."""

    @model_validator(mode="after")
    def _rungs_ascend(self) -> "HalvingConfig":
        if any(rung < 1 for rung in self.rungs) or list(self.rungs) != sorted(set(self.rungs)):
            raise ValueError(f"rungs: expected ascending numbers of steps, got {list(self.rungs)}: sort them")
        return self
