"""How our steps per second and memory grow with the members of a population and with its environments.

Each figure comes from a process of its own; its first update does not count.
"""

from benchmarks.layouts import Layout
from benchmarks.processes import Measurement, Station
from benchmarks.report import Table

ENV_ID = "CartPole-v1"
MEMBERS = (1, 2, 4, 8, 16, 32, 64)
NUM_ENVS = (8, 16, 32, 64, 128, 256)
FIGURE_STEPS = 65_536
"""Environment steps of a figure, over all members, at least; always whole updates."""

MIN_UPDATES = 12
"""Of every member: the first and the start of each part of a large population must not weigh much."""


def measure(*, quick: bool = False) -> list[Table]:
    """Go through both columns."""
    members, environments = (MEMBERS[::6], NUM_ENVS[1::4]) if quick else (MEMBERS, NUM_ENVS)
    size = (FIGURE_STEPS // 4, 2) if quick else (FIGURE_STEPS, MIN_UPDATES)
    by_members = [(str(count), *_figures(Layout(), count, *size)) for count in members]
    by_envs = [(str(count), *_figures(Layout(num_envs=count), 1, *size)) for count in environments]
    columns = ("steps/s, all members", "steps/s of each", "peak MB")
    return [
        Table(
            title=f"{ENV_ID}, members of 8 envs x 128 steps in one process",
            columns=("members", *columns),
            rows=tuple(by_members),
            notes=("More members than fit into the cache train in parts, one after another.",),
        ),
        Table(title=f"{ENV_ID}, one member, 128 steps", columns=("envs", *columns), rows=tuple(by_envs)),
    ]


def _figures(layout: Layout, num_members: int, steps: int, min_updates: int) -> tuple[str, str, str]:
    updates = max(min_updates, -(-steps // (layout.batch_size * num_members)))
    with Station(
        "benchmarks.ours:Training", env_id=ENV_ID, layout=layout, updates=updates, num_members=num_members
    ) as station:
        found: Measurement = station.call("measure")
        return f"{found.rate:,.0f}", f"{found.rate / num_members:,.0f}", f"{station.peak_memory_mb:,.0f}"
