"""What Dagster remembers of our assets, by exact event."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import dagster as dg
from dagster._core.event_api import EventLogRecord

from rl_assets.errors import InputNotFound
from rl_assets.lineage.records import InputRecord

INPUTS_KEY = "rl/inputs"
ARTIFACT_KEY = "rl/artifact"
ATTACHMENTS_KEY = "rl/attachments"
"""Name -> object of the files that belong to a materialization and not to its data version."""

STOP_KEY = "rl/stop"
"""On an observation of a cell: why its training was stopped before its budget was used."""

WAITS_KEY = "rl/waits_for"
"""On an observation of a cell: `partition` of the policy that it starts from, and the newest `event_id` of that which
was seen and would not do, 0 where there was none."""

TRANSITION_KEY = "rl/transition"
"""On a promoted model: the number of the entry in the environment's history that it follows from."""

DATA_VERSION_TAG = "dagster/data_version"
_PAGE = 1_000


@dataclass(frozen=True, kw_only=True)
class Event:
    """One materialization of one partition."""

    asset: str
    partition: str
    event_id: int
    data_version: str
    metadata: Mapping[str, Any]
    """Plain values: JSON metadata is parsed, numbers are numbers."""
    entries: Mapping[str, dg.MetadataValue]
    """The same as Dagster holds them, to log them again."""
    run_id: str
    timestamp: float
    """Seconds since 1970, UTC."""

    @property
    def inputs(self) -> tuple[InputRecord, ...] | None:
        """What this materialization read; None where nothing was recorded."""
        raw = self.metadata.get(INPUTS_KEY)
        return None if raw is None else tuple(InputRecord.from_json(item) for item in raw)


@dataclass(frozen=True, kw_only=True)
class Wait:
    """A cell was refused because the policy that it starts from was not there."""

    event_id: int
    """Of the refusal."""
    parent: str
    """Partition of that policy."""
    seen: int
    """Event id of the newest materialization of it that was seen and would not do; 0 where there was none."""


