"""How policies are evaluated, and what they must show to be promoted."""

from collections import Counter
from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import Field, field_validator, model_validator

from rl_assets.config.expectations import Wording
from rl_assets.config.strict import StrictModel

MetricName = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,62}$")]


class EvaluationConfig(StrictModel):
    """Selection episodes: they rank recipes and choose the candidate, and never decide a promotion."""

    num_episodes: int = Field(default=100, ge=1, le=100_000)
    """Episodes of each member, a fixed quota for each environment stream."""

    deterministic: bool = True
    """Take the most likely action instead of a sampled one; ranking and gates look at episodes of this mode alone."""

    both_modes: bool = False
    """Also play and record the episodes of the other mode, on the same starts; they decide nothing."""

    metrics: tuple[MetricName, ...] = Field(default=(), max_length=20, strict=False)
    """Names of further numbers to record of each episode, such as action_change; installed packages may bring more."""

    videos: bool = False
    """Film the median and the worst episode of each recipe, where the environment can be drawn on this machine."""

    @model_validator(mode="after")
    def _metrics_are_named_once(self) -> Self:
        twice = [name for name, count in Counter(self.metrics).items() if count > 1]
        if twice:
            raise ValueError(f"metrics names '{twice[0]}' twice: name each once")
        return self

    @property
    def of_episodes(self) -> dict[str, Any]:
        """The settings that decide what is played and recorded, as JSON; whether it is filmed changes no number."""
        return self.model_dump(mode="json", exclude={"videos"})


PerEnv = Annotated[float | dict[str, float], Wording("a number, or a mapping of env to number")]
"""One number for all environments, or one for each by its key."""

Settings = Annotated[dict[str, Any], Wording("a mapping of setting to value")]


class MetricLimits(StrictModel):
    """Limits of one metric's mean over fresh episodes."""

    floor: PerEnv | None = None
    """Least mean to promote."""

    ceiling: PerEnv | None = None
    """Largest mean to promote."""

    @model_validator(mode="after")
    def _something_is_limited(self) -> Self:
        if self.floor is None and self.ceiling is None:
            raise ValueError("neither floor nor ceiling is given: give at least one, or leave the metric out")
        return self


class StabilityConfig(StrictModel):
    """How often an episode may fail, however high the mean is."""

    least_return: PerEnv
    """An episode that returns less counts as failed."""

    max_share: float = Field(default=0.05, gt=0, lt=1)
    """Share of all episodes that may fail."""


class NonInferiorityConfig(StrictModel):
    """When it is enough not to be worse than the champion: where the candidate costs less."""

    margin: PerEnv
    """How much lower than the champion's the mean return may be."""

    cost: Literal["env_steps", "num_parameters"] = "env_steps"
    """What the candidate has to save: steps of its training, or parameters of its network."""

    min_saving: float = Field(default=0.2, gt=0, lt=1)
    """Least share of the champion's cost that it has to save."""

    @field_validator("margin")
    @classmethod
    def _margins_are_positive(cls, value: Any) -> Any:
        wrong = [margin for margin in (value.values() if isinstance(value, dict) else [value]) if margin <= 0]
        if wrong:
            raise ValueError(f"expected a number above 0, got {wrong[0]:g}: state how much worse is acceptable")
        return value


class GatesConfig(StrictModel):
    """Eval gates on fresh episodes."""

    floor: PerEnv | None = None
    """Least mean return to promote, one for all or by env key; without one, the threshold Gymnasium publishes."""

    metrics: dict[str, MetricLimits] = Field(default_factory=dict)
    """Limits of metrics by name: `cvar10` (mean of the worst tenth of returns), `length`, or an installed metric."""

    stability: StabilityConfig | None = None
    """How often an episode may fail; left out: not asked."""

    num_episodes: int = Field(default=100, ge=2, le=100_000)
    """Fresh episodes of each of at most three looks, for the candidate and the champion alike."""

    confidence: float = Field(default=0.95, gt=0.5, lt=1)
    """Confidence that no promotion of a champion's whole reign is false, however many candidates come."""

    beats_champion: bool = True
    """Ask the candidate to be better than the reigning champion on the same starts."""

    non_inferiority: NonInferiorityConfig | None = None
    """When not being worse is enough; left out: a candidate has to be better."""

    plugins: dict[str, Settings] = Field(default_factory=dict)
    """Installed gates of your own by name, each with its settings."""

    promote_to: Literal["production", "staging"] = "production"
    """Where a pass leads: the champion at once, or staged until a person promotes it; it decides no verdict."""

    @model_validator(mode="after")
    def _floors_are_named(self) -> Self:
        if isinstance(self.floor, dict) and not self.floor:
            raise ValueError("floor names no env: give a number, a mapping of env to number, or leave it out")
        if self.non_inferiority is not None and not self.beats_champion:
            raise ValueError("non_inferiority loosens beats_champion, which is false: leave out one of the two")
        return self

    def floor_of(self, env: str) -> float | None:
        """The configured floor of an env key; None where none is configured."""
        return number_of(self.floor, env)

    def with_env_keys(self, keys: Mapping[str, str]) -> Self:
        """The same gates with every number by exact env key.

        Args:
            keys: any way in which a person may name an environment of the sweep -> its key.

        Raises:
            KeyError: a number is for an environment that is not among them; its argument is (field, name).
        """

        def exact(field: str, value: PerEnv | None) -> PerEnv | None:
            if not isinstance(value, dict):
                return value
            for name in value:
                if name not in keys:
                    raise KeyError(field, name)
            return {keys[name]: number for name, number in value.items()}

        stability, non_inferiority = self.stability, self.non_inferiority
        return self.model_copy(
            update={
                "floor": exact("floor", self.floor),
                "metrics": {
                    metric: MetricLimits(
                        floor=exact(f"metrics.{metric}.floor", limits.floor),
                        ceiling=exact(f"metrics.{metric}.ceiling", limits.ceiling),
                    )
                    for metric, limits in self.metrics.items()
                },
                "stability": stability
                and stability.model_copy(
                    update={"least_return": exact("stability.least_return", stability.least_return)}
                ),
                "non_inferiority": non_inferiority
                and non_inferiority.model_copy(
                    update={"margin": exact("non_inferiority.margin", non_inferiority.margin)}
                ),
            }
        )


def number_of(value: PerEnv | None, env: str) -> float | None:
    """The number for an env key; None where there is none for it."""
    return value.get(env) if isinstance(value, dict) else value
