"""Removing what Dagster remembers of erased data, and only that.

Rows about erased partitions are deleted and not edited, so that all that Dagster derives from its rows needs no special
case. A run that served nobody else goes entirely; one that served others too keeps their part whole.

Each run is worked off in an order in which what tells that it is touched goes last: a process that is killed between
any two statements and started again with the same `Doomed` comes to the same end.
"""

from collections.abc import Callable, Iterator

import dagster as dg

from rl_assets.resources.redaction.asset_records import (
    delete_automation,
    delete_dynamic_keys,
    delete_orphaned_tags,
    point_to_newest,
)
from rl_assets.resources.redaction.compute_logs import CapturedLogs
from rl_assets.resources.redaction.databases import Databases
from rl_assets.resources.redaction.doomed import Doomed
from rl_assets.resources.redaction.parts import RunPart, judge_run, names_in_tags
from rl_assets.resources.redaction.report import Counts, RedactionReport
from rl_assets.resources.redaction.rows import ids_that_go, rows_of_run, rows_that_go, texts_of
from rl_assets.resources.redaction.run_events import (
    clean_texts,
    delete_from_index,
    delete_from_run_file,
    delete_run_from_index,
)
from rl_assets.resources.redaction.run_records import clean_run, delete_run, tags_by_run
from rl_assets.resources.redaction.speech import Speech
from rl_assets.resources.redaction.talk import runs_that_speak
from rl_assets.resources.redaction.work_records import clean_backfills, clean_cursors, clean_sensors, clear_ticks

TABLES = frozenset(
    {
        "event_logs", "asset_event_tags", "asset_check_executions", "asset_keys", "dynamic_partitions",
        "asset_daemon_asset_evaluations", "runs", "run_tags", "bulk_actions", "backfill_tags", "kvs",
        "daemon_heartbeats", "job_ticks", "jobs", "instigators", "concurrency_slots", "pending_steps",
    }
)  # fmt: skip
"""All tables of Dagster that this may change; of the others, snapshots hold code and no data."""


def redact(
    instance: dg.DagsterInstance, doomed: Doomed, *, on_progress: Callable[[str], None] | None = None
) -> RedactionReport:
    """Remove from Dagster's storage what it remembers of erased data.

    Nothing may be at work on it any more. A daemon, a webserver and runs of others may go on beside this.

    Args:
        instance: on SQLite, as on a laptop, or on Postgres.
        doomed: what goes; the same value again after a kill.
        on_progress: is told in a few words what is done next.

    Raises:
        LineageError: the instance keeps its records elsewhere.
        StoreUnavailable: a database stayed in use, so that it could not be packed; rows are deleted by then, and
            starting again packs it.
    """
    tell = on_progress or (lambda _: None)
    databases, logs, counts = Databases(instance), CapturedLogs(instance), Counts()
    removed: list[str] = []
    cleaned: list[str] = []
    tell("looking for runs that are touched")
    for part in list(_touched(databases, logs, doomed)):
        tell(f"{'run ' + part.run_id[:8] if part.run_id else 'events of no run'}: {_DONE[part.part]}")
        if part.part == "all":
            _remove(databases, logs, part.run_id, counts)
            removed.append(part.run_id)
        else:
            _clean(databases, logs, part, doomed, counts)
            cleaned.append(part.run_id)
    tell("sensors, backfills and daemons")
    with databases.schedules() as connection:
        clear_ticks(connection, doomed.spoken, counts, on_log=lambda key: logs.remove_of_tick(key, counts))
        clean_sensors(connection, doomed.spoken, counts)
        delete_automation(connection, doomed.spoken, counts)
    logs.neutralize_ticks(doomed.spoken.are_meant_in, counts)
    with databases.runs() as connection:
        clean_backfills(connection, doomed.spoken, counts)
        clean_cursors(connection, doomed.spoken, counts)
    tell("assets and partitions")
    with databases.index() as connection:
        delete_orphaned_tags(connection, doomed, counts)
        delete_dynamic_keys(connection, doomed, counts)
        point_to_newest(connection, doomed, counts)
    databases.pack(TABLES, on_progress=tell)
    return RedactionReport(
        deleted=dict(counts.deleted),
        cleaned=dict(counts.cleaned),
        runs_removed=tuple(sorted(removed)),
        runs_cleaned=tuple(sorted(cleaned)),
        keeps_elsewhere=databases.keeps_elsewhere,
    )


_DONE = {
    "all": "served nobody else, so it goes",
    "some": "served others too, so their part stays",
    "words": "speaks of the erased, so those words go",
}


def _touched(databases: Databases, logs: CapturedLogs, doomed: Doomed) -> Iterator[RunPart]:
    """Every run that an erasure touches, and the events outside of runs."""
    with databases.runs(to_read=True) as connection:
        tags = tags_by_run(connection)
    with databases.index(to_read=True) as connection:
        suspects = {row.run_id for row in rows_that_go(connection, doomed)}
        suspects |= {run_id for run_id, said in tags.items() if names_in_tags(said, doomed.spoken)}
        judged = {
            run_id: judge_run(run_id, rows_of_run(connection, run_id), tags.get(run_id, {}), doomed)
            for run_id in sorted(suspects)
        }
    found = {run_id: part for run_id, part in judged.items() if part is not None}
    yield from found.values()
    speaking = runs_that_speak(databases, doomed.spoken) | set(logs.mention(doomed.spoken.are_meant_in))
    for run_id in sorted(speaking - set(found)):
        yield RunPart(run_id=run_id, part="words")


def _remove(databases: Databases, logs: CapturedLogs, run_id: str, counts: Counts) -> None:
    logs.remove(run_id, counts)
    if databases.has_file_per_run and databases.run_file(run_id).exists():
        databases.remove_run_file(run_id)
        counts.delete("databases of runs")
    with databases.runs() as connection:
        delete_run(connection, run_id, counts)
    with databases.index() as connection:
        delete_run_from_index(connection, run_id, counts)


def _clean(databases: Databases, logs: CapturedLogs, part: RunPart, doomed: Doomed, counts: Counts) -> None:
    run_id, is_shared = part.run_id, part.part == "some"
    speech = Speech(doomed.spoken, part.kept, is_shared=is_shared)
    logs.neutralize(run_id, lambda text: is_shared or doomed.spoken.are_meant_in(text), counts)
    if databases.has_file_per_run and databases.run_file(run_id).exists():
        with databases.index(to_read=True) as connection:
            texts = texts_of(connection, ids_that_go(rows_of_run(connection, run_id), doomed))
        with databases.of_run(run_id) as connection:
            clean_texts(connection, run_id, speech, counts)
            delete_from_run_file(connection, run_id, doomed, texts, counts)
        databases.pack_run_file(run_id)
    with databases.index() as connection:
        clean_texts(connection, run_id, speech, counts)
    if is_shared:
        with databases.runs() as connection:
            clean_run(connection, run_id, doomed.spoken, part.kept, counts)
    with databases.index() as connection:
        delete_from_index(connection, run_id, doomed, counts)
