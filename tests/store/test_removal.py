"""Exactly what is doomed goes, whenever the eraser is killed and started again."""

from contextlib import suppress
from itertools import chain
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rl_assets.errors import CorruptObject, ObjectNotFound
from rl_assets.store.artifacts import read_artifact, write_artifact
from rl_assets.store.checkpoints import TrainingCheckpoints
from rl_assets.store.namespaces import namespace_of
from rl_assets.store.objects import ObjectStore
from rl_assets.store.removal import Removed, remove_artifacts, remove_checkpoints, remove_client
from rl_assets.store.tombstones import Tombstone
from tests.store.test_checkpoints import make_checkpoint

ALICE, BOB = "c-aaaaaaaaaa", "c-bbbbbbbbbb"
OWNERS = [frozenset({ALICE}), frozenset({BOB}), frozenset({ALICE, BOB}), frozenset()]
FILES = st.dictionaries(st.sampled_from("uvw"), st.sampled_from([b"1", b"2", b"3"]), max_size=3)
ARTIFACTS = st.lists(
    st.tuples(st.sampled_from(OWNERS), FILES, st.sampled_from([b"", b"1", b"7"]), st.booleans()), max_size=8
)


@pytest.fixture
def store(tmp_path):
    return ObjectStore(tmp_path / "store")


def paths(store):
    """Every object of the store."""
    return {str(path.relative_to(store.root)) for path in (store.root / "objects").glob("*/??/*")}


def fill(store, artifacts):
    """Write artifacts with an attachment each; equal ones are one."""
    doomed, kept, going, staying = [], [], [], []
    for number, (owners, files, attachment, is_doomed) in enumerate(artifacts):
        ref = write_artifact(store, kind="thing", files=files, facts={"n": number}, owners=owners)
        attached = [store.put(attachment, owners=owners)] if attachment else []
        (doomed if is_doomed else kept).append(ref)
        (going if is_doomed else staying).extend(attached)
    return doomed, kept, going, staying


def needed(store, refs, objects):
    """All that these artifacts and objects need."""
    files = chain.from_iterable((ref.manifest, *read_artifact(store, ref).files.values()) for ref in refs)
    return {ref.path for ref in (*files, *objects)}


@settings(max_examples=150, deadline=None)
@given(artifacts=ARTIFACTS, killed_after=st.integers(0, 12))
def test_exactly_the_doomed_go_also_after_a_kill(artifacts, killed_after):
    with TemporaryDirectory() as folder:
        store = ObjectStore(Path(folder) / "store")
        doomed, kept, going, staying = fill(store, artifacts)
        everything, stays = paths(store), needed(store, kept, staying)
        goes = needed(store, doomed, going) - stays
        removals = []
        real = ObjectStore.remove

        def remove_until_killed(self, refs):
            for ref in refs:
                if len(removals) == killed_after:
                    raise KeyboardInterrupt
                removals.extend(real(self, [ref]))
            return []

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(ObjectStore, "remove", remove_until_killed)
            with suppress(KeyboardInterrupt):
                remove_artifacts(store, doomed, attachments=going, kept=kept, kept_objects=staying)
        removed = remove_artifacts(store, doomed, attachments=going, kept=kept, kept_objects=staying)
        assert paths(store) == everything - goes
        assert {ref.path for ref in removals} <= goes
        assert removed.num_objects == len(goes) - len(removals)
        for ref in kept:
            assert read_artifact(store, ref).is_whole()
        again = remove_artifacts(store, doomed, attachments=going, kept=kept, kept_objects=staying)
        assert again == Removed()
        assert not [path for path in (store.root / "objects").glob("*/??") if not any(path.iterdir())]


def test_it_says_what_it_removed(store):
    ref = write_artifact(store, kind="policy", files={"w": b"weights"}, facts={}, owners=OWNERS[0])
    weights = read_artifact(store, ref).files["w"]
    removed = remove_artifacts(store, [ref])
    assert removed == Removed(
        num_objects=2,
        num_bytes=weights.size_bytes + ref.manifest.size_bytes,
        sha256s=frozenset({weights.sha256, ref.data_version}),
    )


def test_a_tombstone_does_not_stop_the_eraser(store):
    ref = write_artifact(store, kind="policy", files={"w": b"weights"}, facts={}, owners=OWNERS[2])
    at = "2026-01-02T03:04:05+00:00"
    store.tombstones.write(Tombstone(order="e-0000000000", at=at, clients=frozenset({ALICE})))
    assert remove_artifacts(store, [ref]).num_objects == 2


