import hashlib
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rl_assets.datasets.files import declare_dataset, merkle_root, read_dataset, scan_files
from rl_assets.datasets.register import RegisteredDataset
from rl_assets.errors import InvalidDataset

KEY = "c-00000000aa.d1"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "data"
    (folder / "day-2").mkdir(parents=True)
    (folder / "episodes.parquet").write_bytes(b"one")
    (folder / "day-2" / "episodes.NPZ").write_bytes(b"three")
    (folder / "notes of the client.secret").write_bytes(b"")
    return folder


def registered(path: Path | None) -> RegisteredDataset:
    return RegisteredDataset(
        key=KEY,
        pseudonym=KEY.partition(".")[0],
        client_id="ACME",
        project="p",
        data_source="s",
        domain="d",
        path=None if path is None else str(path),
    )


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def test_every_file_is_listed_with_its_checksum_and_size(folder: Path):
    content = scan_files(folder)
    assert content.kind == "files"
    assert [(file.name, file.sha256, file.size_bytes) for file in content.listing] == [
        ("day-2/episodes.NPZ", sha256(b"three"), 5),
        ("episodes.parquet", sha256(b"one"), 3),
        ("notes of the client.secret", sha256(b""), 0),
    ]
    assert content.size_bytes == 8


def test_stored_files_have_neutral_names_and_keep_known_formats(folder: Path):
    content = scan_files(folder)
    assert dict(content.files) == {"000000.npz": b"three", "000001.parquet": b"one", "000002": b""}
    assert len(content.files) == 3
    assert "missing" not in content.files


def test_identical_bytes_keep_their_version_wherever_they_lie(folder: Path, tmp_path: Path):
    version = scan_files(folder).merkle_root
    assert scan_files(folder).merkle_root == version
    moved = folder.rename(tmp_path / "elsewhere")
    os.utime(moved / "episodes.parquet", (0, 0))
    (moved / "episodes.parquet").chmod(0o600)
    (moved / "an empty folder").mkdir()
    assert scan_files(moved).merkle_root == version
    assert scan_files(str(moved)).merkle_root == version


def test_any_change_gives_another_version(folder: Path):
    versions = [scan_files(folder).merkle_root]

    def expect_new_version() -> None:
        versions.append(scan_files(folder).merkle_root)
        assert len(set(versions)) == len(versions)

    (folder / "episodes.parquet").write_bytes(b"onE")
    expect_new_version()
    (folder / "added.npz").write_bytes(b"")
    expect_new_version()
    (folder / "added.npz").rename(folder / "renamed.npz")
    expect_new_version()
    (folder / "renamed.npz").rename(folder / "day-2" / "renamed.npz")
    expect_new_version()
    (folder / "day-2" / "episodes.NPZ").unlink()
    expect_new_version()
    (folder / ".hidden").write_bytes(b"counts too")
    expect_new_version()


def test_swapping_the_contents_of_two_files_gives_another_version(folder: Path):
    before = scan_files(folder).merkle_root
    (folder / "episodes.parquet").write_bytes(b"three")
    (folder / "day-2" / "episodes.NPZ").write_bytes(b"one")
    assert scan_files(folder).merkle_root != before


def test_a_single_file_is_a_dataset(folder: Path):
    content = scan_files(folder / "episodes.parquet")
    assert [file.name for file in content.listing] == ["episodes.parquet"]
    assert dict(content.files) == {"000000.parquet": b"one"}


def test_a_large_file_is_hashed_whole(tmp_path: Path):
    data = os.urandom(2_500_000)
    (tmp_path / "big.npz").write_bytes(data)
    assert scan_files(tmp_path / "big.npz").listing[0].sha256 == sha256(data)


def test_files_are_listed_in_one_order_whatever_the_disk_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    for number in range(12):
        (tmp_path / f"{number}.npz").write_bytes(b"%d" % number)
    version = scan_files(tmp_path).merkle_root
    scandir = os.scandir
    monkeypatch.setattr(os, "scandir", lambda path: list(scandir(path))[::-1])
    assert scan_files(tmp_path).merkle_root == version


