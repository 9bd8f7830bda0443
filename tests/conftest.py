"""An installation in a temporary folder, with the project's own definitions."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest
from hypothesis import settings

from rl_assets.api.installation import Installation
from rl_assets.defs.graph import build_definitions
from rl_assets.resources.home import Home

PROJECT = Path(__file__).parents[1]
QUIET = {"telemetry": {"enabled": False}, "nux": {"enabled": False}}

# Workers of pytest-xdist ignore interrupts, and all that they start inherits it; what is tested here must not.
signal.signal(signal.SIGINT, signal.default_int_handler)

settings.register_profile("steady", deadline=None)
settings.load_profile("steady")


@pytest.fixture(autouse=True, scope="session")
def own_keys(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Keys of registers and certificates lie in a temporary folder, not in the settings of who runs the tests."""
    keys = tmp_path_factory.mktemp("keys")
    for name in ("register", "erasure"):
        os.environ.pop(f"RL_ASSETS_{name.upper()}_KEY", None)
        os.environ[f"RL_ASSETS_{name.upper()}_KEY_FILE"] = str(keys / f"{name}.key")


@pytest.fixture
def installation(tmp_path: Path) -> Iterator[Installation]:
    """An empty installation on an instance of its own; sweeps in `sweeps/` are none."""
    (tmp_path / "instance").mkdir()
    home = Home(root=PROJECT, state=tmp_path / "state", store_url=str(tmp_path / "state" / "store"))
    with dg.DagsterInstance.local_temp(str(tmp_path / "instance"), overrides=QUIET) as instance:
        yield Installation(home=home, instance=instance, definitions=build_definitions(home))


@pytest.fixture
def own_root(tmp_path: Path) -> Path:
    """A project folder of its own with this project's code, for files that a project may have."""
    root = tmp_path / "root"
    root.mkdir()
    for name in ("definitions.py", "dagster.yaml", "pyproject.toml", "rl_assets"):
        (root / name).symlink_to(PROJECT / name)
    return root


@pytest.fixture
def rooted(own_root: Path, tmp_path: Path) -> Iterator[Installation]:
    """An empty installation whose project folder is `own_root`."""
    (tmp_path / "instance").mkdir()
    home = Home(root=own_root, state=tmp_path / "state", store_url=str(tmp_path / "state" / "store"))
    with dg.DagsterInstance.local_temp(str(tmp_path / "instance"), overrides=QUIET) as instance:
        yield Installation(home=home, instance=instance, definitions=build_definitions(home))
