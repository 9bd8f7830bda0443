import hashlib
import os
import signal
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rl_assets.errors import CorruptObject, ObjectNotFound, StoreUnavailable
from rl_assets.store import objects
from rl_assets.store.namespaces import namespace_of
from rl_assets.store.objects import ObjectRef, ObjectStore, StoredFile

ALICE = "c-00000000aa"
BOB = "c-00000000bb"
PUBLIC: frozenset[str] = frozenset()

PUT = """
import sys
from rl_assets.store.objects import ObjectStore
ObjectStore(sys.argv[1]).put(b"x" * 1_000_000, owners=frozenset({"c-00000000aa"}))
print("done", flush=True)
"""


def stored_files(root: Path) -> list[Path]:
    return sorted(p for p in root.rglob("*") if p.is_file() and p.name != ".lock")


def leftovers(root: Path) -> list[Path]:
    return [path for path in stored_files(root) if path.parent.name == "incoming"]


@pytest.fixture
def store(tmp_path: Path) -> ObjectStore:
    return ObjectStore(tmp_path / "store")


@pytest.mark.parametrize("data", [b"", b"\0", b"text", os.urandom(3_000_000)])
def test_what_was_put_is_what_is_got(store: ObjectStore, data: bytes):
    ref = store.put(data, owners=frozenset({ALICE}))
    assert store.get(ref) == data
    assert store.exists(ref)
    assert ref == ObjectRef(namespace=ALICE, sha256=hashlib.sha256(data).hexdigest(), size_bytes=len(data))
    assert (store.root / ref.path).read_bytes() == data


def test_a_reference_survives_json(store: ObjectStore):
    ref = store.put(b"abc", owners=PUBLIC)
    assert ObjectRef.from_json(ref.to_json()) == ref


def test_the_same_bytes_of_one_owner_are_one_object(store: ObjectStore):
    assert store.put(b"abc", owners=frozenset({ALICE})) == store.put(b"abc", owners=frozenset({ALICE}))
    assert len(stored_files(store.root)) == 1


def test_the_same_bytes_of_two_owners_are_two_objects(store: ObjectStore):
    alices = store.put(b"abc", owners=frozenset({ALICE}))
    bobs = store.put(b"abc", owners=frozenset({BOB}))
    shared = store.put(b"abc", owners=frozenset({ALICE, BOB}))
    assert len({alices.path, bobs.path, shared.path}) == 3
    (store.root / alices.path).unlink()
    assert not store.exists(alices)
    assert store.get(bobs) == store.get(shared) == b"abc"


def test_the_namespace_says_who_owns_it():
    assert namespace_of(PUBLIC) == "public"
    assert namespace_of(frozenset({ALICE})) == ALICE
    # sha256 of the canonical JSON '["c-00000000aa","c-00000000bb"]'
    assert namespace_of(frozenset({BOB, ALICE})) == "o-892dc09e823a184675370e3f561f9693"


@pytest.mark.parametrize(
    "owner",
    ["../../etc", "c-00000000aa/../..", "ACME Corp", "", "c-00000000AA", "c-00000000aa\n", "public", "c-00000000a"],
)
def test_an_owner_that_is_no_pseudonym_is_refused_without_repeating_it(store: ObjectStore, owner: str):
    with pytest.raises(ValueError, match="not a pseudonym") as caught:
        store.put(b"abc", owners=frozenset({ALICE, owner}))
    assert not owner or owner not in str(caught.value)
    assert not store.root.exists()


def test_a_bare_string_is_not_taken_for_a_set_of_owners(store: ObjectStore):
    with pytest.raises(ValueError, match="expected a set"):
        store.put(b"abc", owners=ALICE)  # pyright: ignore[reportArgumentType]


@pytest.mark.parametrize(
    "change",
    [
        {"namespace": ".."},
        {"namespace": "c-00000000aa/../c-00000000bb"},
        {"namespace": 7},
        {"sha256": "../../../../etc/passwd"},
        {"sha256": "A" * 64},
        {"sha256": "a" * 64 + "\n"},
        {"size_bytes": -1},
        {"size_bytes": True},
        {"size_bytes": 1.0},
        {"unknown": 1},
    ],
)
def test_a_reference_that_no_store_wrote_is_refused(change: dict[str, object]):
    good = {"namespace": "public", "sha256": "a" * 64, "size_bytes": 3}
    with pytest.raises(ValueError, match="object"):
        ObjectRef.from_json(good | change)


