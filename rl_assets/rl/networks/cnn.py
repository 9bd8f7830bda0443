"""Convolutional actor-critics of a whole population, one member after another: their sums are large enough as it is."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from rl_assets.config.network import NetworkConfig
from rl_assets.rl.networks.mlp import checked_parameter, orthogonal

CONVOLUTIONS = ((32, 8, 4), (64, 4, 2), (64, 3, 1))
"""(channels, kernel size, stride) of each convolution."""

MIN_SIDE = 36
"""Pixels below which the last convolution has nothing left to see."""

_HIDDEN_GAIN = math.sqrt(2)
_ACTOR_GAIN = 0.01
_CRITIC_GAIN = 1.0


@dataclass(frozen=True, kw_only=True)
class CNNShape:
    """The shape of one member's network: convolutions and a layer of features that actor and critic share.

    Source:
        Mnih et al., "Human-level control through deep reinforcement learning", Nature 2015; shared and initialised as
        in CleanRL's `ppo_atari.py`.
    """

    observation_shape: tuple[int, ...]
    """`(channels, height, width)`, or `(height, width, channels)` where the channels are fewest."""

    num_outputs: int
    """Outputs of the actor: logits, or means."""

    network: NetworkConfig
    has_log_std: bool
    """Whether the actor owns a vector of log standard deviations, one for each output."""

    @property
    def is_channels_last(self) -> bool:
        """Whether the environment puts the channels last."""
        return self.observation_shape[-1] < self.observation_shape[0]

    @property
    def parameters(self) -> dict[str, tuple[int, ...]]:
        """Name -> shape of every parameter, in `torch.nn`'s convention."""
        height, width = self.observation_shape[:2] if self.is_channels_last else self.observation_shape[1:]
        channels = self.observation_shape[-1 if self.is_channels_last else 0]
        shapes: dict[str, tuple[int, ...]] = {}
        for index, (filters, kernel, stride) in enumerate(CONVOLUTIONS):
            shapes[f"encoder.{index}.weight"] = (filters, channels, kernel, kernel)
            shapes[f"encoder.{index}.bias"] = (filters,)
            channels, height, width = filters, (height - kernel) // stride + 1, (width - kernel) // stride + 1
        features = self.network.image_features
        for name, outputs, inputs in (
            (f"encoder.{len(CONVOLUTIONS)}", features, channels * height * width),
            ("actor", self.num_outputs, features),
            ("critic", 1, features),
        ):
            shapes |= {f"{name}.weight": (outputs, inputs), f"{name}.bias": (outputs,)}
        return shapes | ({"actor.log_std": (self.num_outputs,)} if self.has_log_std else {})

    @property
    def num_parameters(self) -> int:
        """Trainable numbers of one member."""
        return sum(math.prod(shape) for shape in self.parameters.values())

    @property
    def num_products(self) -> int:
        """Products of numbers in which one sample passes through the network."""
        height, width = self.observation_shape[:2] if self.is_channels_last else self.observation_shape[1:]
        products = 0
        for index, (_, kernel, stride) in enumerate(CONVOLUTIONS):
            height, width = (height - kernel) // stride + 1, (width - kernel) // stride + 1
            products += math.prod(self.parameters[f"encoder.{index}.weight"]) * height * width
        rest = (f"encoder.{len(CONVOLUTIONS)}.weight", "actor.weight", "critic.weight")
        return products + sum(math.prod(self.parameters[name]) for name in rest)

    @property
    def activation_size(self) -> int:
        """Numbers that one sample leaves behind on its way through the network."""
        height, width = self.observation_shape[:2] if self.is_channels_last else self.observation_shape[1:]
        size = math.prod(self.observation_shape)
        for filters, kernel, stride in CONVOLUTIONS:
            height, width = (height - kernel) // stride + 1, (width - kernel) // stride + 1
            size += 2 * filters * height * width
        return size + 2 * self.network.image_features

    def init_member(self, rng: np.random.Generator) -> dict[str, np.ndarray]:
        """Draw one member's initial parameters: orthogonal weights, zero biases, unit deviations."""
        gains = {"actor.weight": _ACTOR_GAIN, "critic.weight": _CRITIC_GAIN}
        return {
            name: orthogonal(shape[0], math.prod(shape[1:]), gains.get(name, _HIDDEN_GAIN), rng).reshape(shape)
            if name.endswith(".weight")
            else np.zeros(shape, np.float32)
            for name, shape in self.parameters.items()
        }


