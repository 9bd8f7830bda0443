"""Who owns what can be said of every namespace."""

import pytest

from rl_assets.errors import CorruptObject
from rl_assets.store.artifacts import write_artifact
from rl_assets.store.namespaces import Namespaces, namespace_of
from rl_assets.store.objects import ObjectStore

ALICE, BOB, CAROL = "c-aaaaaaaaaa", "c-bbbbbbbbbb", "c-cccccccccc"
BOTH = frozenset({ALICE, BOB})


@pytest.fixture
def store(tmp_path):
    return ObjectStore(tmp_path / "store")


def forget_records(store):
    """What a store from before owners were recorded looks like."""
    for path in (store.root / "owners").glob("*.json"):
        path.unlink()
    return Namespaces(store.root)


def test_a_client_has_its_own_namespace_and_all_that_it_shares(store):
    for owners in (BOTH, {BOB, CAROL}, {CAROL}, set()):
        store.put(b"bytes", owners=frozenset(owners))
    assert store.namespaces_of(ALICE) == (ALICE, namespace_of(BOTH))
    assert ObjectStore(store.root).namespaces_of(BOB) == (
        BOB,
        *sorted(map(namespace_of, (BOTH, frozenset({BOB, CAROL})))),
    )
    assert store.namespaces_of("c-dddddddddd") == ("c-dddddddddd",)


def test_owners_stand_on_record_before_the_first_byte(store, monkeypatch):
    seen = []
    real = ObjectStore._write
    monkeypatch.setattr(
        ObjectStore,
        "_write",
        lambda self, ref, data: (seen.append(Namespaces(self.root).owners_of(ref.namespace)), real(self, ref, data))[1],
    )
    store.put(b"bytes", owners=BOTH)
    assert seen == [BOTH]


def test_a_store_without_records_tells_owners_by_its_manifests(store):
    store.put(b"a file of nobody knows what", owners=BOTH)
    write_artifact(store, kind="policy", files={"w": b"weights"}, facts={}, owners=BOTH)
    namespaces = forget_records(store)
    assert namespaces.owners_of(namespace_of(BOTH)) == BOTH
    assert namespaces.of(ALICE) == (ALICE, namespace_of(BOTH))


def test_a_damaged_record_is_not_believed(store):
    write_artifact(store, kind="policy", files={"w": b"weights"}, facts={}, owners=BOTH)
    store.namespaces.place(namespace_of(BOTH)).write_text(f'["{ALICE}", "{CAROL}"]')
    assert Namespaces(store.root).owners_of(namespace_of(BOTH)) == BOTH


def test_where_nobody_can_say_whose_a_namespace_is_the_answer_is_refused(store):
    store.put(b'{"facts":1, "owners": 3}', owners=BOTH)
    with pytest.raises(CorruptObject, match=f"who owns '{namespace_of(BOTH)}'.*rlctl doctor"):
        forget_records(store).of(CAROL)


def test_a_lost_record_comes_back_with_the_next_byte(store):
    store.put(b"one", owners=BOTH)
    forget_records(store)
    store.put(b"two", owners=BOTH)
    assert Namespaces(store.root).of(BOB) == (BOB, namespace_of(BOTH))


def test_public_and_single_namespaces_need_no_record(store):
    store.put(b"one", owners=frozenset({ALICE}))
    store.put(b"two", owners=frozenset())
    assert store.namespaces.owners_of("public") == frozenset()
    assert store.namespaces.owners_of(ALICE) == {ALICE}
    assert not (store.root / "owners").exists()
