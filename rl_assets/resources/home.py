"""Where a checkout keeps its state."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from rl_assets.errors import BadInput

ROOT_VARIABLE = "RL_ASSETS_ROOT"
STATE_VARIABLE = "RL_ASSETS_HOME"
STORE_VARIABLE = "RL_ASSETS_STORE"
ERASURES_VARIABLE = "RL_ASSETS_ERASURES"


@dataclass(frozen=True, kw_only=True)
class Home:
    """The folders of one installation."""

    root: Path
    """The project folder: `definitions.py`, `dagster.yaml`, `sweeps/`."""

    state: Path
    """Everything that is written: artifacts, the client register, progress, rendered pages."""

    store_url: str
    """Root of the artifact store, a path or a URL."""

    erasures: Path | None = None
    """Where the ledger of erasures is; None: beside the state folder."""

    @property
    def erasures_folder(self) -> Path:
        """The ledger of erasures and their certificates, outside the state and so outside its backups."""
        return self.erasures or self.state.with_name(f"{self.state.name}_erasures")

    @property
    def register_folder(self) -> Path:
        """The client register, the only place that knows clients by name."""
        return self.state / "register"

    @property
    def progress_folder(self) -> Path:
        """Live progress of running trainings, one small file each."""
        return self.state / "progress"

    @property
    def claims_folder(self) -> Path:
        """Which partitions are being trained; holds one empty file, beside the artifacts that all machines share."""
        return self.state / "claims" if "://" in self.store_url else Path(self.store_url) / "claims"

    @property
    def pages_folder(self) -> Path:
        """Rendered HTML pages, always re-creatable from the store."""
        return self.state / "pages"

    @property
    def lineage_folder(self) -> Path:
        """The index of lineage, always re-creatable from the event log."""
        return self.state / "lineage"

    @property
    def demo_folder(self) -> Path:
        """What the demo records and hands over as a client's data."""
        return self.state / "demo"

    @property
    def sweeps_folder(self) -> Path:
        """Example sweeps and experiments that are reviewed like code."""
        return self.root / "sweeps"

    @property
    def roles_file(self) -> Path:
        """Who may change production by hand; it need not be there."""
        return self.root / "roles.yaml"

    @property
    def alerts_file(self) -> Path:
        """Who is told of promotions, holds and failures; it need not be there."""
        return self.root / "alerts.yaml"

    @property
    def submitted_sweeps_folder(self) -> Path:
        """Sweeps that were given to `rlctl` or the Python API, pseudonymised."""
        return self.state / "sweeps"

    def overlaps_own_state(self, path: Path) -> bool:
        """Whether a path lies in what this installation writes, or holds it; the demo's data stands for a client's."""
        place = path.resolve()
        if place.is_relative_to(self.demo_folder):
            return False
        own = [self.state, self.erasures_folder]
        if "://" not in self.store_url:
            own.append(Path(self.store_url).resolve())
        return any(place.is_relative_to(folder) or folder.is_relative_to(place) for folder in own)


def find_home(*, start: Path, environ: Mapping[str, str] = os.environ) -> Home:
    """Find the installation that a folder belongs to.

    `RL_ASSETS_ROOT` names the project folder, else it is the nearest folder at or above `start` that holds
    `definitions.py` and `dagster.yaml`. `RL_ASSETS_HOME` moves the state, `RL_ASSETS_STORE` the artifacts alone,
    `RL_ASSETS_ERASURES` the ledger of erasures.

    Raises:
        BadInput: there is no project here, or the ledger of erasures would lie in the state or the store.
    """
    named = environ.get(ROOT_VARIABLE)
    candidates = [Path(named)] if named else [start, *start.parents]
    for folder in candidates:
        if (folder / "definitions.py").is_file() and (folder / "dagster.yaml").is_file():
            root = folder.resolve()
            state = Path(environ.get(STATE_VARIABLE) or root / ".rl_assets").resolve()
            erasures = environ.get(ERASURES_VARIABLE)
            home = Home(
                root=root,
                state=state,
                store_url=environ.get(STORE_VARIABLE) or str(state / "store"),
                erasures=Path(erasures).resolve() if erasures else None,
            )
            _refuse_ledger_inside(home)
            return home
    raise BadInput(
        f"no project at '{named or start}': expected a folder with definitions.py and dagster.yaml at or above it; "
        f"change into the project folder or set {ROOT_VARIABLE}"
    )


def _refuse_ledger_inside(home: Home) -> None:
    """A backup of the state that is restored must not bring an older ledger back with it."""
    folders = [home.state] if "://" in home.store_url else [home.state, Path(home.store_url).resolve()]
    for folder in folders:
        if home.erasures_folder.is_relative_to(folder):
            raise BadInput(
                f"the ledger of erasures in '{home.erasures_folder}' lies in '{folder}', so that restoring a backup of "
                f"that would forget erasures: name a folder outside it in {ERASURES_VARIABLE}"
            )
