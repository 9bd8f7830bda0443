import hashlib
import time
from pathlib import Path

import pytest

from rl_assets.store.artifacts import ArtifactRef, read_artifact, write_artifact
from rl_assets.store.atomic import staged_file
from rl_assets.store.claims import Claim, Finding, Holder
from rl_assets.store.inspection import MAX_PATHS, Inspection
from rl_assets.store.objects import ObjectRef, ObjectStore
from rl_assets.store.tombstones import Erased, Tombstone

PUBLIC: frozenset[str] = frozenset()
NOW = Holder(name="trained_policies[a]", is_current=True, remedy="materialize trained_policies of 'a' again")
SERVED = Holder(name="promoted_models[a]", is_current=True, remedy="materialize promoted_models of 'a' again")
KEPT = Holder(name="champion 3", is_current=True)
PAST = Holder(name="trained_policies[a] (event 7, superseded)", is_current=False)


@pytest.fixture
def store(tmp_path: Path) -> ObjectStore:
    return ObjectStore(tmp_path / "store")


@pytest.fixture
def policy(store: ObjectStore) -> ArtifactRef:
    return write_artifact(store, kind="policy", files={"a": b"aaa", "b": b"bbb"}, facts={}, owners=PUBLIC)


def inspect(store: ObjectStore, *claims: Claim | Finding, age_s: float = -60) -> Inspection:
    """Inspect a store; by default everything in it is older than the inspection."""
    inspection = Inspection(store, started_at=time.time() - age_s)
    inspection.claim(claims)
    inspection.check_objects()
    return inspection


def of_artifact(ref: ArtifactRef, holder: Holder) -> Claim:
    return Claim(ref=ref.manifest, holder=holder, is_artifact=True)


def test_a_whole_store_has_no_findings_and_nothing_unnamed(store: ObjectStore, policy: ArtifactRef):
    read: list[int] = []
    inspection = Inspection(store, started_at=time.time() + 60)
    inspection.claim([of_artifact(policy, NOW)])
    inspection.check_objects(on_bytes=read.append)
    assert inspection.findings == []
    assert (inspection.objects.count, inspection.unnamed.count, inspection.leftovers.count) == (3, 0, 0)
    assert sum(read) == inspection.objects.size_bytes == 6 + policy.manifest.size_bytes


def test_an_empty_store_is_whole(store: ObjectStore):
    assert inspect(store).findings == []
    assert not store.root.exists(), "looking creates nothing"


@pytest.mark.parametrize("damage", [b"aab", b"aa", b"aaaa", b""])
def test_damaged_bytes_name_the_file_those_who_need_it_and_what_to_do(
    store: ObjectStore, policy: ArtifactRef, damage: bytes
):
    path = read_artifact(store, policy).path("a")
    (store.root / path).write_bytes(damage)
    (finding,) = inspect(store, of_artifact(policy, NOW), of_artifact(policy, PAST)).findings
    assert (finding.kind, finding.path, finding.is_current) == ("damaged object", path, True)
    assert finding.needed_by == (NOW.name, PAST.name)
    assert finding.to_do == "put the file back from a backup, or materialize trained_policies of 'a' again"
    assert f"got {len(damage)} bytes" in finding.what


def test_a_vanished_file_is_found_though_nothing_of_it_is_left(store: ObjectStore, policy: ArtifactRef):
    path = read_artifact(store, policy).path("b")
    (store.root / path).unlink()
    (finding,) = inspect(store, of_artifact(policy, NOW)).findings
    assert (finding.kind, finding.path) == ("missing object", path)


def test_a_vanished_manifest_is_one_finding_and_its_files_are_perhaps_unnamed(store: ObjectStore, policy: ArtifactRef):
    (store.root / policy.manifest.path).unlink()
    inspection = inspect(store, of_artifact(policy, NOW), of_artifact(policy, PAST))
    assert [(finding.kind, finding.path) for finding in inspection.findings] == [
        ("missing object", policy.manifest.path)
    ]
    assert inspection.num_unread_artifacts == 1
    assert inspection.unnamed.count == 2


def test_what_is_made_first_is_made_again_first(store: ObjectStore, policy: ArtifactRef):
    (store.root / policy.manifest.path).unlink()
    (finding,) = inspect(store, of_artifact(policy, NOW), of_artifact(policy, SERVED)).findings
    assert finding.to_do.endswith("or materialize trained_policies of 'a' again")


def test_only_a_backup_has_what_nobody_can_make_again(store: ObjectStore, policy: ArtifactRef):
    (store.root / policy.manifest.path).unlink()
    (finding,) = inspect(store, of_artifact(policy, KEPT)).findings
    assert (finding.is_current, finding.to_do) == (True, "put the file back from a backup")
    (finding,) = inspect(store, of_artifact(policy, PAST)).findings
    assert not finding.is_current
    assert finding.to_do.endswith("nothing that stands now needs it, only the record of the past is incomplete")


def test_a_damaged_object_that_nobody_needs_may_be_deleted(store: ObjectStore):
    ref = store.put(b"abc", owners=PUBLIC)
    (store.root / ref.path).write_bytes(b"abd")
    (finding,) = inspect(store).findings
    assert (finding.needed_by, finding.to_do) == ((), "nothing needs it: delete the file")


