"""Bytes are found wherever Dagster keeps them, and the place is told."""

import zlib
from pathlib import Path

import pytest
from sqlalchemy import text

from rl_assets.resources.redaction.databases import Databases
from rl_assets.resources.redaction.mentions import find_mentions
from tests.resources.redaction.conftest import Worlds
from tests.resources.redaction.worlds import GONE, say


def test_a_word_in_a_row_is_found_with_its_table_and_key(worlds: Worlds) -> None:
    with worlds.copy() as installation:
        installation.instance.daemon_cursor_storage.set_cursor_values({"Zebu-Xw3": "after Okapi-Lm9"})
        found = {
            (mention.place, mention.needle)
            for mention in find_mentions(installation.instance, [b"Zebu-Xw3", b"Okapi-Lm9"])
            if mention.row
        }
        assert found == {("kvs.key", b"Zebu-Xw3"), ("kvs.value", b"Okapi-Lm9")}


def test_a_word_in_another_script_is_found_as_json_spells_it(worlds: Worlds) -> None:
    word = "Quxwörth-Läb"
    with worlds.copy() as installation:
        say(installation.instance, worlds.world.shared_runs[0], f"it was {word}")
        found = {
            mention.place.partition(" ")[0]
            for mention in find_mentions(installation.instance, [word.encode()])
            if mention.row
        }
        assert found == {"event_logs.event"}


def test_captured_logs_and_packed_columns_are_searched(worlds: Worlds) -> None:
    with worlds.copy() as installation:
        instance = installation.instance
        logs = {Path(mention.place).suffix for mention in find_mentions(instance, [f"{GONE}-stderr".encode()])}
        assert logs == {".err"}
        with Databases(instance).runs() as connection:
            add = "INSERT INTO snapshots (snapshot_id, snapshot_body, snapshot_type) VALUES ('s', :body, 'JOB')"
            connection.execute(text(add), {"body": zlib.compress(b"of Tapir-Vd1 " * 9)})
        (found,) = find_mentions(instance, [b"Tapir-Vd1"])
        assert found.place == "snapshots.snapshot_body"


def test_what_stands_nowhere_is_not_found_and_an_empty_needle_is_refused(sqlite_worlds: Worlds) -> None:
    with sqlite_worlds.copy() as installation:
        assert find_mentions(installation.instance, [b"Quokka-Never"]) == []
        assert find_mentions(installation.instance, []) == []
        with pytest.raises(ValueError, match="a needle is empty"):
            find_mentions(installation.instance, [b"a", b""])


def test_bytes_in_a_page_that_no_row_holds_are_found(sqlite_worlds: Worlds) -> None:
    with sqlite_worlds.copy() as installation:
        file = Databases(installation.instance).run_file("index")
        with file.open("ab") as pages:
            pages.write(b"\0" * 100 + b"Ocelot-Bn5")
        (found,) = find_mentions(installation.instance, [b"Ocelot-Bn5"])
        assert (found.place, found.row) == (str(file), "")