def test_a_kept_artifact_that_cannot_be_read_stops_the_removal_beside_it_alone(store):
    owners = OWNERS[0]
    doomed = write_artifact(store, kind="policy", files={"w": b"shared"}, facts={"n": 1}, owners=owners)
    kept = write_artifact(store, kind="policy", files={"w": b"shared"}, facts={"n": 2}, owners=owners)
    elsewhere = write_artifact(store, kind="policy", files={}, facts={}, owners=OWNERS[1])
    for ref in (kept, elsewhere):
        (store.root / ref.manifest.path).write_bytes(b"damaged")
    before = paths(store)
    with pytest.raises(CorruptObject, match=kept.data_version):
        remove_artifacts(store, [doomed], kept=[kept, elsewhere])
    assert paths(store) == before
    assert remove_artifacts(store, [doomed], kept=[elsewhere]).num_objects == 2


def test_what_a_killed_writer_left_beside_the_doomed_goes_too(store):
    ref = write_artifact(store, kind="policy", files={}, facts={}, owners=OWNERS[0])
    leftover = store.root / "objects" / ALICE / "incoming" / "abandoned"
    leftover.write_bytes(b"half of something")
    remove_artifacts(store, [ref])
    assert not leftover.exists()


def keep_checkpoint(store, owners, training):
    TrainingCheckpoints(store, training=training * 32, owners=owners).save(make_checkpoint())


def test_a_client_goes_with_all_that_it_owns_or_shares(store):
    for owners in OWNERS:
        write_artifact(store, kind="policy", files={"w": b"weights"}, facts={}, owners=owners)
        keep_checkpoint(store, owners, "a")
    keep_checkpoint(store, frozenset({ALICE, "c-cccccccccc"}), "b")
    (store.root / "objects" / ALICE / "incoming" / "abandoned").write_bytes(b"half")
    doomed = {ALICE, namespace_of(OWNERS[2]), namespace_of(frozenset({ALICE, "c-cccccccccc"}))}
    removed = remove_client(store, ALICE)
    assert removed.num_objects == 2 * 2 + 1 + 3
    assert removed.num_bytes > 0
    assert len(removed.sha256s) == 2 * 2 - 1 + 1, "equal files and checkpoints have one checksum"
    left = {path.parent.name for folder in ("objects", "checkpoints") for path in (store.root / folder).glob("*/*")}
    assert left == {BOB, "public"}
    assert not [path for path in store.root.rglob("*") if doomed & set(path.parts) or path.stem in doomed]
    assert remove_client(store, ALICE) == Removed()


def test_nothing_of_a_client_that_has_nothing_is_removed(store):
    ref = write_artifact(store, kind="policy", files={"w": b"weights"}, facts={}, owners=OWNERS[1])
    assert remove_client(store, ALICE) == Removed()
    assert read_artifact(store, ref).is_whole()


def test_a_removal_of_a_client_that_was_killed_is_finished_by_the_next(store, monkeypatch):
    write_artifact(store, kind="policy", files={"w": b"weights"}, facts={}, owners=OWNERS[2])
    keep_checkpoint(store, OWNERS[2], "a")
    monkeypatch.setattr(
        "rl_assets.store.removal.remove_checkpoints", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt)
    )
    with pytest.raises(KeyboardInterrupt):
        remove_client(store, BOB)
    monkeypatch.undo()
    assert remove_client(store, BOB).num_objects == 1
    assert not list((store.root / "checkpoints").iterdir())
    assert not list((store.root / "owners").glob("*.json"))


def test_checkpoints_go_by_namespace(store):
    keep_checkpoint(store, OWNERS[0], "a")
    keep_checkpoint(store, OWNERS[1], "b")
    assert remove_checkpoints(store, [ALICE, "c-dddddddddd"]).num_objects == 1
    assert [path.name for path in (store.root / "checkpoints").iterdir()] == [BOB]


def test_a_removed_artifact_is_not_found(store):
    ref = write_artifact(store, kind="policy", files={"w": b"weights"}, facts={}, owners=OWNERS[0])
    remove_artifacts(store, [ref])
    with pytest.raises(ObjectNotFound):
        read_artifact(store, ref)
