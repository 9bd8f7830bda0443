from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from rl_assets.errors import CorruptObject, ErasedData, ObjectNotFound
from rl_assets.store.artifacts import ArtifactRef, read_artifact, write_artifact
from rl_assets.store.objects import ObjectRef, ObjectStore
from rl_assets.store.tombstones import Erased, Tombstone

ALICE = frozenset({"c-00000000aa"})
BOB = frozenset({"c-00000000bb"})
FILES = {"weights.safetensors": b"12345", "member-0/history.parquet": b"", "ünïcode name": b"x"}
FACTS = {"env": "CartPole-v1", "seeds": [0, 1], "mean_return": 499.5, "nested": {"a": None, "é": True}}


@pytest.fixture
def store(tmp_path: Path) -> ObjectStore:
    return ObjectStore(tmp_path / "store")


def write(store: ObjectStore, **changes: Any) -> ArtifactRef:
    return write_artifact(store, **{"kind": "policy", "files": FILES, "facts": FACTS, "owners": ALICE} | changes)


def test_what_was_written_is_what_is_read(store: ObjectStore):
    artifact = read_artifact(store, write(store))
    assert artifact.kind == "policy"
    assert artifact.facts == FACTS
    assert artifact.owners == ALICE
    assert artifact.file_names == tuple(sorted(FILES))
    assert artifact.size_bytes == 6
    assert artifact.is_whole()
    assert {name: artifact.read(name) for name in artifact.file_names} == FILES
    assert all((store.root / artifact.path(name)).read_bytes() == data for name, data in FILES.items())


def test_an_artifact_may_have_no_files(store: ObjectStore):
    artifact = read_artifact(store, write(store, files={}, facts={}, owners=frozenset()))
    assert (artifact.file_names, artifact.facts, artifact.owners) == ((), {}, frozenset())


def test_a_reference_survives_json(store: ObjectStore):
    ref = write(store)
    assert ArtifactRef.from_json(ref.to_json()) == ref
    assert ref.data_version == ref.manifest.sha256


def test_equal_artifacts_are_equal_bytes_whatever_the_order_of_keys(store: ObjectStore, tmp_path: Path):
    reordered = write_artifact(
        ObjectStore(tmp_path / "another"),
        kind="policy",
        files=dict(reversed(FILES.items())),
        facts=dict(reversed(FACTS.items())),
        owners=ALICE,
    )
    assert reordered == write(store) == write(store)


@pytest.mark.parametrize(
    "change",
    [
        {"kind": "evaluation"},
        {"files": FILES | {"ünïcode name": b"y"}},
        {"files": {("renamed" if name == "ünïcode name" else name): data for name, data in FILES.items()}},
        {"files": FILES | {"one more": b""}},
        {"facts": FACTS | {"mean_return": 499}},
        {"owners": BOB},
        {"owners": ALICE | BOB},
        {"owners": frozenset()},
    ],
)
def test_every_part_enters_the_data_version(store: ObjectStore, change: dict[str, Any]):
    assert write(store, **change).data_version != write(store).data_version


def test_two_owners_share_no_file(store: ObjectStore):
    write(store)
    write(store, owners=BOB)
    namespaces = {path.relative_to(store.root / "objects").parts[0] for path in store.root.rglob("*") if path.is_file()}
    assert namespaces == ALICE | BOB
    count = {
        owner: sum(path.is_file() and path.name != ".lock" for path in (store.root / "objects" / owner).rglob("*"))
        for owner in namespaces
    }
    assert set(count.values()) == {len(FILES) + 1}


def test_a_lazy_mapping_is_read_one_file_at_a_time(store: ObjectStore):
    log: list[str] = []

    class Lazy(Mapping[str, bytes]):
        def __getitem__(self, name: str) -> bytes:
            log.append(name)
            return name.encode()

        def __iter__(self) -> Iterator[str]:
            return iter(["a", "b"])

        def __len__(self) -> int:
            return 2

    artifact = read_artifact(store, write(store, files=Lazy()))
    assert log == ["a", "b"]
    assert artifact.read("b") == b"b"