def test_an_entry_may_need_a_single_object_that_is_no_artifact(store: ObjectStore):
    ref = store.put(b"not a manifest", owners=PUBLIC)
    inspection = inspect(store, Claim(ref=ref, holder=NOW, is_artifact=False))
    assert (inspection.findings, inspection.unnamed.count) == ([], 0)


def test_a_record_that_takes_a_plain_object_for_an_artifact_is_wrong(store: ObjectStore):
    ref = store.put(b"not a manifest", owners=PUBLIC)
    (finding,) = inspect(store, of_artifact(ArtifactRef(manifest=ref), NOW)).findings
    assert finding.kind == "wrong record"
    assert "is no artifact manifest" in finding.what


def test_a_size_that_is_recorded_wrongly_is_found_beside_whole_bytes(store: ObjectStore):
    ref = store.put(b"abc", owners=PUBLIC)
    wrong = ObjectRef(namespace=ref.namespace, sha256=ref.sha256, size_bytes=4)
    claims = [Claim(ref=r, holder=h, is_artifact=False) for r, h in ((ref, KEPT), (wrong, NOW))]
    (finding,) = inspect(store, *claims).findings
    assert finding.needed_by == (NOW.name,)
    assert "its size is recorded wrongly" in finding.what


def test_objects_that_nobody_needs_are_counted_and_only_the_first_are_listed(store: ObjectStore):
    for number in range(MAX_PATHS + 5):
        store.put(b"%d" % (number + 100), owners=PUBLIC)
    unnamed = inspect(store).unnamed
    assert (unnamed.count, unnamed.size_bytes, len(unnamed.paths)) == (MAX_PATHS + 5, 3 * (MAX_PATHS + 5), MAX_PATHS)


def test_what_a_run_at_work_has_just_written_is_not_called_unnamed(store: ObjectStore):
    store.put(b"abc", owners=PUBLIC)
    assert inspect(store, age_s=60).unnamed.count == 0


def test_an_object_that_comes_while_the_store_is_read_is_not_missing(store: ObjectStore):
    owners = frozenset({"c-00000000aa"})
    store.put(b"read first", owners=PUBLIC)
    late = ObjectRef(namespace="c-00000000aa", sha256=hashlib.sha256(b"late").hexdigest(), size_bytes=4)
    never = ObjectRef(namespace="c-00000000aa", sha256="0" * 64, size_bytes=1)
    inspection = Inspection(store, started_at=time.time())
    inspection.claim([Claim(ref=ref, holder=NOW, is_artifact=False) for ref in (late, never)])
    inspection.check_objects(on_bytes=lambda _: store.put(b"late", owners=owners))
    assert [finding.path for finding in inspection.findings] == [never.path]


def test_leftovers_of_killed_writers_are_counted_and_a_writer_at_work_is_left_alone(store: ObjectStore):
    store.put(b"abc", owners=PUBLIC)
    staging = store.root / "objects" / "public" / "incoming"
    (staging / "left-by-a-dead-writer").write_bytes(b"xyz")
    with staged_file(store.root / "objects" / "public", b"in writing"):
        assert inspect(store).leftovers.count == 0
    leftovers = inspect(store).leftovers
    assert (leftovers.count, leftovers.size_bytes) == (1, 3)
    assert (staging / "left-by-a-dead-writer").exists(), "looking removes nothing"


def test_files_that_the_store_did_not_write_are_told_apart(store: ObjectStore):
    ref = store.put(b"abc", owners=PUBLIC)
    (store.root / ref.path).with_name("notes.txt").write_text("x")
    moved = store.root / "objects" / "public" / "zz"
    moved.mkdir()
    (moved / ref.sha256).write_bytes(b"abc")
    inspection = inspect(store, Claim(ref=ref, holder=NOW, is_artifact=False))
    assert inspection.findings == []
    assert inspection.strangers.count == 2


def test_an_object_that_cannot_be_read_is_a_finding_and_the_others_are_checked(
    store: ObjectStore, policy: ArtifactRef, monkeypatch: pytest.MonkeyPatch
):
    refused = store.root / read_artifact(store, policy).path("a")
    damaged = store.put(b"c", owners=PUBLIC)
    (store.root / damaged.path).write_bytes(b"d")
    real_open = open

    def refuse_one(path: Path, *args: object, **settings: object):
        if path == refused:
            raise OSError(5, "Input/output error")
        return real_open(path, *args, **settings)

    monkeypatch.setattr("builtins.open", refuse_one)
    findings = inspect(store, of_artifact(policy, NOW)).findings
    assert sorted(finding.kind for finding in findings) == ["damaged object", "unreadable"]
    unreadable = next(finding for finding in findings if finding.kind == "unreadable")
    assert unreadable.needed_by == (NOW.name,)
    assert "Input/output error: check that the disk is mounted and healthy" in unreadable.what


def test_what_an_order_takes_is_missed_by_nobody(store: ObjectStore, policy: ArtifactRef):
    item = Erased(asset="trained_policies", partition="a", event_id=1, data_version=policy.data_version)
    at = "2026-01-02T03:04:05+00:00"
    store.tombstones.write(Tombstone(order="e-00000000aa", at=at, erased=(item,)))
    (store.root / policy.manifest.path).unlink()
    inspection = inspect(store, of_artifact(policy, NOW))
    assert (inspection.findings, inspection.num_unread_artifacts) == ([], 0)
