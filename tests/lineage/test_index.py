import os
import random
import sqlite3
from collections.abc import Collection, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rl_assets.errors import LineageError, StoreUnavailable
from rl_assets.lineage import index as index_module
from rl_assets.lineage.index import FILE_NAME, LineageIndex
from rl_assets.lineage.records import Materialization
from tests.lineage.test_graph import made


class MemoryLog:
    """An event log that can do to events all that Dagster's can, ids given twice included."""

    def __init__(self, log_id: str = "a") -> None:
        self.log_id = log_id
        self.events: dict[int, Materialization] = {}
        self.strangers: set[int] = set()
        self.num_read = 0
        self._marks: dict[int, str] = {}
        self._clock = 0

    def append(self, asset: str = "trained_policies", partition: str = "x", *read: Materialization) -> Materialization:
        event_id = max(self._marks, default=0) + 1
        event = made(event_id, asset, partition, *read)
        return self.put(replace(event, facts={"seeds": [event_id], "run_id": "r"}))

    def put(self, event: Materialization) -> Materialization:
        self._clock += 1
        self.events[event.event_id] = event
        self._marks[event.event_id] = f"{event.asset} {self._clock}"
        return event

    def append_stranger(self) -> None:
        """Something that is listed and is no materialization of ours."""
        self._clock += 1
        self._marks[max(self._marks, default=0) + 1] = f"stranger {self._clock}"

    def delete(self, *event_ids: int) -> None:
        for event_id in event_ids:
            self.events.pop(event_id, None)
            self._marks.pop(event_id, None)

    def marks(self) -> dict[int, str]:
        return dict(self._marks)

    def read(self, event_ids: Collection[int]) -> Iterator[Materialization]:
        for event_id in event_ids:
            self.num_read += 1
            if event_id in self.events:
                yield self.events[event_id]


@pytest.fixture
def log() -> MemoryLog:
    log = MemoryLog()
    data = log.append("datasets", "c-00000000aa.d1")
    policy = log.append("trained_policies", "Pong-v5|a", data)
    log.append("promoted_models", "Pong-v5", policy)
    return log


def indexed(index: LineageIndex) -> list[dict[str, Any]]:
    """Everything in an index, with facts."""
    graph, _ = index.graph()
    facts = index.facts(event.event_id for event in graph.events)
    return [event.to_json() | {"facts": facts[event.event_id]} for event in graph.events]


def scanned(log: MemoryLog) -> list[dict[str, Any]]:
    return [log.events[event_id].to_json() for event_id in sorted(log.events)]


OPERATIONS = st.lists(
    st.tuples(
        st.sampled_from(["append"] * 4 + ["stranger", "wipe", "delete", "delete last", "replace", "rebuild", "ask"]),
        st.integers(0, 2**31),
    ),
    max_size=25,
)


@given(operations=OPERATIONS)
@settings(max_examples=150, deadline=None)
def test_the_index_equals_a_full_scan_after_any_history(operations: list[tuple[str, int]], tmp_path_factory) -> None:
    log = MemoryLog()
    index = LineageIndex(tmp_path_factory.mktemp("index"), log)
    for operation, number in operations:
        chosen = random.Random(number)
        assets = ["datasets", "trained_policies", "promoted_models"]
        known = list(log.events.values())
        if operation == "append":
            read = chosen.sample(known, k=min(len(known), chosen.randrange(3)))
            log.append(chosen.choice(assets), chosen.choice("xyz"), *read)
        elif operation == "stranger":
            log.append_stranger()
        elif operation == "wipe":
            asset = chosen.choice(assets)
            log.delete(*(event.event_id for event in known if event.asset == asset))
        elif operation == "delete" and known:
            log.delete(chosen.choice(known).event_id)
        elif operation == "delete last":
            log.delete(max(log.marks(), default=0))
        elif operation == "replace" and known:
            log.put(made(chosen.choice(known).event_id, chosen.choice(assets), "replaced"))
        elif operation == "rebuild":
            index.rebuild()
        else:
            assert indexed(index) == scanned(log)
    assert indexed(index) == scanned(log)
    assert index.check() == ()
    assert index.refresh().num_events == len(log.events)


def test_only_what_is_new_is_read(tmp_path: Path, log: MemoryLog) -> None:
    index = LineageIndex(tmp_path, log)
    assert index.refresh().num_added == 3
    log.append_stranger()
    log.append()
    log.num_read = 0
    assert index.refresh().num_added == 2
    assert log.num_read == 2
    index.graph()
    LineageIndex(tmp_path, log).graph()
    assert log.num_read == 2, "what is no materialization of ours is remembered as such"


def test_the_first_use_and_new_events_are_no_news(tmp_path: Path, log: MemoryLog) -> None:
    index = LineageIndex(tmp_path, log)
    assert index.refresh().warnings() == ()
    log.append()
    assert index.refresh().warnings() == ()


def test_events_that_are_gone_from_the_log_are_gone_from_the_answer_and_told(tmp_path: Path, log: MemoryLog) -> None:
    index = LineageIndex(tmp_path, log)
    index.refresh()
    log.delete(1, 2)
    graph, news = index.graph()
    assert [event.event_id for event in graph.events] == [3]
    assert news.removed == {"datasets": 1, "trained_policies": 1}
    assert "1 of datasets, 1 of trained_policies" in news.warnings()[0]
    assert [item["event_id"] for item in graph.client_query(["c-00000000aa.d1"])["possibly_affected"]] == [3]


