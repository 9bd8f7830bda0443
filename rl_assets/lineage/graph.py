"""The graph of materializations: an edge is one event that was read by another."""

from collections import defaultdict
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Any, Self

from rl_assets.errors import LineageError, UnknownPartition
from rl_assets.lineage.records import InputRecord, Materialization

SOURCE_ASSETS = frozenset({"datasets"})
PROMOTED_ASSET = "promoted_models"

_Place = tuple[str, str | None]


@dataclass(frozen=True, kw_only=True)
class Trace:
    """Everything that one materialization stands on, newest first, and what nobody can say."""

    steps: tuple[Materialization, ...]
    """The materialization itself and all its ancestors."""
    missing: tuple[InputRecord, ...]
    """Inputs whose event is gone from the log or is not what was recorded."""
    unrecorded: tuple[Materialization, ...]
    """Steps without a record of their inputs."""

    @property
    def is_complete(self) -> bool:
        """Whether every step is known down to the sources."""
        return not self.missing and not self.unrecorded


class LineageGraph:
    """Events by their id, and who read them; made by `LineageGraph.build`."""

    def __init__(self, events: dict[int, Materialization]) -> None:
        self._events = events
        self._readers: dict[int, list[int]] = defaultdict(list)
        self._readers_of_missing: dict[_Place, list[int]] = defaultdict(list)
        self._events_at: dict[_Place, list[int]] = defaultdict(list)
        self._of_unknown_origin: list[int] = []
        for event_id in sorted(events):
            event = events[event_id]
            self._events_at[event.asset, event.partition].append(event_id)
            if event.inputs is None and event.asset not in SOURCE_ASSETS:
                self._of_unknown_origin.append(event_id)
            for record in event.inputs or ():
                if record.role == "evidence":
                    continue
                if self._resolve(record) is not None:
                    self._readers[record.event_id].append(event_id)
                    continue
                self._readers_of_missing[record.asset, record.partition].append(event_id)
                if record.asset not in SOURCE_ASSETS:
                    self._of_unknown_origin.append(event_id)

    @classmethod
    def build(cls, materializations: Iterable[Materialization]) -> Self:
        """Index the records of a log, in any order; the same event may come twice.

        Raises:
            LineageError: two different records have one event id.
        """
        events: dict[int, Materialization] = {}
        for event in materializations:
            if events.setdefault(event.event_id, event) != event:
                raise LineageError(
                    f"event {event.event_id} is both {events[event.event_id].summary()} and {event.summary()}: "
                    "the records come from two instances, or the index is stale: build it again from one event log"
                )
        return cls(events)

    @property
    def events(self) -> tuple[Materialization, ...]:
        """All events, oldest first."""
        return self._in_order(self._events)

    def event(self, event_id: int) -> Materialization:
        """One event.

        Raises:
            UnknownPartition: there is no such event.
        """
        if event_id not in self._events:
            raise UnknownPartition(
                f"event {event_id} is no known materialization: correct the number; `rlctl lineage backward "
                "ASSET:PARTITION` shows those of a partition"
            )
        return self._events[event_id]

    def latest(self, asset: str, partition: str | None) -> Materialization | None:
        """The newest materialization of a partition, or None."""
        ids = self._events_at.get((asset, partition))
        return self._events[ids[-1]] if ids else None

    def descendants(self, asset: str, partition: str | None) -> tuple[Materialization, ...]:
        """Everything that data of any materialization of a partition went into, directly or through others.

        Raises:
            UnknownPartition: nothing was materialized there, and nothing claims to have read it.
        """
        place = (asset, partition)
        if place not in self._events_at and place not in self._readers_of_missing:
            raise UnknownPartition(
                f"nothing was ever materialized as '{asset}', partition '{partition}': correct the name"
            )
        return self._in_order(self._descending_from([place]))

    def ancestors(self, event_id: int) -> tuple[Materialization, ...]:
        """Everything that one materialization read, directly or through others, by event id.

        Raises:
            UnknownPartition: there is no such event.
        """
        return tuple(step for step in reversed(self.trace(event_id).steps) if step.event_id != event_id)

    def trace(self, event_id: int, *, with_evidence: bool = True) -> Trace:
        """Walk from one materialization down to its sources.

        What only informed the decision to make it is shown too, but not what that evidence stands on.

        Args:
            event_id: where to begin.
            with_evidence: False shows only what passed data on.

        Raises:
            UnknownPartition: there is no such event.
        """
        self.event(event_id)
        found, walked = {event_id}, {event_id}
        waiting = [event_id]
        missing: set[InputRecord] = set()
        while waiting:
            reader = waiting.pop()
            for record in self._events[reader].inputs or ():
                if record.role == "evidence" and not (with_evidence and reader == event_id):
                    continue
                if self._resolve(record) is None:
                    missing.add(record)
                    continue
                found.add(record.event_id)
                if record.role == "data" and record.event_id not in walked:
                    walked.add(record.event_id)
                    waiting.append(record.event_id)
        steps = tuple(reversed(self._in_order(found)))
        return Trace(
            steps=steps,
            missing=tuple(sorted(missing, key=lambda record: (record.event_id, record.asset, record.partition or ""))),
            unrecorded=tuple(step for step in steps if step.inputs is None and step.asset not in SOURCE_ASSETS),
        )

    def client_query(self, dataset_keys: Collection[str]) -> dict[str, list[Any]]:
        """Say what was made from a client's datasets, exactly by event id, and what may have been.

        Args:
            dataset_keys: partition keys of `datasets`; one that was never materialized has no descendants.

        Returns:
            `datasets`: the keys, sorted. `materializations`: the datasets' own events and everything that descends
            from them, oldest first. `promoted`: those of them that are champions. `possibly_affected`: events that
            are not among them but whose inputs nobody recorded or can find any more, and what descends from those.
        """
        places: list[_Place] = [("datasets", key) for key in sorted(set(dataset_keys))]
        own = {event_id for place in places for event_id in self._events_at.get(place, ())}
        return {"datasets": [key for _, key in places]} | self._affected(own | self._descending_from(places))

    def forward(self, asset: str, partition: str | None, event_id: int | None = None) -> dict[str, list[Any]]:
        """Say what was made from a partition, or from one of its materializations alone, and what may have been.

        Returns:
            The lists `materializations`, `promoted` and `possibly_affected` of `client_query`; the partition's own
            events are among the first.

        Raises:
            UnknownPartition: nothing was ever materialized there, or the event is not one of the partition's.
        """
        if event_id is None:
            self.descendants(asset, partition)
            place = (asset, partition)
            return self._affected({*self._events_at.get(place, ()), *self._descending_from([place])})
        event = self.event(event_id)
        if (event.asset, event.partition) != (asset, partition):
            raise UnknownPartition(
                f"event {event_id} is {event.asset}:{event.partition}, not {asset}:{partition}: correct one of them"
            )
        return self._affected(self._closure([event_id]))

    def _affected(self, affected: set[int]) -> dict[str, list[Any]]:
        """Events as a query lists them, with those of which nobody can say whether they belong to them."""
        possibly = self._closure(self._of_unknown_origin) - affected
        materializations = self._in_order(affected)
        return {
            "materializations": [event.summary() for event in materializations],
            "promoted": [event.summary() for event in materializations if event.asset == PROMOTED_ASSET],
            "possibly_affected": [event.summary() for event in self._in_order(possibly)],
        }

    def _resolve(self, record: InputRecord) -> Materialization | None:
        """The event that was read, or None when the log no longer holds it as it was recorded."""
        event = self._events.get(record.event_id)
        if event is None or event.data_version != record.data_version:
            return None
        return event if (event.asset, event.partition) == (record.asset, record.partition) else None

    def _descending_from(self, places: Iterable[_Place]) -> set[int]:
        """Readers of any event at the places, whether or not the log still holds that event, and their descendants."""
        readers = []
        for place in places:
            readers += self._readers_of_missing.get(place, ())
            for event_id in self._events_at.get(place, ()):
                readers += self._readers.get(event_id, ())
        return self._closure(readers)

    def _closure(self, starts: Iterable[int]) -> set[int]:
        """The events and all their descendants."""
        found = set(starts)
        waiting = list(found)
        while waiting:
            for reader in self._readers.get(waiting.pop(), ()):
                if reader not in found:
                    found.add(reader)
                    waiting.append(reader)
        return found

    def _in_order(self, ids: Iterable[int]) -> tuple[Materialization, ...]:
        return tuple(self._events[event_id] for event_id in sorted(ids))
