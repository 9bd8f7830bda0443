"""One installation, opened: its Dagster instance, its asset graph and its folders."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import dagster as dg
from dagster._core.instance.ref import InstanceRef

from rl_assets.config.yaml import load_yaml
from rl_assets.datasets.register import ClientRegister
from rl_assets.resources.event_log import EventLog
from rl_assets.resources.home import Home
from rl_assets.resources.progress import ProgressBoard
from rl_assets.resources.sweep_library import SweepLibrary


@dataclass(frozen=True, kw_only=True)
class Installation:
    """What every command works on; the same state as `dagster dev` in the same folder."""

    home: Home
    instance: dg.DagsterInstance
    definitions: dg.Definitions

    @property
    def log(self) -> EventLog:
        """What Dagster remembers of our assets."""
        return EventLog(self.instance)

    @property
    def register(self) -> ClientRegister:
        """The client register."""
        return ClientRegister(self.home.register_folder)

    @property
    def library(self) -> SweepLibrary:
        """The definitions of sweeps."""
        return SweepLibrary(files=self.home.sweeps_folder, submitted=self.home.submitted_sweeps_folder)

    @property
    def progress(self) -> ProgressBoard:
        """Live progress of running trainings."""
        return ProgressBoard(self.home.progress_folder)


def open_instance(home: Home, *, environ: Mapping[str, str]) -> dg.DagsterInstance:
    """The instance that `dagster dev` would use: `DAGSTER_HOME` if set, else the project's `dagster.yaml`.

    Paths in that file are relative to the folder `dagster dev` is started from, which is the project's.
    """
    if environ.get("DAGSTER_HOME"):
        return dg.DagsterInstance.get()
    settings = _absolute_folders(load_yaml(home.root / "dagster.yaml"), home.root)
    return dg.DagsterInstance.from_ref(InstanceRef.from_dir(str(home.root), overrides=settings))


def _absolute_folders(value: Any, root: Path) -> Any:
    if isinstance(value, dict):
        return {
            key: str(root / inner) if key == "base_dir" and isinstance(inner, str) else _absolute_folders(inner, root)
            for key, inner in value.items()
        }
    return value
