"""Databases are written to without a trace of what was there."""

import sqlite3
from collections.abc import Callable
from contextlib import AbstractContextManager, closing
from pathlib import Path

import pytest
from sqlalchemy import Connection

from rl_assets.errors import StoreUnavailable
from rl_assets.resources.redaction import databases
from rl_assets.resources.redaction.databases import Databases, empty_journal, pack_file
from tests.resources.redaction.conftest import Worlds


@pytest.fixture
def journaled(tmp_path: Path) -> Path:
    """A database whose deleted rows are still in its pages, and in its journal."""
    file = tmp_path / "some.db"
    with closing(sqlite3.connect(file)) as connection:
        connection.execute("PRAGMA secure_delete = OFF")  # some systems build SQLite so that it is on
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("CREATE TABLE words (id INTEGER PRIMARY KEY, word TEXT)")
        connection.executemany("INSERT INTO words (word) VALUES (?)", [(f"Marabou-{n}" * 40,) for n in range(200)])
        connection.commit()
        connection.execute("PRAGMA wal_checkpoint")
        connection.execute("DELETE FROM words WHERE id > 1")
        connection.commit()
    return file


def test_packing_leaves_no_deleted_row_in_the_file_or_its_journal(journaled: Path) -> None:
    assert b"Marabou-77" in journaled.read_bytes()
    reader = sqlite3.connect(journaled)
    reader.execute("SELECT count(*) FROM words").fetchall()  # keeps the journal there, as a webserver does
    pack_file(journaled)
    journal = journaled.with_name("some.db-wal")
    assert journal.stat().st_size == 0
    assert b"Marabou-77" not in journaled.read_bytes()
    assert reader.execute("SELECT count(*) FROM words").fetchall() == [(1,)]
    reader.close()


def test_a_reader_that_does_not_let_go_is_told_of(journaled: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(databases, "PATIENCE_S", 0.2)
    with closing(sqlite3.connect(journaled, isolation_level=None)) as reader:
        reader.execute("BEGIN")
        reader.execute("SELECT count(*) FROM words").fetchall()
        with closing(sqlite3.connect(journaled)) as writer:
            writer.execute("INSERT INTO words (word) VALUES ('x')")
            writer.commit()
            with pytest.raises(StoreUnavailable, match=r"some\.db is in use .*start the erasure again"):
                empty_journal(journaled)


def test_a_transaction_that_fails_leaves_everything(worlds: Worlds) -> None:
    def begin(opened: Callable[..., AbstractContextManager[Connection]]) -> None:
        with opened() as connection:
            connection.exec_driver_sql("CREATE TABLE half (id INTEGER)")
            raise ZeroDivisionError

    with worlds.copy() as installation:
        for opened in Databases(installation.instance).distinct:
            with pytest.raises(ZeroDivisionError):
                begin(opened)
            with opened(to_read=True) as connection:
                assert not connection.dialect.has_table(connection, "half")


def test_an_officer_is_told_where_else_bytes_may_be(worlds: Worlds) -> None:
    with worlds.copy() as installation:
        found = Databases(installation.instance)
        assert ("write-ahead log" in found.keeps_elsewhere) is True
        assert ("base backups" in found.keeps_elsewhere) is not found.has_file_per_run
