"""The shape of a policy's network."""

from typing import Annotated, Literal

from pydantic import Field

from rl_assets.config.strict import StrictModel

Width = Annotated[int, Field(ge=1, le=4096)]


class NetworkConfig(StrictModel):
    """Two multi-layer perceptrons of equal shape: an actor and a critic that share nothing."""

    hidden_sizes: tuple[Width, ...] = Field(default=(64, 64), min_length=1, max_length=8, strict=False)
    """Units of each hidden layer."""

    activation: Literal["tanh", "relu"] = "tanh"
    """Function between the layers."""
