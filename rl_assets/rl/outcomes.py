"""What a training leaves behind."""

from dataclasses import dataclass

import numpy as np

from rl_assets.errors import TrainingError
from rl_assets.rl.backend import Backend
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

    env_steps: int
    """Steps that the environments really took; the pool's reset steps are none."""

    wall_time_s: float
    """Seconds that the population trained, shared by all its members."""

    steps_per_s: float
    """Steps of the whole population per second of training."""

    population_size: int
    """Members trained together."""

    backend: Backend
    """What computed."""

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
class RecipeOutcome:
    """All members of one recipe, in the order of the plan."""

    hparam: str
    """Key of the recipe."""

    members: tuple[TrainedMember | MemberFailure, ...]
    """What became of each seed."""


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
