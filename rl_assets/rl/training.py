"""Carry out a training plan, in this process or in several, and hand out each recipe when it is done."""

import time
from collections.abc import Callable, Iterator
from multiprocessing.connection import wait

from rl_assets.config.evaluation import EvaluationConfig
from rl_assets.errors import EnvironmentFault
from rl_assets.rl.child import ChildProcess
from rl_assets.rl.outcomes import MemberFailure, Progress, RecipeOutcome, TrainedMember
from rl_assets.rl.plan import Chunk, Member, TrainingPlan, plan_training
from rl_assets.rl.population import UpdateReport
from rl_assets.rl.worker import Job, run_job

__all__ = ["Member", "TrainingPlan", "plan_training", "train"]

WORKER_MODULE = "rl_assets.rl.worker"

_Results = list[TrainedMember | MemberFailure]


def train(
    plan: TrainingPlan,
    *,
    evaluation: EvaluationConfig | None = None,
    on_progress: Callable[[Progress], None] | None = None,
) -> Iterator[RecipeOutcome]:
    """Train and evaluate everybody in the plan.

    Closing the iterator, or an exception such as KeyboardInterrupt, ends all processes at once.

    Args:
        plan: who trains with whom, and where.
        evaluation: how to evaluate each member after its training; None: not at all.
        on_progress: called some times a second while something is under way.

    Yields:
        Each recipe as soon as its last member is done. Members that failed are among them: a process that dies is the
        typed failure of the members it was training, and the others go on.
    """
    ledger = _Ledger(plan, on_progress)
    if plan.oversized:
        failures = [
            MemberFailure(seed=plan.members[index].seed, error=error) for index, error in plan.oversized.items()
        ]
        yield from ledger.record(tuple(plan.oversized), list(failures))
    run = _run_here if plan.num_processes == 1 else _run_in_processes
    for chunk, results in run(plan, evaluation, ledger):
        ledger.finish(chunk)
        yield from ledger.record(chunk.members, results)


def _run_here(
    plan: TrainingPlan, evaluation: EvaluationConfig | None, ledger: "_Ledger"
) -> Iterator[tuple[Chunk, _Results]]:
    for chunk in plan.chunks:
        yield chunk, run_job(_job(plan, chunk, evaluation), lambda report, chunk=chunk: ledger.advance(chunk, report))


def _run_in_processes(
    plan: TrainingPlan, evaluation: EvaluationConfig | None, ledger: "_Ledger"
) -> Iterator[tuple[Chunk, _Results]]:
    waiting = list(reversed(plan.chunks))
    busy: dict[ChildProcess, Chunk] = {}
    workers: list[ChildProcess] = []

    def give_work(worker: ChildProcess) -> None:
        busy[worker] = waiting.pop()
        worker.send(_job(plan, busy[worker], evaluation))

    try:
        for _ in range(plan.num_processes):
            workers.append(ChildProcess(WORKER_MODULE))
        for worker in workers:
            give_work(worker)
        while busy:
            ready = wait([worker.connection for worker in busy])
            for worker in [worker for worker in busy if worker.connection in ready]:
                try:
                    message = worker.receive()
                except EnvironmentFault as fault:
                    chunk = busy.pop(worker)
                    worker.close()
                    workers.remove(worker)
                    yield chunk, _all_failed(plan, chunk, fault)
                    if waiting:
                        workers.append(ChildProcess(WORKER_MODULE))
                        give_work(workers[-1])
                    continue
                if isinstance(message, UpdateReport):
                    ledger.advance(busy[worker], message)
                    continue
                chunk = busy.pop(worker)
                if waiting:
                    give_work(worker)
                yield chunk, message
    finally:
        for worker in workers:
            worker.close()


def _job(plan: TrainingPlan, chunk: Chunk, evaluation: EvaluationConfig | None) -> Job:
    members = tuple(plan.members[index] for index in chunk.members)
    return Job(env=plan.env, spaces=plan.spaces, members=members, evaluation=evaluation, env_threads=plan.env_threads)


def _all_failed(plan: TrainingPlan, chunk: Chunk, fault: EnvironmentFault) -> _Results:
    error = EnvironmentFault(f"training {fault}; its {len(chunk.members)} members have to be trained again")
    return [MemberFailure(seed=plan.members[index].seed, error=error) for index in chunk.members]


class _Ledger:
    """Who is done, and how far the others are."""

    def __init__(self, plan: TrainingPlan, on_progress: Callable[[Progress], None] | None) -> None:
        self._plan, self._on_progress = plan, on_progress
        self._started_at = time.monotonic()
        self._steps = dict.fromkeys(plan.chunks, 0)
        self._returns: dict[Chunk, float] = {}
        self._results: dict[int, TrainedMember | MemberFailure] = {}
        self._recipes: dict[str, list[int]] = {}
        for index, member in enumerate(plan.members):
            self._recipes.setdefault(member.hparam, []).append(index)
        self._recipes_total, self._recipes_done = len(self._recipes), 0

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

    def record(self, members: tuple[int, ...], results: _Results) -> list[RecipeOutcome]:
        """Note members' results and return the recipes that they complete."""
        self._results |= dict(zip(members, results, strict=True))
        complete = [
            hparam for hparam, members in self._recipes.items() if all(index in self._results for index in members)
        ]
        outcomes = [
            RecipeOutcome(hparam=hparam, members=tuple(self._results[index] for index in self._recipes.pop(hparam)))
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
