"""The events of one run: some of their rows go, the rest tells of others only."""

import json
from collections.abc import Collection

from dagster._core.events.log import EventLogEntry
from dagster._core.storage.event_log.schema import (
    AssetCheckExecutionsTable,
    AssetEventTagsTable,
    ConcurrencySlotsTable,
    PendingStepsTable,
    SqlEventLogStorageTable,
)
from dagster._serdes import deserialize_value, serialize_value
from sqlalchemy import Connection, delete, func, insert, select, update

from rl_assets.resources.redaction.documents import ERASED
from rl_assets.resources.redaction.doomed import Doomed
from rl_assets.resources.redaction.report import Counts
from rl_assets.resources.redaction.rows import MADE, chunks, ids_that_go, rows_of_run
from rl_assets.resources.redaction.speech import Speech

_LOG = SqlEventLogStorageTable.c
_CHECKS = AssetCheckExecutionsTable.c
PLACEHOLDER = serialize_value(
    EventLogEntry(error_info=None, level=10, user_message=ERASED, run_id="", timestamp=0.0, job_name=None)
)
"""A line of no run, which holds the last id of the index: SQLite would give it to the next event, and sensors, whose
cursors are behind it, would never see that event."""


def clean_texts(connection: Connection, run_id: str, speech: Speech, counts: Counts) -> None:
    """Replace what may not be told any more in the events of a run that stay."""
    of_run = select(_LOG.id, _LOG.event).where(_LOG.run_id == run_id).order_by(_LOG.id)
    for event_id, text in connection.execute(of_run).all():
        entry = json.loads(text)
        clean = speech.clean_event(entry)
        if clean != entry:
            event = json.dumps(clean)
            deserialize_value(event, EventLogEntry)  # Dagster has to be able to read it
            connection.execute(update(SqlEventLogStorageTable).where(_LOG.id == event_id).values(event=event))
            counts.clean("event_logs")
    of_checks = select(_CHECKS.id, _CHECKS.evaluation_event).where(_CHECKS.run_id == run_id)
    for check_id, text in connection.execute(of_checks).all() if _has_checks(connection) else ():
        entry = json.loads(text) if text else {}
        clean = speech.clean_event(entry)
        if clean != entry:
            row = update(AssetCheckExecutionsTable).where(_CHECKS.id == check_id)
            connection.execute(row.values(evaluation_event=json.dumps(clean)))
            counts.clean("asset_check_executions")


def delete_from_run_file(
    connection: Connection, run_id: str, doomed: Doomed, texts: Collection[str], counts: Counts
) -> None:
    """Delete the rows of a run that go from the database that it has for itself, where ids are other than the index's.

    Args:
        connection: to the run's own database.
        run_id: of the run.
        doomed: what goes.
        texts: what the index stores of events of this run that go; the same stands here.
        counts: is told.
    """
    rows = rows_of_run(connection, run_id)
    alike = select(_LOG.id, _LOG.event).where(_LOG.run_id == run_id, _LOG.dagster_event_type.is_not(None))
    ids = {event_id for event_id, text in connection.execute(alike).all() if text in texts}
    # An id of the index says nothing here, so of what was made only the partition counts.
    ids |= {row.id for row in rows if row.kind not in MADE and row.goes(doomed)}
    ids |= {row.id for row in rows if doomed.holds_partition(row.asset, row.partition)}
    for part in chunks(sorted(ids)):
        counts.delete("event_logs of runs", connection.execute(
            delete(SqlEventLogStorageTable).where(_LOG.id.in_(part))
        ).rowcount)  # fmt: skip


def delete_from_index(connection: Connection, run_id: str, doomed: Doomed, counts: Counts) -> None:
    """Delete the rows of a run that go from the index of all events, with their tags and checks."""
    _delete_rows(connection, ids_that_go(rows_of_run(connection, run_id), doomed), counts)


def delete_run_from_index(connection: Connection, run_id: str, counts: Counts) -> None:
    """Delete all rows of a run from the index of all events."""
    ids = set(connection.scalars(select(_LOG.id).where(_LOG.run_id == run_id)))
    _delete_rows(connection, ids, counts)
    for table in (AssetCheckExecutionsTable, ConcurrencySlotsTable, PendingStepsTable):
        counts.delete(table.name, connection.execute(delete(table).where(table.c.run_id == run_id)).rowcount)


def _delete_rows(connection: Connection, ids: Collection[int], counts: Counts) -> None:
    if not ids:
        return
    _hold_last_id(connection, ids)
    for part in chunks(sorted(ids)):
        judged = _CHECKS.materialization_event_storage_id.in_(part) | _CHECKS.evaluation_event_storage_id.in_(part)
        tags = delete(AssetEventTagsTable).where(AssetEventTagsTable.c.event_id.in_(part))
        counts.delete("asset_event_tags", connection.execute(tags).rowcount)
        checks = delete(AssetCheckExecutionsTable).where(judged)
        counts.delete("asset_check_executions", connection.execute(checks).rowcount)
        events = delete(SqlEventLogStorageTable).where(_LOG.id.in_(part), _LOG.event != PLACEHOLDER)
        counts.delete("event_logs", connection.execute(events).rowcount)


def _hold_last_id(connection: Connection, ids: Collection[int]) -> None:
    """Keep the last id of the index taken, where its row goes and the database would give it away again."""
    last = connection.scalar(select(func.max(_LOG.id)))
    if connection.dialect.name != "sqlite" or last not in ids:
        return
    held = select(_LOG.id).where(_LOG.event == PLACEHOLDER)
    if last in set(connection.scalars(held)):
        return
    connection.execute(delete(SqlEventLogStorageTable).where(_LOG.id == last))
    connection.execute(insert(SqlEventLogStorageTable).values(id=last, run_id="", event=PLACEHOLDER))


def _has_checks(connection: Connection) -> bool:
    return connection.dialect.has_table(connection, AssetCheckExecutionsTable.name)
