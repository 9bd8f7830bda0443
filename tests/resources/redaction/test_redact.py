"""After a redaction Dagster tells of the others as before, and of the erased nothing."""

import json
import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from dagster._core.execution.backfill import PartitionBackfill
from dagster._core.storage.partition_status_cache import get_and_update_asset_status_cache_value
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine, event

from rl_assets.api.drive import drive
from rl_assets.api.installation import Installation
from rl_assets.defs.partitions import CELLS
from rl_assets.errors import LineageError
from rl_assets.resources.redaction import databases
from rl_assets.resources.redaction.documents import ERASED
from rl_assets.resources.redaction.doomed import Doomed
from rl_assets.resources.redaction.mentions import find_mentions
from rl_assets.resources.redaction.redact import redact
from rl_assets.resources.redaction.run_events import PLACEHOLDER
from tests.defs.test_lineage import ENV
from tests.resources.redaction.conftest import Worlds
from tests.resources.redaction.worlds import GONE, MIXED, STAYS, WHOLE, all_rows


class Killed(BaseException):
    """The process ended here."""


@contextmanager
def killed_at(number: int) -> Iterator[list[int]]:
    """Let the process end before its nth statement that writes; gives the count of those that came to be."""
    seen = [0]

    def look(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        if statement.lstrip().upper().startswith(("INSERT", "UPDATE", "DELETE")):
            seen[0] += 1
            if seen[0] == number:
                raise Killed

    event.listen(Engine, "before_cursor_execute", look)
    try:
        yield seen
    finally:
        event.remove(Engine, "before_cursor_execute", look)


def lines_of(installation: Installation, run_id: str) -> list[str]:
    """What the page of a run shows, errors too."""
    found = []
    for record in installation.instance.get_records_for_run(run_id).records:
        entry = record.event_log_entry
        found.append(entry.user_message or entry.message or "")
        data: Any = entry.dagster_event.event_specific_data if entry.dagster_event else None
        error = getattr(data, "error", None)
        failure = getattr(data, "user_failure_data", None)
        found += [error.to_string()] if error else []
        found += [failure.description or "", str(failure.metadata)] if failure else []
    return found


def test_the_erased_is_found_nowhere_and_the_others_everywhere_as_before(worlds: Worlds) -> None:
    world = worlds.world
    mine = [word.encode() for word in (world.acme_cell, world.acme_dataset, GONE, f"{GONE}-population")]
    with worlds.copy() as installation:
        instance = installation.instance
        doomed = world.doomed(installation)
        places = {mention.place.partition(" ")[0] for mention in find_mentions(instance, [GONE.encode()])}
        assert {
            "event_logs.event", "run_tags.value", "runs.run_body", "job_ticks.tick_body", "bulk_actions.body",
            "backfill_tags.value", "asset_check_executions.evaluation_event",
        } <= places, "the canaries are in every kind of record"  # fmt: skip
        of_others = find_mentions(instance, [f"{STAYS}-{kind}".encode() for kind in KEPT_CANARIES])
        report = redact(instance, doomed)
        assert find_mentions(instance, mine) == []
        assert report.runs_removed
        assert {"", *world.shared_runs} <= set(report.runs_cleaned)
        left = find_mentions(instance, [f"{STAYS}-{kind}".encode() for kind in KEPT_CANARIES])
        assert {m.needle for m in left} == {m.needle for m in of_others}
        assert {m.needle.decode().removeprefix(f"{STAYS}-") for m in left} == set(KEPT_CANARIES)


KEPT_CANARIES = (
    "line",
    "engine",
    "message",
    "error",
    "frame",
    "tag",
    "second",
    "backfill",
    "reason",
    "check",
    "observed",
)


def test_a_shared_run_keeps_the_lines_of_others_and_no_numbers_of_both(worlds: Worlds) -> None:
    world = worlds.world
    failed, trained = world.shared_runs
    with worlds.copy() as installation:
        before = {run_id: lines_of(installation, run_id) for run_id in world.shared_runs}
        redact(installation.instance, world.doomed(installation))
        after = {run_id: lines_of(installation, run_id) for run_id in world.shared_runs}
        for run_id in world.shared_runs:
            told = "\n".join(before[run_id])
            assert f"{GONE}-population" in told
            assert " steps on 1 " in told or "members" in told, "a plan of the whole population was logged"
            others = [line for line in before[run_id] if world.globex_cell in line and world.acme_cell not in line]
            assert len(others) >= 3
            assert set(others) <= set(after[run_id])
            assert after[run_id].count(ERASED) >= 4
            assert "members" not in "\n".join(after[run_id])
        reasons = {line for line in after[failed] if f"the pool died of {STAYS}" in line and "- " in line}
        assert f"{ERASED}\n- {world.globex_cell}: the pool died of {STAYS}" in reasons
        tags = dict(installation.instance.get_run_by_id(trained).tags)
        hparam = world.globex_cell.partition("|")[2]
        assert json.loads(tags["rl/cells"]) == {ENV: [hparam]}
        assert tags["dagster/asset_partition_range_start"] == world.globex_cell
        assert tags["dagster/asset_partition_range_end"] == world.globex_cell
        stored = installation.instance.get_run_tags(tag_keys=["rl/sweep"])
        assert all("acme" not in values for _, values in stored)
        logs = Path(installation.instance.storage_directory()) / trained / "compute_logs"
        assert [path.read_text() for path in logs.glob("*.err")] == [f"{ERASED}\n"]
        assert [path.read_text() for path in logs.glob("*.out")] == [""], "an empty log stays empty"


def test_dagsters_own_questions_are_answered_without_the_erased(worlds: Worlds) -> None:
    world = worlds.world
    with worlds.copy() as installation:
        instance, log = installation.instance, installation.log
        get_and_update_asset_status_cache_value(instance, dg.AssetKey("trained_policies"), CELLS)
        redact(instance, world.doomed(installation))
        assert set(log.latest_ids("trained_policies")) == {world.globex_cell}
        for asset in MIXED:
            assert log.latest_ids(asset) == {}
            assert instance.get_latest_materialization_event(dg.AssetKey(asset)) is None
        newest = instance.get_latest_materialization_event(dg.AssetKey("policy_evaluations"))
        assert newest is not None
        assert newest.asset_materialization.partition == world.globex_cell
        (record,) = instance.get_asset_records([dg.AssetKey("trained_policies")])
        assert record.asset_entry.last_materialization.asset_materialization.partition == world.globex_cell
        assert record.asset_entry.last_run_id == world.shared_runs[1]
        status = get_and_update_asset_status_cache_value(instance, dg.AssetKey("trained_policies"), CELLS)
        assert status.deserialize_materialized_partition_subsets(CELLS).get_partition_keys() == {world.globex_cell}
        assert not status.deserialize_failed_partition_subsets(CELLS).get_partition_keys()
        assert set(instance.all_asset_keys()) >= {dg.AssetKey("trained_policies"), dg.AssetKey("datasets")}
        assert instance.get_dynamic_partitions("dataset") == [world.globex_dataset]
        checks = instance.event_log_storage.get_asset_check_execution_history(
            dg.AssetCheckKey(dg.AssetKey("trained_policies"), "is_fine"), limit=9
        )
        assert [check.event.asset_check_evaluation.partition for check in checks] == [world.globex_cell]
        for run in instance.get_runs():
            assert instance.get_run_stats(run.run_id).run_id == run.run_id
            assert instance.get_records_for_run(run.run_id).records


def test_backfills_ticks_and_cursors_stay_readable(worlds: Worlds) -> None:
    world = worlds.world
    with worlds.copy() as installation:
        instance = installation.instance
        graph = installation.definitions.get_repository_def().asset_graph
        redact(instance, world.doomed(installation))
        found: dict[str, PartitionBackfill] = {backfill.backfill_id: backfill for backfill in instance.get_backfills()}
        assert set(found) == {"bf-globex", "bf-both"}
        for backfill in found.values():
            target = backfill.get_asset_backfill_data(graph).target_subset
            subset = target.get_partitions_subset(dg.AssetKey("trained_policies"))
            assert set(subset.get_partition_keys()) == {world.globex_cell}
        assert found["bf-globex"].tags == {"why": f"for {world.globex_cell} {STAYS}-backfill"}
        ticks = instance.get_ticks("origin", "s")
        assert [(tick.status.value, tick.skip_reason) for tick in ticks] == [
            ("STARTED", None), ("SKIPPED", f"nothing to do for {world.globex_cell} {STAYS}-reason"),
        ]  # fmt: skip
        assert ticks[0].cursor == ERASED
        keys = {"their/all", f"their/{world.acme_cell}", f"their/{world.globex_cell}"}
        cursors = instance.daemon_cursor_storage.get_cursor_values(keys)
        assert {name: json.loads(text)["seen"] for name, text in cursors.items()} == {
            f"their/{world.globex_cell}": [world.globex_cell], "their/all": [],
        }  # fmt: skip


def test_sensors_go_on_and_rank_again_without_the_erased(worlds: Worlds) -> None:
    world = worlds.world
    with worlds.copy() as installation:
        redact(installation.instance, world.doomed(installation))
        assert next(drive(installation)).success
        ranked = installation.log.latest("eval_leaderboards", ENV)
        assert ranked is not None
        read = {item.partition for item in ranked.inputs or () if item.asset == "policy_evaluations"}
        assert read == {world.globex_cell}


def test_the_id_of_a_deleted_last_event_is_not_given_to_the_next(worlds: Worlds) -> None:
    world = worlds.world
    with worlds.copy() as installation:
        instance, log = installation.instance, installation.log
        instance.report_runless_asset_event(dg.AssetMaterialization("trained_policies", partition=world.acme_cell))
        last = log.latest("trained_policies", world.acme_cell)
        assert last is not None
        redact(instance, world.doomed(installation))
        instance.report_runless_asset_event(dg.AssetMaterialization("trained_policies", partition=world.globex_cell))
        (after,) = log.history("trained_policies", after=last.event_id)
        assert after.partition == world.globex_cell


def end_state(installation: Installation) -> dict[str, dict[Any, tuple[Any, ...]]]:
    """All rows but the line that holds the last id, and logs that runs captured."""
    rows = all_rows(installation.instance)
    folder = Path(installation.instance.storage_directory())
    logs = {str(path.relative_to(folder)): (path.read_bytes(),) for path in folder.rglob("*.err")}
    return rows | {"logs": logs}


def test_a_kill_at_any_statement_and_a_second_start_lead_to_the_same_end(worlds: Worlds) -> None:
    world = worlds.world
    with worlds.copy() as installation:
        doomed = world.doomed(installation)
        with killed_at(0) as writes:
            redact(installation.instance, doomed)
        expected = end_state(installation)
        again = redact(installation.instance, doomed)
        assert (again.deleted, again.cleaned, again.runs_removed, again.runs_cleaned) == ({}, {}, (), ())
        assert end_state(installation) == expected
    assert writes[0] > 60
    for number in range(1, writes[0] + 1, max(1, writes[0] // 9)):
        with worlds.copy() as installation:
            with pytest.raises(Killed), killed_at(number):
                redact(installation.instance, doomed)
            redact(installation.instance, doomed)
            assert end_state(installation) == expected, f"killed at write {number}"


@given(data=st.data())
@settings(max_examples=6, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
def test_nothing_is_touched_but_what_goes(worlds: Worlds, data: st.DataObject) -> None:
    with worlds.copy() as installation:
        made = [event for asset in (*WHOLE, *MIXED) for event in installation.log.history(asset)]
        going = data.draw(st.lists(st.sampled_from(made), max_size=4, unique_by=lambda event: event.event_id))
        places = sorted({(event.asset, event.partition) for event in made if event.asset in WHOLE})
        whole = data.draw(st.lists(st.sampled_from(places), max_size=2, unique=True))
        doomed = Doomed(
            events={e.asset: frozenset(o.event_id for o in going if o.asset == e.asset) for e in going},
            partitions={a: frozenset(key for asset, key in whole if asset == a) for a, _ in whole},
        )
        before = all_rows(installation.instance)
        events = next(rows for name, rows in before.items() if name.startswith("event_logs "))
        touched = {event.run_id for event in going}
        for row in (row for name, rows in before.items() if name.startswith("event_logs ") for row in rows.values()):
            asset, partition = json.loads(row[6])[0] if row[6] else None, row[7]
            about = json.loads(row[2]).get("dagster_event") or {}
            if "ASSET_CHECK" in str(row[3]):
                checked = about["event_specific_data"]
                asset, partition = checked["asset_key"]["path"][0], checked.get("partition")
            if (asset, partition) in whole:
                touched.add(row[1])
        redact(installation.instance, doomed)
        after = all_rows(installation.instance)
        assert_equal_but_for(touched, before, after)
        ids = {event.event_id for event in going}
        assert not ids & {key for name, rows in after.items() if name == "event_logs 0" for key, row in rows.items()
                          if row[2] != PLACEHOLDER}  # fmt: skip
        kept = {
            event.event_id
            for event in made
            if event.event_id not in ids and (event.asset, event.partition) not in whole
        }
        assert {key: after["event_logs 0"][key] for key in kept} == {key: events[key] for key in kept}


def assert_equal_but_for(touched: set[str], before: dict[str, Any], after: dict[str, Any]) -> None:
    """All rows of all tables are what they were, but for those of some runs."""
    for name, rows in before.items():
        table, _, place = name.partition(" ")
        if table == "asset_keys" or place in touched:
            continue
        of_touched = {"event_logs": 1, "runs": 1, "run_tags": 1, "asset_check_executions": 4}.get(table)
        if table == "asset_event_tags":
            events = before["event_logs 0"]
            rows = {key: row for key, row in rows.items() if events[row[1]][1] not in touched}
        for key, row in rows.items():
            if of_touched is None or row[of_touched] not in touched:
                assert after[name][key] == row


@pytest.mark.parametrize("keeps_index_open", [False, True])
def test_a_reader_beside_it_is_not_disturbed(sqlite_worlds: Worlds, keeps_index_open: bool) -> None:
    """What a webserver does: it asks all the time, and holds its connections open."""
    with sqlite_worlds.copy(keeps_index_open=keeps_index_open) as installation:
        index = databases.Databases(installation.instance).run_file("index")
        with closing(sqlite3.connect(index, timeout=60, check_same_thread=False)) as connection:
            question = "SELECT count(*) FROM event_logs"
            with repeated(lambda: connection.execute(question).fetchall()) as wrong:
                redact(installation.instance, sqlite_worlds.world.doomed(installation))
        assert wrong == []
        assert find_mentions(installation.instance, [GONE.encode()]) == []


@pytest.mark.parametrize("keeps_index_open", [False, True])
def test_what_others_write_meanwhile_stays(sqlite_worlds: Worlds, keeps_index_open: bool) -> None:
    with sqlite_worlds.copy(keeps_index_open=keeps_index_open) as installation:
        assert_others_can_write(sqlite_worlds, installation)


@pytest.mark.postgres
def test_what_others_write_to_postgres_meanwhile_stays(postgres_worlds: Worlds) -> None:
    with postgres_worlds.copy() as installation:
        assert_others_can_write(postgres_worlds, installation)


def assert_others_can_write(worlds: Worlds, installation: Installation) -> None:
    instance, key, written = installation.instance, dg.AssetKey("another"), []

    def write() -> None:
        partition = f"p{len(written)}"
        instance.report_runless_asset_event(dg.AssetMaterialization(key, partition=partition))
        instance.daemon_cursor_storage.set_cursor_values({"their cursor": partition})
        written.append(partition)

    with repeated(write) as wrong:
        redact(instance, worlds.world.doomed(installation))
    assert wrong == []
    assert len(written) > 1
    latest = instance.event_log_storage.get_latest_storage_id_by_partition(
        key, dg.DagsterEventType.ASSET_MATERIALIZATION
    )
    assert set(latest) == set(written)
    assert instance.daemon_cursor_storage.get_cursor_values({"their cursor"}) == {"their cursor": written[-1]}


@contextmanager
def repeated(act: Callable[[], object]) -> Iterator[list[Exception]]:
    """Do something again and again beside the block; gives what went wrong."""
    stop, wrong = threading.Event(), []

    def work() -> None:
        while not stop.is_set():
            try:
                act()
            except Exception as error:
                wrong.append(error)
                return

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield wrong
    finally:
        stop.set()
        thread.join()


def test_records_that_are_kept_in_memory_are_refused() -> None:
    with dg.DagsterInstance.ephemeral() as instance, pytest.raises(LineageError, match="files of SQLite or Postgres"):
        redact(instance, Doomed())


def test_nothing_doomed_changes_nothing(worlds: Worlds) -> None:
    with worlds.copy() as installation:
        before = all_rows(installation.instance)
        report = redact(installation.instance, Doomed())
        assert all_rows(installation.instance) == before
        assert (report.deleted, report.cleaned, report.runs_removed, report.runs_cleaned) == ({}, {}, (), ())
