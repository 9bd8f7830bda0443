"""Dagster's databases as they are written to here: one file for each run and three more on SQLite, one on Postgres.

All that differs between the two stands in this file.
"""

import sqlite3
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, closing, contextmanager
from pathlib import Path

import dagster as dg
from dagster._core.storage.event_log import SqlEventLogStorage, SqliteEventLogStorage
from dagster._core.storage.event_log.sqlite.sqlite_event_log import INDEX_SHARD_NAME
from dagster._core.storage.runs import SqliteRunStorage, SqlRunStorage
from dagster._core.storage.schedules import SqliteScheduleStorage, SqlScheduleStorage
from sqlalchemy import Connection, Engine, NullPool, create_engine, event, inspect
from sqlalchemy.exc import OperationalError

from rl_assets.errors import LineageError, StoreUnavailable

PATIENCE_S = 60.0
"""How long a daemon, a webserver or a run may keep a database busy before this gives up."""

POSTGRES_KEEPS_ELSEWHERE = (
    "Postgres: rows were deleted and their tables written anew, so no data file holds them. What was written before "
    "stands in the write-ahead log until it is recycled (a checkpoint or two later), and in archived logs, replicas "
    "that lag, and base backups for as long as those are kept: let them expire, or replay the ledger on what is "
    "restored from them."
)
SQLITE_KEEPS_ELSEWHERE = (
    "SQLite: deleted rows were overwritten, files packed and write-ahead logs emptied; files of runs were removed. "
    "Snapshots and backups of the disk hold what they held: let them expire, or replay the ledger on what is restored."
)


class Databases:
    """Where one Dagster instance keeps its records, through connections of its own.

    Raises:
        LineageError: the instance keeps its records elsewhere than in files of SQLite or in Postgres.
    """

    def __init__(self, instance: dg.DagsterInstance) -> None:
        events, runs, schedules = instance.event_log_storage, instance.run_storage, instance.schedule_storage
        self._folder: Path | None = None
        if (
            isinstance(events, SqliteEventLogStorage)
            and isinstance(runs, SqliteRunStorage)
            and isinstance(schedules, SqliteScheduleStorage)
        ):
            self._folder = Path(events.path_for_shard(INDEX_SHARD_NAME)).parent
            self._runs, self._schedules = _file_of(runs), _file_of(schedules)
            return
        if (
            isinstance(events, SqlEventLogStorage)
            and isinstance(runs, SqlRunStorage)
            and isinstance(schedules, SqlScheduleStorage)
        ):
            with events.index_connection() as log, runs.connect() as state, schedules.connect() as ticks:
                self._engines: tuple[Engine, Engine, Engine] = (log.engine, state.engine, ticks.engine)
            if all(engine.dialect.name == "postgresql" for engine in self._engines):
                return
        raise LineageError(
            f"records in {type(events).__name__}: expected files of SQLite or Postgres for events, runs and "
            "schedules alike, which this knows how to remove records from; choose one in dagster.yaml"
        )

    @property
    def has_file_per_run(self) -> bool:
        """Whether each run has a database of its own beside the index of all."""
        return self._folder is not None

    @property
    def keeps_elsewhere(self) -> str:
        """For an officer: where bytes may be that no statement to this database reaches."""
        return SQLITE_KEEPS_ELSEWHERE if self.has_file_per_run else POSTGRES_KEEPS_ELSEWHERE

    def index(self, *, to_read: bool = False) -> AbstractContextManager[Connection]:
        """A transaction over the events of all runs, or, with a file per run, over those that Dagster copies there."""
        return self._on_file(self._folder / "index.db", to_read) if self._folder else _on_postgres(self._engines[0])

    def runs(self, *, to_read: bool = False) -> AbstractContextManager[Connection]:
        """A transaction over runs, their tags, backfills and cursors of daemons."""
        return self._on_file(self._runs, to_read) if self._folder else _on_postgres(self._engines[1])

    def schedules(self, *, to_read: bool = False) -> AbstractContextManager[Connection]:
        """A transaction over sensors and their ticks."""
        return self._on_file(self._schedules, to_read) if self._folder else _on_postgres(self._engines[2])

    @property
    def distinct(self) -> list[Callable[..., AbstractContextManager[Connection]]]:
        """`index`, `runs` and `schedules`, of those that are one database only the first."""
        opened = [self.index, self.runs, self.schedules]
        if self._folder is not None:
            return opened
        return list({str(engine.url): open for engine, open in zip(self._engines, opened, strict=True)}.values())

    def of_run(self, run_id: str, *, to_read: bool = False) -> AbstractContextManager[Connection]:
        """A transaction over the database that a run has for itself."""
        return self._on_file(self.run_file(run_id), to_read)

    def run_file(self, run_id: str) -> Path:
        """The file that a run has for itself; it need not be there."""
        assert self._folder is not None, "only with SQLite does a run have a file"
        return self._folder / f"{run_id}.db"

    def files(self) -> list[Path]:
        """Every file of SQLite's, journals and leftovers too; none on Postgres."""
        if self._folder is None:
            return []
        places = {self._folder, self._runs.parent, self._schedules.parent}
        found = {path for place in places for path in place.glob("*.db*") if path.is_file()}
        return sorted(found | {path for place in places for path in place.glob(".db*") if path.is_file()})

    def run_ids_with_file(self) -> list[str]:
        """Ids of the runs that have a file, that of events outside of runs, '', among them."""
        assert self._folder is not None, "only with SQLite does a run have a file"
        own = {"index.db", self._runs.name, self._schedules.name}
        found = {path.name.removesuffix(".db") for path in self._folder.iterdir() if path.suffix == ".db"}
        if (self._folder / ".db").is_file():
            found.add("")
        return sorted(found - {name.removesuffix(".db") for name in own})

    def remove_run_file(self, run_id: str) -> None:
        """Remove the database of a run, journals first."""
        file = self.run_file(run_id)
        for suffix in ("-wal", "-shm", "-journal", ""):
            file.with_name(file.name + suffix).unlink(missing_ok=True)

    def pack_run_file(self, run_id: str) -> None:
        """Write the database of a run anew, so that it holds nothing but its rows."""
        pack_file(self.run_file(run_id))

    def pack(self, tables: frozenset[str], *, on_progress: Callable[[str], None]) -> None:
        """Write what holds these tables anew, and empty all journals.

        Raises:
            StoreUnavailable: somebody kept a database busy all the time.
        """
        if self._folder is None:
            for engine in {str(engine.url): engine for engine in self._engines}.values():
                _pack_tables(engine, sorted(tables & set(inspect(engine).get_table_names())), on_progress)
            return
        main = [self._folder / "index.db", self._runs, self._schedules]
        for file in main:
            on_progress(f"packing {file.name}")
            pack_file(file)
        for journal in self.files():
            file = journal.with_name(journal.name.removesuffix("-wal"))
            if journal != file and file.exists() and _holds_anything(journal):
                empty_journal(file)

    @contextmanager
    def _on_file(self, file: Path, to_read: bool) -> Iterator[Connection]:
        engine = create_engine(f"sqlite:///{file}", poolclass=NullPool, connect_args={"timeout": PATIENCE_S})

        @event.listens_for(engine, "connect")
        def _prepare(connection: sqlite3.Connection, _record: object) -> None:
            connection.isolation_level = None  # SQLAlchemy begins below, before the first read and not the first write
            connection.execute("PRAGMA secure_delete = ON")

        @event.listens_for(engine, "begin")
        def _begin(connection: Connection) -> None:
            connection.exec_driver_sql("BEGIN" if to_read else "BEGIN IMMEDIATE")

        try:
            with engine.begin() as connection:
                yield connection
        finally:
            engine.dispose()


