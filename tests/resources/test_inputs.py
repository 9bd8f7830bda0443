"""What is attached to a materialization, outside its data version, and what an erasure does to a scope."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from rl_assets.errors import ErasedData
from rl_assets.resources.event_log import ATTACHMENTS_KEY, Event, EventLog
from rl_assets.resources.inputs import Inputs, OutputScope, Publication
from rl_assets.store.objects import ObjectRef, ObjectStore
from rl_assets.store.tombstones import Erased, Tombstone
from tests.store.test_checkpoints import make_checkpoint

OWNERS = frozenset({"c-00000000aa"})
PARTITION = "a"


@pytest.fixture
def store(tmp_path: Path) -> ObjectStore:
    return ObjectStore(tmp_path / "store")


@pytest.fixture
def inputs(store: ObjectStore) -> Iterator[Inputs]:
    with dg.DagsterInstance.ephemeral() as instance:
        yield Inputs(log=EventLog(instance), store=store)


def publish(scope: OutputScope, attachments: dict[str, bytes] | None = None) -> Publication:
    return scope.publish(
        kind="thing",
        files={"table": b"numbers"},
        facts={},
        config_hash="h",
        metadata={},
        owners=OWNERS,
        attachments=attachments,
    )


def logged(inputs: Inputs, attachments: dict[str, bytes]) -> tuple[Publication, ObjectRef]:
    """Publish and log with one attachment."""
    with inputs.for_output("things", PARTITION) as scope:
        publication = publish(scope, attachments)
    partitions = dg.StaticPartitionsDefinition([PARTITION])
    inputs.log.instance.report_runless_asset_event(publication.as_event(partitions))
    event = inputs.log.latest("things", PARTITION)
    assert event is not None
    (entry,) = event.metadata[ATTACHMENTS_KEY].values()
    return publication, ObjectRef.from_json(entry)


def test_attachments_are_stored_under_the_owners_and_change_no_data_version(inputs, store):
    with inputs.for_output("things", PARTITION) as scope:
        plain = publish(scope)
    fast, ref = logged(inputs, {"timings": b"1.0"})
    slow, _ = logged(inputs, {"timings": b"9.0"})
    assert plain.data_version == fast.data_version == slow.data_version
    assert store.get(ref) == b"1.0"
    assert ref.namespace == "c-00000000aa"
    assert ATTACHMENTS_KEY not in plain.metadata


def test_attachments_are_listed_among_the_files_with_their_places(inputs, store):
    publication, ref = logged(inputs, {"timings": b"1.0"})
    rows = {row.data["file"]: row.data["object"] for row in publication.metadata["rl/files"].records}
    assert rows["timings"] == str(store.root / ref.path)
    assert set(rows) == {"timings", "table"}


def test_what_is_logged_again_keeps_its_attachments(inputs):
    _, ref = logged(inputs, {"timings": b"1.0"})
    with inputs.for_output("things", PARTITION) as scope:
        event = scope.find("things", PARTITION)
        assert event is not None
        again = scope.republish(event)
    assert again.metadata[ATTACHMENTS_KEY].data == {"timings": ref.to_json()}


@pytest.mark.parametrize("damage", [lambda path: path.unlink(), lambda path: path.write_bytes(b"2.0")])
def test_a_lost_attachment_is_noticed_and_the_artifact_stays_intact(inputs, store, damage):
    _, ref = logged(inputs, {"timings": b"1.0"})
    with inputs.for_output("things", PARTITION) as scope:
        event = scope.find("things", PARTITION)
        assert event is not None
        assert scope.has_attachments(event)
        damage(store.root / ref.path)
        assert not scope.has_attachments(event)
        assert scope.is_intact(event)
        assert scope.open(event).artifact.read("table") == b"numbers"


ORDER = "e-00000000aa"


def erase(store: ObjectStore, *events: Event, **changes: Any) -> None:
    """Set an order's tombstone, as another process would."""
    erased = tuple(
        Erased(asset=event.asset, partition=event.partition, event_id=event.event_id, data_version=event.data_version)
        for event in events
    )
    at = "2026-01-02T03:04:05+00:00"
    ObjectStore(store.root).tombstones.write(Tombstone(order=ORDER, at=at, erased=erased, **changes))


