"""Perceptrons of several members in compiled code: the fast way to act and to learn on a processor."""

import math
from collections.abc import Mapping, Sequence

import numpy as np

from rl_assets.config.ppo import PPOConfig
from rl_assets.rl import kernels
from rl_assets.rl.actor_critics import Acts
from rl_assets.rl.algorithms.ppo import METRICS, samples_of, shuffled_samples
from rl_assets.rl.autograd_learner import without_prefix
from rl_assets.rl.distributions import ActionDistribution, Categorical
from rl_assets.rl.kernels import LANES, TILE
from rl_assets.rl.networks.mlp import MLPShape, checked_parameter
from rl_assets.rl.rollout import Rollout

_LINE = 64
"""Bytes in a line of the cache, where rows of numbers should begin."""


class FusedActorCritics:
    """The actors and critics of P members, stored as the kernels read them.

    Attributes:
        parameters: `[members, size]` float32: actor, critic, log deviations, each padded to whole vectors.
        alive: `[members]` bool; the others neither act nor learn.
    """

    def __init__(
        self, shape: MLPShape, distribution: ActionDistribution, members: Sequence[Mapping[str, np.ndarray]]
    ) -> None:
        self.num_members = len(members)
        self.shape = shape
        choices = distribution.choices if isinstance(distribution, Categorical) else ()
        self.towers, self._log_std_at, size = _lay_out(shape)
        self.parameters = aligned_zeros((self.num_members, size))
        self.alive = np.ones(self.num_members, bool)
        self.kernel = kernels.Networks(
            parameters=self.parameters,
            towers=self.towers,
            log_std_at=self._log_std_at,
            is_tanh=shape.network.activation == "tanh",
            choices=np.array(choices, np.int64),
            alive=self.alive,
            scratch=aligned_zeros((2, int(_scratch_size(self.towers)))),
        )
        self._action_size = distribution.action_size
        for index, tensors in enumerate(members):
            self.write(index, tensors)

    def act(self, observations: np.ndarray, *, noise: np.ndarray, masks: np.ndarray | None) -> Acts:
        """Sample actions; see `ActorCritics`."""
        scores = np.empty((2, *observations.shape[:2]), np.float32)
        actions = self._act(observations, noise, masks, scores)
        return Acts(actions=actions, log_probs=scores[0], values=scores[1])

    def choose(self, observations: np.ndarray, *, noise: np.ndarray | None, masks: np.ndarray | None) -> np.ndarray:
        """Sample actions, or take the most likely ones; see `ActorCritics`."""
        return self._act(observations, NOTHING if noise is None else noise, masks, NOTHING)

    def values(self, observations: np.ndarray) -> np.ndarray:
        """Values; see `ActorCritics`."""
        scores = np.empty((2, *observations.shape[:2]), np.float32)
        self._act(observations, NOTHING, None, scores)
        return scores[1]

    def read(self, index: int, *, flat: np.ndarray | None = None) -> dict[str, np.ndarray]:
        """Copy one member's parameters out, named and shaped as `MLPShape.init_member` names and shapes them.

        Args:
            index: the member.
            flat: read from this array, which is laid out as `parameters`, such as the optimizer's moments.
        """
        row = (self.parameters if flat is None else flat)[index]
        return {name: view.T.copy(order="C") for name, view in self._views(row)}

    def write(self, index: int, tensors: Mapping[str, np.ndarray], *, flat: np.ndarray | None = None) -> None:
        """Put one member's parameters where `read` reads them.

        Raises:
            ValueError: a parameter is missing, or of another shape or dtype.
        """
        for name, target in self._views((self.parameters if flat is None else flat)[index]):
            target[...] = checked_parameter(tensors, name, tuple(reversed(target.shape))).T

    def _act(
        self, observations: np.ndarray, noise: np.ndarray, masks: np.ndarray | None, scores: np.ndarray
    ) -> np.ndarray:
        actions = np.empty((*observations.shape[:2], self._action_size), np.float32)
        allowed = NO_MASKS if masks is None else masks
        kernels.act(self.kernel, np.ascontiguousarray(observations), allowed, noise, actions, scores)
        return actions

    def _views(self, row: np.ndarray) -> list[tuple[str, np.ndarray]]:
        """(name, view) of each parameter of one member, weights as `[inputs, outputs]`."""
        views = []
        for tower, layers in zip(("actor", "critic"), self.towers, strict=True):
            for index, layer in enumerate(layers):
                fan_in, fan_out, width, weight, bias = layer[: kernels.BIAS + 1]
                block = row[weight : weight + fan_in * width].reshape(fan_in, width)
                views.append((f"{tower}.{index}.weight", block[:, :fan_out]))
                views.append((f"{tower}.{index}.bias", row[bias : bias + fan_out]))
        if self.shape.has_log_std:
            views.append(("actor.log_std", row[self._log_std_at : self._log_std_at + self.shape.num_outputs]))
        return views


