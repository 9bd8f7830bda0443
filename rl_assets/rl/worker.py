"""What trains one chunk after the other for a parent: `serve`, in a thread, or as the program of a process.

The program is `python -m rl_assets.rl.worker`, started by `training`.
"""

import dataclasses
import sys
import time
from collections.abc import Callable, Sequence
from multiprocessing.connection import Connection

from rl_assets.errors import EnvironmentFault, InvalidConfig, MetricFault, TrainingError
from rl_assets.rl.child import connect_to_parent
from rl_assets.rl.evaluation import EpisodeRecords
from rl_assets.rl.messages import Beat, Job, Message, SegmentEnd
from rl_assets.rl.outcomes import MemberFailure, Result, TrainedMember
from rl_assets.rl.population import Population, UpdateReport, train_population
from rl_assets.rl.trials import selection_episodes

REPORT_INTERVAL_S = 0.2
BEAT_INTERVAL_S = 0.5


class Outlet:
    """Passes on what happens in a job, and nothing more often than a parent needs to know."""

    def __init__(self, send: Callable[[Message], None]) -> None:
        self._send, self._reported_at, self._sent_at, self._env_steps = send, 0.0, 0.0, 0

    def report(self, report: UpdateReport) -> None:
        """Add up updates and pass them on a few times a second; the first at once."""
        self._env_steps += report.env_steps
        now = time.monotonic()
        if now - self._reported_at >= REPORT_INTERVAL_S:
            self._send(dataclasses.replace(report, env_steps=self._env_steps))
            self._reported_at = self._sent_at = now
            self._env_steps = 0

    def beat(self) -> None:
        """Give a sign of life where nothing else was said for a while."""
        now = time.monotonic()
        if now - self._sent_at >= BEAT_INTERVAL_S:
            self._send(Beat())
            self._sent_at = now

    def end_segment(self, population: Population) -> None:
        """Hand over checkpoints, and who was stopped."""
        self._send(SegmentEnd(checkpoints=population.checkpoints(), failures=population.failures))


def serve(connection: Connection) -> None:
    """Run the jobs that come over the connection until None comes.

    Raises:
        EOFError, ConnectionError: the parent is gone, or wants no more of it.
    """
    while (job := connection.recv()) is not None:
        connection.send(run_job(job, Outlet(connection.send)))


def run_job(job: Job, outlet: Outlet) -> list[Result]:
    """Train a population and evaluate it while it is in memory.

    Returns:
        What became of each member, in order. A fault of the pool is every member's failure; where a metric fails or
        is not installed, members are without episodes.
    """
    try:
        results = train_population(
            env=job.env,
            spaces=job.spaces,
            members=job.members,
            starts=job.starts,
            parents=job.parents,
            stop=job.stop,
            on_update=outlet.report,
            on_segment=outlet.end_segment,
            on_step=outlet.beat,
            env_threads=job.env_threads,
            demonstrations=job.demonstrations,
        )
    except TrainingError as error:
        return [MemberFailure(seed=member.seed, error=error) for member in job.members]
    if job.evaluation is None:
        return results
    trained = {index: result for index, result in enumerate(results) if isinstance(result, TrainedMember)}
    try:
        evaluated = _evaluate(job, list(trained.values()), outlet)
    except (MetricFault, InvalidConfig):
        return results  # a training is not lost over a metric: whoever evaluates what has no episodes meets it again
    for (index, member), episodes in zip(trained.items(), evaluated, strict=True):
        if isinstance(episodes, TrainingError):
            results[index] = MemberFailure(seed=member.seed, error=episodes)
        else:
            results[index] = dataclasses.replace(member, episodes=episodes)
    return results


def _evaluate(job: Job, members: Sequence[TrainedMember], outlet: Outlet) -> list[EpisodeRecords | EnvironmentFault]:
    if not members:
        return []
    try:
        return list(_evaluate_together(job, members, outlet))
    except EnvironmentFault as fault:
        if len(members) == 1:
            return [fault]
        return [episodes for member in members for episodes in _evaluate(job, [member], outlet)]


def _evaluate_together(job: Job, members: Sequence[TrainedMember], outlet: Outlet) -> list[EpisodeRecords]:
    assert job.evaluation is not None
    return selection_episodes(
        env=job.env,
        spaces=job.spaces,
        spec=members[0].spec,
        members=[(member.seed, member.tensors) for member in members],
        config=job.evaluation,
        env_threads=job.env_threads,
        on_step=outlet.beat,
    )


def main() -> None:
    """Serve the parent that started this process, until it has no more work, or is gone."""
    try:
        serve(connect_to_parent())
    except (EOFError, ConnectionError):
        sys.exit(1)


if __name__ == "__main__":
    main()
