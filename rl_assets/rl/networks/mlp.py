"""Actor-critic perceptrons of a whole population, stacked so that one matrix product serves all members.

Actor and critic have equal hidden layers, so a population of P members is a stack of 2P towers: actor 0, critic 0,
actor 1, ... All widths are padded with zeros to a multiple of 4 and rows to a multiple of 32. Zero weights stay zero
under training, so padding changes no result; it makes each member's block of memory aligned and a whole number of
vector registers, and the library's kernels then compute a member alike wherever it stands and however many there are.
"""

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from torch import Tensor

from rl_assets.config.network import NetworkConfig

ROW_MULTIPLE = 32
_WIDTH_MULTIPLE = 4
_BLOCK_MULTIPLE = 16
_HIDDEN_GAIN = math.sqrt(2)
_ACTOR_GAIN = 0.01
_CRITIC_GAIN = 1.0


def pad_rows(count: int) -> int:
    """Round a number of rows up to what the kernels compute alike in every population."""
    return _round_up(count, ROW_MULTIPLE)


@dataclass(frozen=True, kw_only=True)
class MLPShape:
    """The shape of one member's actor and critic."""

    observation_size: int
    num_outputs: int
    """Outputs of the actor: logits, or means."""

    network: NetworkConfig
    has_log_std: bool
    """Whether the actor owns a vector of log standard deviations, one for each output."""

    @property
    def padded_observation_size(self) -> int:
        """Width of observation buffers; the columns beyond `observation_size` are zero."""
        return _round_up(self.observation_size, _WIDTH_MULTIPLE)

    @property
    def layer_sizes(self) -> tuple[tuple[int, int], ...]:
        """(inputs, outputs) of each layer of the actor."""
        widths = (self.observation_size, *self.network.hidden_sizes, self.num_outputs)
        return tuple(itertools.pairwise(widths))

    @cached_property
    def blocks(self) -> tuple["Block", ...]:
        """Where each layer's padded weight and bias, and then log_std, stand in a tower's flat parameters."""
        blocks, offset = [], 0
        for name, (inputs, outputs) in self._named_layers():
            rows, columns = _round_up(inputs, _WIDTH_MULTIPLE), _round_up(outputs, _WIDTH_MULTIPLE)
            for kind, shape in (("weight", (rows, columns)), ("bias", (1, columns))):
                blocks.append(Block(name=f"{name}.{kind}", offset=offset, rows=shape[0], columns=shape[1]))
                offset += _round_up(shape[0] * shape[1], _BLOCK_MULTIPLE)
        if self.has_log_std:
            columns = _round_up(self.num_outputs, _WIDTH_MULTIPLE)
            blocks.append(Block(name="log_std", offset=offset, rows=1, columns=columns))
        return tuple(blocks)

    @property
    def tower_size(self) -> int:
        """Numbers in one tower's flat parameters, padding included."""
        last = self.blocks[-1]
        return _round_up(last.offset + last.rows * last.columns, _BLOCK_MULTIPLE)

    @property
    def num_parameters(self) -> int:
        """Trainable numbers of one member, without padding."""
        actor = sum((inputs + 1) * outputs for inputs, outputs in self.layer_sizes)
        inputs, outputs = self.layer_sizes[-1]
        critic = actor - (inputs + 1) * (outputs - 1)
        return actor + critic + (self.num_outputs if self.has_log_std else 0)

    @property
    def num_products(self) -> int:
        """Products of numbers in which one sample passes through both networks."""
        return self.num_parameters

    @property
    def activation_size(self) -> int:
        """Numbers that one sample leaves behind on its way through both networks."""
        return 2 * (self.observation_size + sum(outputs for _, outputs in self.layer_sizes))

    def init_member(self, rng: np.random.Generator) -> dict[str, np.ndarray]:
        """Draw one member's initial parameters: orthogonal weights, zero biases, unit deviations.

        Returns:
            float32 arrays in `torch.nn.Linear`'s convention: `actor.0.weight` `[outputs, inputs]`, `actor.0.bias`
            `[outputs]`, ..., `critic.0.weight`, ...; `actor.log_std` `[outputs]` for continuous actions.

        Source:
            Saxe et al., arXiv:1312.6120; gains as in CleanRL's `ppo.py`.
        """
        tensors: dict[str, np.ndarray] = {}
        last = len(self.layer_sizes) - 1
        for tower, head_gain in (("actor", _ACTOR_GAIN), ("critic", _CRITIC_GAIN)):
            for index, (inputs, outputs) in enumerate(self.layer_sizes):
                width = 1 if tower == "critic" and index == last else outputs
                gain = head_gain if index == last else _HIDDEN_GAIN
                tensors[f"{tower}.{index}.weight"] = orthogonal(width, inputs, gain, rng)
                tensors[f"{tower}.{index}.bias"] = np.zeros(width, np.float32)
        if self.has_log_std:
            tensors["actor.log_std"] = np.zeros(self.num_outputs, np.float32)
        return tensors

    def _named_layers(self) -> list[tuple[str, tuple[int, int]]]:
        return [(str(index), sizes) for index, sizes in enumerate(self.layer_sizes)]