class NatureCNNs:
    """The networks of P members.

    Attributes:
        by_member: `[members, size]` float32; every parameter of every member, each filled up with zeros to a line of
            the cache. Writing here changes the networks.
        grad: the same shape; filled by `backward`.
    """

    def __init__(self, shape: CNNShape, members: Sequence[Mapping[str, np.ndarray]]) -> None:
        self.shape = shape
        self.num_members = len(members)
        self._sizes = [_round_up(math.prod(size)) for size in shape.parameters.values()]
        self.by_member = torch.zeros(self.num_members, sum(self._sizes))
        self.grad = torch.zeros_like(self.by_member)
        self._dtype = torch.bfloat16 if shape.network.image_precision == "bfloat16" else torch.float32
        self._leaves = [
            {name: view.detach().requires_grad_() for name, view in self._views(flat)} for flat in self.by_member
        ]
        for index, tensors in enumerate(members):
            self.write(index, tensors)

    def prepare(self, observations: np.ndarray, *, num_blank: int = 0) -> Tensor:
        """Bring `[members, rows, *observation_shape]` uint8 images into the form that `forward` takes.

        Returns:
            `[members, rows + num_blank, channels, height, width]` uint8.
        """
        images = torch.from_numpy(np.moveaxis(observations, -1, 2) if self.shape.is_channels_last else observations)
        if not num_blank:
            return images
        return torch.cat([images, images.new_zeros(images.shape[0], num_blank, *images.shape[2:])], dim=1)

    def pad_rows(self, count: int) -> int:
        """Rows that `forward` wants for a number of samples."""
        return count

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Compute what actors and critics say.

        Args:
            images: `[members, rows, channels, height, width]` uint8.

        Returns:
            `[members, rows, num_outputs]` float32 logits or means, and `[members, rows]` float32 values.
        """
        outputs, values = zip(
            *(self._forward_one(leaves, own) for leaves, own in zip(self._leaves, images, strict=True)), strict=True
        )
        return torch.stack(outputs), torch.stack(values)

    def backward(self, loss: Tensor) -> None:
        """Fill `grad` with the gradient of a scalar loss that came of `forward` and `log_std`."""
        leaves = [leaf for own in self._leaves for leaf in own.values()]
        targets = [view for flat in self.grad for _, view in self._views(flat)]
        for target, gradient in zip(targets, torch.autograd.grad(loss, leaves), strict=True):
            target.copy_(gradient)

    def log_std(self) -> Tensor:
        """`[members, 1, num_outputs]` log standard deviations of continuous actions."""
        return torch.stack([leaves["actor.log_std"] for leaves in self._leaves])[:, None]

    def read(self, index: int, *, flat: Tensor | None = None) -> dict[str, np.ndarray]:
        """Copy one member's parameters out, or what stands in their places in another tensor like `by_member`."""
        own = (self.by_member if flat is None else flat)[index]
        return {name: view.detach().numpy().copy() for name, view in self._views(own)}

    def write(self, index: int, tensors: Mapping[str, np.ndarray], *, flat: Tensor | None = None) -> None:
        """Put one member's parameters where `read` reads them.

        Raises:
            ValueError: a parameter is missing, or of another shape or dtype.
        """
        for name, view in self._views((self.by_member if flat is None else flat)[index]):
            view.copy_(torch.from_numpy(checked_parameter(tensors, name, tuple(view.shape)).copy()))

    def _forward_one(self, leaves: Mapping[str, Tensor], images: Tensor) -> tuple[Tensor, Tensor]:
        first = "encoder.0.weight"
        weights = {name: leaf.to(self._dtype) for name, leaf in leaves.items() if name != "actor.log_std"}
        # Bytes are whole in either precision: dividing the few weights is exact enough, and cheaper than all pixels.
        weights[first] = (leaves[first] / 255).to(self._dtype)
        x = images.to(self._dtype).contiguous(memory_format=torch.channels_last)
        for index, (_, _, stride) in enumerate(CONVOLUTIONS):
            x = functional.conv2d(x, weights[f"encoder.{index}.weight"], weights[f"encoder.{index}.bias"], stride)
            x = functional.relu(x)
        last = f"encoder.{len(CONVOLUTIONS)}"
        x = functional.relu(functional.linear(x.flatten(1), weights[f"{last}.weight"], weights[f"{last}.bias"]))
        outputs = functional.linear(x, weights["actor.weight"], weights["actor.bias"])
        values = functional.linear(x, weights["critic.weight"], weights["critic.bias"])
        return outputs.to(torch.float32), values[:, 0].to(torch.float32)

    def _views(self, flat: Tensor) -> list[tuple[str, Tensor]]:
        """(name, view) of each parameter in one member's row."""
        parts = zip(self.shape.parameters.items(), flat.split(self._sizes), strict=True)
        return [(name, part[: math.prod(shape)].view(shape)) for (name, shape), part in parts]


def _round_up(count: int) -> int:
    """Let every parameter begin at a line of the cache: the library's kernels differ with the place in memory."""
    return -(-count // 16) * 16
