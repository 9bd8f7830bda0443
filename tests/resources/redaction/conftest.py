"""The same world on SQLite and on Postgres, trained once each and copied for every test."""

import itertools
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from rl_assets.api.installation import Installation
from tests.resources.redaction.postgres import Server, running_server
from tests.resources.redaction.worlds import World, build_world, copy_world, installed

_NUMBERS = itertools.count()


class Worlds:
    """Gives out copies of a world."""

    def __init__(self, folder: Path, server: Server | None) -> None:
        self._folder, self._server = folder, server
        with installed(folder / "first", {} if server is None else server.create("first")) as installation:
            self.world: World = build_world(installation)

    @contextmanager
    def copy(self, *, keeps_index_open: bool = False) -> Iterator[Installation]:
        """A copy of the installation, to be changed at will; SQLite's index can be kept open as in production."""
        name = f"copy{next(_NUMBERS)}"
        copy_world(self._folder / "first", self._folder / name)
        storage = {} if self._server is None else self._server.create(name, template="first")
        if keeps_index_open:
            config = {"base_dir": str(self._folder / name / "instance" / "history" / "runs")}
            module = "rl_assets.resources.sqlite_events"
            storage = {
                "event_log_storage": {"module": module, "class": "KeptSqliteEventLogStorage", "config": config},
            }
        with installed(self._folder / name, storage) as installation:
            yield installation
        if self._server is not None:
            self._server.drop(name)


@pytest.fixture(scope="session")
def server() -> Iterator[Server]:
    # Folders of pytest are closed to the server's user.
    with tempfile.TemporaryDirectory(prefix="rl-assets-") as folder:
        Path(folder).chmod(0o711)
        with running_server(Path(folder) / "server") as running:
            yield running


@pytest.fixture(scope="session")
def sqlite_worlds(tmp_path_factory: pytest.TempPathFactory, own_keys: None) -> Worlds:
    return Worlds(tmp_path_factory.mktemp("sqlite"), None)


@pytest.fixture(scope="session")
def postgres_worlds(tmp_path_factory: pytest.TempPathFactory, server: Server, own_keys: None) -> Worlds:
    return Worlds(tmp_path_factory.mktemp("on-postgres"), server)


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def worlds(request: pytest.FixtureRequest) -> Worlds:
    return request.getfixturevalue(f"{request.param}_worlds")