@given(text=st.text(max_size=80))
def test_no_text_makes_a_reference_that_leads_out_of_the_objects_folder(text: str):
    for fields in ({"namespace": text, "sha256": "a" * 64}, {"namespace": "public", "sha256": text}):
        try:
            ref = ObjectRef(**fields, size_bytes=1)
        except ValueError:
            continue
        assert os.path.normpath(ref.path) == ref.path
        assert ref.path.startswith("objects/")


@pytest.mark.parametrize("position", [0, 500, 999])
def test_a_flipped_byte_is_found_and_named(store: ObjectStore, position: int):
    ref = store.put(bytes(1000), owners=frozenset({ALICE}))
    damaged = bytearray(1000)
    damaged[position] ^= 1
    (store.root / ref.path).write_bytes(damaged)
    with pytest.raises(CorruptObject, match=rf"{ref.path}.*is damaged.*{ref.sha256}.*restore the file from a backup"):
        store.get(ref)


@pytest.mark.parametrize("damaged", [b"", b"ab", b"abcd"])
def test_a_cut_or_grown_file_is_found(store: ObjectStore, damaged: bytes):
    ref = store.put(b"abc", owners=PUBLIC)
    (store.root / ref.path).write_bytes(damaged)
    with pytest.raises(CorruptObject, match=f"expected 3 bytes .*got {len(damaged)} bytes"):
        store.get(ref)


def test_a_reference_with_the_wrong_size_is_not_believed(store: ObjectStore):
    ref = store.put(b"abc", owners=PUBLIC)
    wrong = ObjectRef(namespace=ref.namespace, sha256=ref.sha256, size_bytes=4)
    assert not store.exists(wrong)
    with pytest.raises(CorruptObject):
        store.get(wrong)


def test_verifying_says_what_reading_says_and_needs_no_memory(store: ObjectStore, monkeypatch: pytest.MonkeyPatch):
    ref = store.put(bytes(3_000_000), owners=PUBLIC)
    monkeypatch.setattr(Path, "read_bytes", None)
    store.verify(ref)
    (store.root / ref.path).write_bytes(bytes(2_999_999) + b"x")
    with pytest.raises(CorruptObject, match=r"is damaged: expected 3000000 bytes .* got 3000000 bytes"):
        store.verify(ref)
    (store.root / ref.path).unlink()
    with pytest.raises(ObjectNotFound, match="is not in the store"):
        store.verify(ref)


def test_an_object_is_found_by_its_checksum_alone(store: ObjectStore):
    store.put(b"other", owners=frozenset({ALICE}))
    ref = store.put(b"abc", owners=frozenset({BOB}))
    assert store.locate(ref.sha256) == ref
    assert store.locate("0" * 64) is None


def test_a_path_is_an_object_only_where_the_store_would_put_it():
    ref = ObjectRef(namespace="public", sha256="ab" + "c" * 62, size_bytes=3)
    assert ObjectRef.at(ref.path, size_bytes=3) == ref
    for path in ("objects/public/ac/" + ref.sha256, "objects/nobody/ab/" + ref.sha256, ref.path + "x", "x/" + ref.path):
        assert ObjectRef.at(path, size_bytes=3) is None


def refuse_nothing(path: str, error: StoreUnavailable) -> None:
    raise AssertionError(f"{path}: {error}")


def test_all_files_are_listed_with_their_sizes_in_order(store: ObjectStore):
    assert list(store.files("", on_refusal=refuse_nothing)) == []
    refs = [store.put(data, owners=owners) for data in (b"a", b"bc") for owners in (PUBLIC, frozenset({ALICE}))]
    files = [f for f in store.files("", on_refusal=refuse_nothing) if not f.path.endswith(".lock")]
    assert [(f.path, f.size_bytes) for f in files] == sorted((ref.path, ref.size_bytes) for ref in refs)
    assert all(isinstance(f, StoredFile) and abs(f.modified_at - time.time()) < 60 for f in files)
    assert store.folders("objects") == (ALICE, "public")
    assert store.folders("nowhere") == ()