@contextmanager
def _on_postgres(engine: Engine) -> Iterator[Connection]:
    with engine.connect().execution_options(isolation_level="READ COMMITTED") as connection, connection.begin():
        yield connection


def _pack_tables(engine: Engine, tables: Sequence[str], on_progress: Callable[[str], None]) -> None:
    """Write tables of Postgres anew, with the statistics of their columns, in which values stand too."""
    with engine.connect() as connection:
        alone = connection.execution_options(isolation_level="AUTOCOMMIT")
        alone.exec_driver_sql(f"SET lock_timeout = '{PATIENCE_S:.0f}s'")
        for table in tables:
            on_progress(f"packing table {table}")
            try:
                alone.exec_driver_sql(f'VACUUM (FULL, ANALYZE) "{table}"')
            except OperationalError as error:
                raise StoreUnavailable(
                    f"table '{table}' of Dagster's Postgres is in use and cannot be packed: expected it to be free "
                    f"within {PATIENCE_S:.0f} s; stop what reads it and start the erasure again: {error.orig}"
                ) from error


def pack_file(file: Path) -> None:
    """Write a database of SQLite anew and empty its journal.

    Raises:
        StoreUnavailable: somebody kept it busy all the time.
    """
    with closing(sqlite3.connect(file, timeout=PATIENCE_S, isolation_level=None)) as connection:
        connection.execute("PRAGMA secure_delete = ON")
        try:
            connection.execute("VACUUM")
        except sqlite3.OperationalError as error:
            raise _busy(file) from error
    empty_journal(file)


def empty_journal(file: Path) -> None:
    """Fold the journal of a database of SQLite into it and cut it to nothing.

    Raises:
        StoreUnavailable: somebody kept it busy all the time.
    """
    gives_up_at = time.monotonic() + PATIENCE_S
    with closing(sqlite3.connect(file, timeout=PATIENCE_S, isolation_level=None)) as connection:
        while True:
            is_busy, _, _ = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
            if not is_busy:
                return
            if time.monotonic() > gives_up_at:
                raise _busy(file)
            time.sleep(0.05)


def _holds_anything(journal: Path) -> bool:
    try:
        return journal.stat().st_size > 0
    except FileNotFoundError:
        return False  # the last connection of somebody else folded it in and took it away


def _busy(file: Path) -> StoreUnavailable:
    return StoreUnavailable(
        f"Dagster's database {file} is in use and cannot be packed: expected it to be free within {PATIENCE_S:.0f} s; "
        "stop what reads it (`dagster dev`, a copy of it, a shell of sqlite3) and start the erasure again"
    )


def _file_of(storage: SqliteRunStorage | SqliteScheduleStorage) -> Path:
    with storage.connect() as connection:
        database = connection.engine.url.database
    assert database is not None, "Dagster's SQLite storages are files"
    return Path(database)
