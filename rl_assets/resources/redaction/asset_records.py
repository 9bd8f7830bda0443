"""What Dagster remembers of an asset beside its events: the newest one, which partitions exist and which are done."""

import json

from dagster._core.event_api import EventLogRecord
from dagster._core.events.log import EventLogEntry
from dagster._core.storage.event_log.schema import (
    AssetEventTagsTable,
    AssetKeyTable,
    DynamicPartitionsTable,
    SqlEventLogStorageTable,
)
from dagster._core.storage.schedules.schema import AssetDaemonAssetEvaluationsTable
from dagster._serdes import deserialize_value, serialize_value
from sqlalchemy import Connection, delete, func, select, update

from rl_assets.resources.redaction.doomed import Doomed
from rl_assets.resources.redaction.names import Names
from rl_assets.resources.redaction.report import Counts
from rl_assets.resources.redaction.rows import asset_column, chunks

_LOG = SqlEventLogStorageTable.c
_SEEN = ("ASSET_MATERIALIZATION", "ASSET_OBSERVATION", "ASSET_MATERIALIZATION_PLANNED")
"""Events that make an asset one that Dagster has seen."""


def point_to_newest(connection: Connection, doomed: Doomed, counts: Counts) -> None:
    """Let the entries of assets tell of the newest events that are left, and forget which partitions are done.

    Dagster reckons the latter again when it is next asked.
    """
    touched = {asset_column(asset) for asset in doomed.assets}
    last_runs = select(AssetKeyTable.c.asset_key, AssetKeyTable.c.last_run_id)
    for key, run_id in connection.execute(last_runs).all():
        if key in touched or not _has_events(connection, key, run_id):
            _point_to_newest(connection, key, counts)


def _has_events(connection: Connection, key: str, run_id: str | None) -> bool:
    """Whether a run logged anything of an asset that is still there; no run is as good as one."""
    of_run = select(_LOG.id).where(_LOG.asset_key == key, _LOG.run_id == run_id).limit(1)
    return run_id is None or connection.scalar(of_run) is not None


def _point_to_newest(connection: Connection, key: str, counts: Counts) -> None:
    entry = AssetKeyTable.c.asset_key == key
    row = connection.execute(select(AssetKeyTable).where(entry)).one()
    values = {}
    if row.cached_status_data is not None:
        values["cached_status_data"] = None
    of_asset = select(_LOG.id, _LOG.event, _LOG.run_id).where(_LOG.asset_key == key).order_by(_LOG.id.desc())
    told = json.loads(row.last_materialization)["storage_id"] if row.last_materialization else None
    newest = connection.execute(of_asset.where(_LOG.dagster_event_type == "ASSET_MATERIALIZATION").limit(1)).first()
    if told is not None and (newest is None or newest.id != told):
        values["last_materialization"] = None if newest is None else _as_record(newest.id, newest.event)
    if not _has_events(connection, key, row.last_run_id):
        meant = connection.execute(of_asset.where(_LOG.dagster_event_type.in_(_SEEN)).limit(1)).first()
        values["last_run_id"] = None if meant is None else meant.run_id
    seen_at = connection.scalar(
        select(func.max(_LOG.timestamp)).where(_LOG.asset_key == key, _LOG.dagster_event_type.in_(_SEEN))
    )
    if row.last_materialization_timestamp != seen_at:
        values["last_materialization_timestamp"] = seen_at
    if values:
        connection.execute(update(AssetKeyTable).where(entry).values(**values))
        counts.clean("asset_keys")


def delete_orphaned_tags(connection: Connection, doomed: Doomed, counts: Counts) -> None:
    """Delete tags that name the erased and whose event is gone; Dagster's own wipes leave such behind."""
    tags = AssetEventTagsTable.c
    is_orphan = tags.event_id.not_in(select(_LOG.id))
    for names in chunks(sorted(doomed.names)):
        rows = connection.execute(delete(AssetEventTagsTable).where(tags.value.in_(names), is_orphan))
        counts.delete("asset_event_tags", rows.rowcount)


def delete_dynamic_keys(connection: Connection, doomed: Doomed, counts: Counts) -> None:
    """Delete partitions that were added by hand or by a sweep."""
    table = DynamicPartitionsTable.c
    for definition, keys in sorted(doomed.dynamic_keys.items()):
        for part in chunks(sorted(keys)):
            rows = delete(DynamicPartitionsTable).where(
                table.partitions_def_name == definition, table.partition.in_(part)
            )
            counts.delete("dynamic_partitions", connection.execute(rows).rowcount)


def delete_automation(connection: Connection, names: Names, counts: Counts) -> None:
    """Delete evaluations of automation conditions that speak of the erased; Dagster makes new ones."""
    table = AssetDaemonAssetEvaluationsTable.c
    for evaluation_id, body in connection.execute(select(table.id, table.asset_evaluation_body)).all():
        if body is not None and names.are_meant_in(body):
            rows = connection.execute(delete(AssetDaemonAssetEvaluationsTable).where(table.id == evaluation_id))
            counts.delete("asset_daemon_asset_evaluations", rows.rowcount)


def _as_record(event_id: int, event: str) -> str:
    entry = deserialize_value(event, EventLogEntry)
    return serialize_value(EventLogRecord(storage_id=event_id, event_log_entry=entry))
