from typing import Any

import numpy as np
import pytest

from rl_assets.config.environment import EnvConfig
from rl_assets.datasets.episodes import read_episodes
from rl_assets.datasets.fit import refuse_misfit
from rl_assets.datasets.summary import summarize_episodes
from rl_assets.errors import InvalidDataset
from rl_assets.rl.envs.catalogue import describe_env
from tests.datasets.episode_files import columns_of, npz


def check(env: str, **changes: Any) -> None:
    summary = summarize_episodes(read_episodes({"f.npz": npz(**columns_of((3, 5), **changes))}))
    assert summary is not None
    refuse_misfit(summary, describe_env(EnvConfig(id=env)), env=env, what="dataset 'd'")


def floats(*shape: int) -> np.ndarray:
    return np.zeros((8, *shape), dtype=np.float32)


def test_what_was_recorded_in_an_environment_fits_it():
    check("CartPole-v1")
    check("Pendulum-v1", observations=floats(3), actions=np.full((8, 1), 2.0, dtype=np.float32))
    check("Pendulum-v1", observations=floats(3), actions=np.full((8, 1), 2.0 + 1e-7))
    check("FrozenLake-v1", observations=np.arange(8), actions=np.arange(8) % 4)
    check("FrozenLake-v1", observations=floats(16), actions=np.arange(8) % 4)
    check("Pong-v5", observations=np.zeros((8, 4, 84, 84), dtype=np.uint8), actions=np.arange(8) % 6)


@pytest.mark.parametrize(
    ("env", "changes", "words"),
    [
        ("CartPole-v1", {"observations": floats(5)}, r"observations floats of shape \[4\], got float32\[5\]"),
        ("CartPole-v1", {"observations": np.zeros((8, 4), dtype=np.int64)}, r"got int64\[4\]"),
        ("CartPole-v1", {"actions": np.arange(8)}, "expected action between 0 and 1, got 0 to 7"),
        ("CartPole-v1", {"actions": -(np.arange(8) % 2)}, "expected action between 0 and 1, got -1 to 0"),
        ("CartPole-v1", {"actions": floats()}, r"expected actions whole numbers \(Discrete\(2\)\), got float32"),
        ("CartPole-v1", {"actions": np.zeros((8, 1), dtype=int)}, r"got int64\[1\]"),
        ("Pendulum-v1", {"observations": floats(3), "actions": np.full((8, 1), 2.1)}, "-2 and 2, got 2.1 to 2.1"),
        ("Pendulum-v1", {"observations": floats(3), "actions": np.full((8, 1), np.nan)}, "8 of 8 numbers that are NaN"),
        ("Pong-v5", {"observations": floats(4, 84, 84)}, r"observations uint8 of shape \[4, 84, 84\], got float32"),
        ("Pong-v5", {"observations": np.zeros((8, 84, 84, 4), dtype=np.uint8)}, r"got uint8\[84x84x4\]"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_refused_with_what_was_expected_and_what_came(env: str, changes: dict, words: str):
    with pytest.raises(InvalidDataset, match=rf"dataset 'd' does not fit env '{env}': .*{words}"):
        check(env, **changes)


def test_all_that_does_not_fit_is_named_at_once():
    with pytest.raises(InvalidDataset, match=r"expected observations .*; expected actions .*"):
        check("Pendulum-v1")


def test_several_numbers_in_an_action_are_judged_apart():
    actions = np.zeros((8, 6), dtype=np.float32)
    actions[3, 4] = -1.5
    with pytest.raises(InvalidDataset, match=r"action number 4 between -1 and 1, got -1\.5 to 0"):
        check("HalfCheetah-v4", observations=np.zeros((8, 17)), actions=actions)
