"""What sensors, backfills and daemons keep for themselves: ticks, cursors, what was asked for.

Their owners go on writing to these rows, so each is locked from its reading to its writing.
"""

import json
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from dagster._core.execution.backfill import PartitionBackfill
from dagster._core.scheduler.instigation import TickData, TickStatus
from dagster._core.storage.runs.schema import (
    BackfillTagsTable,
    BulkActionsTable,
    DaemonHeartbeatsTable,
    KeyValueStoreTable,
)
from dagster._core.storage.schedules.schema import InstigatorsTable, JobTable, JobTickTable
from dagster._serdes import deserialize_value
from sqlalchemy import Column, ColumnElement, Connection, Table, delete, select, update

from rl_assets.resources.redaction.documents import Scrubber, document_in
from rl_assets.resources.redaction.names import Names
from rl_assets.resources.redaction.report import Counts

_ASKED = (
    "tags", "title", "description", "error", "run_config", "partition_names", "last_submitted_partition_name",
    "serialized_asset_backfill_data", "asset_backfill_data", "submitting_run_requests",
)  # fmt: skip
"""Fields of a backfill that hold what somebody chose or wrote."""


def clear_ticks(
    connection: Connection, names: Names, counts: Counts, *, on_log: Callable[[Sequence[str]], None]
) -> None:
    """Delete ticks that speak of the erased; one that is under way is cleaned, for its daemon writes to it again.

    Args:
        connection: to the database of schedules.
        names: of the erased.
        counts: is told.
        on_log: is given the key of the captured log of each tick before the tick goes.
    """
    table = JobTickTable.c
    for tick_id, status, body in connection.execute(
        select(table.id, table.status, table.tick_body).with_for_update()
    ).all():
        clean = _scrubbed(body, names)
        if clean == body:
            continue
        if status == TickStatus.STARTED.value and _is_readable(clean, TickData):
            connection.execute(update(JobTickTable).where(table.id == tick_id).values(tick_body=clean))
            counts.clean("job_ticks")
            continue
        log_key = json.loads(body).get("log_key")
        if log_key:
            on_log(log_key)
        counts.delete("job_ticks", connection.execute(delete(JobTickTable).where(table.id == tick_id)).rowcount)


def clean_sensors(connection: Connection, names: Names, counts: Counts) -> None:
    """Take what names the erased out of what sensors remember."""
    for table, column in ((InstigatorsTable, "instigator_body"), (JobTable, "job_body")):
        for row_id, body in connection.execute(select(table.c.id, table.c[column]).with_for_update()).all():
            document = json.loads(body) if body else {}
            data = document.get("job_specific_data")
            clean = Scrubber(names.are_meant_in).scrub(data)
            if clean != data:
                text = json.dumps({**document, "job_specific_data": clean})
                connection.execute(update(table).where(table.c.id == row_id).values({column: text}))
                counts.clean(table.name)


def clean_backfills(connection: Connection, names: Names, counts: Counts) -> None:
    """Delete backfills over nothing but erased partitions, and take those out of all others."""
    table = BulkActionsTable.c
    for row_id, key, body in connection.execute(select(table.id, table.key, table.body).with_for_update()).all():
        document = json.loads(body) if body else {}
        scrubber = Scrubber(names.are_meant_in)
        clean = {**document, **{name: scrubber.scrub(document[name]) for name in _ASKED if name in document}}
        of_backfill = BackfillTagsTable.c.backfill_id == key
        if clean != document:
            text = json.dumps(clean)
            is_empty = any(_targets(document)) and not any(_targets(clean))
            if is_empty or not _is_readable(text, PartitionBackfill):
                for gone, which in ((BackfillTagsTable, of_backfill), (BulkActionsTable, table.id == row_id)):
                    counts.delete(gone.name, connection.execute(delete(gone).where(which)).rowcount)
                continue
            connection.execute(update(BulkActionsTable).where(table.id == row_id).values(body=text))
            counts.clean("bulk_actions")
        _clean_values(connection, BackfillTagsTable, BackfillTagsTable.c.value, names, counts, of_backfill)


def clean_cursors(connection: Connection, names: Names, counts: Counts) -> None:
    """Take what names the erased out of the cursors and signs of life of daemons."""
    key = KeyValueStoreTable.c.key
    for name in connection.scalars(select(key)).all():
        if names.are_meant_in(name):
            counts.delete("kvs", connection.execute(delete(KeyValueStoreTable).where(key == name)).rowcount)
    _clean_values(connection, KeyValueStoreTable, KeyValueStoreTable.c.value, names, counts)
    _clean_values(connection, DaemonHeartbeatsTable, DaemonHeartbeatsTable.c.body, names, counts)


def _clean_values(
    connection: Connection,
    table: Table,
    column: Column[str],
    names: Names,
    counts: Counts,
    *conditions: ColumnElement[bool],
) -> None:
    """Scrub one column of a table."""
    for row_id, text in connection.execute(select(table.c.id, column).where(*conditions).with_for_update()).all():
        clean = _scrubbed(text, names)
        if clean != text:
            connection.execute(update(table).where(table.c.id == row_id).values({column.name: clean}))
            counts.clean(table.name)


def _scrubbed(text: str | None, names: Names) -> str | None:
    return text if text is None else Scrubber(names.are_meant_in).scrub_text(text)


def _is_readable(text: str | None, kind: type[Any]) -> bool:
    """Whether Dagster reads a cleaned record as what it was."""
    try:
        return text is not None and isinstance(deserialize_value(text), kind)
    except Exception:  # Dagster's errors for this are not among its public names
        return False


def _targets(value: Any) -> Iterator[str]:
    """The partitions that a backfill is over, in any of the ways in which Dagster writes them."""
    if isinstance(value, str):
        yield from _targets(document_in(value))
    elif isinstance(value, list):
        for part in value:
            yield from _targets(part)
    elif isinstance(value, dict):
        for name, part in value.items():
            if name in ("subset", "partition_names") and part:
                keys = part.get("__set__", ()) if isinstance(part, dict) else part
                yield from (key for key in keys if isinstance(key, str))
            elif name == "key_ranges":
                yield from (str(span) for span in part)
            elif name != "submitting_run_requests":
                yield from _targets(part)
