"""Runs that worked on nothing that is erased and speak of it all the same."""

import json
import re
from collections.abc import Iterator

from dagster._core.storage.event_log.schema import SqlEventLogStorageTable
from sqlalchemy import Connection, or_, select

from rl_assets.resources.redaction.databases import Databases
from rl_assets.resources.redaction.names import Names
from rl_assets.resources.redaction.rows import run_ids
from rl_assets.resources.redaction.speech import Speech

_LOG = SqlEventLogStorageTable.c
_MADE = ("ASSET_MATERIALIZATION", "ASSET_OBSERVATION")


def runs_that_speak(databases: Databases, names: Names) -> set[str]:
    """Ids of all runs one of whose log lines, failures or other events speaks of the names beyond doubt."""
    if not names.all:
        return set()
    with databases.index(to_read=True) as connection:
        found = set(_speaking(connection, names))
        known = run_ids(connection)
    if not databases.has_file_per_run:
        return found
    # Reading a file is much cheaper than opening it as a database, and hardly any speaks of the names.
    raw = re.compile(b"|".join(re.escape(name.encode()) for name in sorted(names.all)))
    for run_id in sorted({*databases.run_ids_with_file(), *known} - found):
        file = databases.run_file(run_id)
        journal = file.with_name(file.name + "-wal")
        if any(path.exists() and raw.search(path.read_bytes()) for path in (file, journal)):
            with databases.of_run(run_id, to_read=True) as connection:
                found.update(_speaking(connection, names))
    return found


def _speaking(connection: Connection, names: Names) -> Iterator[str]:
    """Ids of the runs here with an event that would be cleaned."""
    speech = Speech(names, (), is_shared=False)
    free = or_(_LOG.dagster_event_type.is_(None), _LOG.dagster_event_type.not_in(_MADE))
    for run_id, text in connection.execute(select(_LOG.run_id, _LOG.event).where(free)).yield_per(500):
        entry = json.loads(text)
        if speech.clean_event(entry) != entry:
            yield run_id