def make(
    inputs: Inputs, asset: str, *, reads: Event | None = None, is_evidence: bool = False, number: int = 0
) -> Event:
    """Publish and log one partition of an asset, read from another event or from a client's own data."""
    with inputs.for_output(asset, PARTITION) as scope:
        if reads is not None:
            scope.open(reads, is_evidence=is_evidence)
        publication = scope.publish(
            kind="thing", files={"table": b"numbers"}, facts={"n": number}, config_hash="h", metadata={}, owners=OWNERS
        )
    inputs.log.instance.report_runless_asset_event(publication.as_event(dg.StaticPartitionsDefinition([PARTITION])))
    event = inputs.log.latest(asset, PARTITION)
    assert event is not None
    return event


def objects_of(store: ObjectStore) -> set[str]:
    return {path.name for path in (store.root / "objects").glob("*/??/*")}


def test_an_erased_event_is_neither_read_nor_logged_again(inputs, store):
    event = make(inputs, "things")
    erase(store, event)
    with inputs.for_output("others", PARTITION) as scope:
        for use in (scope.open, scope.republish, lambda event: scope.read(event.asset, event.partition)):
            with pytest.raises(ErasedData, match=rf"^things\[{PARTITION}\]: .*erased by order {ORDER}"):
                use(event)
        with pytest.raises(ErasedData):
            scope.open(event, is_evidence=True)
        assert not scope.is_intact(event)
        assert scope.is_erased(event)


def test_what_was_made_from_erased_data_is_not_logged_again_and_what_was_judged_by_it_is(inputs, store):
    source = make(inputs, "things")
    made = make(inputs, "made", reads=source, number=2)
    judged = make(inputs, "judged", reads=source, is_evidence=True, number=1)
    erase(store, source)
    with inputs.for_output("made", PARTITION) as scope:
        with pytest.raises(ErasedData, match=rf"^made\[{PARTITION}\]: things\[{PARTITION}\] was erased"):
            scope.republish(made)
        assert scope.republish(judged).data_version == judged.data_version


@pytest.mark.parametrize("is_overtaken", [False, True])
def test_nothing_is_published_or_kept_of_data_that_is_erased_meanwhile(inputs, store, monkeypatch, is_overtaken):
    source = make(inputs, "things")
    before = objects_of(store)
    real = ObjectStore._write

    def write_and_be_overtaken(self, ref, data):
        is_new = real(self, ref, data)
        erase(store, source)
        return is_new

    with inputs.for_output("made", PARTITION) as scope:
        scope.open(source)
        checkpoints = scope.checkpoints({"seed": 0}, keeps_all=False, on_damage=lambda _: None)
        if is_overtaken:
            monkeypatch.setattr(ObjectStore, "_write", write_and_be_overtaken)
        else:
            erase(store, source)
        with pytest.raises(
            ErasedData, match=rf"^made\[{PARTITION}\]: things\[{PARTITION}\] was erased by order {ORDER}"
        ):
            scope.publish(
                kind="thing",
                files={"table": b"numbers", "more": b"other numbers"},
                facts={"n": 2},
                config_hash="h",
                metadata={},
                attachments={"film": b"pictures"},
            )
        assert objects_of(store) == before, "what another had written stays, what was new is gone"
        with pytest.raises(ErasedData):
            checkpoints.save(make_checkpoint())
        with pytest.raises(ErasedData):
            scope.checkpoints({"seed": 1}, keeps_all=False, on_damage=lambda _: None)
    assert not list(store.root.rglob("*.safetensors"))


def test_what_only_informed_a_decision_may_be_erased(inputs, store):
    board = make(inputs, "boards")
    with inputs.for_output("made", PARTITION) as scope:
        scope.open(board, is_evidence=True)
        erase(store, board)
        scope.refuse_if_erased()
        assert publish(scope).data_version


def test_equal_bytes_of_other_data_are_read_once_the_erased_ones_are_gone(inputs, store):
    erased = make(inputs, "things")
    erase(store, erased)
    with pytest.raises(ErasedData, match="data version"):
        make(inputs, "things")
    erase(store, erased, bytes_are_gone=True)
    again = make(inputs, "things")
    assert (again.data_version, again.event_id > erased.event_id) == (erased.data_version, True)
    with inputs.for_output("others", PARTITION) as scope:
        assert scope.open(again).artifact.read("table") == b"numbers"
        with pytest.raises(ErasedData):
            scope.open(erased)


def test_an_erased_client_owns_nothing_new_and_an_erased_dataset_is_not_made_again(inputs, store):
    erase(store, clients=OWNERS, datasets=frozenset({PARTITION}))
    with pytest.raises(ErasedData, match="client 'c-00000000aa'"):
        make(inputs, "things")
    with inputs.for_output("datasets", PARTITION) as scope, pytest.raises(ErasedData, match=f"dataset '{PARTITION}'"):
        scope.refuse_if_erased()
    assert objects_of(store) == set()
