"""Recorded episodes of real, untrained policies, played again."""

import dataclasses
import itertools

import numpy as np
import pytest

from rl_assets.config.environment import EnvConfig
from rl_assets.config.evaluation import EvaluationConfig
from rl_assets.config.network import NetworkConfig
from rl_assets.errors import EnvironmentFault, ReplayDiffers
from rl_assets.rl.envs.catalogue import describe_env
from rl_assets.rl.evaluation import EpisodeRecords
from rl_assets.rl.policy import PolicySpec
from rl_assets.rl.replay import RecordedEpisode, Replay, median_episode, replay_frames, worst_episode
from rl_assets.rl.trials import selection_episodes, selection_seeds


def play(env_id: str, *, deterministic: bool, num_episodes: int = 30) -> tuple[dict[int, EpisodeRecords], dict]:
    """Episodes by member, and what replaying one takes."""
    env = EnvConfig(id=env_id)
    spaces = describe_env(env)
    spec = PolicySpec.for_env(spaces, network=NetworkConfig(hidden_sizes=(8,)), normalizes_observations=False)
    members = [(seed, spec.shape.init_member(np.random.default_rng(seed))) for seed in (3, 9)]
    config = EvaluationConfig(num_episodes=num_episodes, deterministic=deterministic)
    records = selection_episodes(env=env, spaces=spaces, spec=spec, members=members, config=config)

    def replay(episode: RecordedEpisode) -> Replay:
        streams = selection_seeds(env, member_seed=episode.member_seed, num_episodes=num_episodes)
        tensors = dict(members)[episode.member_seed]
        return Replay(episode=episode, env=env, spaces=spaces, spec=spec, tensors=tensors, streams=streams)

    return dict(zip((3, 9), records, strict=True)), replay


def any_episode(episodes: dict[int, EpisodeRecords], *, seed: int, place: int) -> RecordedEpisode:
    """The record of a member's episode by its place in the table."""
    records = episodes[seed]
    return RecordedEpisode(
        member_seed=seed,
        stream=[*dict.fromkeys(records.seeds.tolist())].index(int(records.seeds[place])),
        number=int(records.numbers[place]),
        env_seed=int(records.seeds[place]),
        episode_return=float(records.returns[place]),
        length=int(records.lengths[place]),
        is_deterministic=records.is_deterministic,
    )


@pytest.mark.parametrize("env_id", ["CartPole-v1", "MountainCarContinuous-v0"])
@pytest.mark.parametrize("deterministic", [True, False])
def test_every_episode_can_be_played_again_to_its_return_and_length(env_id: str, deterministic: bool) -> None:
    episodes, replay = play(env_id, deterministic=deterministic)
    for seed, place in ((3, 0), (3, 1), (9, 7), (9, 29)):
        episode = any_episode(episodes, seed=seed, place=place)
        frames = list(replay_frames(replay(episode)))
        assert len(frames) == episode.length + 1
        assert {(frame.shape, frame.dtype) for frame in frames} == {(frames[0].shape, np.dtype("uint8"))}


def test_frames_are_the_same_each_time_and_show_movement() -> None:
    episodes, replay = play("CartPole-v1", deterministic=False)
    episode = any_episode(episodes, seed=9, place=4)
    first, second = (np.stack(list(replay_frames(replay(episode)))) for _ in range(2))
    assert first.tobytes() == second.tobytes()
    assert sum((before != after).any() for before, after in itertools.pairwise(first)) > len(first) / 2


def test_some_steps_only_are_drawn_where_that_is_asked_for_and_always_the_last() -> None:
    episodes, replay = play("CartPole-v1", deterministic=True)
    episode = any_episode(episodes, seed=3, place=1)
    every = list(replay_frames(replay(episode)))
    some = list(replay_frames(replay(episode), every=4))
    wanted = [*range(0, episode.length, 4), episode.length]
    assert np.array_equal(np.stack(some), np.stack([every[place] for place in wanted]))


@pytest.mark.parametrize(
    "changes", [{"episode_return": 1e6}, {"length": 3}, {"length": 10_000}, {"number": 1}, {"is_deterministic": False}]
)
def test_an_episode_that_is_not_the_one_on_record_is_told(changes: dict) -> None:
    episodes, replay = play("CartPole-v1", deterministic=True)
    other = dataclasses.replace(any_episode(episodes, seed=3, place=0), **changes)
    if changes == {"number": 1}:
        assert episodes[3].lengths[1] != other.length, "else this shows nothing"
    with pytest.raises(ReplayDiffers, match=r"was played again with return .* the record stands"):
        list(replay_frames(replay(other)))


def test_other_weights_are_told() -> None:
    episodes, replay = play("Pendulum-v1", deterministic=True, num_episodes=2)
    right = replay(any_episode(episodes, seed=3, place=0))
    wrong = dataclasses.replace(right, tensors={name: array + 1 for name, array in right.tensors.items()})
    with pytest.raises(ReplayDiffers):
        list(replay_frames(wrong))


def test_an_environment_that_cannot_be_drawn_is_named() -> None:
    episodes, replay = play("FrozenLake-v1", deterministic=False, num_episodes=4)
    with pytest.raises(EnvironmentFault, match=r"'FrozenLake-v1' could not be drawn: render not implemented"):
        list(replay_frames(replay(worst_episode(episodes))))


def records_of(*returns: float, seeds: list[int] | None = None) -> EpisodeRecords:
    """Episodes with given returns, two in each stream unless said otherwise."""
    streams = np.array(seeds or [100 + place // 2 for place in range(len(returns))], np.int32)
    blank = np.zeros(len(returns), np.int32)
    return EpisodeRecords(
        returns=np.array(returns), lengths=blank, seeds=streams, terminated=blank > 0, truncated=blank > 0
    )


def test_median_and_worst_are_of_all_members_and_the_first_of_equals() -> None:
    episodes = {9: records_of(1.0, 5.0, 1.0), 3: records_of(2.0, 5.0, 2.0, 7.0)}
    worst, median = worst_episode(episodes), median_episode(episodes)
    assert (worst.member_seed, worst.stream, worst.number, worst.episode_return) == (9, 0, 0, 1.0)
    assert (median.member_seed, median.stream, median.number, median.episode_return) == (3, 0, 0, 2.0)
    last = worst_episode({4: records_of(3.0, 3.0, 3.0, -1.0)})
    assert (last.stream, last.number, last.env_seed) == (1, 1, 101)


def test_the_median_of_an_even_number_is_the_lower_of_the_two_in_the_middle() -> None:
    assert median_episode({0: records_of(4.0, 1.0, 3.0, 2.0)}).episode_return == 2.0
    assert median_episode({0: records_of(4.0)}).episode_return == 4.0
