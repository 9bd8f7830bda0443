"""Sensors, backfills and daemons go on with what is left."""

import json
from collections.abc import Iterator
from datetime import datetime

import pytest
from dagster._core.remote_origin import (
    ManagedGrpcPythonEnvCodeLocationOrigin,
    RemoteInstigatorOrigin,
    RemoteRepositoryOrigin,
)
from dagster._core.scheduler.instigation import InstigatorState, InstigatorStatus, InstigatorType, SensorInstigatorData
from dagster._core.storage.runs.schema import RunStorageSqlMetadata
from dagster._core.storage.schedules.schema import ScheduleStorageSqlMetadata
from dagster._core.types.loadable_target_origin import LoadableTargetOrigin
from dagster._serdes import deserialize_value, serialize_value
from sqlalchemy import Connection, create_engine, insert, select

from rl_assets.resources.redaction.documents import ERASED
from rl_assets.resources.redaction.names import Names
from rl_assets.resources.redaction.report import Counts
from rl_assets.resources.redaction.work_records import clean_cursors, clean_sensors, clear_ticks

CELL, OTHER = "CartPole-v1|ppo-aaaaaaaaaa", "CartPole-v1|ppo-bbbbbbbbbb"
NAMES = Names({CELL, "ppo-aaaaaaaaaa", "acme"})

ORIGIN = RemoteInstigatorOrigin(
    RemoteRepositoryOrigin(ManagedGrpcPythonEnvCodeLocationOrigin(LoadableTargetOrigin(module_name="x"), "x"), "r"),
    "sweep_configured",
)


@pytest.fixture
def connection() -> Iterator[Connection]:
    engine = create_engine("sqlite://")
    RunStorageSqlMetadata.create_all(engine)
    ScheduleStorageSqlMetadata.tables["job_ticks"].create(engine)
    ScheduleStorageSqlMetadata.tables["instigators"].create(engine)
    ScheduleStorageSqlMetadata.tables["jobs"].create(engine)
    with engine.begin() as opened:
        yield opened
    engine.dispose()


@pytest.mark.parametrize(
    ("cursor", "last_run_key", "left"),
    [
        ("15", "train/acme/CartPole-v1/7", ("15", ERASED)),
        (f"after {CELL}", None, (ERASED, None)),
        (f'{{"seen": ["{CELL}", "{OTHER}"]}}', None, (f'{{"seen": ["{OTHER}"]}}', None)),
        ("15", "train/globex/CartPole-v1/9", ("15", "train/globex/CartPole-v1/9")),
    ],
)
def test_a_sensor_keeps_its_place_and_forgets_names(
    connection: Connection, cursor: str, last_run_key: str | None, left: tuple[str, str | None]
) -> None:
    table = ScheduleStorageSqlMetadata.tables["instigators"]
    remembered = SensorInstigatorData(cursor=cursor, last_run_key=last_run_key, min_interval=5)
    state = InstigatorState(ORIGIN, InstigatorType.SENSOR, InstigatorStatus.RUNNING, remembered)
    body = serialize_value(state)
    connection.execute(insert(table).values(selector_id="s", instigator_body=body))
    clean_sensors(connection, NAMES, Counts())
    (stored,) = connection.scalars(select(table.c.instigator_body))
    data = deserialize_value(stored, InstigatorState).sensor_instigator_data
    assert data is not None
    assert (data.cursor, data.last_run_key) == left
    assert (stored == body) is (left == (cursor, last_run_key))


def test_cursors_whose_key_is_erased_go_and_signs_of_life_forget_errors(connection: Connection) -> None:
    kvs, beats = (RunStorageSqlMetadata.tables[name] for name in ("kvs", "daemon_heartbeats"))
    connection.execute(insert(kvs), [{"key": f"of/{CELL}", "value": "1"}, {"key": "of/all", "value": f"saw {CELL}"}])
    body = json.dumps({"__class__": "DaemonHeartbeat", "errors": [{"message": f"lost {CELL}", "stack": []}]})
    connection.execute(insert(beats).values(daemon_type="SENSOR", timestamp=datetime(2026, 1, 1), body=body))
    counts = Counts()
    clean_cursors(connection, NAMES, counts)
    assert connection.execute(select(kvs.c.key, kvs.c.value)).all() == [("of/all", ERASED)]
    (beat,) = connection.scalars(select(beats.c.body))
    assert json.loads(beat)["errors"] == [{"message": ERASED, "stack": []}]
    assert (counts.deleted, counts.cleaned) == ({"kvs": 1}, {"kvs": 1, "daemon_heartbeats": 1})


def test_a_tick_with_a_log_takes_it_along(connection: Connection) -> None:
    table = ScheduleStorageSqlMetadata.tables["job_ticks"]
    body = '{"skip_reason": "%s", "log_key": ["repository", "sensor", "%d"]}'
    told = [f"nothing to do for {CELL}", f"nothing to do for {OTHER}"]
    connection.execute(
        insert(table), [{"status": "SKIPPED", "tick_body": body % (text, n)} for n, text in enumerate(told)]
    )
    logs: list[list[str]] = []
    clear_ticks(connection, NAMES, Counts(), on_log=lambda key: logs.append(list(key)))
    assert logs == [["repository", "sensor", "0"]]
    assert list(connection.scalars(select(table.c.tick_body))) == [body % (told[1], 1)]
