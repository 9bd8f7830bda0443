import os
from pathlib import Path

import pytest

from rl_assets.errors import StoreUnavailable
from rl_assets.store.atomic import (
    has_writer,
    is_lock,
    is_staged,
    make_folder,
    refusals_explained,
    remove_empty,
    staged_file,
    sweep_leftovers,
)


def staged_names(folder: Path) -> list[str]:
    return sorted(path.name for path in (folder / "incoming").iterdir() if path.name != ".lock")


def test_the_bytes_are_complete_when_the_block_starts(tmp_path: Path):
    with staged_file(tmp_path, b"abc") as temporary:
        assert temporary.read_bytes() == b"abc"
        assert temporary.parent == tmp_path / "incoming"


def test_a_staged_file_that_was_not_moved_is_removed(tmp_path: Path):
    with staged_file(tmp_path, b"abc"):
        pass
    assert staged_names(tmp_path) == []


def test_a_block_that_fails_leaves_nothing(tmp_path: Path):
    with pytest.raises(RuntimeError), staged_file(tmp_path, b"abc"):
        raise RuntimeError
    assert staged_names(tmp_path) == []


def test_sweeping_spares_a_writer_at_work_and_removes_what_no_writer_owns(tmp_path: Path):
    with staged_file(tmp_path, b"abc") as temporary:
        (temporary.parent / "left-by-a-dead-writer").write_bytes(b"x")
        assert sweep_leftovers(tmp_path) == 0
        assert temporary.exists()
    assert sweep_leftovers(tmp_path) == 1
    assert staged_names(tmp_path) == []


def test_sweeping_a_folder_that_was_never_written_does_nothing(tmp_path: Path):
    assert sweep_leftovers(tmp_path / "missing") == 0
    assert not (tmp_path / "missing").exists()


def test_a_writer_at_work_is_noticed_and_looking_creates_nothing(tmp_path: Path):
    assert not has_writer(tmp_path / "incoming")
    assert list(tmp_path.iterdir()) == []
    with staged_file(tmp_path, b"abc"):
        assert has_writer(tmp_path / "incoming")
    assert not has_writer(tmp_path / "incoming")


def test_staged_files_and_locks_are_told_apart_by_their_place():
    assert is_staged("objects/public/incoming/0123")
    assert not is_staged("objects/public/incoming/.lock")
    assert not is_staged("objects/public/in/incoming")
    assert is_lock("champions/CartPole-v1/incoming/.lock")
    assert not is_lock("champions/CartPole-v1/.lock")


def test_each_new_folder_is_made_to_survive_a_power_cut(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    synced: list[Path] = []
    monkeypatch.setattr("rl_assets.store.atomic.sync_folder", synced.append)
    make_folder(tmp_path / "a" / "b")
    make_folder(tmp_path / "a" / "b")
    assert synced == [tmp_path, tmp_path / "a"]


@pytest.mark.parametrize(
    ("number", "advice"),
    [
        ("ENOSPC", "free some space"),
        ("EROFS", "mount the disk writable"),
        ("EIO", "mounted and healthy"),
        ("EDQUOT", "raise the quota"),
        ("EMFILE", "limit on open files"),
        ("ENOLCK", "offers no locks"),
        ("ESTALE", "mount it again"),
        ("EISDIR", "a folder stands where a file is needed"),
        ("EBUSY", "mounted and healthy"),
    ],
)
def test_a_refusal_says_what_was_tried_why_it_failed_and_what_to_do(number: str, advice: str):
    code = getattr(__import__("errno"), number)
    with (
        pytest.raises(StoreUnavailable, match=f"cannot write it: {os.strerror(code)}: .*{advice}"),
        refusals_explained("write it"),
    ):
        raise OSError(code, os.strerror(code))


def test_only_a_folder_that_holds_nothing_is_removed(tmp_path):
    for name in ("empty", "full"):
        (tmp_path / name).mkdir()
    (tmp_path / "full" / "file").touch()
    for name in ("empty", "full", "missing"):
        remove_empty(tmp_path / name)
    assert [path.name for path in tmp_path.iterdir()] == ["full"]
    with pytest.raises(NotADirectoryError):
        remove_empty(tmp_path / "full" / "file")
