"""Killed at any moment and started again, work ends with the bytes of work that nobody killed."""

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

import pytest

from tests.faults.processes import Place, make_place, trained_bytes

CARTPOLE = {
    "envs": ["CartPole-v1"],
    "fixed": {"num_envs": 8, "num_steps": 32, "learning_rate": 1e-3},
    "total_timesteps": 160_000,
    "segment_steps": 8_000,
}
HALF_CHEETAH = {
    "envs": ["HalfCheetah-v4"],
    "fixed": {"num_envs": 4, "num_steps": 64, "normalize_observations": True, "learning_rate": 1e-3},
    "total_timesteps": 40_000,
    "segment_steps": 4_000,
}
CASES = {
    "population of 4 in CartPole": CARTPOLE | {"seeds": 4},
    "solo in HalfCheetah": HALF_CHEETAH | {"seeds": 1},
    "solo in CartPole": CARTPOLE | {"seeds": 1},
    "population of 4 in HalfCheetah": HALF_CHEETAH | {"seeds": 4},
}
VICTIMS_OF_A_SOAK = 5
NUM_RECIPES = 16


def write_sweep(folder: Path, **changes: Any) -> Path:
    """A sweep that anything passes."""
    document = {
        "name": "faults",
        "evaluation": {"num_episodes": 4},
        "gates": {"floor": -1e9, "num_episodes": 4},
        "dataset": {"client_id": "Acme", "project": "faults", "data_source": "simulator", "domain": "control"},
    }
    path = folder / "faults.yaml"
    path.write_text(json.dumps(document | changes))
    return path


@pytest.mark.parametrize("case", list(CASES)[:2])
def test_a_killed_training_ends_with_the_same_bytes(case: str, tmp_path: Path, chance: Random) -> None:
    kill_and_go_on(case, tmp_path, chance, num_victims=1)


@pytest.mark.soak
@pytest.mark.parametrize("case", list(CASES))
def test_killed_trainings_end_with_the_same_bytes_again_and_again(case: str, tmp_path: Path, chance: Random) -> None:
    kill_and_go_on(case, tmp_path, chance, num_victims=VICTIMS_OF_A_SOAK)


def kill_and_go_on(case: str, folder: Path, chance: Random, *, num_victims: int) -> None:
    """Train once undisturbed, then as often as asked with a kill, now and then two, at random moments."""
    sweep = write_sweep(folder, **CASES[case])
    calm = make_place(folder / "calm")
    lifetime = run_to_the_end(calm, "sweep", "-f", sweep)
    expected = trained_bytes(calm)
    assert expected
    resumed = 0
    for number in range(num_victims):
        victim = make_place(folder / f"victim-{number}")
        for _ in range(2 if chance.random() < 0.2 else 1):
            moment = draw_moment(chance, victim, lifetime)
            was_at_work = victim.kill_when(
                moment.is_reached, "sweep", "-f", sweep, spares_workers=chance.random() < 0.3
            )
            resumed += victim.num_checkpoints > 0
            print(f"{case}, {number}: {moment.words}; at work: {was_at_work}, checkpoints: {victim.num_checkpoints}")
        run_to_the_end(victim, "sweep", "-f", sweep)
        assert trained_bytes(victim) == expected
        assert victim.num_checkpoints == 0
    print(f"{case}: {num_victims} of {num_victims} byte-identical; checkpoints stood after {resumed} kills")


@pytest.mark.soak
@pytest.mark.parametrize("num_done", [3, 11])
def test_a_sweep_that_is_killed_after_some_partitions_does_the_others_only(
    num_done: int, tmp_path: Path, chance: Random
) -> None:
    rates = [round(1e-4 * (place + 1), 5) for place in range(NUM_RECIPES)]
    fixed = {"num_envs": 8, "num_steps": 32}
    # Networks of two sizes train in groups of their own, so that the partitions do not all come at once.
    grid = {"learning_rate": rates[: NUM_RECIPES // 4], "hidden_sizes": [[8], [16], [32], [64]]}
    sweep = write_sweep(tmp_path, envs=["CartPole-v1"], fixed=fixed, grid=grid, seeds=1, total_timesteps=60_000)
    place = make_place(tmp_path / "victim")
    place.kill_when(lambda: len(place.made("trained_policies")) >= num_done, "sweep", "-f", sweep)
    kept = place.made("trained_policies")
    assert num_done <= len(kept) < NUM_RECIPES
    run_to_the_end(place, "sweep", "-f", sweep)
    made = place.made("trained_policies")
    assert made[: len(kept)] == kept, "exactly what was done stays"
    assert len(made) == len({partition for partition, _ in made}) == NUM_RECIPES, "and the others are done once"


@pytest.mark.soak
def test_the_demo_that_is_killed_at_a_random_second_ends_with_its_champions(tmp_path: Path, chance: Random) -> None:
    calm, victim = make_place(tmp_path / "calm"), make_place(tmp_path / "victim")
    lifetime = run_to_the_end(calm, "demo")
    began, seconds = time.monotonic(), chance.uniform(0.2, 0.95) * lifetime
    was_at_work = victim.kill_when(lambda: time.monotonic() - began >= seconds, "demo")
    print(f"the demo was killed after {seconds:.1f} s of {lifetime:.1f} s; at work: {was_at_work}")
    run_to_the_end(victim, "demo")
    assert champions(victim) == champions(calm)


def champions(place: Place) -> dict[str, tuple[str, int, str]]:
    """Environment -> recipe without the hash of its owner, seed and weights of its champion."""
    found = place.artifacts("promoted_models")
    return {
        env: (
            model.facts["hparam"].rpartition("-")[0],
            model.facts["member_seed"],
            model.checksum("policy.safetensors"),
        )
        for env, model in found.items()
    }


def run_to_the_end(place: Place, *words: object) -> float:
    """Run a command that must end well, and return how many seconds it took."""
    began = time.monotonic()
    code, _, err = place.run(*words)
    assert code == 0, err
    return time.monotonic() - began


@dataclass(frozen=True, kw_only=True)
class Moment:
    """When to strike."""

    words: str
    is_reached: Callable[[], bool]


def draw_moment(chance: Random, victim: Place, lifetime: float) -> Moment:
    """Mostly in the middle of the training, now and then anywhere in the life of the command."""
    if chance.random() < 0.25:
        seconds, began = chance.uniform(0.1, 1.0) * lifetime, time.monotonic()
        return Moment(
            words=f"killed after {seconds:.2f} s of {lifetime:.2f} s",
            is_reached=lambda: time.monotonic() - began >= seconds,
        )
    share = chance.uniform(0.01, 0.99)
    return Moment(
        words=f"killed after {share:.0%} of what was left to train", is_reached=lambda: victim.share_trained >= share
    )
