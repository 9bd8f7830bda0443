"""How long a tick of each sensor takes over many environments whose evaluations are all new."""

import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import dagster as dg
from dagster._core.definitions.partitions.context import partition_loading_context

from benchmarks.report import Table, spread
from benchmarks.sensor_log import LargeLog
from benchmarks.timing import seconds
from rl_assets.defs.graph import build_definitions
from rl_assets.resources.home import Home
from rl_assets.resources.sqlite_events import KeptSqliteEventLogStorage

ROOT = Path(__file__).parents[1]
NUM_ENVS, NUM_RECIPES, NUM_SWEEPS, NUM_REIGNS = 500, 20, 10, 3
QUIET = {"telemetry": {"enabled": False}, "nux": {"enabled": False}}
SENSORS = ("sweep_configured", "evaluations_settled", "gate_passed", "sweep_settled")


def measure(*, quick: bool = False) -> list[Table]:
    """Lead an installation through a lifecycle of all environments at once and time the ticks in between."""
    num_envs, rounds = (20, 1) if quick else (NUM_ENVS, 3)
    with tempfile.TemporaryDirectory() as folder, open_instance(Path(folder)) as instance:
        home = Home(root=ROOT, state=Path(folder), store_url=str(Path(folder) / "store"))
        ticks = Ticks(instance, build_definitions(home).get_repository_def(), rounds=rounds)
        log = LargeLog(instance, num_envs=num_envs, num_recipes=NUM_RECIPES, num_sweeps=NUM_SWEEPS)
        rows = list(_lifecycle(ticks, log))
    return [
        Table(
            title=f"A tick over {num_envs} envs x {NUM_RECIPES} recipes, ticks: {rounds}",
            columns=("what is new", "sensor", "seconds", "of processor", "runs requested"),
            rows=tuple(rows),
            notes=(
                f"{NUM_SWEEPS} sweeps share the environments; each has {NUM_REIGNS} earlier champions, with their "
                f"leaderboards and verdicts, and then {num_envs * NUM_RECIPES:,} evaluations come at once. "
                "The whole tick is timed, on SQLite, with the index of the event log kept open as dagster.yaml does.",
            ),
        )
    ]


def _lifecycle(ticks: "Ticks", log: LargeLog) -> Iterator[tuple[str, ...]]:
    log.configure()
    yield ticks.row("sweeps, nothing evaluated", "sweep_configured", log.queue)
    for sensor in SENSORS:
        yield ticks.row("the same, with its runs queued", sensor)
    log.fail()
    log.evaluate()
    for _ in range(NUM_REIGNS):
        log.rank()
        log.judge()
        log.promote()
    log.configure()
    log.evaluate()
    for sensor in ("sweep_configured", "gate_passed", "sweep_settled"):
        yield ticks.row("evaluations, nothing ranked", sensor)
    yield ticks.row("evaluations, nothing ranked", "evaluations_settled", log.queue)
    log.fail()
    yield ticks.row("the same, asked for before", "evaluations_settled")
    log.rank()
    yield ticks.row("leaderboards", "evaluations_settled")
    log.judge()
    yield ticks.row("verdicts, all of them a pass", "gate_passed", log.queue)
    log.fail()
    yield ticks.row("the same, asked for before", "gate_passed")
    log.promote()
    yield ticks.row("promotions", "sweep_settled")
    log.report()
    for sensor in SENSORS:
        yield ticks.row("nothing, no cursor", sensor)


class Ticks:
    """Evaluates sensors as the daemon does."""

    def __init__(self, instance: dg.DagsterInstance, repository: dg.RepositoryDefinition, *, rounds: int = 1) -> None:
        self._instance = instance
        self._repository = repository
        self._rounds = rounds

    def tick(self, sensor: str, cursor: str | None = None) -> Any:
        """Evaluate a sensor once."""
        context = dg.build_sensor_context(instance=self._instance, repository_def=self._repository, cursor=cursor)
        with partition_loading_context(dynamic_partitions_store=self._instance):
            return self._repository.get_sensor_def(sensor).evaluate_tick(context)

    def row(
        self, news: str, sensor: str, then: Callable[[Sequence[dg.RunRequest]], None] | None = None
    ) -> tuple[str, ...]:
        """Time a sensor's ticks, and do something with what the last one asked for."""
        found: list[Any] = []
        took_s, processor_s = list[float](), list[float]()
        for _ in range(self._rounds):
            began_s = time.process_time()
            took_s.append(seconds(lambda: found.append(self.tick(sensor))))
            processor_s.append(time.process_time() - began_s)
        if then is not None:
            then(found[-1].run_requests)
        asked_for = f"{len(found[-1].run_requests):,}"
        return news, sensor, spread(took_s, digits=2), spread(processor_s, digits=2), asked_for


@contextmanager
def open_instance(folder: Path) -> Iterator[dg.DagsterInstance]:
    """An instance whose event log is kept as dagster.yaml says."""
    events = {
        "module": KeptSqliteEventLogStorage.__module__,
        "class": KeptSqliteEventLogStorage.__name__,
        "config": {"base_dir": str(folder / "history" / "runs")},
    }
    with dg.DagsterInstance.local_temp(str(folder), overrides=QUIET | {"event_log_storage": events}) as instance:
        yield instance
