"""Episodes in files as policies see and do things."""

from typing import Any

import numpy as np
import pytest

from rl_assets.config.environment import EnvConfig
from rl_assets.datasets.demonstrations import read_demonstrations
from rl_assets.errors import InvalidDataset
from rl_assets.rl.demonstrations import Demonstrations
from rl_assets.rl.envs.catalogue import describe_env
from tests.datasets.episode_files import columns_of, minari_arrow, npz


def read(env: str, files: dict[str, bytes]) -> Demonstrations:
    return read_demonstrations(files, describe_env(EnvConfig(id=env)), env=env, what="dataset 'd'")


def read_one(env: str, **changes: Any) -> Demonstrations:
    return read(env, {"000000.npz": npz(**columns_of((3, 5), **changes))})


def test_episodes_of_several_files_stand_one_after_the_other():
    read_both = read("CartPole-v1", {"a.npz": npz(**columns_of((2, 3))), "b.arrow": minari_arrow(4), "c.txt": b"x"})
    assert read_both.lengths.tolist() == [2, 3, 4]
    assert read_both.observations.dtype == np.float32
    assert read_both.observations[5:].tolist() == np.arange(16).reshape(4, 4).tolist()
    assert (read_both.actions.shape, read_both.actions.dtype) == ((9, 1), np.int64)
    assert (read_both.rewards.tolist(), read_both.rewards.dtype) == ([1.0] * 9, np.float32)
    assert read_both.terminated.tolist() == [True] * 3


def test_the_last_observation_is_known_where_the_file_says_what_followed():
    found = read("CartPole-v1", {"a.npz": npz(**columns_of((2, 3))), "b.arrow": minari_arrow(4)})
    assert found.shows_end.tolist() == [False, False, True]
    assert found.last_observations.tolist() == [[4, 5, 6, 7], [16, 17, 18, 19], [16, 17, 18, 19]]
    following = np.arange(32, dtype=np.float32).reshape(8, 4) + 100
    shown = read_one("CartPole-v1", next_observations=following)
    assert shown.shows_end.all()
    assert shown.last_observations.tolist() == following[[2, 7]].tolist()


def test_only_what_ended_is_terminated():
    last = np.arange(8) == 2
    found = read_one("CartPole-v1", terminated=last)
    assert found.terminated.tolist() == [True, False]


def test_labels_are_seen_as_the_policies_see_them():
    labelled = read_one("FrozenLake-v1", observations=np.arange(8), actions=np.arange(8) % 4)
    assert labelled.observations.tolist() == np.eye(16)[:8].tolist()
    flat = read_one("FrozenLake-v1", observations=np.eye(16, dtype=np.float64)[:8], actions=np.arange(8) % 4)
    assert flat.observations.tolist() == labelled.observations.tolist()
    assert flat.observations.dtype == np.float32


def test_images_stay_bytes():
    images = np.arange(8 * 4 * 84 * 84, dtype=np.uint8).reshape(8, 4, 84, 84)
    found = read_one("Pong-v5", observations=images, actions=np.arange(8) % 6)
    assert found.observations.dtype == np.uint8
    assert (found.observations == images).all()


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"actions": np.arange(8)}, "does not fit env 'CartPole-v1': expected action between 0 and 1"),
        ({"observations": np.full((8, 4), np.nan)}, "expected finite observations to learn from, got 32 numbers"),
        ({"observations": np.full((8, 4), 1e300)}, "expected finite observations to learn from, got 32 numbers"),
        ({"rewards": np.array([np.inf] + [0.0] * 7)}, "expected finite rewards to learn from, got 1 numbers"),
    ],
)
def test_what_nobody_can_learn_from_is_refused(changes: dict[str, Any], words: str):
    with pytest.raises(InvalidDataset, match=f"^dataset 'd'.*{words}"):
        read_one("CartPole-v1", **changes)


@pytest.mark.parametrize("files", [{}, {"a.csv": b"1,2"}])
def test_a_dataset_without_episodes_is_refused_with_what_to_do(files: dict[str, bytes]):
    with pytest.raises(InvalidDataset, match=r"holds no episodes to learn from: .* or train with ppo"):
        read("CartPole-v1", files)
