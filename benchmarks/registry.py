"""Every benchmark by its name, which is also the name of its section in docs/benchmarks.md or another page."""

import importlib
from dataclasses import dataclass

from benchmarks.report import Table


@dataclass(frozen=True, kw_only=True)
class Benchmark:
    """One file with a function `measure(*, quick)`."""

    name: str
    """On the command line and in the page's marks."""

    module: str
    """Imported when it is run, so that what one needs and another does not may be missing."""

    about: str
    """What it measures, in one line."""

    page: str = "benchmarks.md"
    """The page in docs/ that has its section."""

    def measure(self, *, quick: bool) -> list[Table]:
        """Run it.

        Raises:
            CannotMeasure: a package is missing, or a side failed.
        """
        return importlib.import_module(self.module).measure(quick=quick)


BENCHMARKS: dict[str, Benchmark] = {
    benchmark.name: benchmark
    for benchmark in (
        Benchmark(
            name="sps",
            module="benchmarks.steps_per_second",
            about="CartPole-v1 training steps per second against Stable-Baselines3",
        ),
        Benchmark(
            name="solve",
            module="benchmarks.time_to_solve",
            about="CartPole-v1 wall time until 100 held-out episodes reach 475, against Stable-Baselines3",
        ),
        Benchmark(
            name="sweep",
            module="benchmarks.sweep",
            about="16 learning rates x 150k steps as whole processes: one sweep, one by one, Stable-Baselines3",
        ),
        Benchmark(
            name="environments",
            module="benchmarks.environments",
            about="HalfCheetah-v4, Ant-v4 and Pong-v5 against Stable-Baselines3 and the raw environments",
        ),
        Benchmark(
            name="growth",
            module="benchmarks.growth",
            about="Steps per second and memory of 1 to 64 members and of 8 to 256 environments",
        ),
        Benchmark(
            name="checkpoints",
            module="benchmarks.checkpoints",
            about="What checkpoints and rebuilt environments cost at the end of a segment",
        ),
        Benchmark(
            name="population",
            module="benchmarks.population",
            about="16 learning rates as one population and one by one, in one process",
        ),
        Benchmark(
            name="overhead",
            module="benchmarks.dagster_overhead",
            about="What a run of the asset graph adds to training and evaluating 16 partitions",
        ),
        Benchmark(
            name="leaderboard",
            module="benchmarks.leaderboard",
            about="A leaderboard of 1,000 recipes from stored episodes to its page, and statistics of 10,000",
        ),
        Benchmark(
            name="sensors",
            module="benchmarks.sensors",
            about="A tick of each sensor over 500 environments with 10,000 new evaluations",
        ),
        Benchmark(
            name="lineage",
            module="benchmarks.lineage",
            about="Questions about lineage over 10,000 policies, and building their index",
        ),
        Benchmark(
            name="coverage",
            module="benchmarks.coverage",
            about="How often intervals hold the true mean and the best recipe is told apart, by simulation",
            page="statistics.md",
        ),
        Benchmark(
            name="gates",
            module="benchmarks.gates",
            about="How often gates promote what is no better and see what is, by simulation",
            page="statistics.md",
        ),
    )
}