def test_an_unknown_file_is_told_with_those_that_exist(store: ObjectStore):
    artifact = read_artifact(store, write(store))
    for ask in (artifact.read, artifact.checksum, artifact.path):
        with pytest.raises(
            ObjectNotFound, match=r"policy artifact '.*' has no file 'weights': it holds member-0/history"
        ):
            ask("weights")


def test_a_damaged_file_is_found_when_it_is_read(store: ObjectStore):
    artifact = read_artifact(store, write(store))
    (store.root / artifact.path("weights.safetensors")).write_bytes(b"12346")
    assert artifact.read("ünïcode name") == b"x"
    with pytest.raises(CorruptObject, match=artifact.checksum("weights.safetensors")):
        artifact.read("weights.safetensors")


def test_a_lost_file_is_noticed_without_reading(store: ObjectStore):
    artifact = read_artifact(store, write(store))
    (store.root / artifact.path("weights.safetensors")).unlink()
    assert not artifact.is_whole()
    with pytest.raises(ObjectNotFound):
        artifact.read("weights.safetensors")


def test_a_damaged_manifest_is_found(store: ObjectStore):
    ref = write(store)
    path = store.root / ref.manifest.path
    path.write_bytes(path.read_bytes().replace(b"CartPole", b"CartPool"))
    with pytest.raises(CorruptObject, match="is damaged"):
        read_artifact(store, ref)


@pytest.mark.parametrize(
    "data",
    [
        b"\x93NUMPY",
        b"[]",
        b"{}",
        b'"text"',
        b'{"facts":{},"files":[],"kind":"x","owners":[]}',
        b'{"facts":{},"files":{"a":{"namespace":"../..","sha256":"0","size_bytes":1}},"kind":"x","owners":[]}',
    ],
)
def test_an_object_that_is_no_manifest_is_refused(store: ObjectStore, data: bytes):
    ref = ArtifactRef(manifest=store.put(data, owners=frozenset()))
    with pytest.raises(CorruptObject, match="is no artifact manifest"):
        read_artifact(store, ref)


@pytest.mark.parametrize(
    ("change", "error", "words"),
    [
        ({"kind": "../policy"}, ValueError, "artifact kind"),
        ({"kind": ""}, ValueError, "artifact kind"),
        ({"files": {"": b""}}, ValueError, "empty name"),
        ({"facts": {"mean": float("nan")}}, ValueError, "JSON"),
        ({"facts": {"object": object()}}, TypeError, "JSON"),
        ({"owners": frozenset({"ACME"})}, ValueError, "pseudonym"),
    ],
)
def test_a_malformed_artifact_is_refused_and_nothing_is_written(store, change, error, words):
    with pytest.raises(error, match=words):
        write(store, **change)
    assert not store.root.exists()


def test_a_writer_that_fails_half_way_leaves_no_artifact(store: ObjectStore):
    class Failing(dict[str, bytes]):
        def __getitem__(self, name: str) -> bytes:
            if name == "second":
                raise OSError("the source is gone")
            return b"abc"

    with pytest.raises(OSError, match="the source is gone"):
        write(store, files=Failing(first=b"", second=b""))
    contents = [path.read_bytes() for path in store.root.rglob("*") if path.is_file() and path.name != ".lock"]
    assert contents == [b"abc"]