def test_an_id_that_was_given_twice_is_the_new_event(tmp_path: Path, log: MemoryLog) -> None:
    index = LineageIndex(tmp_path, log)
    index.refresh()
    log.delete(3)
    log.append("promoted_models", "Breakout-v5")
    graph, news = index.graph()
    assert graph.event(3).partition == "Breakout-v5"
    assert "ids of others" in news.warnings()[0]


def test_the_bytes_of_what_is_gone_are_not_left_in_the_file(tmp_path: Path, log: MemoryLog) -> None:
    canary = log.append("trained_policies", "canary-partition-7Qz")
    index = LineageIndex(tmp_path, log)
    index.refresh()
    assert b"canary-partition-7Qz" in index.file.read_bytes()
    log.delete(canary.event_id)
    index.refresh()
    assert not any(b"canary-partition-7Qz" in path.read_bytes() for path in tmp_path.iterdir())


def test_an_index_of_another_log_is_built_again(tmp_path: Path, log: MemoryLog) -> None:
    LineageIndex(tmp_path, log).refresh()
    other = MemoryLog("b")
    other.append("datasets", "c-00000000bb.d1")
    graph, news = LineageIndex(tmp_path, other).graph()
    assert [event.partition for event in graph.events] == ["c-00000000bb.d1"]
    assert "another instance" in news.warnings()[0]


def spoil_format(file: Path) -> None:
    database = sqlite3.connect(file)
    database.execute("PRAGMA user_version = 0")
    database.close()


def run_sql(statement: str) -> Any:
    def spoil(file: Path) -> None:
        database = sqlite3.connect(file)
        with database:
            database.execute(statement)
        database.close()

    return spoil


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda file: file.write_bytes(b"not a database" * 100), "damaged"),
        (lambda file: file.write_bytes(b""), "format 0"),
        (lambda file: os.truncate(file, file.stat().st_size - 4096), "damaged"),
        (spoil_format, "format 0"),
        (run_sql("DROP TABLE events"), "no such table"),
        (run_sql("DELETE FROM log"), "another instance"),
        (run_sql("UPDATE events SET record = replace(record, 'aa.d1', 'bb.d1')"), "event 1 did not have its checksum"),
        (run_sql("UPDATE events SET record = NULL WHERE event_id = 2"), "event 2 did not have its checksum"),
        (run_sql("UPDATE facts SET facts = '{}'"), "facts of event 1"),
        (run_sql("DELETE FROM facts WHERE event_id = 2"), "lost the facts of 1 events"),
    ],
)
def test_a_damaged_index_is_noticed_and_built_again(
    tmp_path: Path, log: MemoryLog, monkeypatch: pytest.MonkeyPatch, spoil: Any, words: str
) -> None:
    index = LineageIndex(tmp_path, log)
    index.refresh()
    spoil(index.file)
    told: list[str] = []
    rebuild = index._rebuild

    def told_rebuild(because: Any) -> Any:
        told.append(str(because))
        return rebuild(because)

    monkeypatch.setattr(index, "_rebuild", told_rebuild)
    assert indexed(index) == scanned(log)
    assert len(told) == 1
    assert words in told[0]
    assert indexed(index) == scanned(log)
    assert len(told) == 1


def test_a_row_that_was_removed_from_the_index_alone_is_read_again(tmp_path: Path, log: MemoryLog) -> None:
    index = LineageIndex(tmp_path, log)
    index.refresh()
    run_sql("DELETE FROM events WHERE event_id = 2")(index.file)
    run_sql("DELETE FROM facts WHERE event_id = 2")(index.file)
    assert indexed(index) == scanned(log)


def test_a_check_names_records_that_differ_from_the_log(tmp_path: Path, log: MemoryLog) -> None:
    index = LineageIndex(tmp_path, log)
    index.refresh()
    event = log.events[2]
    log.events[2] = replace(event, data_version="edited in place")
    assert index.check() == (2,)
    index.rebuild()
    assert index.check() == ()


def test_a_build_that_was_killed_leaves_the_old_index_and_is_cleaned_up(
    tmp_path: Path, log: MemoryLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    index = LineageIndex(tmp_path, log)
    index.refresh()
    before = index.file.read_bytes()

    def die(*_: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(index_module.os, "replace", die)
    with pytest.raises(KeyboardInterrupt):
        index.rebuild()
    monkeypatch.undo()
    assert index.file.read_bytes() == before
    assert indexed(index) == scanned(log)
    index.rebuild()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["index.lock", FILE_NAME]


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path, log: MemoryLog) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(StoreUnavailable, match="lineage index"):
        LineageIndex(tmp_path / "file", log).graph()


def test_an_index_that_is_damaged_at_once_is_given_up(tmp_path: Path, log: MemoryLog, monkeypatch) -> None:
    index = LineageIndex(tmp_path, log)
    index.refresh()
    monkeypatch.setattr(index_module, "_seal", lambda *_: os.urandom(16))
    with pytest.raises(LineageError, match="also after it was built again"):
        index.graph()
