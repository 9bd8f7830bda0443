"""Whether a dataset's files hold what they claim: whole episodes, and ones that fit their environment."""

import os
from collections.abc import Iterator, Mapping

from rl_assets.config.algorithms import AlgorithmName
from rl_assets.config.environment import EnvConfig
from rl_assets.config.sweep import DatasetDeclaration, SweepConfig
from rl_assets.datasets.episodes import EPISODE_SUFFIXES, holds_episodes, read_episodes
from rl_assets.datasets.fit import refuse_misfit
from rl_assets.datasets.register import ClientRegister
from rl_assets.datasets.summary import EpisodeSummary, summarize_episodes
from rl_assets.errors import BadInput, InvalidConfig, InvalidDataset
from rl_assets.rl.envs.catalogue import describe_env


def check_episodes(files: Mapping[str, bytes], *, env: str | None, what: str) -> EpisodeSummary | None:
    """Read all episodes of a dataset once and sum them up; None where no file is in a format of episodes.

    Args:
        files: name -> bytes; the names stand in errors.
        env: exact id of the environment that they have to fit; None where any will do.
        what: what to call the dataset in errors.

    Raises:
        InvalidDataset: a file is no whole file of episodes, or they do not fit the environment.
        UnknownEnvironment, UnsupportedEnvironment: the environment is none that can be trained in.
    """
    summary = summarize_episodes(read_episodes(files)) if holds_episodes(files) else None
    if env is None:
        return summary
    if summary is None:
        raise InvalidDataset(
            f"{what}: env '{env}' was named, and there are no episodes to compare with it: expected files that end in "
            f"{', '.join(sorted(EPISODE_SUFFIXES))} and hold some; leave the env out or convert the files"
        )
    refuse_misfit(summary, describe_env(EnvConfig(id=env)), env=env, what=what)
    return summary


def refuse_unfit_dataset(sweep: SweepConfig, *, register: ClientRegister, source: str) -> None:
    """Refuse a sweep whose dataset was recorded in another environment, or has no episodes for an algorithm to learn.

    Args:
        sweep: with exact ids of its environments.
        register: knows the datasets.
        source: what to call the sweep in an error.

    Raises:
        UnknownPartition: no dataset has that key.
        InvalidConfig: names the dataset by its key, and no file of it.
    """
    for field, declared, algorithm in _trainings(sweep):
        _refuse_unfit(sweep, declared, algorithm, register=register, field=f"{source}: field '{field}'")


def _trainings(sweep: SweepConfig) -> Iterator[tuple[str, str | DatasetDeclaration, AlgorithmName]]:
    """Field, dataset and algorithm of the sweep's training, or of each step of its sequence."""
    if not sweep.sequence:
        yield "dataset", sweep.dataset, sweep.algorithm
    for number, step in enumerate(sweep.sequence):
        algorithm = step.algorithm or sweep.algorithm
        if step.dataset is None:
            yield "dataset", sweep.dataset, algorithm
        else:
            yield f"sequence.{number}.dataset", step.dataset, algorithm


def _refuse_unfit(
    sweep: SweepConfig,
    declared: str | DatasetDeclaration,
    algorithm: AlgorithmName,
    *,
    register: ClientRegister,
    field: str,
) -> None:
    key = declared if isinstance(declared, str) else register.find_dataset(**declared.model_dump())
    try:
        entry = None if key is None else register.dataset(key)
    except BadInput as error:
        raise type(error)(f"{field}: {error}") from error
    for env in sweep.envs:
        if entry is not None and entry.env not in {None, env.id}:
            raise InvalidConfig(
                f"{field}: '{entry.key}' is registered as recorded in env '{entry.env}', and the sweep trains in "
                f"'{env.id}': choose that env, or a dataset recorded in this one"
            )
    if algorithm != "bc":
        return
    if entry is None or entry.path is None:
        what = "the four words declare a dataset" if entry is None else f"'{entry.key}' is a declaration"
        raise InvalidConfig(
            f"{field}: {what} without episodes, and bc learns from episodes: expected a dataset that has some; "
            "register one with `rlctl dataset add PATH`, or train with ppo"
        )
    if not _may_hold_episodes(entry.path):
        raise InvalidConfig(
            f"{field}: '{entry.key}' has no episodes, and bc learns from episodes: expected files that end in "
            f"{', '.join(sorted(EPISODE_SUFFIXES))}; convert them and register it again, or train with ppo"
        )


def _may_hold_episodes(path: str) -> bool:
    """Whether a file or folder has a file of episodes by its name; one that is gone may have had some."""
    if os.path.isdir(path):
        return holds_episodes(name for _, _, names in os.walk(path) for name in names)
    return not os.path.exists(path) or holds_episodes([path])
