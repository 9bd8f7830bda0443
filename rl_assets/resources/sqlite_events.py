"""Dagster's event log on SQLite, with the database of all assets kept open between two events."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from dagster._core.storage.event_log import SqliteEventLogStorage
from dagster._core.storage.event_log.sqlite.sqlite_event_log import INDEX_SHARD_NAME
from dagster._serdes import ConfigurableClassData
from sqlalchemy import Connection, Engine, create_engine

BUSY_TIMEOUT_S = 60


class KeptSqliteEventLogStorage(SqliteEventLogStorage):
    """Stores an event in two thirds of the time.

    Dagster opens the database anew for each event; when its last connection closes, SQLite folds the journal back into
    it, and each new engine compiles its statements again. Here the index of all assets keeps its engine and connection.
    The database of each run is left as it is: the UI learns of new lines in it by the very write that folding does.
    """

    _index_engine: Engine | None = None

    @classmethod
    def from_config_value(
        cls, inst_data: ConfigurableClassData | None, config_value: Any
    ) -> "KeptSqliteEventLogStorage":
        """Make one as `dagster.yaml` describes it."""
        return cls(inst_data=inst_data, **config_value)

    @contextmanager
    def _connect(self, shard: str) -> Iterator[Connection]:
        if shard != INDEX_SHARD_NAME:
            with super()._connect(shard) as connection:
                yield connection
            return
        with self._db_lock, self._engine().connect() as connection, connection.begin():
            yield connection

    def _engine(self) -> Engine:
        if self._index_engine is None:
            engine = create_engine(
                self.conn_string_for_shard(INDEX_SHARD_NAME),
                connect_args={"timeout": BUSY_TIMEOUT_S, "check_same_thread": False},
            )
            if INDEX_SHARD_NAME not in self._initialized_dbs:
                self._initdb(engine)
                self._initialized_dbs.add(INDEX_SHARD_NAME)
            self._index_engine = engine
        return self._index_engine

    def dispose(self) -> Any:
        """Close the index."""
        if self._index_engine is not None:
            self._index_engine.dispose()
            self._index_engine = None
        return super().dispose()