def test_unicode_names_count_and_are_not_confused(tmp_path: Path):
    (tmp_path / "épisode 1.npz").write_bytes(b"x")
    first = scan_files(tmp_path)
    (tmp_path / "épisode 1.npz").rename(tmp_path / "épisode 2.npz")
    assert first.listing[0].name == "épisode 1.npz"
    assert scan_files(tmp_path).merkle_root != first.merkle_root


def test_a_link_that_stays_inside_is_read(folder: Path):
    (folder / "again.parquet").symlink_to(folder / "episodes.parquet")
    assert scan_files(folder).listing[0].sha256 == sha256(b"one")


@pytest.mark.parametrize("target", ["../outside.npz", "/etc/hostname", "day-2/../../outside.npz"])
def test_a_link_that_leaves_the_folder_is_refused(folder: Path, target: str):
    (folder.parent / "outside.npz").write_bytes(b"another client's")
    (folder / "day-2" / "link.npz").symlink_to(folder / target)
    with pytest.raises(InvalidDataset, match=r"link '.*link\.npz' leaves the dataset's folder: replace it by a copy"):
        scan_files(folder)


def test_a_link_to_a_neighbour_whose_name_starts_alike_is_refused(folder: Path):
    neighbour = folder.parent / "data-of-another"
    neighbour.mkdir()
    (neighbour / "x.npz").write_bytes(b"x")
    (folder / "link.npz").symlink_to(neighbour / "x.npz")
    with pytest.raises(InvalidDataset, match="leaves the dataset's folder"):
        scan_files(folder)


def test_a_chain_of_links_out_of_the_folder_is_refused(folder: Path):
    (folder.parent / "outside.npz").write_bytes(b"x")
    (folder / "second.npz").symlink_to(folder.parent / "outside.npz")
    (folder / "first.npz").symlink_to(folder / "second.npz")
    with pytest.raises(InvalidDataset, match="leaves the dataset's folder"):
        scan_files(folder)


@pytest.mark.parametrize("target", [".", "..", "day-2"])
def test_a_link_to_a_folder_is_refused_and_never_followed_in_circles(folder: Path, target: str):
    (folder / "link").symlink_to(folder / target)
    with pytest.raises(InvalidDataset, match=r"leads to a folder|leaves the dataset's folder"):
        scan_files(folder)


@pytest.mark.parametrize("target", ["nowhere", "link"])
def test_a_link_to_nowhere_is_refused(folder: Path, target: str):
    (folder / "link").symlink_to(folder / target)
    with pytest.raises(InvalidDataset, match="leads nowhere: remove it or copy the file"):
        scan_files(folder)


def test_a_dataset_folder_may_itself_be_reached_by_a_link(folder: Path):
    (folder.parent / "link").symlink_to(folder)
    assert scan_files(folder.parent / "link").merkle_root == scan_files(folder).merkle_root


@pytest.mark.parametrize("path", ["missing", "episodes.parquet/below", "missing/deep/er"])
def test_a_missing_path_is_refused(folder: Path, path: str):
    with pytest.raises(InvalidDataset, match=f"dataset path '.*{path}': nothing readable is there.*correct the path"):
        scan_files(folder / path)


def test_an_empty_folder_is_refused_also_with_empty_folders_in_it(tmp_path: Path):
    (tmp_path / "a" / "b").mkdir(parents=True)
    with pytest.raises(InvalidDataset, match="expected at least one file, the folder is empty: add files"):
        scan_files(tmp_path)


def test_what_is_no_plain_file_is_refused_instead_of_waiting_for_it(folder: Path):
    os.mkfifo(folder / "pipe")
    with pytest.raises(InvalidDataset, match=r"'.*pipe' is not a plain file"):
        scan_files(folder)
    with pytest.raises(InvalidDataset, match=r"'.*pipe' is not a plain file"):
        scan_files(folder / "pipe")


