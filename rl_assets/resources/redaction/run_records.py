"""Dagster's record of a run itself: its tags, what it was asked for, and that it was."""

import json
from collections.abc import Mapping, Sequence

from dagster._core.storage.dagster_run import DagsterRun
from dagster._core.storage.runs.schema import RunsTable, RunTagsTable
from dagster._serdes import deserialize_value
from sqlalchemy import Connection, delete, select, update

from rl_assets.resources.redaction.documents import Scrubber
from rl_assets.resources.redaction.names import Names
from rl_assets.resources.redaction.parts import CELLS_TAG, PARTITION_TAG, PLAIN_TAGS, RANGE_TAGS
from rl_assets.resources.redaction.report import Counts


def tags_by_run(connection: Connection) -> dict[str, dict[str, str]]:
    """The tags of every run, also of those that have none."""
    found: dict[str, dict[str, str]] = {run_id: {} for run_id in connection.scalars(select(RunsTable.c.run_id))}
    for run_id, key, value in connection.execute(
        select(RunTagsTable.c.run_id, RunTagsTable.c.key, RunTagsTable.c.value)
    ).all():
        found.setdefault(run_id, {})[key] = value
    return found


def delete_run(connection: Connection, run_id: str, counts: Counts) -> None:
    """Delete a run with its tags."""
    for table in (RunTagsTable, RunsTable):
        counts.delete(table.name, connection.execute(delete(table).where(table.c.run_id == run_id)).rowcount)


def clean_run(connection: Connection, run_id: str, names: Names, kept: Sequence[str], counts: Counts) -> None:
    """Take what names the erased out of what a run was asked for.

    Args:
        connection: to the database of runs.
        run_id: of the run; nothing happens where it is not known.
        names: of the erased.
        kept: partitions of others that the run served, in Dagster's order.
        counts: is told.
    """
    row = connection.execute(select(RunsTable).where(RunsTable.c.run_id == run_id).with_for_update()).one_or_none()
    if row is None:
        return
    stored = RunTagsTable.c
    tags = dict(connection.execute(select(stored.key, stored.value).where(stored.run_id == run_id)).tuples().all())
    clean = clean_tags(tags, names, kept)
    for key in tags:
        of_tag = (stored.run_id == run_id, stored.key == key)
        if key not in clean:
            counts.delete("run_tags", connection.execute(delete(RunTagsTable).where(*of_tag)).rowcount)
        elif clean[key] != tags[key]:
            connection.execute(update(RunTagsTable).where(*of_tag).values(value=clean[key]))
            counts.clean("run_tags")
    body = json.loads(row.run_body)
    scrubber = Scrubber(names.stand_in)
    clean_body = {
        **body,
        "tags": clean_tags(body.get("tags") or {}, names, kept),
        "run_config": scrubber.scrub(body.get("run_config")),
        "partitions_subset": scrubber.scrub(body.get("partitions_subset")),
    }
    values = {}
    if clean_body != body:
        values["run_body"] = json.dumps(clean_body)
        deserialize_value(values["run_body"], DagsterRun)  # Dagster has to be able to read it
    if row.partition is not None and names.stand_in(row.partition):
        values["partition"] = None
    if values:
        connection.execute(update(RunsTable).where(RunsTable.c.run_id == run_id).values(**values))
        counts.clean("runs")


def clean_tags(tags: Mapping[str, str], names: Names, kept: Sequence[str]) -> dict[str, str]:
    """Tags of a run without what names the erased; a range shrinks to the partitions of others, or goes.

    Args:
        tags: as they are.
        names: of the erased.
        kept: partitions of others that the run served, in Dagster's order; names that are none stand among them.
    """
    clean: dict[str, str] = {}
    for key, value in tags.items():
        if key == CELLS_TAG:
            clean[key] = _clean_cells(value, names)
        elif key in PLAIN_TAGS or not names.stand_in(value):
            clean[key] = value
        elif key not in (*RANGE_TAGS, PARTITION_TAG):
            clean[key] = Scrubber(names.stand_in).scrub_text(value)
    cells = [key for key in kept if "|" in key] or list(kept)
    if any(key in tags and key not in clean for key in RANGE_TAGS):
        for key, end in zip(RANGE_TAGS, (0, -1), strict=True):
            clean.pop(key, None)
            if cells:
                clean[key] = cells[end]
    return {key: clean[key] for key in tags if key in clean}


def _clean_cells(value: str, names: Names) -> str:
    """The tag with the exact cells that a run was asked for, without those that are gone."""
    try:
        cells = json.loads(value)
        left = {
            env: [hparam for hparam in hparams if not names.stand_in(f"{env}|{hparam}")]
            for env, hparams in cells.items()
        }
    except (ValueError, AttributeError, TypeError):
        return Scrubber(names.stand_in).scrub_text(value)
    if left == cells:
        return value
    return json.dumps({env: hparams for env, hparams in left.items() if hparams})