class FusedPPO:
    """PPO in compiled code; what `algorithms.ppo.PPO` does, to the last digits.

    Args:
        actor_critics: the population; learning changes its parameters in place.
        configs: hyper-parameters of each member, equal in all that fixes shapes or control flow.
        seeds: training seed of each member.
    """

    def __init__(self, actor_critics: FusedActorCritics, *, configs: Sequence[PPOConfig], seeds: Sequence[int]) -> None:
        self.config = configs[0]
        self._networks, self._seeds = actor_critics, seeds
        gradients, first, second = (aligned_zeros(actor_critics.parameters.shape) for _ in range(3))
        self._adam = kernels.Adam(
            gradients=gradients, first=first, second=second, steps=np.zeros(len(configs), np.int64)
        )
        self._discount = np.array([config.discount for config in configs], np.float32)
        self._trace_decay = np.array([config.trace_decay for config in configs], np.float32)
        self._coefficients = np.array(
            [
                (
                    config.clip_coefficient,
                    config.entropy_coefficient,
                    config.value_coefficient,
                    config.max_grad_norm,
                    math.inf if config.target_kl is None else config.target_kl,
                    config.adam_epsilon,
                    0.0,
                )
                for config in configs
            ],
            np.float32,
        )
        self._transposed = aligned_zeros((int(_transposed_size(actor_critics.towers)),))

    def update(
        self, rollout: Rollout, rewards: np.ndarray, *, counter: int, learning_rates: Sequence[float]
    ) -> np.ndarray:
        """Learn from one rollout; see `algorithms.ppo.PPO.update`."""
        config, networks = self.config, self._networks
        advantages = np.empty(rewards.swapaxes(0, 1).shape, np.float32)
        kernels.gae(
            rewards,
            rollout.values,
            rollout.terminated,
            rollout.truncated,
            rollout.valid,
            self._discount,
            self._trace_decay,
            advantages,
        )
        values = rollout.values[:-1].swapaxes(0, 1)
        log_probs, valid = rollout.log_probs.swapaxes(0, 1), rollout.valid.swapaxes(0, 1)
        with np.errstate(invalid="ignore", over="ignore"):  # of members that rest
            parts = (log_probs, advantages, advantages + values, values, valid)
        columns = np.stack([part.reshape(networks.num_members, -1) for part in parts], axis=-1, dtype=np.float32)
        experience = kernels.Experience(
            observations=samples_of(rollout.observations[:-1]),
            masks=NO_MASKS if rollout.masks is None else samples_of(rollout.masks),
            actions=samples_of(rollout.actions),
            columns=columns,
            order=shuffled_samples(self._seeds, counter, num_epochs=config.update_epochs, num_samples=columns.shape[1]),
        )
        self._coefficients[:, kernels.RATE] = learning_rates
        metrics = np.empty((networks.num_members, len(METRICS)), np.float64)
        kernels.learn(
            networks.kernel,
            self._adam,
            experience,
            self._coefficients,
            config.num_minibatches,
            config.normalize_advantages,
            config.clip_value_loss,
            self._transposed,
            metrics,
        )
        return metrics

    def silence(self, index: int) -> None:
        """Let a member rest for good: it acts with zeros and does not learn."""
        self._networks.alive[index] = False

    def optimizer_state(self, index: int) -> dict[str, np.ndarray]:
        """Copy out one member's steps and moments."""
        state = {"steps": np.array(self._adam.steps[index])}
        for name, moments in (("exp_avg", self._adam.first), ("exp_avg_sq", self._adam.second)):
            own = self._networks.read(index, flat=moments)
            state |= {f"{name}.{parameter}": array for parameter, array in own.items()}
        return state

    def restore_optimizer(self, index: int, state: Mapping[str, np.ndarray]) -> None:
        """Take up one member's steps and moments where `optimizer_state` left them."""
        self._adam.steps[index] = state["steps"]
        for name, moments in (("exp_avg", self._adam.first), ("exp_avg_sq", self._adam.second)):
            self._networks.write(index, without_prefix(state, f"{name}."), flat=moments)

    def parameters(self) -> np.ndarray:
        """`[members, size]` float32 view of everything that learns."""
        return self._networks.parameters


def aligned_zeros(shape: tuple[int, ...]) -> np.ndarray:
    """Zeros in float32 that begin at a line of the cache."""
    count = math.prod(shape)
    room = np.zeros(count + _LINE // 4, np.float32)
    skip = -room.ctypes.data % _LINE // 4
    return room[skip : skip + count].reshape(shape)


NOTHING = np.empty((0, 0, 0), np.float32)
NO_MASKS = np.empty((1, 1, 0), bool)


def _lay_out(shape: MLPShape) -> tuple[np.ndarray, int, int]:
    """The layer tables of both towers, where the log deviations stand, and the size of one member's parameters."""
    towers, offset = [], 0
    for num_outputs in (shape.num_outputs, 1):
        layers, output, transposed, below = [], 0, 0, 0
        sizes = [*shape.layer_sizes[:-1], (shape.layer_sizes[-1][0], num_outputs)]
        for fan_in, fan_out in sizes:
            width = _whole_vectors(fan_out)
            layers.append((fan_in, fan_out, width, offset, offset + fan_in * width, output, transposed))
            offset += (fan_in + 1) * width
            output += TILE * width
            transposed += fan_out * below
            below = width
        towers.append(layers)
    return np.array(towers, np.int64), offset, offset + _whole_vectors(shape.num_outputs)


def _scratch_size(towers: np.ndarray) -> np.int64:
    return (towers[:, -1, kernels.OUTPUT] + TILE * towers[:, -1, kernels.WIDTH]).max()


def _transposed_size(towers: np.ndarray) -> np.int64:
    return (towers[:, 1:, kernels.FAN_OUT] * towers[:, :-1, kernels.WIDTH]).sum(axis=1).max()


def _whole_vectors(count: int) -> int:
    return -(-count // LANES) * LANES
