"""What the event log says of lineage, kept beside it in one file that can be thrown away at any time.

Reading an event out of Dagster's log costs most of a millisecond; reading it here costs a hundredth of that. Nothing is
believed because it stands here: before each answer the list of events is compared with the log's own, entry by entry,
and each record with its checksum.
"""

import fcntl
import json
import os
import sqlite3
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from functools import lru_cache
from hashlib import blake2b
from pathlib import Path
from typing import Any, Protocol

from rl_assets.errors import LineageError
from rl_assets.lineage.graph import LineageGraph
from rl_assets.lineage.records import InputRecord, Materialization
from rl_assets.store.atomic import refusals_explained

FORMAT = 1
"""Raised when the file's tables or their meaning change; an index of another format is built again."""

FILE_NAME = "index.sqlite"
_LOCK_NAME = "index.lock"
_CHUNK = 500
_DAMAGED = {sqlite3.SQLITE_ERROR, sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_MISMATCH}
_TABLES = (
    "CREATE TABLE log (log_id TEXT NOT NULL)",
    "CREATE TABLE events (event_id INTEGER PRIMARY KEY, mark TEXT NOT NULL, record TEXT, seal BLOB NOT NULL)",
    "CREATE TABLE facts (event_id INTEGER PRIMARY KEY, facts TEXT NOT NULL, seal BLOB NOT NULL)",
)


class LineageLog(Protocol):
    """The event log as the index needs it."""

    @property
    def log_id(self) -> str:
        """Tells one log from every other, for as long as it exists."""
        ...

    def marks(self) -> Mapping[int, str]:
        """Event id -> what tells this event from any other that might ever have the same id; cheap to list."""
        ...

    def read(self, event_ids: Collection[int]) -> Iterator[Materialization]:
        """Read some of the listed events; one that is no materialization of ours, or is gone by now, is left out."""
        ...


class _Damaged(LineageError):
    """The file is not what this class wrote for this log; the text says in what."""


@dataclass(frozen=True, kw_only=True)
class IndexNews:
    """What was found when the index was compared with the log."""

    num_events: int
    """Materializations in the index now, as many as the log has."""
    num_added: int
    """Read from the log just now."""
    removed: Mapping[str, int]
    """Asset -> number of its events that were here and are gone from the log."""
    num_changed: int = 0
    """Events that had the id of another one before."""
    rebuilt_because: str | None = None
    """Why everything was read again; None where it was not."""

    def warnings(self) -> tuple[str, ...]:
        """What someone who relies on an answer has to know; new events are no news."""
        found: list[str] = []
        if self.rebuilt_because:
            found.append(f"the lineage index was built again from the event log: {self.rebuilt_because}")
        if self.removed:
            gone = ", ".join(f"{number} of {asset}" for asset, number in sorted(self.removed.items()))
            found.append(
                f"events are gone from the event log since it was last asked ({gone}): they were wiped or their runs "
                "were deleted; what follows is what the log holds now, and what read them shows as possibly affected"
            )
        if self.num_changed:
            found.append(
                f"{self.num_changed} events have the ids of others that were there before: they were read again"
            )
        return tuple(found)


_NO_NEWS = IndexNews(num_events=0, num_added=0, removed={})


