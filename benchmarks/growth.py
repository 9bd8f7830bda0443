"""How our steps per second and memory grow with the members of a population and with its environments.

Each figure comes from a process of its own, which trains once before it is measured.
"""

from benchmarks.layouts import Layout
from benchmarks.processes import Measurement, Station
from benchmarks.report import Table

ENV_ID = "CartPole-v1"
MEMBERS = (1, 2, 4, 8, 16, 32, 64)
NUM_ENVS = (8, 16, 32, 64, 128, 256)
FIGURE_STEPS = 65_536
"""Environment steps of a figure, over all members, at least; always whole updates."""

MIN_UPDATES = 4


def measure(*, quick: bool = False) -> list[Table]:
    """Go through both columns."""
    members, environments = (MEMBERS[::3], NUM_ENVS[::3]) if quick else (MEMBERS, NUM_ENVS)
    steps = FIGURE_STEPS // 4 if quick else FIGURE_STEPS
    by_members = [(str(count), *_figures(Layout(), count, steps)) for count in members]
    by_envs = [(str(count), *_figures(Layout(num_envs=count), 1, steps)) for count in environments]
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


def _figures(layout: Layout, num_members: int, steps: int) -> tuple[str, str, str]:
    updates = max(MIN_UPDATES, -(-steps // (layout.batch_size * num_members)))
    with Station(
        "benchmarks.ours:Training", env_id=ENV_ID, layout=layout, updates=updates, num_members=num_members
    ) as station:
        station.call("measure")
        found: Measurement = station.call("measure")
        return f"{found.rate:,.0f}", f"{found.rate / num_members:,.0f}", f"{station.peak_memory_mb:,.0f}"
