"""An installation that two clients have used, built once and copied for each test."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from rl_assets.api.installation import Installation
from tests.defs import two_clients


@pytest.fixture(scope="session")
def used_template(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, str]]:
    """The folder of a closed installation, and the keys in it."""
    folder = tmp_path_factory.mktemp("two-clients")
    return folder, two_clients.build(folder)


@pytest.fixture
def used_folder(used_template: tuple[Path, dict[str, str]], tmp_path: Path) -> Path:
    """A copy of it."""
    return Path(shutil.copytree(used_template[0], tmp_path / "used", symlinks=True))


@pytest.fixture
def keys(used_template: tuple[Path, dict[str, str]]) -> dict[str, str]:
    """Name -> key of each dataset, and of the last policy of each sweep."""
    return used_template[1]


@pytest.fixture
def used(used_folder: Path) -> Iterator[Installation]:
    """The copy, opened."""
    with two_clients.opened(used_folder) as installation:
        yield installation