def test_a_name_that_is_not_unicode_is_refused(tmp_path: Path):
    Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xff.npz")).write_bytes(b"x")
    with pytest.raises(InvalidDataset, match="has a name that is not unicode: rename it"):
        scan_files(tmp_path)


def test_an_unreadable_file_is_refused(folder: Path, monkeypatch: pytest.MonkeyPatch):
    def refuse(path, mode):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("builtins.open", refuse)
    with pytest.raises(InvalidDataset, match=r"dataset file '.*': Permission denied: let this user read it"):
        scan_files(folder)


@pytest.mark.parametrize("change", ["rewrite", "remove", "link away"])
def test_a_file_that_changed_after_the_scan_is_refused_by_its_neutral_name(folder: Path, change: str):
    content = scan_files(folder)
    path = folder / "episodes.parquet"
    if change == "rewrite":
        path.write_bytes(b"two")
    else:
        path.unlink()
    if change == "link away":
        path.symlink_to("/etc/hostname")
    assert content.files["000000.npz"] == b"three"
    with pytest.raises(InvalidDataset, match=r"file '000001\.parquet' .* changed since it was scanned") as caught:
        content.files["000001.parquet"]
    assert "episodes" not in str(caught.value)


def test_a_registered_dataset_is_read_from_its_path(folder: Path):
    assert read_dataset(registered(folder)).merkle_root == scan_files(folder).merkle_root


def test_what_is_wrong_with_a_registered_dataset_is_told_without_the_clients_words(folder: Path):
    (folder / "link").symlink_to("/nowhere")
    for path in (folder, folder / "missing"):
        with pytest.raises(InvalidDataset, match=rf"dataset '{KEY}': its files .*`rlctl dataset add`") as caught:
            read_dataset(registered(path))
        assert str(folder) not in str(caught.value)
        assert caught.value.__cause__ is None
        assert caught.value.__suppress_context__


def test_a_declaration_holds_the_key_and_nothing_else():
    content = read_dataset(registered(None))
    assert content == declare_dataset(KEY)
    assert content.kind == "declaration"
    assert dict(content.files) == {"declaration.json": b'{"dataset":"c-00000000aa.d1","kind":"declaration"}'}
    assert content.merkle_root == declare_dataset(KEY).merkle_root
    assert content.merkle_root != declare_dataset("c-00000000aa.d2").merkle_root


def test_a_merkle_root_worked_by_hand():
    def h(data: bytes) -> bytes:
        return hashlib.sha256(data).digest()

    a, b, c = (h(b"\0" + leaf) for leaf in (b"a", b"b", b"c"))
    assert merkle_root([b"a"]) == a.hex()
    assert merkle_root([b"a", b"b"]) == h(b"\1" + a + b).hex()
    assert merkle_root([b"a", b"b", b"c"]) == h(b"\1" + h(b"\1" + a + b) + c).hex()


@pytest.mark.parametrize("count", range(1, 34))
def test_a_merkle_root_agrees_with_the_recursive_definition(count: int):
    def slow(leaves: list[bytes]) -> bytes:
        if len(leaves) == 1:
            return hashlib.sha256(b"\0" + leaves[0]).digest()
        split = 1
        while split * 2 < len(leaves):
            split *= 2
        return hashlib.sha256(b"\1" + slow(leaves[:split]) + slow(leaves[split:])).digest()

    leaves = [b"%d" % number for number in range(count)]
    assert merkle_root(leaves) == slow(leaves).hex()


@given(
    leaves=st.lists(st.binary(max_size=3), min_size=1, max_size=8), other=st.lists(st.binary(max_size=3), min_size=1)
)
def test_different_leaves_have_different_roots(leaves: list[bytes], other: list[bytes]):
    assert (merkle_root(leaves) == merkle_root(other)) == (leaves == other)


def test_nothing_has_no_merkle_root():
    with pytest.raises(ValueError, match="at least one leaf"):
        merkle_root([])
