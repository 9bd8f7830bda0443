"""The algorithms that a sweep can train with."""

from typing import Annotated, Literal

from pydantic import Field

from rl_assets.config.bc import BCConfig
from rl_assets.config.ppo import PPOConfig

AlgorithmName = Literal["ppo", "bc"]

AlgorithmConfig = Annotated[PPOConfig | BCConfig, Field(discriminator="name")]
"""The hyper-parameters of one algorithm; its name says whose."""

ALGORITHMS: dict[AlgorithmName, type[PPOConfig | BCConfig]] = {"ppo": PPOConfig, "bc": BCConfig}
"""Name -> hyper-parameters; the first is what a sweep trains with that names none."""


def hyperparameters_of(name: AlgorithmName) -> frozenset[str]:
    """The names of an algorithm's own hyper-parameters."""
    return frozenset(ALGORITHMS[name].model_fields) - {"name"}
