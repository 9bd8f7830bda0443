"""The resources that assets ask for by name, bound to one installation."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import dagster as dg
from pydantic import PrivateAttr

from rl_assets.datasets.register import ClientRegister
from rl_assets.resources.actors import Roles
from rl_assets.resources.alerting import Alerting
from rl_assets.resources.erasing.estate import Estate
from rl_assets.resources.event_log import EventLog
from rl_assets.resources.home import Home
from rl_assets.resources.inputs import Inputs, OutputScope
from rl_assets.resources.progress import ProgressBoard
from rl_assets.resources.sweep_library import SweepLibrary
from rl_assets.store.history import ChampionHistory
from rl_assets.store.locks import ClaimBook
from rl_assets.store.objects import ObjectStore


class InputsResource(dg.ConfigurableResource):
    """The artifact store, reachable only through the scope of an output."""

    store_url: str
    """Root of the artifact store, a path or a URL."""

    _inputs: Inputs = PrivateAttr()

    def setup_for_execution(self, context: dg.InitResourceContext) -> None:
        """Bind to the instance of the run."""
        assert context.instance is not None, "a run always has an instance"
        self._inputs = Inputs(log=EventLog(context.instance), store=ObjectStore(self.store_url))

    @contextmanager
    def for_output(self, asset: str, partition: str) -> Iterator[OutputScope]:
        """Open the scope in which one output is read for and published."""
        with self._inputs.for_output(asset, partition) as scope:
            yield scope

    def champions(self, env: str) -> ChampionHistory:
        """The append-only history of an environment's champions."""
        return self._inputs.champions(env)

    @property
    def log(self) -> EventLog:
        """What Dagster remembers: names and versions, no bytes."""
        return self._inputs.log

    @property
    def plain(self) -> Inputs:
        """The same without Dagster's configuration."""
        return self._inputs


class ClientsResource(dg.ConfigurableResource):
    """The client register, the only place that knows clients by name."""

    folder: str
    """Where the register lives."""

    def open(self) -> ClientRegister:
        """The register."""
        return ClientRegister(Path(self.folder))


class SweepsResource(dg.ConfigurableResource):
    """The definitions of sweeps."""

    files: str
    """Folder of YAML files."""
    submitted: str
    """Folder of sweeps given to the command line or the Python API."""

    def open(self) -> SweepLibrary:
        """The library."""
        return SweepLibrary(files=Path(self.files), submitted=Path(self.submitted))


class TrainingResource(dg.ConfigurableResource):
    """How this machine trains."""

    num_processes: int = 0
    """Worker processes, one torch thread each; 0 takes one for each core."""
    progress_folder: str
    """Where running trainings tell how far they are."""

    claims_folder: str
    """Where a training claims the partitions that it works on."""

    def board(self) -> ProgressBoard:
        """The progress board."""
        return ProgressBoard(Path(self.progress_folder))

    def claims(self) -> ClaimBook:
        """Who trains which partition, on this machine and on all that share the folder."""
        return ClaimBook(Path(self.claims_folder))


class RolesResource(dg.ConfigurableResource):
    """Who may change production by hand."""

    file: str
    """`roles.yaml` of the project; it need not be there."""
    state: str
    """The state folder, whose owner holds every role where there is no file."""

    def open(self) -> Roles:
        """The roles."""
        return Roles(file=Path(self.file), state=Path(self.state))


class AlertsResource(dg.ConfigurableResource):
    """Who is told of promotions, holds and failures."""

    file: str
    """`alerts.yaml` of the project; it need not be there."""

    def open(self, instance: dg.DagsterInstance) -> Alerting:
        """The receivers, and how far this instance has told each."""
        return Alerting(Path(self.file), instance=instance)


class ErasuresResource(dg.ConfigurableResource):
    """All that an erasure may touch."""

    root: str
    """The project folder."""
    state: str
    """The state folder."""
    store_url: str
    """Root of the artifact store, a path or a URL."""
    erasures: str
    """Folder of the ledger, outside the state."""

    def open(self, instance: dg.DagsterInstance) -> Estate:
        """The installation as an erasure sees it."""
        home = Home(
            root=Path(self.root), state=Path(self.state), store_url=self.store_url, erasures=Path(self.erasures)
        )
        return Estate(home=home, instance=instance)


class PagesResource(dg.ConfigurableResource):
    """Rendered pages for a browser; the store keeps the original."""

    folder: str
    """Where pages are written."""

    def write(self, name: str, page: bytes) -> Path:
        """Replace a page and return its path."""
        path = Path(self.folder) / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(page)
        return path


def build_resources(home: Home) -> dict[str, Any]:
    """Bind every resource to one installation."""
    return {
        "inputs": InputsResource(store_url=home.store_url),
        "clients": ClientsResource(folder=str(home.register_folder)),
        "sweeps": SweepsResource(files=str(home.sweeps_folder), submitted=str(home.submitted_sweeps_folder)),
        "training": TrainingResource(progress_folder=str(home.progress_folder), claims_folder=str(home.claims_folder)),
        "roles": RolesResource(file=str(home.roles_file), state=str(home.state)),
        "alerts": AlertsResource(file=str(home.alerts_file)),
        "erasures": ErasuresResource(
            root=str(home.root),
            state=str(home.state),
            store_url=home.store_url,
            erasures=str(home.erasures_folder),
        ),
        "pages": PagesResource(folder=str(home.pages_folder)),
    }
