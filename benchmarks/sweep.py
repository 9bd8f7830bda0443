"""Sixteen learning rates, 150k steps each, as whole processes with their imports, two processes at a time.

One sweep of ours is one program with two training processes. One by one, each learning rate is a program of its own,
and two of them run side by side: our own members, and the same recipes in Stable-Baselines3.
"""

import statistics
from collections.abc import Sequence

from benchmarks.errors import require
from benchmarks.processes import ProgramsRun, run_programs
from benchmarks.report import Table, ratios, spread, times

TOTAL_TIMESTEPS = 150_000
NUM_RATES = 16
PROGRAM = ("-m", "benchmarks.sweep_program")


def measure(*, quick: bool = False) -> list[Table]:
    """Run the three ways in turn. Nothing warms up: starting is part of the work."""
    require(stable_baselines3="stable-baselines3")
    rounds, num_rates, steps = (1, 2, 8_192) if quick else (2, NUM_RATES, TOTAL_TIMESTEPS)
    arguments = [str(num_rates), str(steps)]
    ways: dict[str, list[Sequence[str]]] = {
        "rl_assets, one sweep": [[*PROGRAM, "sweep", *arguments]],
        "rl_assets, one by one": [[*PROGRAM, "ours", *arguments, str(index)] for index in range(num_rates)],
        "Stable-Baselines3, one by one": [[*PROGRAM, "theirs", *arguments, str(index)] for index in range(num_rates)],
    }
    found: dict[str, list[ProgramsRun]] = {name: [] for name in ways}
    for _ in range(rounds):
        for name, programs in ways.items():
            found[name].append(run_programs(programs, at_once=2))
    seconds = {name: [run.seconds for run in runs] for name, runs in found.items()}
    first = next(iter(ways))
    return [
        Table(
            title=f"{num_rates} learning rates x {steps:,} steps of CartPole-v1, 8 x 128, rounds: {rounds}",
            columns=("", "wall s: median (lowest to highest)", "steps/s", "times one sweep", "peak MB"),
            rows=tuple(
                (
                    name,
                    spread(own, digits=1),
                    f"{num_rates * steps / statistics.median(own):,.0f}",
                    times(ratios(own, seconds[first])),
                    f"{max(run.peak_memory_mb for run in found[name]):,.0f}",
                )
                for name, own in seconds.items()
            ),
            notes=(
                "From the first start to the last end, imports included, two processes at a time. "
                "4 epochs, 4 minibatches, 64 x 64 tanh, learning rates from 1e-4 to 1e-2 that fall to zero.",
            ),
        )
    ]
