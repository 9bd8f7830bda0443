"""Whether a dataset's files hold what they claim: whole episodes, and ones that fit their environment."""

from collections.abc import Mapping

from rl_assets.config.environment import EnvConfig
from rl_assets.datasets.episodes import EPISODE_SUFFIXES, holds_episodes, read_episodes
from rl_assets.datasets.fit import refuse_misfit
from rl_assets.datasets.summary import EpisodeSummary, summarize_episodes
from rl_assets.errors import InvalidDataset
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