def test_a_folder_that_cannot_be_listed_is_told_and_the_others_are_listed(
    store: ObjectStore, monkeypatch: pytest.MonkeyPatch
):
    kept, lost = store.put(b"a", owners=PUBLIC), store.put(b"b", owners=frozenset({ALICE}))
    scandir = os.scandir

    def refuse_alice(path: Path):
        if Path(path).name == ALICE:
            raise PermissionError(13, "Permission denied")
        return scandir(path)

    monkeypatch.setattr("rl_assets.store.objects.os.scandir", refuse_alice)
    told: list[tuple[str, str]] = []
    paths = {f.path for f in store.files("objects", on_refusal=lambda path, error: told.append((path, str(error))))}
    assert kept.path in paths
    assert lost.path not in paths
    ((path, words),) = told
    assert path == f"objects/{ALICE}"
    assert "Permission denied: let this user read and write there" in words


def test_a_root_that_vanishes_is_not_made_anew(store: ObjectStore):
    store.put(b"abc", owners=PUBLIC)
    store.root.rename(store.root.with_name("unmounted"))
    with pytest.raises(StoreUnavailable, match="vanished while it was in use: mount or move it back"):
        store.put(b"abd", owners=PUBLIC)
    assert not store.root.exists()
    store.root.with_name("unmounted").rename(store.root)
    assert store.get(store.put(b"abd", owners=PUBLIC)) == b"abd"


def test_putting_the_bytes_again_repairs_a_damaged_object(store: ObjectStore):
    ref = store.put(b"abc", owners=PUBLIC)
    (store.root / ref.path).write_bytes(b"abd")
    store.put(b"abc", owners=PUBLIC)
    assert store.get(ref) == b"abc"


def test_a_missing_object_is_named(store: ObjectStore):
    ref = ObjectRef(namespace=BOB, sha256="f" * 64, size_bytes=1)
    assert not store.exists(ref)
    with pytest.raises(ObjectNotFound, match=rf"{ref.path}.*not in the store.*materialize it again"):
        store.get(ref)


def test_reading_creates_nothing(store: ObjectStore):
    assert not store.exists(ObjectRef(namespace=BOB, sha256="f" * 64, size_bytes=1))
    assert not store.root.exists()


def test_a_relative_root_stays_where_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    store = ObjectStore("store")
    ref = store.put(b"abc", owners=PUBLIC)
    monkeypatch.chdir("/")
    assert store.get(ref) == b"abc"
    assert ObjectStore(f"file://{tmp_path}/store").get(ref) == b"abc"


def test_a_remote_root_is_refused_for_now():
    with pytest.raises(StoreUnavailable, match="'memory' storage is not supported yet: use a local folder"):
        ObjectStore("memory://bucket/prefix")


def test_a_writer_killed_in_the_middle_of_a_put_leaves_nothing_to_read(store: ObjectStore, start_held_child):
    child = start_held_child(PUT, store.root)
    data = b"x" * 1_000_000
    ref = ObjectRef(namespace=ALICE, sha256=hashlib.sha256(data).hexdigest(), size_bytes=len(data))
    assert len(leftovers(store.root)) == 1
    assert not store.exists(ref)
    child.send_signal(signal.SIGKILL)
    child.wait()

    assert len(leftovers(store.root)) == 1
    assert not store.exists(ref)
    with pytest.raises(ObjectNotFound):
        store.get(ref)

    other = store.put(b"the next write of that owner", owners=frozenset({ALICE}))
    assert leftovers(store.root) == []
    assert stored_files(store.root) == [store.root / other.path]


def test_a_slow_writer_is_not_swept_away(store: ObjectStore, start_held_child):
    child = start_held_child(PUT, store.root)
    store.put(b"meanwhile", owners=frozenset({ALICE}))
    assert len(leftovers(store.root)) == 1
    output, errors = child.communicate("go on\n")
    assert (output, errors) == ("done\n", "")
    assert leftovers(store.root) == []
    assert len(stored_files(store.root)) == 2


