"""Dagster's event log as the lineage index reads it: a cheap list of what is there, and single events in full."""

import json
from collections.abc import Collection, Iterator
from dataclasses import replace
from typing import Any

import dagster as dg
from dagster._core.storage.event_log import SqlEventLogStorage
from dagster._core.storage.event_log.schema import SqlEventLogStorageTable
from dagster._core.storage.runs import SqlRunStorage
from sqlalchemy import select

from rl_assets.errors import LineageError
from rl_assets.lineage.records import Materialization
from rl_assets.resources.event_log import ARTIFACT_KEY, INPUTS_KEY, Event, EventLog

ASSETS = (
    "datasets",
    "sweep_configs",
    "trained_policies",
    "policy_evaluations",
    "eval_leaderboards",
    "gate_evaluations",
    "promoted_models",
    "sweep_reports",
)
OBSERVED_AS = {"promoted_models": "staged_models"}
"""Asset whose observations are versions too -> what lineage calls those: they were made, and were never the newest."""

UNREADABLE_KEY = "inputs_unreadable"
"""Among the facts of an event whose record of its inputs cannot be understood: why."""

_SHOWN = (
    "content", "num_files", "size_bytes", "merkle_root", "hparam", "member_seed", "weights_sha256", "verdict",
    "generation", "stage", "promoted_at", "num_seeds", "num_recipes", "num_episodes", "env_steps",
)  # fmt: skip
"""What is kept of an event's metadata beside all under `rl/`; no free text, no pictures, no tables."""
_MAX_TEXT = 300
_LEFT_OUT = {INPUTS_KEY, "rl/files", "rl/evaluation", "rl/cells", "rl/parents"}


class DagsterLineageLog:
    """The materializations of our assets in one Dagster instance, by the storage's own id.

    Raises:
        LineageError: the instance keeps its log elsewhere than in SQLite or Postgres.
    """

    def __init__(self, log: EventLog) -> None:
        storage, runs = log.instance.event_log_storage, log.instance.run_storage
        if not isinstance(storage, SqlEventLogStorage) or not isinstance(runs, SqlRunStorage):
            raise LineageError(
                f"event log in {type(storage).__name__}: expected one of Dagster's on SQLite or Postgres: the list of "
                "events is compared before each answer about lineage; choose one in dagster.yaml"
            )
        self._log, self._storage, self._runs = log, storage, runs
        self._places: dict[int, tuple[str, bool]] = {}

    @property
    def log_id(self) -> str:
        """The id that Dagster gave the instance's storage when it was made."""
        return self._runs.get_run_storage_id()

    def marks(self) -> dict[int, str]:
        """Event id -> kind, asset, run, time and partition, of all events that a reader of the log would be shown.

        An id alone is not enough: SQLite gives the id of a deleted last event to the next one.
        """
        marks: dict[int, str] = {}
        self._places = {}
        for asset in ASSETS:
            for observed in (False, True) if asset in OBSERVED_AS else (False,):
                for event_id, run_id, timestamp, partition in self._rows(asset, observed=observed):
                    marks[event_id] = f"{'observed' if observed else 'made'} {asset} {run_id} {timestamp} {partition}"
                    self._places[event_id] = (asset, observed)
        return marks

    def read(self, event_ids: Collection[int]) -> Iterator[Materialization]:
        """Read events that `marks` has just listed; an observation that describes no version of ours is left out."""
        wanted: dict[tuple[str, bool], list[int]] = {}
        for event_id in sorted(event_ids):
            if event_id in self._places:
                wanted.setdefault(self._places[event_id], []).append(event_id)
        for (asset, observed), ids in wanted.items():
            for event in self._log.by_id(asset, ids, observed=observed):
                if not observed:
                    yield lineage_record(event)
                elif ARTIFACT_KEY in event.metadata:
                    yield replace(lineage_record(event), asset=OBSERVED_AS[asset])

    def _rows(self, asset: str, *, observed: bool) -> list[Any]:
        """Columns of the storage's index, filtered by the storage itself: so a wiped event is gone for us too."""
        kind = dg.DagsterEventType.ASSET_OBSERVATION if observed else dg.DagsterEventType.ASSET_MATERIALIZATION
        key, table = dg.AssetKey(asset), SqlEventLogStorageTable.c
        (details,) = self._storage._get_assets_details([key])
        query = self._storage._apply_filter_to_query(
            select(table.id, table.run_id, table.timestamp, table.partition),
            dg.EventRecordsFilter(event_type=kind, asset_key=key),
            asset_details=details,
        )
        with self._storage.index_connection() as connection:
            return list(connection.execute(query).fetchall())


def lineage_record(event: Event) -> Materialization:
    """An event as a lineage record with the facts that a trace shows; all of it can be written as JSON.

    A record of inputs that this package did not write counts as none, so that the event shows as possibly affected.
    """
    try:
        inputs, unreadable = event.inputs, None
    except (LineageError, TypeError) as error:
        inputs, unreadable = None, f"{type(error).__name__}: the record was not written by this package"
    facts = {name: value for name, value in event.metadata.items() if _is_shown(name, value)}
    facts |= {"run_id": event.run_id, "timestamp": event.timestamp}
    return Materialization(
        asset=event.asset,
        partition=event.partition,
        event_id=event.event_id,
        data_version=event.data_version,
        inputs=inputs,
        facts=facts | ({} if unreadable is None else {UNREADABLE_KEY: unreadable}),
    )


def _is_shown(name: str, value: Any) -> bool:
    if name not in _SHOWN and (not name.startswith("rl/") or name in _LEFT_OUT):
        return False
    if isinstance(value, str):
        return len(value) <= _MAX_TEXT
    try:
        json.dumps(value)
    except (TypeError, ValueError):
        return False
    return True