def test_a_refusal_begins_with_what_was_being_read(tmp_path: Path):
    store = ObjectStore(tmp_path / "store")
    ref = write_artifact(store, kind="policy", files={"weights": b"abc"}, facts={}, owners=frozenset())
    artifact = read_artifact(store, ref, name="trained_policies[CartPole-v1|a]")
    (store.root / artifact.path("weights")).unlink()
    with pytest.raises(ObjectNotFound, match=r"^trained_policies\[CartPole-v1\|a\], file 'weights': object 'objects/"):
        artifact.read("weights")
    with pytest.raises(ObjectNotFound, match=r"^policy artifact '[0-9a-f]{12}', file 'weights': object 'objects/"):
        read_artifact(store, ref).read("weights")
    (store.root / ref.manifest.path).write_bytes(b"{}")
    with pytest.raises(CorruptObject, match=r"^trained_policies\[CartPole-v1\|a\]: object 'objects/.*is damaged"):
        read_artifact(store, ref, name="trained_policies[CartPole-v1|a]")


def erase(
    store: ObjectStore, *, clients: frozenset[str] = frozenset(), version: str = "f" * 64, **changes: Any
) -> None:
    """Set a tombstone on clients and a data version, as another process would."""
    erased = Erased(asset="trained_policies", partition="a", event_id=1, data_version=version)
    at = "2026-01-02T03:04:05+00:00"
    ObjectStore(store.root).tombstones.write(
        Tombstone(order="e-00000000aa", at=at, clients=clients, erased=(erased,), **changes)
    )


def stored(store: ObjectStore) -> set[str]:
    return {path.name for path in (store.root / "objects").glob("*/??/*")}


def test_an_erased_version_is_neither_read_nor_written_until_its_bytes_are_gone(store: ObjectStore):
    ref = write(store)
    erase(store, version=ref.data_version)
    with pytest.raises(ErasedData, match=f"^the policy: artifact '{ref.data_version[:12]}': data version"):
        read_artifact(store, ref, name="the policy")
    with pytest.raises(ErasedData):
        write(store)
    assert len(stored(store)) == 4, "what was there before is the eraser's to remove"
    erase(store, version=ref.data_version, bytes_are_gone=True)
    assert read_artifact(store, write(store)).is_whole()


def test_an_artifact_that_an_erased_client_shares_is_refused(store: ObjectStore):
    shared, other = write(store, owners=ALICE | BOB), write(store, owners=BOB)
    erase(store, clients=ALICE)
    with pytest.raises(ErasedData, match="client 'c-00000000aa' was erased by order e-00000000aa"):
        read_artifact(store, shared)
    for path in (store.root / "owners").glob("*.json"):
        path.unlink()
    with pytest.raises(ErasedData, match="client 'c-00000000aa'"):
        read_artifact(ObjectStore(store.root), shared)
    assert read_artifact(store, other).is_whole()


@pytest.mark.parametrize("puts", [1, 2, 3, 4])
def test_a_writer_that_is_overtaken_by_an_erasure_takes_back_what_it_wrote(
    store: ObjectStore, monkeypatch: pytest.MonkeyPatch, puts: int
):
    write(store, owners=BOB)
    mine = store.put(FILES["weights.safetensors"], owners=ALICE)
    real, seen = ObjectStore._write, []

    def write_and_be_overtaken(self: ObjectStore, ref: ObjectRef, data: bytes) -> bool:
        is_new = real(self, ref, data)
        seen.append(ref)
        if len(seen) == puts:
            erase(store, clients=ALICE)
        return is_new

    monkeypatch.setattr(ObjectStore, "_write", write_and_be_overtaken)
    with pytest.raises(ErasedData):
        write(store)
    left = {path.name for path in (store.root / "objects" / "c-00000000aa").glob("??/*")}
    assert left <= {mine.sha256}, "at most what another writer had put there before"
    assert len(list((store.root / "objects" / "c-00000000bb").glob("??/*"))) == 4


def test_new_objects_of_an_artifact_are_told_to_who_may_have_to_remove_them(store: ObjectStore):
    store.put(FILES["weights.safetensors"], owners=ALICE)
    new: list[ObjectRef] = []
    ref = write(store, new=new)
    assert len(new) == 3
    assert ref.manifest in new
