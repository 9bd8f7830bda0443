"""Train the members of one population from their seeds, or from their checkpoints, to their last update."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import torch

from rl_assets.config.environment import EnvConfig, env_key
from rl_assets.errors import GuardrailTripped, WallTimeExceeded
from rl_assets.rl.algorithms.ppo import METRICS
from rl_assets.rl.checkpoints import Checkpoint
from rl_assets.rl.envs.pool import EnvironmentPool
from rl_assets.rl.envs.spaces import EnvSpaces
from rl_assets.rl.guardrails import LEVELS, action_bounds, divergence_error, find_divergences, rollout_levels
from rl_assets.rl.learner import make_learner
from rl_assets.rl.numerics import numerics_fingerprint
from rl_assets.rl.outcomes import MemberFailure, PausedMember, Result, TrainedMember
from rl_assets.rl.parents import ParentWeights
from rl_assets.rl.plan import Member, num_updates, policy_spec, updates_per_segment
from rl_assets.rl.policy import NORMALIZER_MEAN, NORMALIZER_SCALE, PolicyStack
from rl_assets.rl.rollout import Actors, Rollout
from rl_assets.rl.seeding import Purpose, env_seeds, member_stream
from rl_assets.rl.trainee import Trainee
from rl_assets.rl.watches import Alarm, Row


@dataclass(frozen=True, kw_only=True)
class UpdateReport:
    """Where a population stands after an update."""

    env_steps: int
    """Environment steps planned for this update, over all members, reset steps included."""

    mean_return: float | None
    """Mean over the members of their latest mean episode return; None before the first episode ended."""


def train_population(
    *,
    env: EnvConfig,
    spaces: EnvSpaces,
    members: Sequence[Member],
    starts: Sequence[Checkpoint | None] | None = None,
    parents: Sequence[ParentWeights | None] | None = None,
    stop: int | None = None,
    on_update: Callable[[UpdateReport], None],
    on_segment: Callable[["Population"], None] | None = None,
    on_step: Callable[[], None] | None = None,
    env_threads: int = 1,
    clock: Callable[[], float] = time.monotonic,
) -> list[Result]:
    """Train members whose recipes agree in all that fixes shapes and control flow.

    A member's result depends on the environment, its recipe, its seed and what it starts from alone. A member that a
    guardrail stops is silenced and reported, one that reaches its target rests as it is; the others go on as if it had
    never been there.

    Args:
        env: the environment.
        spaces: its spaces.
        members: the population, at least one.
        starts: where each member goes on, all that still train at the same update; None: from the beginning.
        parents: what each member begins with that begins here; None: fresh weights.
        stop: updates after which all rest for now, at the end of a segment; None: their budget.
        on_update: called after each update.
        on_segment: called at the end of each segment, and of the training, when checkpoints can be had.
        on_step: called after every step of the environments: a sign of life.
        env_threads: on which the environments are stepped; changes no result.
        clock: tells the seconds that are held against the members' wall time.

    Returns:
        What became of each member, in order; without evaluation episodes. Members that rest for now are paused.

    Raises:
        EnvironmentFault: the pool failed.
        ParentMismatch: a member cannot begin with the weights given.
    """
    with (
        single_thread(),
        Population(
            env,
            spaces,
            members,
            starts=starts,
            parents=parents,
            on_step=on_step,
            env_threads=env_threads,
            clock=clock,
        ) as population,
    ):
        while not population.everybody_rests and population.update != stop:
            on_update(population.advance())
            if on_segment is not None and population.is_at_segment_end:
                on_segment(population)
        return population.results()


@contextmanager
def single_thread() -> Iterator[None]:
    """One torch thread: the bits depend on it, and more only slow small networks down."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


