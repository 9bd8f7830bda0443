"""A tick asks the storage as often over many environments as over few, and requests the same for each."""

from collections.abc import Callable, Iterator
from pathlib import Path

import dagster as dg
import pytest
from sqlalchemy import Engine, event

from benchmarks.sensor_log import LargeLog
from benchmarks.sensors import Ticks
from rl_assets.defs.graph import build_definitions
from rl_assets.resources.home import Home
from tests.conftest import PROJECT, QUIET

FEW, MANY = 2, 12
STAGES: dict[str, tuple[Callable[[LargeLog], object], ...]] = {
    "sweep_configured": (LargeLog.configure,),
    "evaluations_settled": (LargeLog.configure, LargeLog.evaluate),
    "gate_passed": (LargeLog.configure, LargeLog.evaluate, LargeLog.rank, LargeLog.judge),
    "sweep_settled": (LargeLog.configure, LargeLog.evaluate, LargeLog.rank, LargeLog.judge, LargeLog.promote),
}
"""Sensor -> what happened before it has something to ask for."""


@pytest.fixture
def selects() -> Iterator[list[str]]:
    """Every question that any database is asked from here on, but for whether a single partition exists.

    Dagster asks that itself of the partition of each run that a sensor requests.
    """
    found: list[str] = []

    def note(connection, cursor, statement, *rest) -> None:
        if statement.startswith("SELECT") and "dynamic_partitions.partition = " not in statement:
            found.append(statement)

    event.listen(Engine, "before_cursor_execute", note)
    yield found
    event.remove(Engine, "before_cursor_execute", note)


def lead_to(sensor: str, folder: Path, *, num_envs: int) -> tuple[Ticks, LargeLog, dg.DagsterInstance]:
    folder.mkdir()
    instance = dg.DagsterInstance.local_temp(str(folder), overrides=QUIET)
    home = Home(root=PROJECT, state=folder, store_url=str(folder / "store"))
    log = LargeLog(instance, num_envs=num_envs, num_recipes=3, num_sweeps=1)
    for stage in STAGES[sensor]:
        stage(log)
    return Ticks(instance, build_definitions(home).get_repository_def()), log, instance


@pytest.mark.parametrize("sensor", STAGES)
def test_a_tick_asks_no_more_over_many_environments_than_over_few(
    sensor: str, tmp_path: Path, selects: list[str]
) -> None:
    asked = {}
    for num_envs in (FEW, MANY):
        ticks, log, instance = lead_to(sensor, tmp_path / str(num_envs), num_envs=num_envs)
        with instance:
            ticks.tick(sensor)
            for state in ("new", "queued", "failed"):
                selects.clear()
                requests = ticks.tick(sensor).run_requests
                asked[num_envs, state] = len(selects)
                expected = 0 if state != "new" else 1 if sensor == "sweep_settled" else num_envs
                assert len(requests) == expected
                if state == "new":
                    log.queue(requests)
                elif state == "queued":
                    log.fail()
    for state in ("new", "queued", "failed"):
        assert 0 < asked[MANY, state] <= asked[FEW, state], f"{state}: {asked}"