class EventLog:
    """Reads materializations of one Dagster instance by asset, partition and exact event."""

    def __init__(self, instance: dg.DagsterInstance) -> None:
        self.instance = instance

    def latest(self, asset: str, partition: str) -> Event | None:
        """The newest materialization of a partition, or None."""
        page = self.instance.fetch_materializations(
            dg.AssetRecordsFilter(asset_key=dg.AssetKey(asset), asset_partitions=[partition]), limit=1
        )
        return _event(page.records[0]) if page.records else None

    def at(self, asset: str, partition: str, event_id: int) -> Event:
        """The materialization with exactly this event id.

        Raises:
            InputNotFound: the log has no such event.
        """
        page = self.instance.fetch_materializations(
            dg.AssetRecordsFilter(asset_key=dg.AssetKey(asset), storage_ids=[event_id]), limit=1
        )
        if not page.records or page.records[0].partition_key != partition:
            raise InputNotFound(f"{asset}[{partition}] has no materialization with event id {event_id}: was it wiped?")
        return _event(page.records[0])

    def at_input(self, event: Event, asset: str, partition: str) -> Event:
        """The very materialization of an upstream partition that an event says it read.

        Raises:
            InputNotFound: the event does not say so, or the log has lost it.
        """
        for read in event.inputs or ():
            if (read.asset, read.partition) == (asset, partition):
                return self.at(asset, partition, read.event_id)
        raise InputNotFound(
            f"{event.asset}[{event.partition}] (event {event.event_id}) does not say which {asset}[{partition}] it "
            "read: "
            "materialize it again"
        )

    def latest_stop(self, asset: str, partition: str) -> tuple[int, str] | None:
        """Event id and reason of the newest record that a cell's training was stopped early, if there is one."""
        page = self.instance.fetch_observations(
            dg.AssetRecordsFilter(asset_key=dg.AssetKey(asset), asset_partitions=[partition]), limit=1
        )
        for record in page.records:
            observation = record.asset_observation
            if observation is not None and STOP_KEY in observation.metadata:
                return record.storage_id, str(observation.metadata["reason"].value)
        return None

    def waits(self, asset: str, *, after: int = 0) -> dict[str, Wait]:
        """Partition -> its newest refusal, after an event id, for want of the policy that it starts from."""
        found: dict[str, Wait] = {}
        cursor: str | None = None
        records_filter = dg.AssetRecordsFilter(asset_key=dg.AssetKey(asset), after_storage_id=after)
        while True:
            page = self.instance.fetch_observations(records_filter, limit=_PAGE, cursor=cursor, ascending=True)
            for record in page.records:
                observation = record.asset_observation
                if observation is not None and WAITS_KEY in observation.metadata:
                    awaited = _plain(observation.metadata[WAITS_KEY])
                    found[observation.partition or ""] = Wait(
                        event_id=record.storage_id, parent=awaited["partition"], seen=awaited["event_id"]
                    )
            if not page.has_more:
                return found
            cursor = page.cursor

    def observed(self, asset: str, partition: str | None = None, *, after: int | None = None) -> Iterator[Event]:
        """All observations of ours that describe an artifact, oldest first, of one partition or of all."""
        return self._observed(asset, None if partition is None else [partition], after=after)

    def vacancies(self, asset: str, *, after: int | None = None) -> Iterator[Event]:
        """Records that nothing is in production any more, oldest first; they follow a transition and name no bytes."""
        for event in self._observed(asset, None, after=after, with_artifact=False):
            if TRANSITION_KEY in event.metadata:
                yield event

    def _observed(
        self, asset: str, partitions: list[str] | None, *, after: int | None = None, with_artifact: bool = True
    ) -> Iterator[Event]:
        cursor: str | None = None
        records_filter = dg.AssetRecordsFilter(
            asset_key=dg.AssetKey(asset), asset_partitions=partitions, after_storage_id=after
        )
        while True:
            page = self.instance.fetch_observations(records_filter, limit=_PAGE, cursor=cursor, ascending=True)
            for record in page.records:
                observation = record.asset_observation
                if observation is not None and (ARTIFACT_KEY in observation.metadata) == with_artifact:
                    yield _as_event(record, observation)
            if not page.has_more:
                return
            cursor = page.cursor

    def versions(self, asset: str, partition: str) -> Iterator[Event]:
        """All that was ever made of a partition: its materializations, then what was only observed."""
        yield from self.history(asset, partition)
        yield from self.observed(asset, partition)

    def latest_ids(self, asset: str) -> dict[str, int]:
        """Partition -> event id of its newest materialization."""
        return dict(
            self.instance.event_log_storage.get_latest_storage_id_by_partition(
                dg.AssetKey(asset), dg.DagsterEventType.ASSET_MATERIALIZATION
            )
        )

    def latest_versions(self, asset: str) -> dict[str, str]:
        """Partition -> data version of its newest materialization."""
        tags = self.instance.event_log_storage.get_latest_tags_by_partition(
            dg.AssetKey(asset), dg.DagsterEventType.ASSET_MATERIALIZATION, tag_keys=[DATA_VERSION_TAG]
        )
        return {partition: values[DATA_VERSION_TAG] for partition, values in tags.items() if DATA_VERSION_TAG in values}

    def newest(self, asset: str, partitions: Collection[str] | None = None) -> dict[str, Event]:
        """Partition -> its newest materialization, of all partitions or of those named that have one."""
        latest = self.latest_ids(asset)
        wanted = latest if partitions is None else set(partitions)
        return self.load(asset, [event_id for partition, event_id in latest.items() if partition in wanted])

    def load(self, asset: str, event_ids: Collection[int]) -> dict[str, Event]:
        """Partition -> its materialization, of those with these event ids that the log still has."""
        return {event.partition: event for event in self.by_id(asset, event_ids) if event.partition}

    def by_id(self, asset: str, event_ids: Collection[int], *, observed: bool = False) -> Iterator[Event]:
        """An asset's materializations, or observations, with these event ids, of those that the log still has."""
        fetch = self.instance.fetch_observations if observed else self.instance.fetch_materializations
        ids = sorted(event_ids)
        for start in range(0, len(ids), _PAGE):
            part = ids[start : start + _PAGE]
            page = fetch(dg.AssetRecordsFilter(asset_key=dg.AssetKey(asset), storage_ids=part), limit=len(part))
            for record in page.records:
                logged = record.asset_observation if observed else record.asset_materialization
                if logged is not None:
                    yield _as_event(record, logged)

    def history(self, asset: str, partition: str | None = None, *, after: int | None = None) -> Iterator[Event]:
        """All materializations, oldest first, of one partition or of all, after an event id."""
        return self._history(asset, None if partition is None else [partition], after=after)

    def histories(self, asset: str, partitions: Collection[str]) -> dict[str, list[Event]]:
        """Partition -> all its versions as `versions` gives them, of those named that have any."""
        found: dict[str, list[Event]] = {}
        names = sorted(partitions)
        for start in range(0, len(names), _PAGE):
            page = names[start : start + _PAGE]
            for event in (*self._history(asset, page), *self._observed(asset, page)):
                found.setdefault(event.partition, []).append(event)
        return found

    def _history(self, asset: str, partitions: list[str] | None, *, after: int | None = None) -> Iterator[Event]:
        cursor: str | None = None
        records_filter = dg.AssetRecordsFilter(
            asset_key=dg.AssetKey(asset), asset_partitions=partitions, after_storage_id=after
        )
        while True:
            page = self.instance.fetch_materializations(records_filter, limit=_PAGE, cursor=cursor, ascending=True)
            yield from (_event(record) for record in page.records)
            if not page.has_more:
                return
            cursor = page.cursor


def _event(record: EventLogRecord) -> Event:
    materialization = record.asset_materialization
    assert materialization is not None, "the log was asked for materializations only"
    return _as_event(record, materialization)


def _as_event(record: EventLogRecord, logged: dg.AssetMaterialization | dg.AssetObservation) -> Event:
    return Event(
        asset=logged.asset_key.to_user_string(),
        partition=logged.partition or "",
        event_id=record.storage_id,
        data_version=(logged.tags or {}).get(DATA_VERSION_TAG, ""),
        metadata={name: _plain(value) for name, value in logged.metadata.items()},
        entries=logged.metadata,
        run_id=record.run_id,
        timestamp=record.timestamp,
    )


def _plain(value: Any) -> Any:
    """A metadata entry as the plain value that went in."""
    return getattr(value, "data", getattr(value, "value", value))
