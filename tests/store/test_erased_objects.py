"""Objects of an erased client, and of one that is erased while they are written."""

import pytest

from rl_assets.errors import ErasedData, StoreUnavailable
from rl_assets.store.objects import ObjectStore
from rl_assets.store.tombstones import Tombstone

ALICE = "c-00000000aa"
BOB = "c-00000000bb"


@pytest.fixture
def store(tmp_path):
    return ObjectStore(tmp_path / "store")


def erase(store, *owners):
    """Set a tombstone on clients, as another process would."""
    at = "2026-01-02T03:04:05+00:00"
    ObjectStore(store.root).tombstones.write(Tombstone(order="e-00000000aa", at=at, clients=frozenset(owners)))


def objects_in(store):
    return [path for path in (store.root / "objects").rglob("*") if path.is_file() and path.name != ".lock"]


@pytest.mark.parametrize("owners", [frozenset({ALICE}), frozenset({ALICE, BOB})])
def test_nothing_of_an_erased_client_is_written_or_handed_out(store, owners):
    before = store.put(b"before", owners=owners)
    erase(store, ALICE)
    with pytest.raises(ErasedData, match=f"client '{ALICE}' was erased by order e-00000000aa"):
        store.put(b"after", owners=owners)
    with pytest.raises(ErasedData, match=f"object '{before.path}'"):
        store.get(before)
    assert store.get(before, even_erased=True) == b"before"
    store.verify(before)
    assert len(objects_in(store)) == 1
    assert store.get(store.put(b"other", owners=frozenset({BOB}))) == b"other"


def test_what_is_written_while_its_client_is_erased_is_taken_back(store, monkeypatch):
    real = ObjectStore._write

    def write_and_be_overtaken(self, ref, data):
        is_new = real(self, ref, data)
        erase(self, ALICE)
        return is_new

    monkeypatch.setattr(ObjectStore, "_write", write_and_be_overtaken)
    with pytest.raises(ErasedData):
        store.put(b"too late", owners=frozenset({ALICE}))
    assert objects_in(store) == []


def test_a_writer_whose_folder_is_removed_under_its_hands_is_told_of_the_erasure(store, monkeypatch):
    def write_after_the_eraser(self, ref, data):
        erase(self, ALICE)
        raise StoreUnavailable("the folder is gone")

    monkeypatch.setattr(ObjectStore, "_write", write_after_the_eraser)
    with pytest.raises(ErasedData):
        store.put(b"too late", owners=frozenset({ALICE}))