class LineageIndex:
    """One file of records, always compared with the log before it answers.

    Any number of processes may ask at once; they take turns.

    Args:
        folder: created when something is first indexed.
        log: what the index is derived from.
    """

    def __init__(self, folder: Path, log: LineageLog) -> None:
        self.file = folder / FILE_NAME
        self._folder = folder
        self._log = log

    def refresh(self) -> IndexNews:
        """Bring the index up to what the log holds, or build it anew where it cannot be trusted.

        Raises:
            StoreUnavailable: the folder cannot be written.
        """
        return self._ask(lambda _: None)[1]

    def graph(self) -> tuple[LineageGraph, IndexNews]:
        """The lineage of everything in the log, without facts, and what was found on the way.

        Raises:
            StoreUnavailable: the folder cannot be written.
            LineageError: the file is damaged again as soon as it is written.
        """
        return self._ask(lambda database: LineageGraph.build(_records(database)))

    def facts(self, event_ids: Iterable[int]) -> dict[int, dict[str, Any]]:
        """Event id -> commit, seeds and whatever else was recorded of it, of events that `graph` has just found.

        Raises:
            StoreUnavailable: the folder cannot be written.
            LineageError: the file is damaged again as soon as it is written.
        """
        ids = sorted(set(event_ids))
        return self._ask(lambda database: dict(_facts(database, ids)), compares=False)[0]

    def rebuild(self, because: str = "it was asked for") -> IndexNews:
        """Read the whole log into a new file, and put it in the place of the old one.

        Raises:
            StoreUnavailable: the folder cannot be written.
        """
        with self._locked():
            return self._rebuild(because)

    def check(self) -> tuple[int, ...]:
        """Compare every record with the log, word by word; as slow as reading the log.

        Returns:
            Ids of events whose record in the index is not what the log says, after it was brought up to date.
        """
        with self._locked():
            self._up_to_date()
            with self._opened() as database:
                facts = dict(_facts(database, None))
                indexed = {
                    event.event_id: event.to_json() | {"facts": facts[event.event_id]} for event in _records(database)
                }
        logged = {event.event_id: _plain(event.to_json()) for event in self._log.read(list(self._log.marks()))}
        different = {event_id for event_id in indexed.keys() & logged.keys() if indexed[event_id] != logged[event_id]}
        return tuple(sorted(different | (indexed.keys() ^ logged.keys())))

    def _ask(self, question: Callable[[sqlite3.Connection], Any], *, compares: bool = True) -> tuple[Any, IndexNews]:
        """Answer from an index that equals the log; a file that turns out damaged is replaced once."""
        with self._locked():
            news = self._up_to_date() if compares else _NO_NEWS
            try:
                with self._opened() as database:
                    return question(database), news
            except _Damaged as error:
                news = self._rebuild(str(error))
            try:
                with self._opened() as database:
                    return question(database), news
            except _Damaged as error:
                raise LineageError(
                    f"lineage index '{self.file}': {error}, also after it was built again: look at the disk"
                ) from error

    def _up_to_date(self) -> IndexNews:
        if not self.file.exists():
            return self._rebuild(None)
        try:
            with self._opened() as database:
                return self._compare(database)
        except _Damaged as error:
            return self._rebuild(str(error))

    def _compare(self, database: sqlite3.Connection) -> IndexNews:
        """Make the difference between log and index disappear."""
        known: dict[int, str] = dict(database.execute("SELECT event_id, mark FROM events"))
        marks = self._log.marks()
        gone = [event_id for event_id in known if event_id not in marks]
        changed = [event_id for event_id, mark in known.items() if marks.get(event_id, mark) != mark]
        added = [event_id for event_id in marks if event_id not in known]
        removed: dict[str, int] = {}
        for record in _parsed(database, gone):
            removed[record.asset] = removed.get(record.asset, 0) + 1
        if gone or changed or added:
            with database:
                for table in ("events", "facts"):
                    database.executemany(
                        f"DELETE FROM {table} WHERE event_id = ?", ((event_id,) for event_id in (*gone, *changed))
                    )
                self._insert(database, marks, [*changed, *added])
        return IndexNews(num_events=_count(database), num_added=len(added), removed=removed, num_changed=len(changed))

    def _rebuild(self, because: str | None) -> IndexNews:
        """Write a new file; whatever stands in the old one's place goes with it, its journal too."""
        fresh = self._folder / f"{FILE_NAME}.new"
        for leftover in (fresh, _journal(fresh)):
            leftover.unlink(missing_ok=True)
        marks = self._log.marks()
        with refusals_explained(f"build the lineage index '{self.file}' again"), _explained(self.file):
            with closing(sqlite3.connect(fresh)) as database, database:
                for statement in _TABLES:
                    database.execute(statement)
                database.execute("INSERT INTO log VALUES (?)", (self._log.log_id,))
                database.execute(f"PRAGMA user_version = {FORMAT}")
                self._insert(database, marks, list(marks))
                num_events = _count(database)
            _journal(self.file).unlink(missing_ok=True)
            os.replace(fresh, self.file)
        return IndexNews(num_events=num_events, num_added=len(marks), removed={}, rebuilt_because=because)

    def _insert(self, database: sqlite3.Connection, marks: Mapping[int, str], event_ids: list[int]) -> None:
        """Read events from the log; what it lists and is no materialization of ours is remembered as such."""
        left = set(event_ids)
        for event in self._log.read(event_ids):
            left.remove(event.event_id)
            record, facts = _record_text(event), json.dumps(dict(event.facts), sort_keys=True)
            _insert_event(database, event.event_id, marks[event.event_id], record)
            row = (event.event_id, facts, _seal(event.event_id, facts))
            database.execute("INSERT INTO facts VALUES (?, ?, ?)", row)
        for event_id in left:
            _insert_event(database, event_id, marks[event_id], None)

    @contextmanager
    def _opened(self) -> Iterator[sqlite3.Connection]:
        """The file, if it is one of ours for this log.

        Raises:
            _Damaged: it is not.
            StoreUnavailable: the disk refused.
        """
        with _explained(self.file), closing(sqlite3.connect(self.file)) as database:
            database.execute("PRAGMA secure_delete = ON")  # what is gone from the log stays readable nowhere here
            (version,) = database.execute("PRAGMA user_version").fetchone()
            if version != FORMAT:
                raise _Damaged(f"it had format {version}, and this version of the package writes {FORMAT}")
            owner = database.execute("SELECT log_id FROM log").fetchone()
            if owner != (self._log.log_id,):
                raise _Damaged("it belonged to the event log of another instance")
            yield database

    @contextmanager
    def _locked(self) -> Iterator[None]:
        with refusals_explained(f"open the lineage index in '{self._folder}'"):
            self._folder.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(self._folder / _LOCK_NAME, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)