class Population:
    """A population between two updates; leaving its block releases the environments.

    Attributes:
        update: updates done, those before the start among them.
        num_updates: updates that the budget takes.
        spec: how to act with the members' tensors.
        trainees: the members, each with all that is its own.
    """

    def __init__(
        self,
        env: EnvConfig,
        spaces: EnvSpaces,
        members: Sequence[Member],
        *,
        starts: Sequence[Checkpoint | None] | None = None,
        parents: Sequence[ParentWeights | None] | None = None,
        on_step: Callable[[], None] | None = None,
        env_threads: int = 1,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        recipe = members[0].recipe
        starts, parents = starts or [None] * len(members), parents or [None] * len(members)
        self._clock, self._started_at = clock, clock()
        self._env, self._spaces, self._config = env, spaces, recipe.algorithm
        self._env_threads, self._on_step = env_threads, on_step
        self._updates_per_segment = updates_per_segment(recipe)
        self.num_updates, self.update = num_updates(recipe), _common_update(starts)
        self.spec = policy_spec(recipe, spaces)
        self.trainees = [
            Trainee(member, start, parent=parent, spaces=spaces, spec=self.spec)
            for member, start, parent in zip(members, starts, parents, strict=True)
        ]
        self._action_bounds = action_bounds(spaces.actions, squashes=self._config.squash_actions)
        self._policies = PolicyStack(self.spec, [self._initial_tensors(trainee) for trainee in self.trainees])
        self._numerics = numerics_fingerprint(self._policies.backend)
        self._learner = make_learner(
            self._policies,
            configs=[member.recipe.algorithm for member in members],
            seeds=[member.seed for member in members],
        )
        for index, start in enumerate(starts):
            if start is not None:
                self._learner.restore_optimizer(index, start.optimizer_state)
                if start.is_final:
                    self._learner.silence(index)
        self._rollout = Rollout.empty(
            self._policies,
            num_steps=self._config.num_steps,
            num_envs=self._config.num_envs,
            has_masks=spaces.mask is not None,
        )
        self._pool: EnvironmentPool | None = None

    @property
    def everybody_rests(self) -> bool:
        """Whether nobody has anything left to learn."""
        return self.update >= self.num_updates or not any(trainee.trains for trainee in self.trainees)

    @property
    def is_at_segment_end(self) -> bool:
        """Whether the latest update was the last of its segment, or of all that anybody does."""
        return self.update % self._updates_per_segment == 0 or self.everybody_rests

    @property
    def failures(self) -> dict[int, GuardrailTripped]:
        """Why members were stopped, by position."""
        return {index: trainee.failure for index, trainee in enumerate(self.trainees) if trainee.failure is not None}

    def advance(self) -> UpdateReport:
        """Collect one rollout and learn from it."""
        if self.update % self._updates_per_segment == 0 or self._pool is None:
            self._start_segment()
        rollout = self._rollout
        episodes = self._actors.collect_rollout(rollout, self._draw_noise())
        self._stop_diverged(
            {
                "an observation": rollout.raw_observations.swapaxes(0, 1),
                "a reward": rollout.rewards.swapaxes(0, 1),
                "a log probability": rollout.log_probs.swapaxes(0, 1),
                "a value": rollout.values.swapaxes(0, 1),
            }
        )
        levels: list[Row] = [
            dict(zip(LEVELS, own, strict=True)) for own in rollout_levels(rollout, self._action_bounds).tolist()
        ]
        for index, trainee in self._training():
            self._heed(index, trainee.guardrails.judge_rollout(levels[index]))
        rates = [trainee.learning_rate(self.update) for trainee in self.trainees]
        metrics = self._learner.update(rollout, self._scale_rewards(), counter=self.update, learning_rates=rates)
        self._stop_diverged({"a loss or gradient": metrics, "a parameter": self._learner.parameters()})
        self._normalize_observations()
        for index, trainee in self._training():
            row = trainee.note(
                env_steps=int(rollout.valid[:, index].sum()),
                episodes=episodes[index],
                learning_rate=rates[index],
                measured={**dict(zip(METRICS, metrics[index].tolist(), strict=True)), **levels[index]},
            )
            self._heed(index, trainee.guardrails.judge_update(row))
            self._stop_at_target(index, trainee, row)
        self.update += 1
        self._stop_overdue()
        if self.is_at_segment_end:
            for index, trainee in self._training():
                trainee.keep_best(self._policies.read(index), begin=self._segment_begin)
        returns = [trainee.latest_return for trainee in self.trainees if not np.isnan(trainee.latest_return)]
        return UpdateReport(env_steps=rollout.valid.size, mean_return=float(np.mean(returns)) if returns else None)

    def checkpoints(self) -> dict[int, Checkpoint]:
        """Copy members out at the end of a segment, by position: those that train, and once those that are trained."""
        found = {}
        for index, trainee in enumerate(self.trainees):
            if trainee.failure is not None or trainee.is_reported:
                continue
            trainee.is_reported = trainee.is_trained
            found[index] = Checkpoint(
                update=len(trainee.rows),
                is_final=trainee.is_trained or self.update >= self.num_updates,
                env_steps=trainee.env_steps,
                tensors=self.read(index),
                optimizer_state=trainee.optimizer_state(self._learner.optimizer_state(index)),
                history=trainee.history(),
                best=trainee.best,
                numerics=trainee.numerics(self._numerics),
                inexact_resumes=trainee.inexact_resumes(self._numerics),
                wall_time_s=trainee.wall_time_s(self._clock() - self._started_at),
            )
        return found

    def results(self) -> list[Result]:
        """Hand out what became of everybody so far."""
        return [self._result(index, trainee) for index, trainee in enumerate(self.trainees)]

    def read(self, index: int) -> dict[str, np.ndarray]:
        """Copy out one member's tensors as they are now, or were when it came to rest: all that acting needs."""
        return dict(self.trainees[index].tensors(self._policies.read(index)))

    def __enter__(self) -> "Population":
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._close_pool()

    @property
    def _segment_begin(self) -> int:
        """Updates that were done when the latest update's segment began."""
        return (self.update - 1) // self._updates_per_segment * self._updates_per_segment

    def _training(self) -> list[tuple[int, Trainee]]:
        """The members that still train."""
        return [(index, trainee) for index, trainee in enumerate(self.trainees) if trainee.trains]

    def _initial_tensors(self, trainee: Trainee) -> dict[str, np.ndarray]:
        if trainee.start is not None:
            return dict(trainee.start.tensors)
        size = self.spec.observation_shape
        unscaled = {NORMALIZER_MEAN: np.zeros(size, np.float32), NORMALIZER_SCALE: np.ones(size, np.float32)}
        if trainee.parent is not None:
            return unscaled | dict(trainee.parent.tensors)
        stream = member_stream(member_seed=trainee.member.seed, role="parameters")
        return self.spec.shape.init_member(stream) | unscaled

    def _result(self, index: int, trainee: Trainee) -> Result:
        if trainee.failure is not None:
            return MemberFailure(seed=trainee.member.seed, error=trainee.failure)
        if trainee.trains and self.update < self.num_updates:
            return PausedMember(seed=trainee.member.seed, update=self.update)
        wall_time_s = trainee.wall_time_s(self._clock() - self._started_at)
        return TrainedMember(
            seed=trainee.member.seed,
            spec=self.spec,
            tensors=self.read(index),
            optimizer_state=dict(trainee.optimizer_state(self._learner.optimizer_state(index))),
            history=trainee.history(),
            best=trainee.best,
            env_steps=trainee.env_steps,
            wall_time_s=wall_time_s,
            steps_per_s=sum(own.env_steps for own in self.trainees) / max(wall_time_s, 1e-9),
            population_size=len(self.trainees),
            resumed_at=0 if trainee.start is None else trainee.start.update,
            numerics=trainee.numerics(self._numerics),
            inexact_resumes=trainee.inexact_resumes(self._numerics),
            early_stop=trainee.early_stop,
            episodes=None,
        )

    def _close_pool(self) -> None:
        if self._pool is not None:
            self._pool.close()
            self._pool = None

    def _start_segment(self) -> None:
        self._close_pool()
        segment = self.update // self._updates_per_segment
        key, num_envs = env_key(self._env), self._config.num_envs
        seeds = [
            seed
            for trainee in self.trainees
            for seed in env_seeds(
                purpose=Purpose.TRAIN,
                env_key=key,
                member_seed=trainee.member.seed,
                segment=segment,
                num_envs=num_envs,
            )
        ]
        self._pool = EnvironmentPool(
            self._env, spaces=self._spaces, seeds=seeds, num_threads=self._env_threads, on_step=self._on_step
        )
        self._actors = Actors(self._pool, self._policies)
        for trainee in self.trainees:
            trainee.scaler = trainee.scaler.restarted()

    def _draw_noise(self) -> np.ndarray:
        config, distribution = self._config, self._policies.distribution
        streams = [
            member_stream(member_seed=trainee.member.seed, role="actions", counter=self.update)
            for trainee in self.trainees
        ]
        return np.stack(
            [distribution.draw_noise(stream, (config.num_steps, config.num_envs)) for stream in streams], axis=1
        )

    def _scale_rewards(self) -> np.ndarray:
        rollout = self._rollout
        if not self._config.normalize_rewards:
            return rollout.rewards
        scaled = np.zeros_like(rollout.rewards)
        for index, trainee in self._training():
            scaled[:, index] = trainee.scale_rewards(
                rollout.rewards[:, index],
                ended=rollout.terminated[:, index] | rollout.truncated[:, index],
                valid=rollout.valid[:, index],
            )
        return scaled

    def _normalize_observations(self) -> None:
        """Learn from what was seen; the next rollout is scaled by it, so acting and learning agree within each."""
        if not self.spec.normalizes_observations:
            return
        for index, trainee in self._training():
            seen = self._rollout.raw_observations[:-1, index][self._rollout.valid[:, index]]
            trainee.moments = trainee.moments.updated(seen)
            self._policies.scaler.set_member(index, mean=trainee.moments.mean, scale=trainee.moments.scale)

    def _fail(self, index: int, error: GuardrailTripped) -> None:
        self.trainees[index].failure = error
        self._learner.silence(index)

    def _stop_diverged(self, quantities: dict[str, np.ndarray]) -> None:
        findings = find_divergences(quantities)
        for index, trainee in self._training() if findings else ():
            if index in findings:
                self._fail(index, divergence_error(trainee.member.label, self.update, findings[index]))

    def _heed(self, index: int, alarm: Alarm | None) -> None:
        if alarm is not None:
            label = self.trainees[index].member.label
            self._fail(index, alarm.error(label, self.update, alarm.quantity, alarm.value, alarm.expected))

    def _stop_at_target(self, index: int, trainee: Trainee, row: Row) -> None:
        """Keep a member that reached its target as it is now, and let it rest."""
        stop = trainee.guardrails.reached_target(row, self.update)
        if stop is None or trainee.failure is not None:
            return
        trainee.early_stop = stop
        tensors = self._policies.read(index)
        trainee.keep_best(tensors, begin=self.update // self._updates_per_segment * self._updates_per_segment)
        trainee.rest(tensors, trainee.optimizer_state(self._learner.optimizer_state(index)))
        self._learner.silence(index)

    def _stop_overdue(self) -> None:
        """Let members rest whose time is over while updates are left."""
        if self.update == self.num_updates:
            return
        spent = self._clock() - self._started_at
        for index, trainee in self._training():
            member = trainee.member
            if member.max_wall_time_s is not None and trainee.wall_time_s(spent) > member.max_wall_time_s:
                expected = f"{self.num_updates} updates within {member.max_wall_time_s:g}"
                spent_s = trainee.wall_time_s(spent)
                self._fail(
                    index, WallTimeExceeded(member.label, self.update - 1, "the training time in s", spent_s, expected)
                )


def _common_update(starts: Sequence[Checkpoint | None]) -> int:
    """Updates that all members have done that still train; those that are trained may have done any number."""
    updates = {0 if start is None else start.update for start in starts if start is None or not start.is_final}
    if len(updates) > 1:
        raise ValueError(f"members of one population start at updates {sorted(updates)}: expected one number")
    return updates.pop() if updates else max(start.update for start in starts if start is not None)
