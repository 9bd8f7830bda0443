"""Looking for bytes in everything that Dagster keeps."""

import json
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import dagster as dg
from sqlalchemy import Connection, MetaData, select

from rl_assets.resources.redaction.compute_logs import CapturedLogs
from rl_assets.resources.redaction.databases import Databases

_PART = 1 << 20


@dataclass(frozen=True, kw_only=True)
class Mention:
    """One place where some bytes were found."""

    needle: bytes
    """What was looked for."""
    place: str
    """`table.column`, or the path of a file."""
    row: str
    """Primary key of the row; empty for a file."""


def recorded_files(instance: dg.DagsterInstance) -> tuple[Path, ...]:
    """Every file in which Dagster keeps records or captured logs on this machine."""
    return (*Databases(instance).files(), *CapturedLogs(instance).files())


def find_mentions(instance: dg.DagsterInstance, needles: Sequence[bytes]) -> list[Mention]:
    """Find bytes in every column of every table of Dagster's, in the raw files of SQLite and in all captured logs.

    Texts that are not ASCII are also found in the ways in which JSON spells them; packed snapshots are unpacked.

    Args:
        instance: on SQLite or Postgres.
        needles: what to look for; none may be empty.

    Raises:
        LineageError: the instance keeps its records elsewhere.
        ValueError: a needle is empty.
    """
    if not all(needles):
        raise ValueError("a needle is empty: expected at least one byte, or everything would mention it")
    spelled = {spelling: needle for needle in needles for spelling in _spellings(needle)}
    databases = Databases(instance)
    found = []
    for path in recorded_files(instance):
        found += [Mention(needle=needle, place=str(path), row="") for needle in _in_file(path, spelled)]
    for database in databases.distinct:
        with database(to_read=True) as connection:
            found += _in_tables(connection, spelled)
    for run_id in databases.run_ids_with_file() if databases.has_file_per_run else ():
        with databases.of_run(run_id, to_read=True) as connection:
            found += _in_tables(connection, spelled, of_run=run_id)
    return sorted(set(found), key=lambda mention: (mention.place, mention.row, mention.needle))


def _in_tables(connection: Connection, spelled: dict[bytes, bytes], *, of_run: str | None = None) -> Iterator[Mention]:
    known = MetaData()
    known.reflect(bind=connection)
    for table in known.sorted_tables:
        keys = [column.name for column in table.primary_key] or [column.name for column in table.columns]
        for row in connection.execute(select(table)).yield_per(500).mappings():
            for name, value in row.items():
                for needle in _in_value(value, spelled):
                    yield Mention(
                        needle=needle,
                        place=f"{table.name}.{name}" + ("" if of_run is None else f" of run {of_run}"),
                        row=", ".join(str(row[key]) for key in keys),
                    )


def _in_value(value: object, spelled: dict[bytes, bytes]) -> set[bytes]:
    if value is None:
        return set()
    data = bytes(value) if isinstance(value, bytes | memoryview) else str(value).encode()
    found = {needle for spelling, needle in spelled.items() if spelling in data}
    if isinstance(value, bytes | memoryview):
        try:
            unpacked = zlib.decompress(data)
        except zlib.error:
            return found
        found |= {needle for spelling, needle in spelled.items() if spelling in unpacked}
    return found


def _in_file(path: Path, spelled: dict[bytes, bytes]) -> set[bytes]:
    """Needles in a file that may be large and may vanish; parts overlap, so that none is cut in two."""
    overlap = max(map(len, spelled), default=1) - 1
    found: set[bytes] = set()
    try:
        with path.open("rb") as file:
            tail = b""
            while part := file.read(_PART):
                window = tail + part
                found |= {needle for spelling, needle in spelled.items() if spelling in window}
                tail = window[-overlap:] if overlap else b""
    except FileNotFoundError:
        return found  # a journal, which its last reader took away
    return found


def _spellings(needle: bytes) -> set[bytes]:
    """The bytes themselves, and if they are a text the ways in which JSON, and JSON in JSON, write it."""
    try:
        text = needle.decode()
    except UnicodeDecodeError:
        return {needle}
    once = json.dumps(text)[1:-1].encode()
    return {needle, once, once.replace(b"\\", b"\\\\")}
