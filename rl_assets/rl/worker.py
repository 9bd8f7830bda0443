"""The program of one training process: `python -m rl_assets.rl.worker`, started by `training`."""

import dataclasses
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from rl_assets.config.environment import EnvConfig
from rl_assets.config.evaluation import EvaluationConfig
from rl_assets.errors import EnvironmentFault, TrainingError
from rl_assets.rl.child import connect_to_parent
from rl_assets.rl.envs.spaces import EnvSpaces
from rl_assets.rl.evaluation import EpisodeRecords
from rl_assets.rl.outcomes import MemberFailure, TrainedMember
from rl_assets.rl.plan import Member
from rl_assets.rl.population import UpdateReport, train_population
from rl_assets.rl.trials import selection_episodes

REPORT_INTERVAL_S = 0.2


@dataclass(frozen=True, kw_only=True)
class Job:
    """One chunk's work."""

    env: EnvConfig
    """The environment."""

    spaces: EnvSpaces
    """Its spaces."""

    members: tuple[Member, ...]
    """The population."""

    evaluation: EvaluationConfig | None
    """How to evaluate what was trained; None: not at all."""

    env_threads: int
    """Threads on which the environments are stepped."""


def run_job(job: Job, on_update: Callable[[UpdateReport], None]) -> list[TrainedMember | MemberFailure]:
    """Train a population and evaluate it while it is in memory.

    Returns:
        What became of each member, in order. A fault of the pool is every member's failure.
    """
    try:
        results = train_population(
            env=job.env,
            spaces=job.spaces,
            members=job.members,
            on_update=on_update,
            env_threads=job.env_threads,
        )
    except TrainingError as error:
        return [MemberFailure(seed=member.seed, error=error) for member in job.members]
    if job.evaluation is None:
        return results
    trained = {index: result for index, result in enumerate(results) if isinstance(result, TrainedMember)}
    for (index, member), episodes in zip(trained.items(), _evaluate(job, list(trained.values())), strict=True):
        if isinstance(episodes, TrainingError):
            results[index] = MemberFailure(seed=member.seed, error=episodes)
        else:
            results[index] = dataclasses.replace(member, episodes=episodes)
    return results


def _evaluate(job: Job, members: Sequence[TrainedMember]) -> list[EpisodeRecords | EnvironmentFault]:
    if not members:
        return []
    try:
        return list(_evaluate_together(job, members))
    except EnvironmentFault as fault:
        if len(members) == 1:
            return [fault]
        return [episodes for member in members for episodes in _evaluate(job, [member])]


def _evaluate_together(job: Job, members: Sequence[TrainedMember]) -> list[EpisodeRecords]:
    assert job.evaluation is not None
    return selection_episodes(
        env=job.env,
        spaces=job.spaces,
        spec=members[0].spec,
        members=[(member.seed, member.tensors) for member in members],
        config=job.evaluation,
        env_threads=job.env_threads,
    )


def main() -> None:
    """Run jobs until the parent has no more, or is gone."""
    connection = connect_to_parent()
    try:
        while (job := connection.recv()) is not None:
            throttle = _Throttle(connection.send)
            connection.send(run_job(job, throttle.report))
    except (EOFError, ConnectionError):
        sys.exit(1)


class _Throttle:
    """Adds up reports and passes them on a few times a second; the first at once."""

    def __init__(self, send: Callable[[UpdateReport], None]) -> None:
        self._send, self._sent_at, self._env_steps = send, 0.0, 0

    def report(self, report: UpdateReport) -> None:
        self._env_steps += report.env_steps
        if time.monotonic() - self._sent_at >= REPORT_INTERVAL_S:
            self._send(dataclasses.replace(report, env_steps=self._env_steps))
            self._sent_at, self._env_steps = time.monotonic(), 0


if __name__ == "__main__":
    main()
