"""Training steps per second where environments are dear: MuJoCo and Atari.

The raw rate is EnvPool's own, on as many threads as our training gives it, with random actions and nothing else: what a
training could reach if learning cost nothing.
"""

import statistics
import time
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import numpy as np

from benchmarks.errors import CannotMeasure, require
from benchmarks.layouts import Layout
from benchmarks.processes import Measurement, Station
from benchmarks.report import Table, ratios, spread, times
from benchmarks.timing import take_turns

ENV_THREADS = 1
"""Threads on which one training process steps its environments."""

RAW_ACTIONS = 64
"""Batches of random actions, drawn beforehand and used again and again."""

CORES = 2
"""Threads that one training steps its environments on where it has these cores for itself, as its plan would."""

RAW, OURS, THEIRS = "EnvPool, raw", "rl_assets", "Stable-Baselines3"
OURS_ON_ALL = f"rl_assets, {CORES} threads of environments"
CLEANRL = {"num_steps": 256, "num_minibatches": 32, "update_epochs": 10}
"""CleanRL's epochs and minibatches for MuJoCo, which are Stable-Baselines3's defaults at 8 environments."""


@dataclass(frozen=True, kw_only=True)
class Case:
    """One environment at one layout."""

    env_id: str
    """EnvPool's id."""

    layout: Layout
    """The same on both sides."""

    updates: int
    """In each round."""

    their_env_id: str | None = None
    """Gymnasium's id; None: Stable-Baselines3 does not take part."""

    is_atari: bool = False
    """Whether it shows images of an Atari game; observations and rewards are scaled where it does not."""


CASES = (
    Case(
        env_id="HalfCheetah-v4",
        layout=Layout(num_envs=8, **CLEANRL),
        updates=2,
        their_env_id="HalfCheetah-v4",
    ),
    Case(
        env_id="HalfCheetah-v4",
        layout=Layout(num_envs=64, **CLEANRL),
        updates=1,
        their_env_id="HalfCheetah-v4",
    ),
    Case(env_id="Ant-v4", layout=Layout(num_envs=8, **CLEANRL), updates=2),
    Case(env_id="Ant-v4", layout=Layout(num_envs=64, **CLEANRL), updates=1),
    Case(env_id="Pong-v5", layout=Layout(), updates=1, their_env_id="PongNoFrameskip-v4", is_atari=True),
)


def measure(*, quick: bool = False) -> list[Table]:
    """Let raw environments, our training and theirs take turns, case by case."""
    require(stable_baselines3="stable-baselines3", mujoco="mujoco", imageio="imageio", ale_py="ale-py", cv2="opencv")
    rounds = 1 if quick else 3
    rows = [row for case in CASES if not (quick and case.layout.num_envs > 8) for row in _rows(case, rounds)]
    return [
        Table(
            title=f"Training steps per second, rounds: {rounds}",
            columns=("environment", "envs x steps", "", "steps/s: median (lowest to highest)", "ours", "peak MB"),
            rows=tuple(rows),
            notes=(
                "The last column but one: our rate on one thread of environments as a share of the raw one and as a "
                "multiple of theirs, and that on more threads as a multiple of theirs.",
                "MuJoCo: 64 x 64 tanh, 10 epochs of 32 minibatches, observations and rewards normalised; "
                f"{ENV_THREADS} thread steps ours, and theirs are Gymnasium's of the same name.",
                "Pong: Nature CNN, 4 epochs of 4 minibatches; theirs is PongNoFrameskip-v4 with AtariWrapper.",
            ),
        )
    ]