def test_whenever_a_writer_is_killed_every_visible_object_is_whole(store: ObjectStore, start_child):
    script = """
    import sys
    from rl_assets.store.objects import ObjectStore
    store = ObjectStore(sys.argv[1])
    for number in range(10_000):
        store.put(bytes([number % 256]) * (2_000_000 + number), owners=frozenset())
        print(number, flush=True)
    """
    for round_number in range(4):
        child = start_child(script, store.root)
        child.stdout.readline()
        time.sleep(0.013 * round_number)
        child.kill()
        child.wait()
        visible = [path for path in stored_files(store.root) if path.parent.name != "incoming"]
        assert visible
        for path in visible:
            assert hashlib.sha256(path.read_bytes()).hexdigest() == path.name
    ref = store.put(b"after the crashes", owners=PUBLIC)
    assert store.get(ref) == b"after the crashes"
    assert leftovers(store.root) == []


def test_processes_that_put_the_same_bytes_at_once_agree(store: ObjectStore, start_child):
    script = """
    import sys
    from rl_assets.store.objects import ObjectStore
    print("ready", flush=True)
    sys.stdin.readline()
    for number in range(40):
        store = ObjectStore(sys.argv[1])
        ref = store.put(b"%d" % number * 10_000, owners=frozenset({"c-00000000aa"}))
        assert store.get(ref) == b"%d" % number * 10_000
    print("done", flush=True)
    """
    children = [start_child(script, store.root) for _ in range(3)]
    for child in children:
        assert child.stdout.readline() == "ready\n"
    for child in children:
        child.stdin.write("go\n")
        child.stdin.flush()
    for child in children:
        assert child.communicate() == ("done\n", "")
    files = stored_files(store.root)
    assert len(files) == 40
    assert all(hashlib.sha256(path.read_bytes()).hexdigest() == path.name for path in files)


def test_a_folder_that_may_not_be_written_is_told_clearly(store: ObjectStore, start_child):
    store.root.mkdir()
    store.root.chmod(0o500)
    child = start_child(
        """
        import os, sys
        from rl_assets.errors import StoreUnavailable
        from rl_assets.store.objects import ObjectStore
        store = ObjectStore(sys.argv[1])
        if os.getuid() == 0:
            os.setuid(65534)
        try:
            store.put(b"abc", owners=frozenset())
        except StoreUnavailable as error:
            print(error)
        """,
        store.root,
    )
    output, errors = child.communicate()
    assert errors == ""
    assert "Permission denied: let this user read and write there" in output
    assert str(store.root) in output


def test_a_full_disk_is_told_clearly_and_leaves_nothing(store: ObjectStore, start_child):
    child = start_child(
        """
        import resource, sys
        from rl_assets.errors import StoreUnavailable
        from rl_assets.store.objects import ObjectStore
        resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
        try:
            ObjectStore(sys.argv[1]).put(bytes(1_000_000), owners=frozenset())
        except StoreUnavailable as error:
            print(error)
        """,
        store.root,
    )
    output, errors = child.communicate()
    assert errors == ""
    assert "cannot write object 'objects/public/" in output
    assert "File too large" in output
    assert stored_files(store.root) == []


def test_a_file_in_the_place_of_the_store_is_told_clearly(tmp_path: Path):
    (tmp_path / "store").write_text("not a folder")
    store = ObjectStore(tmp_path / "store")
    with pytest.raises(StoreUnavailable, match="a file stands where a folder is needed"):
        store.put(b"abc", owners=PUBLIC)
    with pytest.raises(StoreUnavailable, match="a file stands where a folder is needed"):
        store.get(ObjectRef(namespace="public", sha256="a" * 64, size_bytes=1))


def test_an_empty_folder_that_is_removed_while_an_object_is_on_its_way_is_made_again(store, monkeypatch):
    real = objects.make_folder

    def make_and_lose(folder):
        real(folder)
        monkeypatch.setattr(objects, "make_folder", real)
        folder.rmdir()

    monkeypatch.setattr(objects, "make_folder", make_and_lose)
    assert store.get(store.put(b"bytes", owners=PUBLIC)) == b"bytes"


def test_new_objects_are_told_apart_from_those_that_were_there(store):
    new = []
    first = store.put(b"bytes", owners=PUBLIC, new=new)
    assert store.put(b"bytes", owners=PUBLIC, new=new) == first
    assert new == [first]


def test_removing_says_what_was_there_and_leaves_no_empty_folder(store):
    kept, going = store.put(b"kept", owners=PUBLIC), store.put(b"going", owners=PUBLIC)
    assert store.remove([going, going]) == [going]
    assert not (store.root / going.path).parent.exists()
    assert store.get(kept) == b"kept"