@dataclass(frozen=True, kw_only=True)
class Block:
    """One padded parameter inside a tower's flat parameters."""

    name: str
    offset: int
    rows: int
    columns: int


class StackedMLP:
    """The actors and critics of P members.

    Attributes:
        flat: `[2P, tower_size]` float32; every parameter of every member. Writing here changes the network.
        grad: the same shape; filled by `backward`.
    """

    def __init__(self, shape: MLPShape, members: Sequence[Mapping[str, np.ndarray]]) -> None:
        self.shape = shape
        self.num_members = len(members)
        self.flat = torch.zeros(2 * self.num_members, shape.tower_size)
        self.grad = torch.zeros_like(self.flat)
        self._leaves = {block.name: self._view(self.flat, block).requires_grad_() for block in shape.blocks}
        self._gradients = [self._view(self.grad, block) for block in shape.blocks]
        for index, tensors in enumerate(members):
            self.write(index, tensors)

    def prepare(self, observations: np.ndarray, *, num_blank: int = 0) -> Tensor:
        """Bring observations into the form that `forward` takes.

        Args:
            observations: `[members, rows, observation_size]` float32.
            num_blank: further rows of zeros that are wanted at least.

        Returns:
            `[members, padded rows, padded_observation_size]` float32, filled up with zeros.
        """
        members, rows, size = observations.shape
        prepared = torch.zeros(members, pad_rows(rows + num_blank), self.shape.padded_observation_size)
        prepared[:, :rows, :size] = torch.from_numpy(observations)
        return prepared

    def pad_rows(self, count: int) -> int:
        """Rows that `forward` wants for a number of samples."""
        return pad_rows(count)

    def forward(self, observations: Tensor) -> tuple[Tensor, Tensor]:
        """Compute what actors and critics say.

        Args:
            observations: `[members, rows, padded_observation_size]` float32, rows a multiple of 32.

        Returns:
            `[members, rows, num_outputs]` logits or means, and `[members, rows]` values.
        """
        members, rows, width = observations.shape
        hidden = observations.unsqueeze(1).expand(members, 2, rows, width).reshape(2 * members, rows, width)
        last = len(self.shape.layer_sizes) - 1
        for index in range(last + 1):
            hidden = torch.baddbmm(self._leaves[f"{index}.bias"], hidden, self._leaves[f"{index}.weight"])
            if index < last:
                hidden = torch.tanh_(hidden) if self.shape.network.activation == "tanh" else torch.relu_(hidden)
        towers = hidden.view(members, 2, rows, hidden.shape[-1])
        return towers[:, 0, :, : self.shape.num_outputs], towers[:, 1, :, 0]

    def backward(self, loss: Tensor) -> None:
        """Fill `grad` with the gradient of a scalar loss that came of `forward` and `log_std`."""
        for target, gradient in zip(
            self._gradients, torch.autograd.grad(loss, list(self._leaves.values())), strict=True
        ):
            target.copy_(gradient)

    def log_std(self) -> Tensor:
        """`[members, 1, num_outputs]` log standard deviations of continuous actions."""
        return self._leaves["log_std"][::2, :, : self.shape.num_outputs]

    @property
    def by_member(self) -> Tensor:
        """`[members, 2 * tower_size]` view of `flat`."""
        return self.flat.view(self.num_members, -1)

    def read(self, index: int, *, flat: Tensor | None = None) -> dict[str, np.ndarray]:
        """Copy one member's parameters out, named and shaped as `MLPShape.init_member` names and shapes them.

        Args:
            index: the member.
            flat: read from this tensor, which is laid out as `by_member`, such as the optimizer's moments.
        """
        source = self.flat if flat is None else flat.view_as(self.flat)
        return {name: view.numpy().T.copy(order="C") for name, view in self._member_views(source, index)}

    def write(self, index: int, tensors: Mapping[str, np.ndarray], *, flat: Tensor | None = None) -> None:
        """Put one member's parameters where `read` reads them.

        Raises:
            ValueError: a parameter is missing, or of another shape or dtype.
        """
        for name, target in self._member_views(self.flat if flat is None else flat.view_as(self.flat), index):
            checked = checked_parameter(tensors, name, tuple(reversed(target.shape)))
            target.copy_(torch.from_numpy(checked.T.copy()))

    def _view(self, flat: Tensor, block: Block) -> Tensor:
        part = flat[:, block.offset : block.offset + block.rows * block.columns]
        return part.unflatten(1, (block.rows, block.columns)).detach()

    def _member_views(self, flat: Tensor, index: int) -> list[tuple[str, Tensor]]:
        """(name, unpadded view) of each parameter of one member, weights as `[inputs, outputs]`."""
        views = []
        last = len(self.shape.layer_sizes) - 1
        blocks = {block.name: self._view(flat, block) for block in self.shape.blocks}
        for side, tower in enumerate(("actor", "critic")):
            for layer, (inputs, outputs) in enumerate(self.shape.layer_sizes):
                width = 1 if tower == "critic" and layer == last else outputs
                views.append((f"{tower}.{layer}.weight", blocks[f"{layer}.weight"][2 * index + side, :inputs, :width]))
                views.append((f"{tower}.{layer}.bias", blocks[f"{layer}.bias"][2 * index + side, 0, :width]))
        if self.shape.has_log_std:
            views.append(("actor.log_std", blocks["log_std"][2 * index, 0, : self.shape.num_outputs]))
        return views


def checked_parameter(tensors: Mapping[str, np.ndarray], name: str, shape: tuple[int, ...]) -> np.ndarray:
    """The float32 parameter of that name and shape.

    Raises:
        ValueError: it is missing, or of another shape or dtype.
    """
    found = tensors.get(name)
    if found is None or found.shape != shape or found.dtype != np.float32:
        got = "missing" if found is None else f"{found.dtype} {found.shape}"
        raise ValueError(f"parameter '{name}' is {got}: expected float32 {shape}")
    return found


def orthogonal(outputs: int, inputs: int, gain: float, rng: np.random.Generator) -> np.ndarray:
    """Draw a `[outputs, inputs]` float32 matrix with orthonormal rows or columns, times the gain."""
    tall = rng.standard_normal((max(outputs, inputs), min(outputs, inputs)))
    basis, triangle = torch.linalg.qr(torch.from_numpy(tall))
    basis = basis * triangle.diagonal().sign()
    return (gain * (basis if outputs >= inputs else basis.T)).numpy().astype(np.float32)


def _round_up(count: int, multiple: int) -> int:
    return -(-count // multiple) * multiple
