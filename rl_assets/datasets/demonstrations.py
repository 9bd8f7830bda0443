"""Files of episodes to what policies can learn from."""

import math
from collections.abc import Mapping

import numpy as np

from rl_assets.datasets.episodes import EPISODE_SUFFIXES, Array, Episode, read_episodes
from rl_assets.datasets.fit import refuse_misfit
from rl_assets.datasets.summary import summarize_episodes
from rl_assets.errors import InvalidDataset
from rl_assets.rl.demonstrations import Demonstrations
from rl_assets.rl.envs.spaces import EnvSpaces, decode_actions, flatten_observations


def read_demonstrations(files: Mapping[str, bytes], spaces: EnvSpaces, *, env: str, what: str) -> Demonstrations:
    """Read all episodes as the policies of an environment see and do things.

    Args:
        files: name -> bytes; the names stand in errors.
        spaces: of the environment.
        env: its id, for errors.
        what: what to call the dataset in errors.

    Raises:
        InvalidDataset: there are no episodes, a file of them is damaged, they do not fit the environment, or their
            observations or rewards are not finite.
    """
    episodes = list(read_episodes(files))
    summary = summarize_episodes(episodes)
    if summary is None:
        raise InvalidDataset(
            f"{what} holds no episodes to learn from: expected files that end in "
            f"{', '.join(sorted(EPISODE_SUFFIXES))}; register one that has some, or train with ppo"
        )
    refuse_misfit(summary, spaces, env=env, what=what)
    return Demonstrations(
        observations=_seen(np.concatenate([episode.observations for episode in episodes]), spaces, what=what),
        actions=decode_actions(spaces, np.concatenate([episode.actions for episode in episodes])),
        rewards=_finite(
            np.concatenate([episode.rewards for episode in episodes]).astype(np.float32), "rewards", what=what
        ),
        lengths=summary.lengths,
        terminated=np.array([bool(episode.terminated[-1]) for episode in episodes]),
        last_observations=_seen(np.stack([_last_observation(episode) for episode in episodes]), spaces, what=what),
        shows_end=np.array([episode.next_observations is not None for episode in episodes]),
    )


def _last_observation(episode: Episode) -> Array:
    """What was seen after the last action, or before it where that is all there is."""
    following = episode.next_observations
    return episode.observations[-1] if following is None else following[-1]


def _seen(observations: Array, spaces: EnvSpaces, *, what: str) -> Array:
    """Observations as a policy sees them: images, or flat vectors made of the environment's own shape."""
    if spaces.is_image:
        return observations
    if observations.shape[1:] == spaces.observation_shape and observations.dtype.kind == "f":
        with np.errstate(over="ignore"):  # what becomes infinite is refused
            flat = observations.astype(np.float32)
    else:
        flat = flatten_observations(spaces.parts, observations)
    return _finite(np.ascontiguousarray(flat), "observations", what=what)


def _finite(numbers: Array, name: str, *, what: str) -> Array:
    bad = math.prod(numbers.shape) - int(np.isfinite(numbers).sum())
    if bad:
        raise InvalidDataset(
            f"{what}: expected finite {name} to learn from, got {bad} numbers that are NaN, infinite or beyond "
            "float32: repair or leave out those episodes and register it again"
        )
    return numbers
