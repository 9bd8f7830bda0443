"""What a training leaves behind."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from rl_assets.errors import TrainingError
from rl_assets.rl.checkpoints import BestPolicy
from rl_assets.rl.evaluation import EpisodeRecords
from rl_assets.rl.guardrails import EarlyStop
from rl_assets.rl.policy import PolicySpec


@dataclass(frozen=True, kw_only=True)
class TrainedMember:
    """One seed of a recipe, trained to the end of its budget or to its target."""

    seed: int
    """Training seed."""

    spec: PolicySpec
    """How to act with the tensors."""

    tensors: dict[str, np.ndarray]
    """Parameters and, where there is one, the observation normaliser: all that acting needs."""

    optimizer_state: dict[str, np.ndarray]
    """Adam's moments and steps and the normalisers' statistics: all else that training on would need."""

    history: dict[str, np.ndarray]
    """One value for each update; equal recipes and seeds have equal histories. `mean_return` and `mean_length` are NaN
    in updates in which no episode ended."""

    best: BestPolicy | None
    """The member at the end of its best segment; None where no episode ended."""

    env_steps: int
    """Steps that the environments really took; the pool's reset steps are none."""

    wall_time_s: float
    """Seconds that the population trained, before an interruption too, shared by all its members."""

    steps_per_s: float
    """Steps of the whole population per second of training."""

    population_size: int
    """Members trained together."""

    resumed_at: int
    """Updates that were done before this run took the member up; 0 where it trained from the beginning."""

    numerics: Mapping[str, Any]
    """Fingerprint of what computed the last segment."""

    inexact_resumes: tuple[Mapping[str, Any], ...]
    """Where the training went on under another numerics fingerprint: `update` and the `numerics` until then."""

    episodes: EpisodeRecords | None
    """Evaluation episodes, where evaluation was asked for."""

    early_stop: EarlyStop | None = None
    """Where it reached its target, if it did."""


@dataclass(frozen=True, kw_only=True)
class MemberFailure:
    """One seed of a recipe that could not be trained."""

    seed: int
    """Training seed."""

    error: TrainingError
    """What happened: a `GuardrailTripped`, `EnvironmentFault` or `NotEnoughMemory`."""


@dataclass(frozen=True, kw_only=True)
class PausedMember:
    """One seed of a recipe that trained as far as it was to for now; its checkpoint has all the rest."""

    seed: int
    """Training seed."""

    update: int
    """Updates done."""


@dataclass(frozen=True, kw_only=True)
class RecipeStop:
    """Why a recipe was stopped before its budget was used."""

    rung: int
    """Number of the rung, from 1."""

    steps: int
    """Environment steps of each member at the rung, as the sweep asks for it."""

    score: float
    """Mean over seeds of the mean training return in the last segment before the rung."""

    bar: float
    """The lowest score that went on."""

    rank: int
    """Place of the recipe among those compared, from 1."""

    num_recipes: int
    """Recipes that were compared."""

    @property
    def reason(self) -> str:
        """The stop in a sentence."""
        return (
            f"stopped at rung {self.rung}, after {self.steps:,} steps of each member: place {self.rank} of "
            f"{self.num_recipes} with a mean training return of {self.score:.4g}, where {self.bar:.4g} went on"
        )


Result = TrainedMember | MemberFailure | PausedMember


@dataclass(frozen=True, kw_only=True)
class RecipeOutcome:
    """All members of one recipe, in the order of the plan."""

    hparam: str
    """Key of the recipe."""

    members: tuple[Result, ...]
    """What became of each seed."""

    stop: RecipeStop | None = None
    """Why the recipe was stopped before its budget was used; it then has no members here."""

    incidents: tuple[str, ...] = ()
    """What went wrong on the way and was overcome, such as a process that had to be started again."""


@dataclass(frozen=True, kw_only=True)
class Progress:
    """How far a training is."""

    env: str
    """Id of the environment."""

    members_done: int
    """Members trained and evaluated, or failed."""

    members_total: int
    """Members asked for."""

    recipes_done: int
    """Recipes whose members are all done."""

    recipes_total: int
    """Recipes asked for."""

    env_steps_done: int
    """Environment steps taken, over all members."""

    env_steps_total: int
    """Environment steps planned."""

    steps_per_s: float
    """Environment steps per second, over all processes, from the start until now."""

    mean_return: float | None
    """Mean over the members that train now of their latest mean episode return; None before the first episode ended."""

    seconds_left: float | None
    """Estimate from the speed so far; None before the first update."""
