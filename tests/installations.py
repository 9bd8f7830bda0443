"""Further installations, for tests that need two, or one for a whole module."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import dagster as dg

from rl_assets.api.installation import Installation
from rl_assets.defs.graph import build_definitions
from rl_assets.resources.home import Home
from tests.conftest import PROJECT, QUIET


@contextmanager
def another_installation(folder: Path) -> Iterator[Installation]:
    """An empty installation in a folder, on an instance of its own."""
    (folder / "instance").mkdir(parents=True)
    home = Home(root=PROJECT, state=folder / "state", store_url=str(folder / "state" / "store"))
    with dg.DagsterInstance.local_temp(str(folder / "instance"), overrides=QUIET) as instance:
        yield Installation(home=home, instance=instance, definitions=build_definitions(home))
