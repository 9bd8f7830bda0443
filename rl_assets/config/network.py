"""The shape of a policy's network."""

from typing import Annotated, Literal

from pydantic import Field

from rl_assets.config.strict import StrictModel

Width = Annotated[int, Field(ge=1, le=4096)]


class NetworkConfig(StrictModel):
    """Two perceptrons, an actor and a critic that share nothing; for images, convolutions that both share."""

    hidden_sizes: tuple[Width, ...] = Field(default=(64, 64), min_length=1, max_length=8, strict=False)
    """Units of each hidden layer of the perceptrons."""

    activation: Literal["tanh", "relu"] = "tanh"
    """Function between the layers of the perceptrons."""

    image_features: Width = 512
    """Units of the layer above the convolutions of the Nature CNN, which sees images."""

    image_precision: Literal["float32", "bfloat16"] = "bfloat16"
    """Numbers in which the Nature CNN computes; weights, losses and the optimizer stay in float32."""
