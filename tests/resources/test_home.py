from pathlib import Path

import pytest

from rl_assets.errors import BadInput
from rl_assets.resources.home import find_home


def project(folder: Path) -> Path:
    folder.mkdir(parents=True)
    (folder / "definitions.py").touch()
    (folder / "dagster.yaml").touch()
    return folder


def test_the_nearest_project_at_or_above_a_folder_is_found(tmp_path: Path) -> None:
    root = project(tmp_path / "project")
    inside = root / "sweeps" / "deep"
    inside.mkdir(parents=True)
    home = find_home(start=inside, environ={})
    assert home.root == root
    assert home.state == root / ".rl_assets"
    assert home.store_url == str(root / ".rl_assets" / "store")


def test_variables_move_the_project_the_state_and_the_store(tmp_path: Path) -> None:
    root = project(tmp_path / "project")
    environ = {"RL_ASSETS_ROOT": str(root), "RL_ASSETS_HOME": str(tmp_path / "state")}
    home = find_home(start=tmp_path, environ=environ)
    assert (home.root, home.state, home.store_url) == (root, tmp_path / "state", str(tmp_path / "state" / "store"))
    elsewhere = find_home(start=tmp_path, environ=environ | {"RL_ASSETS_STORE": "/somewhere/else"})
    assert elsewhere.store_url == "/somewhere/else"


@pytest.mark.parametrize(
    ("place", "overlaps"),
    [
        ("project/.rl_assets", True),
        ("project/.rl_assets/register/clients.json", True),
        ("project", True),
        ("elsewhere/store/objects", True),
        ("project/.rl_assets/demo/recording.safetensors", False),
        ("project/.rl_assets_erasures/orders", True),
        ("project/data", False),
        ("project/.rl_assets-of-a-client", False),
    ],
)
def test_a_path_within_or_around_the_state_is_known(tmp_path: Path, place: str, overlaps: bool) -> None:
    environ = {"RL_ASSETS_STORE": str(tmp_path / "elsewhere" / "store")}
    home = find_home(start=project(tmp_path / "project"), environ=environ)
    assert home.overlaps_own_state(tmp_path / place) is overlaps


def test_the_ledger_of_erasures_lies_outside_the_state(tmp_path: Path) -> None:
    root = project(tmp_path / "project")
    assert find_home(start=root, environ={}).erasures_folder == root / ".rl_assets_erasures"
    moved = find_home(start=root, environ={"RL_ASSETS_HOME": str(tmp_path / "state")})
    assert moved.erasures_folder == tmp_path / "state_erasures"
    named = find_home(start=root, environ={"RL_ASSETS_ERASURES": str(tmp_path / "ledger")})
    assert named.erasures_folder == tmp_path / "ledger"


@pytest.mark.parametrize("place", [".rl_assets", ".rl_assets/ledger", ".rl_assets/store/ledger", "store/ledger"])
def test_a_ledger_that_a_backup_would_bring_back_is_refused(tmp_path: Path, place: str) -> None:
    root = project(tmp_path / "project")
    environ = {"RL_ASSETS_ERASURES": str(root / place)}
    if place.startswith("store"):
        environ["RL_ASSETS_STORE"] = str(root / "store")
    with pytest.raises(BadInput, match="restoring a backup of that would forget erasures: name a folder outside"):
        find_home(start=root, environ=environ)


@pytest.mark.parametrize("named", [None, "nowhere"])
def test_a_folder_without_a_project_is_refused_with_what_to_do(tmp_path: Path, named: str | None) -> None:
    environ = {} if named is None else {"RL_ASSETS_ROOT": str(tmp_path / named)}
    with pytest.raises(BadInput, match="RL_ASSETS_ROOT"):
        find_home(start=tmp_path, environ=environ)