class RawPool:
    """EnvPool without a policy: random actions.

    Args:
        env_id: the environment.
        num_envs: stepped side by side.
        num_steps: of each in a round.
    """

    def __init__(self, *, env_id: str, num_envs: int, num_steps: int) -> None:
        from rl_assets.rl.envs.library import import_envpool, without_box_warnings

        with without_box_warnings():
            self._pool: Any = import_envpool().make_gymnasium(
                env_id, num_envs=num_envs, num_threads=ENV_THREADS, seed=0
            )
            space = self._pool.action_space
        random, shape = np.random.default_rng(0), (RAW_ACTIONS, num_envs, *space.shape)
        if hasattr(space, "n"):
            self._actions = random.integers(space.n, size=shape)
        else:
            self._actions = random.uniform(space.low, space.high, size=shape).astype(space.dtype)
        self._num_steps = num_steps
        self._pool.reset()
        for actions in self._actions:
            self._pool.step(actions)

    def measure(self) -> Measurement:
        """Step; the dummy steps in which the pool resets an environment are not counted."""
        num_ended, num_envs, started_at = 0, self._actions.shape[1], time.perf_counter()
        for step in range(self._num_steps):
            _, _, terminated, truncated, _ = self._pool.step(self._actions[step % RAW_ACTIONS])
            num_ended += int((terminated | truncated).sum())
        steps = self._num_steps * num_envs - num_ended
        return Measurement(steps=steps, seconds=time.perf_counter() - started_at)


def _rows(case: Case, rounds: int) -> list[tuple[str, ...]]:
    refusal = _refusal(case.env_id)
    with ExitStack() as stack:
        stations = {
            name: stack.enter_context(Station(build, **settings))
            for name, (build, settings) in _sides(case).items()
            if not (name in {OURS, OURS_ON_ALL} and refusal)
        }
        found = {
            name: [one.rate for one in measurements]
            for name, measurements in take_turns(
                {name: lambda station=station: station.call("measure") for name, station in stations.items()},
                rounds=rounds,
            ).items()
        }
        memory = {name: station.peak_memory_mb for name, station in stations.items()}
    rows = []
    for name in _sides(case):
        label = (case.env_id, case.layout.label, name)
        if name not in found:
            rows.append((*label, f"not supported: {refusal}", "", ""))
            continue
        against = ""
        if name == OURS_ON_ALL:
            against = f"{times(ratios(found[name], found[THEIRS]))} theirs" if THEIRS in found else ""
        elif name != OURS and OURS in found:
            share = ratios(found[OURS], found[name])
            against = f"{100 * statistics.median(share):.0f} %" if name == RAW else times(share)
        rows.append((*label, spread(found[name]), against, f"{memory[name]:,.0f}"))
    return rows


def _sides(case: Case) -> dict[str, tuple[str, dict[str, Any]]]:
    """Name -> what builds it, and with which settings."""
    normalized = {} if case.is_atari else {"normalize_observations": True, "normalize_rewards": True}
    same = {"layout": case.layout, "updates": case.updates}
    sides: dict[str, tuple[str, dict[str, Any]]] = {
        RAW: (
            "benchmarks.environments:RawPool",
            {
                "env_id": case.env_id,
                "num_envs": case.layout.num_envs,
                "num_steps": case.layout.num_steps * case.updates,
            },
        ),
        OURS: ("benchmarks.ours:Training", {"env_id": case.env_id, **same, **normalized}),
        OURS_ON_ALL: (
            "benchmarks.ours:Training",
            {"env_id": case.env_id, "env_threads": CORES, **same, **normalized},
        ),
    }
    if case.their_env_id is not None:
        kind = {"is_atari": True} if case.is_atari else {"normalized": True}
        sides[THEIRS] = ("benchmarks.stable_baselines:Training", {"env_id": case.their_env_id, **same, **kind})
    return sides


def _refusal(env_id: str) -> str | None:
    """Why we cannot train in an environment yet; None where we can."""
    from rl_assets.config.environment import EnvConfig
    from rl_assets.errors import UnknownEnvironment, UnsupportedEnvironment
    from rl_assets.rl.envs.catalogue import describe_env

    try:
        describe_env(EnvConfig(id=env_id))
    except UnknownEnvironment as error:
        raise CannotMeasure(str(error)) from error
    except UnsupportedEnvironment as error:
        return str(error)
    return None
