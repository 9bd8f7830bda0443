"""Training steps per second on CartPole-v1: at one layout for both sides, and at the best that each has.

Environment steps, acting, advantages and learning are all inside. Nothing is evaluated and nothing is written.
"""

from contextlib import ExitStack
from functools import partial
from typing import Any

from benchmarks.errors import require
from benchmarks.layouts import Layout
from benchmarks.processes import Measurement, Station
from benchmarks.report import Table, ratios, spread, times
from benchmarks.timing import take_turns

ENV_ID = "CartPole-v1"
SAME = Layout()
TRIED = (
    Layout(num_envs=8),
    Layout(num_envs=32),
    Layout(num_envs=64),
    Layout(num_envs=128),
    Layout(num_envs=256),
    Layout(num_envs=256, num_steps=32),
    Layout(num_envs=512, num_steps=32),
    Layout(num_envs=1024, num_steps=32),
)
"""What the best is chosen from: the same on both sides."""

TRIED_IN_PROCESSES = (Layout(num_envs=8), Layout(num_envs=32))
"""Stable-Baselines3's other way: a process for each environment."""

ROUND_STEPS = 32_768
"""Environment steps of a round, at least; always whole updates."""


def measure(*, quick: bool = False) -> list[Table]:
    """Find each side's best layout in two short looks, then let the four take turns."""
    require(stable_baselines3="stable-baselines3")
    rounds, steps = (2, 8_192) if quick else (5, ROUND_STEPS)
    tried, processes = (TRIED[:3:2], ()) if quick else (TRIED, TRIED_IN_PROCESSES)
    our_looks = {layout: _look("ours", layout, steps, False) for layout in tried}
    their_looks = {(layout, False): _look("theirs", layout, steps, False) for layout in tried}
    their_looks |= {(layout, True): _look("theirs", layout, steps, True) for layout in processes}
    our_best = max(our_looks, key=lambda layout: our_looks[layout])
    their_best, in_processes = max(their_looks, key=lambda key: their_looks[key])
    with ExitStack() as stack:
        stations = {
            f"rl_assets, {SAME.label}": stack.enter_context(_station("ours", SAME, steps, False)),
            f"Stable-Baselines3, {SAME.label}": stack.enter_context(_station("theirs", SAME, steps, False)),
            f"rl_assets, best: {our_best.label}": stack.enter_context(_station("ours", our_best, steps, False)),
            f"Stable-Baselines3, best: {their_best.label}{', in processes' if in_processes else ''}": (
                stack.enter_context(_station("theirs", their_best, steps, in_processes))
            ),
        }
        found = take_turns({name: partial(_rate, station) for name, station in stations.items()}, rounds=rounds)
        memory = {name: station.peak_memory_mb for name, station in stations.items()}
    names = list(found)
    rows = tuple(
        (
            name,
            spread(found[name]),
            times(ratios(found[name], found[names[index - index % 2 + 1]])) if index % 2 == 0 else "1",
            f"{memory[name]:,.0f}",
        )
        for index, name in enumerate(names)
    )
    return [
        Table(
            title=f"{ENV_ID}, training steps per second, rounds: {rounds}",
            columns=("envs x steps", "steps/s: median (lowest to highest)", "ratio", "peak MB"),
            rows=rows,
            notes=("4 epochs, 4 minibatches, 64 x 64 tanh on both sides; one thread each.",),
        ),
        Table(
            title="Layouts tried for the best, the better of two looks, steps per second",
            columns=("envs x steps", "rl_assets", "Stable-Baselines3", "the same, a process for each env"),
            rows=tuple(
                (
                    layout.label,
                    f"{our_looks[layout]:,.0f}",
                    f"{their_looks[layout, False]:,.0f}",
                    f"{their_looks[layout, True]:,.0f}" if (layout, True) in their_looks else "",
                )
                for layout in tried
            ),
        ),
    ]


def _look(side: str, layout: Layout, steps: int, in_processes: bool) -> float:
    """The better of two looks at steps per second, from a process of its own."""
    with _station(side, layout, steps // 2, in_processes) as station:
        return max(_rate(station) for _ in range(2))


def _station(side: str, layout: Layout, steps: int, in_processes: bool) -> Station:
    settings: dict[str, Any] = {"env_id": ENV_ID, "layout": layout, "updates": -(-steps // layout.batch_size)}
    if side == "ours":
        return Station("benchmarks.ours:Training", **settings)
    return Station("benchmarks.stable_baselines:Training", **settings, subprocesses=in_processes)


def _rate(station: Station) -> float:
    measurement: Measurement = station.call("measure")
    return measurement.rate
