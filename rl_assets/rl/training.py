"""Carry out a training plan, in this process or in several, and hand out each recipe when it is done."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from rl_assets.config.evaluation import EvaluationConfig
from rl_assets.errors import CheckpointLost, ErasedData, StoreError, TrainingError
from rl_assets.rl.checkpoints import Checkpoint, Checkpoints, updates_done
from rl_assets.rl.demonstrations import Demonstrations
from rl_assets.rl.messages import Job, Message, SegmentEnd
from rl_assets.rl.outcomes import MemberFailure, Progress, RecipeOutcome, Result
from rl_assets.rl.parents import ParentWeights
from rl_assets.rl.plan import Chunk, Member, TrainingPlan, learns_from_dataset, plan_training
from rl_assets.rl.population import UpdateReport
from rl_assets.rl.supervision import HEARTBEAT_S, Results, Supervisor, Task

__all__ = ["Member", "TrainingPlan", "plan_training", "train"]


def train(
    plan: TrainingPlan,
    *,
    evaluation: EvaluationConfig | None = None,
    checkpoints: Checkpoints | None = None,
    parents: Callable[[Member], ParentWeights | None] = lambda _: None,
    demonstrations: Mapping[str, Demonstrations] | None = None,
    heartbeat_s: float = HEARTBEAT_S,
    on_progress: Callable[[Progress], None] | None = None,
    on_incident: Callable[[str], None] | None = None,
) -> Iterator[RecipeOutcome]:
    """Train and evaluate everybody in the plan.

    A worker that dies or hangs is replaced, and its members go on from the end of their latest segment, to the same
    bytes. Closing the iterator, or an exception such as KeyboardInterrupt, ends all workers at once.

    Args:
        plan: who trains with whom, and where.
        evaluation: how to evaluate each member after its training; None: not at all.
        checkpoints: where members that the plan does not start from the beginning go on, and where all are kept at
            the end of each segment; None: nowhere.
        parents: what a member that starts at the beginning starts with; None: fresh weights.
        demonstrations: by the key of the dataset, of the recipes that learn from one.
        heartbeat_s: seconds of silence after which a worker counts as hung.
        on_progress: called some times a second while something is under way.
        on_incident: told in a sentence what went wrong and is being overcome.

    Yields:
        Each recipe as soon as its last member is done. Members that failed are among them: a process that dies again
        and again is the typed failure of the members it was training, and the others go on.

    Raises:
        ErasedData: a checkpoint is refused because what its member stands on was erased. All workers are ended; plan
            again without that member, and the others go on from their latest checkpoints.
    """
    ledger = _Ledger(plan, on_progress)
    tell = on_incident or (lambda _: None)
    if plan.oversized:
        failures = [
            MemberFailure(seed=plan.members[index].seed, error=error) for index, error in plan.oversized.items()
        ]
        yield from ledger.record(tuple(plan.oversized), list(failures))
    lost: dict[int, MemberFailure] = {}

    def listen(task: Task, message: Message) -> None:
        assert isinstance(task, _ChunkTask)
        if isinstance(message, UpdateReport):
            ledger.advance(task.chunk, message)
        elif isinstance(message, SegmentEnd):
            task.end_segment(message)
            if checkpoints is None:
                return
            for position, checkpoint in message.checkpoints.items():
                member = task.job.members[position]
                try:
                    checkpoints.save(member, checkpoint)
                except ErasedData:
                    raise  # to train on would be for nothing
                except StoreError as error:
                    task.incidents.append(f"'{member.label}' has no checkpoint of update {checkpoint.update}: {error}")
                    tell(task.incidents[-1])

    supervisor = Supervisor(
        num_workers=plan.num_processes,
        heartbeat_s=heartbeat_s,
        on_message=listen,
        on_incident=lambda _, incident: tell(incident),
    )
    tasks = _tasks(plan, evaluation, checkpoints, parents, demonstrations or {}, lost)
    for task, results in supervisor.run(tasks):
        assert isinstance(task, _ChunkTask)
        ledger.finish(task.chunk)
        positions = (*task.positions, *task.failed)
        yield from ledger.record(positions, [*results, *task.failed.values()], task.incidents)
    yield from ledger.record(tuple(lost), list(lost.values()))


@dataclass(eq=False, kw_only=True)
class _ChunkTask(Task):
    """A chunk on its way."""

    chunk: Chunk
    positions: tuple[int, ...]
    """Of the job's members in the plan."""

    failed: dict[int, MemberFailure] = field(default_factory=dict)
    """Members that were stopped before the job was given to another worker, by position in the plan."""

    latest: dict[int, Checkpoint] = field(default_factory=dict)
    """Newest checkpoint of each of the job's members."""

    stopped: Mapping[int, TrainingError] = field(default_factory=dict)
    """Why the job's members were stopped so far."""

    def end_segment(self, message: SegmentEnd) -> None:
        """Go on from here if it has to be started again; what gets on may fail again."""
        self.latest |= message.checkpoints
        self.stopped = message.failures
        self.restarts = 0

    def begin_again(self) -> None:
        """Go on from the latest end of a segment, without the members that were stopped before it."""
        job, goes_on = self.job, [index for index in range(len(self.positions)) if index not in self.stopped]
        for index, error in self.stopped.items():
            self.failed[self.positions[index]] = MemberFailure(seed=job.members[index].seed, error=error)
        self.job = replace(
            job,
            members=tuple(job.members[index] for index in goes_on),
            starts=tuple(self.latest.get(index, job.starts[index]) for index in goes_on),
            parents=tuple(job.parents[index] for index in goes_on),
        )
        self.positions = tuple(self.positions[index] for index in goes_on)
        self.latest, self.stopped = {}, {}


