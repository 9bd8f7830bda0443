"""A PostgreSQL server of its own, without a network: made in a temporary folder, stopped at the end."""

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import pytest
from sqlalchemy import NullPool, create_engine

USER = "dagster"


@dataclass(frozen=True, kw_only=True)
class Server:
    """A running server."""

    folder: Path

    def url(self, database: str) -> str:
        """Address of a database, by way of a socket in the server's folder."""
        return f"postgresql://{USER}@/{database}?host={quote(str(self.folder), safe='')}"

    def create(self, database: str, *, template: str = "template1") -> dict[str, object]:
        """Make a database, and give the part of `dagster.yaml` that keeps everything in it."""
        self._execute(f'CREATE DATABASE "{database}" TEMPLATE "{template}"')
        return {"storage": {"postgres": {"postgres_url": self.url(database)}}}

    def drop(self, database: str) -> None:
        """Remove a database, whoever uses it."""
        self._execute(f'DROP DATABASE "{database}" WITH (FORCE)')

    def _execute(self, statement: str) -> None:
        engine = create_engine(self.url("postgres"), isolation_level="AUTOCOMMIT", poolclass=NullPool)
        with engine.connect() as connection:
            connection.exec_driver_sql(statement)
        engine.dispose()


@contextmanager
def running_server(folder: Path) -> Iterator[Server]:
    """Run a server whose data is in a folder that is made for it; the test is skipped where there is none."""
    initdb = _program("initdb")
    if initdb is None:
        pytest.skip("no PostgreSQL here: `initdb` is neither on the PATH nor below /usr/lib/postgresql")
    # A server refuses to run as root, and Debian's package brings a user for it.
    account = "postgres" if os.geteuid() == 0 else None
    folder.mkdir(mode=0o711)
    if account is not None:
        shutil.chown(folder, account)
    data = folder / "data"
    begin = [initdb, "-D", data, "-U", USER, "--auth=trust", "--no-sync", "-E", "UTF8", "--locale=C"]
    subprocess.run(begin, check=True, user=account, cwd=folder, stdout=subprocess.DEVNULL)
    postgres = initdb.with_name("postgres")
    serve = [
        postgres,
        "-D",
        data,
        "-k",
        folder,
        "-c",
        "listen_addresses=",
        "-c",
        "fsync=off",
        "-c",
        "shared_buffers=32MB",
    ]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(serve, user=account, cwd=folder, stdout=log, stderr=log)
    try:
        ready = [initdb.with_name("pg_isready"), "-h", folder, "-U", USER, "-q"]
        for _ in range(200):
            if subprocess.run(ready, check=False).returncode == 0:
                break
            assert process.poll() is None, (folder / "log").read_text()
            time.sleep(0.05)
        yield Server(folder=folder)
    finally:
        process.send_signal(signal.SIGINT)  # a fast shutdown
        process.wait(timeout=30)


def _program(name: str) -> Path | None:
    found = shutil.which(name)
    if found is not None:
        return Path(found).resolve()
    return max(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"), default=None)
