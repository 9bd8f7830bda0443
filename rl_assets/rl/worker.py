"""The program of one training process: `python -m rl_assets.rl.worker`, started by `training`."""

import dataclasses
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from rl_assets.config.environment import EnvConfig, env_key
from rl_assets.config.evaluation import EvaluationConfig
from rl_assets.errors import EnvironmentFault, TrainingError
from rl_assets.rl.child import connect_to_parent
from rl_assets.rl.envs.spaces import EnvSpaces
from rl_assets.rl.evaluation import EpisodeRecords, evaluate, num_streams
from rl_assets.rl.outcomes import MemberFailure, TrainedMember
from rl_assets.rl.plan import Member
from rl_assets.rl.population import UpdateReport, single_thread, train_population
from rl_assets.rl.seeding import Purpose, env_seeds


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


def run_job(job: Job, on_update: Callable[[UpdateReport], None]) -> list[TrainedMember | MemberFailure]:
    """Train a population and evaluate it while it is in memory.

    Returns:
        What became of each member, in order. A fault of the pool is every member's failure.
    """
    try:
        results = train_population(env=job.env, spaces=job.spaces, members=job.members, on_update=on_update)
    except TrainingError as error:
        return [MemberFailure(seed=member.seed, error=error) for member in job.members]
    if job.evaluation is None:
        return results
    trained = [index for index, result in enumerate(results) if isinstance(result, TrainedMember)]
    for index, episodes in zip(trained, _evaluate(job, [results[index] for index in trained]), strict=True):
        if isinstance(episodes, TrainingError):
            results[index] = MemberFailure(seed=results[index].seed, error=episodes)
        else:
            results[index] = dataclasses.replace(results[index], episodes=episodes)
    return results