def _tasks(
    plan: TrainingPlan,
    evaluation: EvaluationConfig | None,
    checkpoints: Checkpoints | None,
    parents: Callable[[Member], ParentWeights | None],
    demonstrations: Mapping[str, Demonstrations],
    lost: dict[int, MemberFailure],
) -> Iterator[_ChunkTask]:
    """The chunks, each made ready when its turn comes; notes members whose checkpoint is not what was planned with."""
    for chunk in plan.chunks:
        starts: dict[int, Checkpoint | None] = {}
        for index in chunk.members:
            member = plan.members[index]
            start = checkpoints.load(member) if checkpoints is not None and chunk.start else None
            if updates_done(member, start) == chunk.start:
                starts[index] = start
            else:
                lost[index] = MemberFailure(seed=member.seed, error=CheckpointLost(member.label, chunk.start))
        if starts:
            recipe = plan.members[chunk.members[0]].recipe
            job = Job(
                env=plan.env,
                spaces=plan.spaces,
                members=tuple(plan.members[index] for index in starts),
                starts=tuple(starts.values()),
                parents=tuple(
                    parents(plan.members[index]) if start is None else None for index, start in starts.items()
                ),
                stop=chunk.stop,
                evaluation=evaluation,
                env_threads=plan.env_threads,
                demonstrations=demonstrations[recipe.dataset] if learns_from_dataset(recipe) else None,
            )
            yield _ChunkTask(job=job, update_seconds=plan.update_seconds(chunk), chunk=chunk, positions=tuple(starts))


class _Ledger:
    """Who is done, and how far the others are."""

    def __init__(self, plan: TrainingPlan, on_progress: Callable[[Progress], None] | None) -> None:
        self._plan, self._on_progress = plan, on_progress
        self._started_at = time.monotonic()
        self._steps = dict.fromkeys(plan.chunks, 0)
        self._returns: dict[Chunk, float] = {}
        self._results: dict[int, Result] = {}
        self._recipes: dict[str, list[int]] = {}
        for index, member in enumerate(plan.members):
            self._recipes.setdefault(member.hparam, []).append(index)
        self._recipes_total, self._recipes_done = len(self._recipes), 0
        self._incidents: dict[str, list[str]] = {}

    def advance(self, chunk: Chunk, report: UpdateReport) -> None:
        """Note an update of a chunk."""
        self._steps[chunk] += report.env_steps
        if report.mean_return is not None:
            self._returns[chunk] = report.mean_return
        self._tell()

    def finish(self, chunk: Chunk) -> None:
        """Note that a chunk is done."""
        self._steps[chunk] = self._plan.env_steps_of(chunk)
        self._returns.pop(chunk, None)

    def record(self, members: tuple[int, ...], results: Results, incidents: Sequence[str] = ()) -> list[RecipeOutcome]:
        """Note members' results and return the recipes that they complete."""
        for hparam in {self._plan.members[index].hparam for index in members} if incidents else ():
            self._incidents.setdefault(hparam, []).extend(incidents)
        self._results |= dict(zip(members, results, strict=True))
        complete = [
            hparam for hparam, members in self._recipes.items() if all(index in self._results for index in members)
        ]
        outcomes = [
            RecipeOutcome(
                hparam=hparam,
                members=tuple(self._results[index] for index in self._recipes.pop(hparam)),
                incidents=tuple(self._incidents.get(hparam, ())),
            )
            for hparam in complete
        ]
        self._recipes_done += len(outcomes)
        self._tell()
        return outcomes

    def _tell(self) -> None:
        if self._on_progress is None:
            return
        done, total = sum(self._steps.values()), self._plan.env_steps
        speed = done / max(time.monotonic() - self._started_at, 1e-9)
        self._on_progress(
            Progress(
                env=self._plan.env.id,
                members_done=len(self._results),
                members_total=len(self._plan.members),
                recipes_done=self._recipes_done,
                recipes_total=self._recipes_total,
                env_steps_done=done,
                env_steps_total=total,
                steps_per_s=speed,
                mean_return=sum(self._returns.values()) / len(self._returns) if self._returns else None,
                seconds_left=(total - done) / speed if done else None,
            )
        )