def _insert_event(database: sqlite3.Connection, event_id: int, mark: str, record: str | None) -> None:
    seal = _seal(event_id, mark, record or "")
    database.execute("INSERT INTO events VALUES (?, ?, ?, ?)", (event_id, mark, record, seal))


def _records(database: sqlite3.Connection) -> Iterator[Materialization]:
    """All materializations, without facts."""
    for event_id, mark, record, seal in database.execute("SELECT event_id, mark, record, seal FROM events"):
        if seal != _seal(event_id, mark, record or ""):
            raise _Damaged(f"its record of event {event_id} did not have its checksum")
        if record is not None:
            yield _from_text(event_id, record)


def _parsed(database: sqlite3.Connection, event_ids: list[int]) -> Iterator[Materialization]:
    for event_id in event_ids:
        row = database.execute("SELECT record FROM events WHERE event_id = ?", (event_id,)).fetchone()
        if row[0] is not None:
            yield _from_text(event_id, row[0])


def _facts(database: sqlite3.Connection, event_ids: list[int] | None) -> Iterator[tuple[int, dict[str, Any]]]:
    """Event id and facts, of some events or of all."""
    made = {event_id for (event_id,) in database.execute("SELECT event_id FROM events WHERE record IS NOT NULL")}
    event_ids = sorted(made if event_ids is None else made.intersection(event_ids))
    found = 0
    for start in range(0, len(event_ids), _CHUNK):
        part = event_ids[start : start + _CHUNK]
        places = ", ".join("?" * len(part))
        query = f"SELECT event_id, facts, seal FROM facts WHERE event_id IN ({places})"
        for event_id, facts, seal in database.execute(query, part):
            if seal != _seal(event_id, facts):
                raise _Damaged(f"its facts of event {event_id} did not have their checksum")
            found += 1
            yield event_id, json.loads(facts)
    if found != len(event_ids):
        raise _Damaged(f"it had lost the facts of {len(event_ids) - found} events")


def _record_text(event: Materialization) -> str:
    """A record as compact JSON: asset, partition, data version, inputs."""
    inputs = event.inputs and [
        [read.asset, read.partition, read.event_id, read.data_version, read.role] for read in event.inputs
    ]
    return json.dumps([event.asset, event.partition, event.data_version, inputs], separators=(",", ":"))


def _from_text(event_id: int, text: str) -> Materialization:
    try:
        asset, partition, version, inputs = json.loads(text)
        records = None if inputs is None else tuple(_input(*read) for read in inputs)
    except (ValueError, TypeError) as error:
        raise _Damaged(f"its record of event {event_id} could not be read") from error
    return Materialization(asset=asset, partition=partition, event_id=event_id, data_version=version, inputs=records)


@lru_cache(maxsize=4_096)  # a dataset and its sweep are read by thousands
def _input(asset: str, partition: str | None, event_id: int, version: str, role: Any) -> InputRecord:
    return InputRecord(asset=asset, partition=partition, event_id=event_id, data_version=version, role=role)


def _seal(event_id: int, *texts: str) -> bytes:
    return blake2b("\0".join([str(event_id), *texts]).encode(), digest_size=16).digest()


def _plain(data: Any) -> Any:
    """What comes back when it was written as JSON."""
    return json.loads(json.dumps(data))


def _count(database: sqlite3.Connection) -> int:
    return database.execute("SELECT COUNT(*) FROM events WHERE record IS NOT NULL").fetchone()[0]


def _journal(file: Path) -> Path:
    return file.with_name(f"{file.name}-journal")


@contextmanager
def _explained(file: Path) -> Iterator[None]:
    """Tell a file that is not ours, or not whole, from a disk that refuses."""
    try:
        yield
    except sqlite3.DatabaseError as error:
        code = (error.sqlite_errorcode or 0) & 0xFF if isinstance(error.sqlite_errorcode, int) else 0
        if code in _DAMAGED:
            raise _Damaged(f"the file was damaged ({error})") from error
        with refusals_explained(f"use the lineage index '{file}'"):
            raise OSError(str(error)) from error
