"""Killed at any moment and started again, a training ends with the bytes of one that nobody killed."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

import pytest

from tests.faults.victim import Victim, dice, trained_bytes

CARTPOLE = {
    "envs": ["CartPole-v1"],
    "fixed": {"num_envs": 8, "num_steps": 32, "learning_rate": 1e-3},
    "total_timesteps": 400_000,
    "segment_steps": 20_000,
}
HALF_CHEETAH = {
    "envs": ["HalfCheetah-v4"],
    "fixed": {"num_envs": 4, "num_steps": 64, "normalize_observations": True, "learning_rate": 1e-3},
    "total_timesteps": 60_000,
    "segment_steps": 5_000,
}
CASES = {
    "population of 4 in CartPole": CARTPOLE | {"seeds": 4},
    "solo in HalfCheetah": HALF_CHEETAH | {"seeds": 1},
    "solo in CartPole": CARTPOLE | {"seeds": 1},
    "population of 4 in HalfCheetah": HALF_CHEETAH | {"seeds": 4},
}
KILLS_OF_A_SOAK = 5


def sweep(case: str) -> dict[str, Any]:
    """A sweep of one recipe that anything passes."""
    return {
        "name": "faults",
        "evaluation": {"num_episodes": 4},
        "gates": {"floor": -1e9, "num_episodes": 4},
        "dataset": {"client_id": "Acme", "project": "faults", "data_source": "simulator", "domain": "control"},
    } | CASES[case]


def kill_and_go_on(case: str, folder: Path, *, num_kills: int) -> None:
    """Train once undisturbed, then as often as asked with one or two kills at random moments."""
    random = dice()
    calm = Victim(folder / "calm")
    began = time.monotonic()
    calm.run("sweep", "-f", str(calm.write_sweep(sweep(case))))
    lifetime = time.monotonic() - began
    expected = trained_bytes(calm)
    assert expected
    resumed = 0
    for number in range(num_kills):
        victim = Victim(folder / f"victim-{number}")
        path = str(victim.write_sweep(sweep(case)))
        for _ in range(random.choice([1, 2])):
            moment, only_parent = draw_moment(random, victim, lifetime), random.random() < 0.3
            was_at_work = victim.kill_at(moment.is_reached, "sweep", "-f", path, only_parent=only_parent)
            resumed += victim.num_checkpoints > 0
            print(
                f"{case}, victim {number}: {moment.words}, at work: {was_at_work}, {victim.num_checkpoints} checkpoints"
            )
        victim.run("sweep", "-f", path)
        assert trained_bytes(victim) == expected
        assert victim.num_checkpoints == 0
    print(f"{case}: {num_kills} of {num_kills} byte-identical; checkpoints stood after {resumed} kills")


@dataclass(frozen=True, kw_only=True)
class Moment:
    """When to strike."""

    words: str
    is_reached: Callable[[], bool]


def draw_moment(random: Random, victim: Victim, lifetime: float) -> Moment:
    """Mostly in the middle of the training, now and then anywhere in the life of the command."""
    if random.random() < 0.25:
        seconds, began = random.uniform(0.1, 1.0) * lifetime, time.monotonic()
        return Moment(
            words=f"killed after {seconds:.2f} s of {lifetime:.2f} s",
            is_reached=lambda: time.monotonic() - began >= seconds,
        )
    share = random.uniform(0.01, 0.99)
    return Moment(
        words=f"killed after {share:.0%} of what was left to train", is_reached=lambda: victim.share_trained >= share
    )


@pytest.mark.parametrize("case", list(CASES)[:2])
def test_a_killed_training_ends_with_the_same_bytes(case, tmp_path):
    kill_and_go_on(case, tmp_path, num_kills=1)


@pytest.mark.soak
@pytest.mark.parametrize("case", list(CASES))
def test_killed_trainings_end_with_the_same_bytes_again_and_again(case, tmp_path):
    kill_and_go_on(case, tmp_path, num_kills=KILLS_OF_A_SOAK)
