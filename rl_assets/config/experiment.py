"""A single experiment in the charter's form, read as a sweep of one recipe."""

import re
from typing import Any, Literal

from pydantic import Field

from rl_assets.config.environment import OptionValue
from rl_assets.config.network import NetworkConfig
from rl_assets.config.strict import StrictModel
from rl_assets.config.sweep import DatasetDeclaration, SweepConfig
from rl_assets.errors import InvalidConfig

IN_HOUSE = DatasetDeclaration(client_id="in-house", project="experiments", data_source="simulator", domain="simulation")


class ExperimentEnv(StrictModel):
    """The environment and how many of it."""

    id: str = Field(min_length=1)
    """EnvPool's id or a short name."""

    num_envs: int = Field(8, ge=1, le=4096)
    """Environments stepped side by side."""

    seed: int = Field(42, ge=0, lt=2**31)
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

    epochs: int = Field(ge=1, le=10_000_000)
    """Batches to collect and learn from."""

    steps_per_epoch: int = Field(ge=1, le=1_000_000_000)
    """Environment steps of one batch, over all environments."""

    off_policy: Literal[False] = False
    """PPO learns on-policy only."""

    batch_size: int = Field(ge=1)
    """Samples of one minibatch."""

    lr: float = Field(gt=0, le=1)
    """Adam's step size at the start."""

    gamma: float = Field(0.99, ge=0, le=1)
    """The weight of a reward one step later."""


class ExperimentConfig(StrictModel):
    """One experiment, as `rlctl launch -f` reads it."""

    name: str
    """Name of the experiment; it becomes a sweep of one recipe."""

    env: ExperimentEnv
    """The environment."""

    policy: ExperimentPolicy
    """The algorithm and its network."""

    train: ExperimentTrain
    """The budget and hyper-parameters."""

    dataset: str | DatasetDeclaration = IN_HOUSE
    """Key of a registered dataset, or a declaration; simulator-only work of our own where nothing is said."""


def read_experiment(data: Any, *, source: str) -> SweepConfig:
    """Read an experiment as a sweep of one environment, one recipe and one seed.

    Raises:
        InvalidConfig: names the wrong field, or the steps that do not divide.
    """
    experiment = ExperimentConfig.parse(data, source=source)
    env, train = experiment.env, experiment.train
    if train.steps_per_epoch % env.num_envs:
        raise InvalidConfig(
            f"{source}: field 'train.steps_per_epoch': {train.steps_per_epoch} steps do not divide over "
            f"{env.num_envs} envs: choose a multiple of {env.num_envs}"
        )
    if train.steps_per_epoch % train.batch_size:
        raise InvalidConfig(
            f"{source}: field 'train.batch_size': {train.batch_size} does not divide the {train.steps_per_epoch} steps "
            "of an epoch: choose a divisor"
        )
    dataset = experiment.dataset
    return SweepConfig.parse(
        {
            "name": re.sub(r"\s+", "-", experiment.name),
            "envs": [{"id": env.id, "options": env.options}],
            "algorithm": experiment.policy.algo,
            "network": experiment.policy.network.model_dump(),
            "fixed": {
                "learning_rate": train.lr,
                "discount": train.gamma,
                "num_envs": env.num_envs,
                "num_steps": train.steps_per_epoch // env.num_envs,
                "num_minibatches": train.steps_per_epoch // train.batch_size,
            },
            "seeds": [env.seed],
            "total_timesteps": train.epochs * train.steps_per_epoch,
            "dataset": dataset if isinstance(dataset, str) else dataset.model_dump(),
            "action_space": "discrete" if experiment.policy.discrete else "continuous",
        },
        source=source,
    )
