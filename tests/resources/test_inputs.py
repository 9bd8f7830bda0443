"""What is attached to a materialization, outside its data version."""

from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest

from rl_assets.resources.event_log import ATTACHMENTS_KEY, EventLog
from rl_assets.resources.inputs import Inputs, OutputScope, Publication
from rl_assets.store.objects import ObjectRef, ObjectStore

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
