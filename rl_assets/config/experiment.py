"""A single experiment in the charter's form, read as a sweep of one recipe."""

import math
import re
from collections.abc import Mapping
from typing import Any, ClassVar, Literal

from pydantic import Field

from rl_assets.config.environment import OptionValue
from rl_assets.config.network import NetworkConfig
from rl_assets.config.ppo import PPOConfig
from rl_assets.config.recipe import MAX_TIMESTEPS
from rl_assets.config.sequence import DatasetKey
from rl_assets.config.strict import StrictModel
from rl_assets.config.sweep import DatasetDeclaration, SweepConfig
from rl_assets.errors import InvalidConfig

IN_HOUSE = DatasetDeclaration(client_id="in-house", project="experiments", data_source="simulator", domain="simulation")


class ExperimentSweep(SweepConfig):
    """A sweep that was written as an experiment: what is refused later is named by the experiment's fields."""

    ENV_FIELD: ClassVar[str] = "env"
    ACTION_SPACE_FIELDS: ClassVar[Mapping[str, str]] = {
        "discrete": "policy.discrete: true",
        "continuous": "policy.discrete: false",
    }


class ExperimentEnv(StrictModel):
    """The environment and how many of it."""

    id: str = Field(min_length=1)
    """EnvPool's id or a short name."""

    num_envs: int = Field(default=8, ge=1, le=4096)
    """Environments stepped side by side."""

    seed: int = Field(default=42, ge=0, lt=2**31)
    """Training seed."""

    options: dict[str, OptionValue] = Field(default_factory=dict)
    """Keyword options of the environment."""


class ExperimentPolicy(StrictModel):
    """The algorithm and its network."""

    algo: Literal["ppo"]
    """The training algorithm."""

    network: NetworkConfig = Field(default_factory=NetworkConfig)
    """The policy's network."""

    discrete: bool
    """Whether actions are a choice among a few; checked against the environment."""


class ExperimentTrain(StrictModel):
    """The budget and the best-known hyper-parameters; all others take PPO's defaults."""

    epochs: int = Field(ge=1, le=10_000_000, examples=[50])
    """Batches to collect and learn from."""

    steps_per_epoch: int = Field(ge=1, le=1_000_000_000, examples=[4096])
    """Environment steps of one batch, over all environments."""

    off_policy: Literal[False] = False
    """PPO learns on-policy only."""

    batch_size: int = Field(ge=1, examples=[256])
    """Samples of one minibatch."""

    lr: float = Field(gt=0, le=1, examples=[3e-4])
    """Adam's step size at the start."""

    gamma: float = Field(default=0.99, ge=0, le=1)
    """The weight of a reward one step later."""


class ExperimentConfig(StrictModel):
    """One experiment, as `rlctl launch -f` reads it."""

    name: str
    """Name of the experiment, which becomes a sweep of one recipe; blanks become `-`."""

    env: ExperimentEnv
    """The environment."""

    policy: ExperimentPolicy
    """What is trained."""

    train: ExperimentTrain
    """How long and with which hyper-parameters."""

    dataset: DatasetKey | DatasetDeclaration = IN_HOUSE
    """Whose work this is: a registered dataset, or the four words that declare one; our own where nothing is said."""


def read_experiment(data: Any, *, source: str) -> SweepConfig:
    """Read an experiment as a sweep of one environment, one recipe and one seed.

    Raises:
        InvalidConfig: names the wrong field, or the steps that do not divide.
    """
    experiment = ExperimentConfig.parse(data, source=source)
    env, train = experiment.env, experiment.train
    num_steps, num_minibatches = _divided(experiment, source=source)
    total_timesteps = train.epochs * train.steps_per_epoch
    if total_timesteps > MAX_TIMESTEPS:
        raise InvalidConfig(
            f"{source}: field 'train.epochs': expected at most {MAX_TIMESTEPS:,} steps in all, "
            f"got {train.epochs:,} epochs of {train.steps_per_epoch:,} steps: lower one"
        )
    dataset = experiment.dataset
    return ExperimentSweep.parse(
        {
            "name": re.sub(r"\s+", "-", experiment.name.strip()),
            "envs": [{"id": env.id, "options": env.options}],
            "algorithm": experiment.policy.algo,
            "network": experiment.policy.network.model_dump(),
            "fixed": {
                "learning_rate": train.lr,
                "discount": train.gamma,
                "num_envs": env.num_envs,
                "num_steps": num_steps,
                "num_minibatches": num_minibatches,
            },
            "seeds": [env.seed],
            "total_timesteps": total_timesteps,
            "dataset": dataset if isinstance(dataset, str) else dataset.model_dump(),
            "action_space": "discrete" if experiment.policy.discrete else "continuous",
        },
        source=source,
    )


def _divided(experiment: ExperimentConfig, *, source: str) -> tuple[int, int]:
    """Steps of each environment in an epoch, and minibatches of an epoch.

    Raises:
        InvalidConfig: names the field that does not divide, or leaves too many parts.
    """
    env, train = experiment.env, experiment.train
    if train.steps_per_epoch % env.num_envs:
        nearest = max(train.steps_per_epoch // env.num_envs, 1) * env.num_envs
        raise InvalidConfig(
            f"{source}: field 'train.steps_per_epoch': expected a multiple of the {env.num_envs} envs, "
            f"got {train.steps_per_epoch}: choose {nearest}, or another env.num_envs"
        )
    if train.steps_per_epoch % train.batch_size:
        raise InvalidConfig(
            f"{source}: field 'train.batch_size': expected a divisor of the {train.steps_per_epoch} steps of an epoch, "
            f"got {train.batch_size}: choose {_divisor(train.steps_per_epoch, at_most=train.batch_size)}"
        )
    num_steps, num_minibatches = train.steps_per_epoch // env.num_envs, train.steps_per_epoch // train.batch_size
    if num_steps > _largest("num_steps"):
        raise InvalidConfig(
            f"{source}: field 'train.steps_per_epoch': expected at most {_largest('num_steps'):,} steps of each env, "
            f"got {num_steps:,}: lower it or raise env.num_envs"
        )
    if num_minibatches > _largest("num_minibatches"):
        raise InvalidConfig(
            f"{source}: field 'train.batch_size': expected at most {_largest('num_minibatches'):,} minibatches "
            f"in an epoch, got {num_minibatches:,}: raise it"
        )
    return num_steps, num_minibatches


def _divisor(number: int, *, at_most: int) -> int:
    """The largest divisor of a number up to a bound."""
    small = [divisor for divisor in range(1, math.isqrt(number) + 1) if number % divisor == 0]
    return max(divisor for low in small for divisor in (low, number // low) if divisor <= at_most)


def _largest(field: str) -> int:
    """The upper bound of one of PPO's whole numbers."""
    return next(bound.le for bound in PPOConfig.model_fields[field].metadata if hasattr(bound, "le"))
