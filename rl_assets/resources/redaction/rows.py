"""Rows of Dagster's event log: which partition each is about, and whether it goes."""

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import dagster as dg
from dagster._core.storage.event_log.schema import SqlEventLogStorageTable
from sqlalchemy import Connection, Row, select

from rl_assets.resources.redaction.doomed import Doomed

T = TypeVar("T")

CHUNK = 500
"""Values in one statement; SQLite takes a limited number."""

CHECKED = frozenset({"ASSET_CHECK_EVALUATION", "ASSET_CHECK_EVALUATION_PLANNED"})
MADE = frozenset({"ASSET_MATERIALIZATION", "ASSET_OBSERVATION"})
_LOG = SqlEventLogStorageTable.c
_PLACE = (_LOG.id, _LOG.run_id, _LOG.dagster_event_type, _LOG.asset_key, _LOG.partition)


@dataclass(frozen=True, kw_only=True)
class LoggedRow:
    """One row about an asset."""

    id: int
    run_id: str
    kind: str
    """Dagster's name of the event's type."""
    asset: str
    partition: str | None
    target_id: int | None = None
    """Of a check: storage id of the materialization that it judged."""

    def goes(self, doomed: Doomed) -> bool:
        """Whether the row is to be deleted."""
        return (
            (self.kind in MADE and doomed.holds_event(self.asset, self.id))
            or (self.kind in CHECKED and doomed.holds_event(self.asset, self.target_id))
            or doomed.holds_partition(self.asset, self.partition)
        )


def rows_that_go(connection: Connection, doomed: Doomed) -> Iterator[LoggedRow]:
    """All rows of the index that are to be deleted."""
    for asset in doomed.assets:
        key = asset_column(asset)
        for ids in chunks(sorted(doomed.events.get(asset, ()))):
            yield from _read(connection, [_LOG.asset_key == key, _LOG.dagster_event_type.in_(MADE), _LOG.id.in_(ids)])
        for keys in chunks(sorted(doomed.partitions.get(asset, ()))):
            yield from _read(connection, [_LOG.asset_key == key, _LOG.partition.in_(keys)])
    yield from (row for row in _checks(connection, []) if row.goes(doomed))


def ids_that_go(rows: Sequence[LoggedRow], doomed: Doomed) -> set[int]:
    """Ids of one run's rows that are to be deleted: what goes, and checks of which nothing is left that they judged."""
    made: dict[tuple[str, str | None], bool] = {}
    for row in rows:
        if row.kind in MADE:
            place = (row.asset, row.partition)
            made[place] = made.get(place, True) and row.goes(doomed)
    return {
        row.id
        for row in rows
        if row.goes(doomed) or (row.kind in CHECKED and made.get((row.asset, row.partition), False))
    }


def rows_of_run(connection: Connection, run_id: str) -> list[LoggedRow]:
    """All rows about assets that a run logged, in order."""
    of_run = _LOG.run_id == run_id
    found = [*_read(connection, [of_run, _LOG.asset_key.is_not(None)]), *_checks(connection, [of_run])]
    return sorted({row.id: row for row in found}.values(), key=lambda row: row.id)


def run_ids(connection: Connection) -> set[str]:
    """Ids of all runs that logged anything here."""
    return set(connection.scalars(select(_LOG.run_id).distinct()))


def texts_of(connection: Connection, ids: Iterable[int]) -> set[str]:
    """What Dagster stored of events with these ids."""
    return {
        text for part in chunks(sorted(ids)) for text in connection.scalars(select(_LOG.event).where(_LOG.id.in_(part)))
    }


def asset_column(asset: str) -> str:
    """An asset's name as Dagster's tables spell it."""
    return dg.AssetKey(asset.split("/")).to_string()


def asset_name(column: str) -> str:
    """The asset that Dagster's tables spell so."""
    key = dg.AssetKey.from_db_string(column)
    return column if key is None else key.to_user_string()


def chunks(values: Sequence[T]) -> Iterator[Sequence[T]]:
    """Values in parts that one statement can take."""
    return (values[start : start + CHUNK] for start in range(0, len(values), CHUNK))


def _read(connection: Connection, conditions: Sequence[Any]) -> Iterator[LoggedRow]:
    rows: Sequence[Row[Any]] = connection.execute(select(*_PLACE).where(*conditions).order_by(_LOG.id)).all()
    for row in rows:
        yield LoggedRow(
            id=row.id, run_id=row.run_id, kind=row.dagster_event_type or "", asset=asset_name(row.asset_key),
            partition=row.partition,
        )  # fmt: skip


def _checks(connection: Connection, conditions: Sequence[Any]) -> Iterator[LoggedRow]:
    """Rows of checks; what they are about stands in the document alone."""
    wanted = select(*_PLACE, _LOG.event).where(_LOG.dagster_event_type.in_(CHECKED), *conditions).order_by(_LOG.id)
    for row in connection.execute(wanted).all():
        about = json.loads(row.event)["dagster_event"]["event_specific_data"]
        target = about.get("target_materialization_data") or {}
        yield LoggedRow(
            id=row.id, run_id=row.run_id, kind=row.dagster_event_type, asset="/".join(about["asset_key"]["path"]),
            partition=row.partition or about.get("partition") or _only_key(about), target_id=target.get("storage_id"),
        )  # fmt: skip


def _only_key(planned: dict[str, Any]) -> str | None:
    """The partition that a planned check is about, where it is one."""
    subset = (planned.get("partitions_subset") or {}).get("subset")
    keys = subset.get("__set__", ()) if isinstance(subset, dict) else ()
    return keys[0] if len(keys) == 1 else None
