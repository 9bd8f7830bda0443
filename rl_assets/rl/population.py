"""Train the members of one population from their seeds, or from their checkpoints, to their last update."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import torch

from rl_assets.config.bc import BCConfig
from rl_assets.config.environment import EnvConfig
from rl_assets.config.ppo import PPOConfig
from rl_assets.errors import GuardrailTripped, WallTimeExceeded
from rl_assets.rl.checkpoints import Checkpoint
from rl_assets.rl.demonstrations import Demonstrations
from rl_assets.rl.envs.spaces import EnvSpaces
from rl_assets.rl.experience import Experience
from rl_assets.rl.guardrails import divergence_error, find_divergences
from rl_assets.rl.imitation import Imitation
from rl_assets.rl.interaction import Interaction
from rl_assets.rl.numerics import numerics_fingerprint
from rl_assets.rl.outcomes import MemberFailure, PausedMember, Result, TrainedMember
from rl_assets.rl.parents import ParentWeights
from rl_assets.rl.plan import Member, learning_backend, num_updates, policy_spec, updates_per_segment
from rl_assets.rl.policy import NORMALIZER_MEAN, NORMALIZER_SCALE, PolicyStack
from rl_assets.rl.seeding import member_stream
from rl_assets.rl.trainee import Trainee
from rl_assets.rl.watches import Alarm, Row


@dataclass(frozen=True, kw_only=True)
class UpdateReport:
    """Where a population stands after an update."""

    env_steps: int
    """Steps of the budget that this update took, over all members: environment steps, reset steps included, or samples
    of a dataset."""

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
    demonstrations: Demonstrations | None = None,
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
        on_step: called after every step of the environments, or of the optimizer: a sign of life.
        env_threads: on which the environments are stepped; changes no result.
        demonstrations: what members learn from that learn from a dataset.
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
            demonstrations=demonstrations,
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
        demonstrations: Demonstrations | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        recipe = members[0].recipe
        starts, parents = starts or [None] * len(members), parents or [None] * len(members)
        self._clock, self._started_at = clock, clock()
        self._updates_per_segment = updates_per_segment(recipe)
        self.num_updates, self.update = num_updates(recipe), _common_update(starts)
        self.spec = policy_spec(recipe, spaces)
        self.trainees = [
            Trainee(member, start, parent=parent, spaces=spaces, spec=self.spec)
            for member, start, parent in zip(members, starts, parents, strict=True)
        ]
        self._policies = PolicyStack(
            self.spec,
            [self._initial_tensors(trainee) for trainee in self.trainees],
            backend=learning_backend(recipe, self.spec),
        )
        self._numerics = numerics_fingerprint(self._policies.backend)
        self._experience = _experience(
            env,
            spaces,
            self._policies,
            self.trainees,
            env_threads=env_threads,
            on_step=on_step,
            demonstrations=demonstrations,
        )
        self._learner = self._experience.learner
        self._is_in_segment = False
        for index, start in enumerate(starts):
            if start is not None:
                self._learner.restore_optimizer(index, start.optimizer_state)
                if start.is_final:
                    self._learner.silence(index)

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
        """Gather the samples of one update and learn from them."""
        experience = self._experience
        if self.update % self._updates_per_segment == 0 or not self._is_in_segment:
            experience.start_segment(self.update // self._updates_per_segment)
            self._is_in_segment = True
        gathered = experience.gather(self.update)
        self._stop_diverged(gathered.quantities)
        for index, trainee in self._training():
            self._heed(index, trainee.guardrails.judge_rollout(gathered.levels[index]))
        rates = [trainee.learning_rate(self.update) for trainee in self.trainees]
        metrics = experience.learn(self.update, rates)
        self._stop_diverged({"a loss or gradient": metrics, "a parameter": self._learner.parameters()})
        further = experience.settle(self.update)
        for index, trainee in self._training():
            row = trainee.note(
                env_steps=gathered.env_steps[index],
                episodes=gathered.episodes[index],
                learning_rate=rates[index],
                measured={
                    **dict(zip(experience.metrics, metrics[index].tolist(), strict=True)),
                    **gathered.levels[index],
                    **further[index],
                },
            )
            self._heed(index, trainee.guardrails.judge_update(row))
            self._stop_at_target(index, trainee, row)
        self.update += 1
        self._stop_overdue()
        if self.is_at_segment_end:
            for index, trainee in self._training():
                trainee.keep_best(self._policies.read(index), begin=self._segment_begin)
        returns = [trainee.latest_return for trainee in self.trainees if not np.isnan(trainee.latest_return)]
        steps = sum(trainee.member.recipe.algorithm.samples_per_update for trainee in self.trainees)
        return UpdateReport(env_steps=steps, mean_return=float(np.mean(returns)) if returns else None)

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
        self._experience.close()

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
            steps_per_s=sum(own.steps for own in self.trainees) / max(wall_time_s, 1e-9),
            population_size=len(self.trainees),
            resumed_at=0 if trainee.start is None else trainee.start.update,
            numerics=trainee.numerics(self._numerics),
            inexact_resumes=trainee.inexact_resumes(self._numerics),
            early_stop=trainee.early_stop,
            episodes=None,
        )

    def _fail(self, index: int, error: GuardrailTripped) -> None:
        self.trainees[index].failure = error
        self._learner.silence(index)

    def _stop_diverged(self, quantities: Mapping[str, np.ndarray]) -> None:
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


def _experience(
    env: EnvConfig,
    spaces: EnvSpaces,
    policies: PolicyStack,
    trainees: Sequence[Trainee],
    *,
    env_threads: int,
    on_step: Callable[[], None] | None,
    demonstrations: Demonstrations | None,
) -> Experience:
    """Where these members' samples come from: all train with one algorithm."""
    algorithms = [trainee.member.recipe.algorithm for trainee in trainees]
    acting = [algorithm for algorithm in algorithms if isinstance(algorithm, PPOConfig)]
    if acting:
        return Interaction(env, spaces, policies, trainees, configs=acting, env_threads=env_threads, on_step=on_step)
    imitating = [algorithm for algorithm in algorithms if isinstance(algorithm, BCConfig)]
    if demonstrations is None:
        raise ValueError("demonstrations is None: expected those of the dataset that these members learn from")
    return Imitation(policies, trainees, demonstrations, configs=imitating, on_step=on_step)


def _common_update(starts: Sequence[Checkpoint | None]) -> int:
    """Updates that all members have done that still train; those that are trained may have done any number."""
    updates = {0 if start is None else start.update for start in starts if start is None or not start.is_final}
    if len(updates) > 1:
        raise ValueError(f"members of one population start at updates {sorted(updates)}: expected one number")
    return updates.pop() if updates else max(start.update for start in starts if start is not None)
