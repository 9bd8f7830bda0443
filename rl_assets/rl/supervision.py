"""Chunks on their way through workers that may die or hang: noticed, started again, and not for ever."""

import itertools
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from multiprocessing.connection import wait

from rl_assets.errors import EnvironmentFault
from rl_assets.rl.checkpoints import Checkpoint
from rl_assets.rl.child import ChildProcess, ChildThread
from rl_assets.rl.messages import Beat, Job, Message
from rl_assets.rl.outcomes import MemberFailure, Result
from rl_assets.rl.worker import serve

WORKER_MODULE = "rl_assets.rl.worker"

HEARTBEAT_S = 60.0
"""Seconds of silence after which a worker counts as hung, unless it is known to need longer between two messages."""

STARTUP_S = 120.0
"""Seconds that a worker has for a job's first update: it imports libraries, builds the pool and compiles kernels."""

MAX_RESTARTS = 2
"""Times that a chunk is started again without getting to the end of a segment; what always fails has to end."""

_PATIENCE = 10
"""A worker may be silent for so many times its longest silence so far, or an update's estimated time."""

Results = list[Result]
Worker = ChildProcess | ChildThread


@dataclass(eq=False, kw_only=True)
class Task:
    """A job on its way."""

    job: Job
    """What to do; its starts move on with every segment."""

    update_seconds: float
    """Rough estimate of how long an update takes."""

    incidents: list[str] = field(default_factory=list)
    """What went wrong and was overcome."""

    restarts: int = 0
    """Times that it was started again since the latest end of a segment."""

    def begin_again(self) -> None:
        """Get ready to be given to another worker."""


@dataclass(kw_only=True)
class _Watch:
    """When a worker was last heard of."""

    task: Task
    heard_at: float
    longest_s: float = 0.0
    is_warm: bool = False

    def hear(self, message: Message, now: float) -> None:
        if self.is_warm:
            self.longest_s = max(self.longest_s, now - self.heard_at)
        self.heard_at, self.is_warm = now, self.is_warm or not isinstance(message, Beat)

    def limit_s(self, heartbeat_s: float) -> float:
        known = _PATIENCE * max(self.longest_s, self.task.update_seconds)
        return max(heartbeat_s, known, 0.0 if self.is_warm else STARTUP_S)


class Supervisor:
    """Hands tasks to workers in turn and sees them through.

    Args:
        num_workers: workers side by side; one is a thread of this process, several are processes.
        heartbeat_s: seconds of silence after which a worker counts as hung.
        on_message: is told what a worker says of its task, results aside.
        on_incident: is told in a sentence what went wrong and is being overcome.
    """

    def __init__(
        self,
        *,
        num_workers: int,
        heartbeat_s: float,
        on_message: Callable[[Task, Message], None],
        on_incident: Callable[[Task, str], None],
    ) -> None:
        self._num_workers = num_workers
        self._heartbeat_s = heartbeat_s
        self._on_message, self._on_incident = on_message, on_incident
        self._workers: list[Worker] = []
        self._busy: dict[Worker, _Watch] = {}

    def run(self, tasks: Iterator[Task]) -> Iterator[tuple[Task, Results]]:
        """Run all tasks, each taken when its turn comes; closing the iterator ends all workers.

        Yields:
            Each task with what became of its members, as soon as it is done.
        """
        try:
            first = list(itertools.islice(tasks, self._num_workers))
            for _ in first:
                self._workers.append(ChildThread(serve) if self._num_workers == 1 else ChildProcess(WORKER_MODULE))
            for worker, task in zip(list(self._workers), first, strict=True):
                self._give(worker, task)
            while self._busy:
                for worker in self._wait():
                    task = self._busy[worker].task
                    try:
                        message = worker.receive()
                    except EnvironmentFault as fault:
                        yield from self._lose(worker, fault, tasks)
                        continue
                    self._busy[worker].hear(message, time.monotonic())
                    if not isinstance(message, list):
                        self._on_message(task, message)
                        continue
                    del self._busy[worker]
                    following = next(tasks, None)
                    if following is not None:
                        self._give(worker, following)
                    yield task, message
                for worker, silence_s in self._silent():
                    fault = EnvironmentFault(f"{_name(worker)} hangs: it has said nothing for {silence_s:.0f} s")
                    yield from self._lose(worker, fault, tasks)
        finally:
            for worker in self._workers:
                worker.close()

    def _give(self, worker: Worker, task: Task) -> None:
        self._busy[worker] = _Watch(task=task, heard_at=time.monotonic())
        with suppress(EnvironmentFault):  # one that is dead already is found so at the next look
            worker.send(task.job)

    def _wait(self) -> list[Worker]:
        """Workers with something to say; waits until there is one, or one has been silent for too long."""
        began = time.monotonic()
        left = min(watch.heard_at + watch.limit_s(self._heartbeat_s) for watch in self._busy.values()) - began
        ready = wait([worker.connection for worker in self._busy], timeout=max(0.0, left))
        overslept = time.monotonic() - began - max(0.0, left)
        if overslept > self._heartbeat_s / 2:
            # This process stood still itself, and the workers with it.
            for watch in self._busy.values():
                watch.heard_at += overslept
        return [worker for worker in self._busy if worker.connection in ready]

    def _silent(self) -> list[tuple[Worker, float]]:
        """Workers that have said nothing for too long, and for how long."""
        now = time.monotonic()
        return [
            (worker, now - watch.heard_at)
            for worker, watch in self._busy.items()
            if now - watch.heard_at >= watch.limit_s(self._heartbeat_s) and not worker.connection.poll(0)
        ]

    def _lose(self, worker: Worker, fault: EnvironmentFault, tasks: Iterator[Task]) -> Iterator[tuple[Task, Results]]:
        """Go on without a worker: its task is started again in a new process, or given up."""
        task = self._busy.pop(worker).task
        worker.close()
        self._workers.remove(worker)
        if task.restarts < MAX_RESTARTS:
            task.restarts += 1
            task.begin_again()
            job = task.job
            incident = (
                f"training {fault}; its {len(job.members)} members go on {_describe_start(job.starts)} in a new "
                f"process (restart {task.restarts} of {MAX_RESTARTS})"
            )
            task.incidents.append(incident)
            self._on_incident(task, incident)
            self._add_process(task)
            return
        following = next(tasks, None)
        if following is not None:
            self._add_process(following)
        error = EnvironmentFault(
            f"training {fault}; its {len(task.job.members)} members were started {MAX_RESTARTS} times again in vain "
            "and have to be trained again"
        )
        yield task, [MemberFailure(seed=member.seed, error=error) for member in task.job.members]

    def _add_process(self, task: Task) -> None:
        worker = ChildProcess(WORKER_MODULE)
        self._workers.append(worker)
        self._give(worker, task)


def _name(worker: Worker) -> str:
    return f"process {worker.pid}" if isinstance(worker, ChildProcess) else "thread of this process"


def _describe_start(starts: Sequence[Checkpoint | None]) -> str:
    updates = sorted({start.update for start in starts if start is not None and not start.is_final})
    return f"after update {updates[0]}" if updates else "from the beginning"
