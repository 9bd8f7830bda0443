"""Experience of somebody else: a population learns from the episodes of a dataset and acts in no environment."""

from collections.abc import Callable, Iterator, Sequence

import numpy as np

from rl_assets.config.bc import BCConfig
from rl_assets.rl.actor_critics import AutogradActorCritics
from rl_assets.rl.algorithms.bc import BC, Samples
from rl_assets.rl.demonstrations import (
    Demonstrations,
    ReturnsToGo,
    moments_of_returns,
    returns_to_go,
    scaled_rewards,
)
from rl_assets.rl.experience import Gathered
from rl_assets.rl.plan import MEASURED_ROWS, num_updates
from rl_assets.rl.policy import PolicyStack
from rl_assets.rl.seeding import member_stream
from rl_assets.rl.trainee import Trainee
from rl_assets.rl.watches import Row


class Imitation:
    """Minibatches of a dataset's steps, in an order of each member's own, and what is measured on held-out episodes.

    A member goes through its steps epoch after epoch, each in another order; an update takes the next ones, whatever
    epoch they belong to, so that it is found again from its number alone. The values of the states in which cut
    episodes were left are asked of the critic at the start of each update.

    Args:
        policies: the population.
        trainees: its members, in the same order.
        demonstrations: what all of them learn from.
        configs: hyper-parameters of each.
        on_step: called after every step of the optimizer.
    """

    def __init__(
        self,
        policies: PolicyStack,
        trainees: Sequence[Trainee],
        demonstrations: Demonstrations,
        *,
        configs: Sequence[BCConfig],
        on_step: Callable[[], None] | None,
    ) -> None:
        assert isinstance(policies.actor_critics, AutogradActorCritics), "only torch gives gradients of this loss"
        self._policies, self._trainees, self._demonstrations = policies, trainees, demonstrations
        self._config, self._on_step = configs[0], on_step
        self.learner = BC(policies.actor_critics, configs=configs)
        self.metrics = self.learner.metrics
        self._actions = policies.distribution.from_env(demonstrations.actions)
        self._unfinished = np.flatnonzero(~demonstrations.terminated)
        self._training_steps: list[np.ndarray] = []
        self._held_out_steps: list[np.ndarray] = []
        self._returns: list[ReturnsToGo] = []
        for index, trainee in enumerate(trainees):
            held_out = demonstrations.held_out(self._config.validation_share, seed=trainee.member.seed)
            self._training_steps.append(np.flatnonzero(~held_out))
            self._held_out_steps.append(np.flatnonzero(held_out))
            self._scale_observations(index, ~held_out)
            self._returns.append(
                returns_to_go(
                    demonstrations,
                    self._scaled_rewards(index, ~held_out, configs[index]),
                    discount=configs[index].discount,
                )
            )
        self._orders: dict[int, tuple[int, np.ndarray]] = {}

    def start_segment(self, segment: int) -> None:
        """Nothing is left over from one segment to the next."""

    def gather(self, update: int) -> Gathered:  # noqa: ARG002
        """The dataset is there already, and was looked through when it was read."""
        nothing = [{} for _ in self._trainees]
        return Gathered(quantities={}, levels=nothing, episodes=[[] for _ in nothing], env_steps=[0 for _ in nothing])

    def learn(self, update: int, learning_rates: Sequence[float]) -> np.ndarray:
        """Learn from the next steps of the dataset."""
        return self.learner.update(self._batches(update), learning_rates=learning_rates)

    def settle(self, update: int) -> Sequence[Row]:
        """Measure on held-out episodes where an epoch, or the training, has come to its end."""
        is_due = [self._ends_epoch(index, update) for index in range(len(self._trainees))]
        measured = self._measure_held_out() if any(is_due) else np.full((len(is_due), 3), np.nan)
        names = [f"validation_{name}" for name in self.metrics[:3]]
        return [
            {
                "samples": (update + 1) * self._config.samples_per_update,
                **dict(zip(names, own.tolist() if due else [float("nan")] * 3, strict=True)),
            }
            for due, own in zip(is_due, measured, strict=True)
        ]

    def close(self) -> None:
        """Nothing is held."""

    def _scale_observations(self, index: int, steps: np.ndarray) -> None:
        """Scale what a member sees by what it learns from; one that knows a scale already keeps it."""
        trainee = self._trainees[index]
        if not self._policies.spec.normalizes_observations:
            return
        if trainee.moments.count < 1:
            trainee.moments = trainee.moments.updated(self._demonstrations.observations[steps])
        self._policies.scaler.set_member(index, mean=trainee.moments.mean, scale=trainee.moments.scale)

    def _scaled_rewards(self, index: int, steps: np.ndarray, config: BCConfig) -> np.ndarray:
        """The rewards as a member's critic sees them: of the size that they have in PPO, which may go on from it."""
        trainee = self._trainees[index]
        if not config.normalize_rewards:
            return self._demonstrations.rewards
        if trainee.scaler.moments.count < 1:
            moments = moments_of_returns(
                self._demonstrations, trainee.scaler.moments, steps=steps, discount=config.discount
            )
            trainee.scaler = trainee.scaler.with_moments(moments)
        return scaled_rewards(self._demonstrations, trainee.scaler.moments)

    def _ends_epoch(self, index: int, update: int) -> bool:
        begin, size = update * self._config.samples_per_update, len(self._training_steps[index])
        has_any = len(self._held_out_steps[index]) > 0
        is_end = update + 1 == num_updates(self._trainees[index].member.recipe)
        return has_any and (is_end or (begin + self._config.samples_per_update) // size > begin // size)

    def _batches(self, update: int) -> Iterator[Samples]:
        config = self._config
        drawn = np.stack([self._draw(index, update) for index in range(len(self._trainees))])
        values = self._values_after()
        weights = np.ones((len(drawn), config.batch_size), np.float32)
        for number in range(config.steps_per_update):
            yield self._samples(drawn[:, number * config.batch_size :][:, : config.batch_size], values, weights)
            if self._on_step is not None:
                self._on_step()

    def _draw(self, index: int, update: int) -> np.ndarray:
        """`[samples_per_update]` int64 steps that a member learns from in an update, in order."""
        steps, begin = self._training_steps[index], update * self._config.samples_per_update
        end = begin + self._config.samples_per_update
        first = begin // len(steps)
        epochs = [self._order(index, epoch) for epoch in range(first, (end - 1) // len(steps) + 1)]
        return steps[np.concatenate(epochs)[begin - first * len(steps) :][: end - begin]]

    def _order(self, index: int, epoch: int) -> np.ndarray:
        """The permutation of a member's steps in one epoch; the latest one is remembered."""
        known = self._orders.get(index)
        if known is None or known[0] != epoch:
            stream = member_stream(member_seed=self._trainees[index].member.seed, role="shuffle", counter=epoch)
            known = self._orders[index] = epoch, stream.permutation(len(self._training_steps[index]))
        return known[1]

    def _values_after(self) -> np.ndarray:
        """`[members, num_episodes]` float32 values of where episodes were left that did not end; 0 for the others."""
        count = len(self._trainees)
        values = np.zeros((count, self._demonstrations.num_episodes), np.float32)
        for begin in range(0, len(self._unfinished), MEASURED_ROWS):
            episodes = self._unfinished[begin : begin + MEASURED_ROWS]
            seen = np.repeat(self._demonstrations.last_observations[None, episodes], count, axis=0)
            values[:, episodes] = self._policies.actor_critics.values(self._policies.scaler.scaled(seen))
        return values

    def _samples(self, steps: np.ndarray, values: np.ndarray, weights: np.ndarray) -> Samples:
        """Look up `[members, rows]` steps."""
        episodes = self._demonstrations.episodes[steps]
        pairs = list(zip(self._returns, steps, strict=True))
        known = np.stack([returns.known[own] for returns, own in pairs])
        after = np.stack([returns.weight_after[own] for returns, own in pairs])
        return Samples(
            observations=self._policies.scaler.scaled(self._demonstrations.observations[steps]),
            actions=self._actions[steps],
            returns=known + after * np.take_along_axis(values, episodes, axis=1),
            has_return=np.stack([returns.counts[own] for returns, own in pairs]).astype(np.float32),
            weights=weights,
        )

    def _measure_held_out(self) -> np.ndarray:
        """`[members, 3]` float64 means over each member's held-out steps, in blocks of one size."""
        longest = max(map(len, self._held_out_steps))
        values = self._values_after()
        sums, counts = np.zeros((len(self._trainees), 3)), np.zeros((len(self._trainees), 3))
        for begin in range(0, longest, MEASURED_ROWS):
            steps = np.zeros((len(self._trainees), MEASURED_ROWS), np.int64)
            weights = np.zeros(steps.shape, np.float32)
            for index, own in enumerate(self._held_out_steps):
                part = own[begin : begin + MEASURED_ROWS]
                steps[index, : len(part)], weights[index, : len(part)] = part, 1
            samples = self._samples(steps, values, weights)
            rows, with_return = weights.sum(1), (weights * samples.has_return).sum(1)
            of_each = np.stack([rows, with_return, rows], axis=1)
            sums += self.learner.measure(samples) * of_each
            counts += of_each
            if self._on_step is not None:
                self._on_step()
        return np.divide(sums, counts, out=np.full_like(sums, np.nan), where=counts > 0)
