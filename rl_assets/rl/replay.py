"""A recorded evaluation episode played once more, to be looked at."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from rl_assets.config.environment import EnvConfig
from rl_assets.errors import ReplayDiffers
from rl_assets.rl.envs.pool import EnvironmentPool, Views
from rl_assets.rl.envs.spaces import EnvSpaces
from rl_assets.rl.evaluation import Actors, EpisodeRecords, action_stream
from rl_assets.rl.policy import PolicySpec, PolicyStack


@dataclass(frozen=True, kw_only=True)
class RecordedEpisode:
    """Which episode of a member's evaluation, and what the record says of it."""

    member_seed: int
    """Training seed of the member."""

    stream: int
    """Place of its stream among the member's streams."""

    number: int
    """Its number within the stream, from 0."""

    env_seed: int
    """Seed of the stream."""

    episode_return: float
    """Undiscounted sum of rewards."""

    length: int
    """Steps."""

    is_deterministic: bool
    """Whether the most likely actions were taken."""


@dataclass(frozen=True, kw_only=True)
class Replay:
    """All that is needed to play a recorded episode once more."""

    episode: RecordedEpisode
    env: EnvConfig
    spaces: EnvSpaces
    spec: PolicySpec

    tensors: Mapping[str, np.ndarray]
    """The member's weights and normaliser."""

    streams: Sequence[int]
    """Seeds of all streams that the member was evaluated in, in order."""


def median_episode(episodes: Mapping[int, EpisodeRecords]) -> RecordedEpisode:
    """The episode in the middle by return, over all members; the lower of two, and the first of equals.

    Args:
        episodes: member seed -> its episodes in the mode that ranks it.
    """
    returns = _pooled_returns(episodes)
    return _locate(episodes, np.partition(returns, (len(returns) - 1) // 2)[(len(returns) - 1) // 2])


def worst_episode(episodes: Mapping[int, EpisodeRecords]) -> RecordedEpisode:
    """The episode with the lowest return over all members, the first of equals.

    Args:
        episodes: member seed -> its episodes in the mode that ranks it.
    """
    return _locate(episodes, _pooled_returns(episodes).min())


def replay_frames(replay: Replay, *, every: int = 1, on_step: Callable[[], None] | None = None) -> Iterator[np.ndarray]:
    """Play a recorded episode again and draw it: the same stream from its beginning, the same policy, the same samples.

    Only for a process that may end without warning, see `EnvironmentPool.draw`.

    Args:
        replay: the episode.
        every: draw every such step; the first and the last state are always drawn.
        on_step: called after every step, also of the episodes that come before it in its stream.

    Returns:
        `[height, width, 3]` uint8 frames, one at a time.

    Raises:
        ReplayDiffers: return or length is not what the record says; told after the last frame.
        EnvironmentFault: the environment cannot be drawn, or failed.
    """
    episode, num_streams = replay.episode, len(replay.streams)
    generators = None
    if not episode.is_deterministic:
        generators = [action_stream(episode.member_seed, streams=replay.streams)]
    # As many rows as in the evaluation, so that the same numbers come out; one stream is really there.
    actors = Actors(PolicyStack(replay.spec, [replay.tensors]), num_streams=num_streams, generators=generators)
    with EnvironmentPool(
        replay.env, spaces=replay.spaces, seeds=[episode.env_seed], on_step=on_step, is_drawn=True
    ) as pool:
        views: Views = pool.reset()
        number, length, episode_return = 0, 0, 0.0
        if episode.number == 0:
            yield pool.draw()
        while True:
            batch = pool.step(actors.act(_repeated(views, num_streams))[episode.stream : episode.stream + 1])
            views = batch
            has_ended = bool(batch.terminated[0] | batch.truncated[0])
            if number == episode.number:
                length += int(batch.valid[0])
                episode_return += float(batch.rewards[0])
                if has_ended or length % every == 0 or length > episode.length:
                    yield pool.draw()
                if has_ended or length > episode.length:
                    break
            number += has_ended
    if (length, episode_return) != (episode.length, episode.episode_return):
        raise ReplayDiffers(
            f"episode {episode.number} of env seed {episode.env_seed} in '{replay.env.id}' was played again with "
            f"return {episode_return:g} in {length} steps, and the record says {episode.episode_return:g} in "
            f"{episode.length}: the record stands; film it on the machine and with the software that evaluated it"
        )


def _repeated(views: Views, num_streams: int) -> Views:
    masks = None if views.masks is None else np.repeat(views.masks, num_streams, axis=0)
    return Views(observations=np.repeat(views.observations, num_streams, axis=0), masks=masks)


def _pooled_returns(episodes: Mapping[int, EpisodeRecords]) -> np.ndarray:
    return np.concatenate([episodes[seed].returns for seed in sorted(episodes)])


def _locate(episodes: Mapping[int, EpisodeRecords], episode_return: float) -> RecordedEpisode:
    """The first episode with a return, members in ascending order of their seeds."""
    for seed in sorted(episodes):
        records = episodes[seed]
        (places,) = np.nonzero(records.returns == episode_return)
        if len(places):
            place = int(places[0])
            return RecordedEpisode(
                member_seed=seed,
                stream=len(np.unique(records.seeds[: place + 1])) - 1,
                number=int(records.numbers[place]),
                env_seed=int(records.seeds[place]),
                episode_return=float(records.returns[place]),
                length=int(records.lengths[place]),
                is_deterministic=records.is_deterministic,
            )
    raise ValueError(f"no episode has the return {episode_return}: expected one of those on record")
