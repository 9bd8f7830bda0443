import dagster as dg
import pytest

from rl_assets.resources import event_log
from rl_assets.resources.event_log import EventLog

ASSET = "policy_evaluations"


@pytest.fixture
def log():
    """Three partitions, the first of them materialized twice."""
    with dg.DagsterInstance.ephemeral() as instance:
        for partition, score in (("a", 1), ("b", 2), ("c", 3), ("a", 4)):
            instance.report_runless_asset_event(
                dg.AssetMaterialization(asset_key=ASSET, partition=partition, metadata={"score": score})
            )
        yield EventLog(instance)


@pytest.mark.parametrize("page", [1, 2, 1000])
def test_the_newest_event_of_each_partition_is_found_in_pages_of_any_size(log: EventLog, monkeypatch, page: int):
    monkeypatch.setattr(event_log, "_PAGE", page)
    assert {partition: event.metadata["score"] for partition, event in log.newest(ASSET).items()} == {
        "a": 4,
        "b": 2,
        "c": 3,
    }


def test_of_the_named_partitions_those_that_have_an_event_are_found(log: EventLog):
    found = log.newest(ASSET, ["a", "c", "never"])
    assert {partition: event.metadata["score"] for partition, event in found.items()} == {"a": 4, "c": 3}
    assert all(event == log.latest(ASSET, partition) for partition, event in found.items())
    assert log.newest(ASSET, []) == {}


@pytest.mark.parametrize("page", [1, 2, 1000])
def test_histories_of_several_partitions_are_read_together_oldest_first(log: EventLog, monkeypatch, page: int):
    monkeypatch.setattr(event_log, "_PAGE", page)
    found = log.histories(ASSET, ["c", "a", "never"])
    assert {partition: [event.metadata["score"] for event in events] for partition, events in found.items()} == {
        "a": [1, 4],
        "c": [3],
    }
    assert found["a"] == list(log.history(ASSET, "a"))
    assert log.histories(ASSET, []) == {}


def test_events_are_loaded_by_their_ids(log: EventLog):
    first, *_ = log.history(ASSET, "a")
    assert log.load(ASSET, [first.event_id, 10**6]) == {"a": first}


@pytest.mark.parametrize("page", [1, 2, 1000])
def test_refusals_for_want_of_a_parent_are_read_by_cell_the_newest_first_and_others_are_none(page: int, monkeypatch):
    monkeypatch.setattr(event_log, "_PAGE", page)

    def observe(instance: dg.DagsterInstance, cell: str, metadata: dict) -> None:
        observed = dg.AssetObservation(asset_key="trained_policies", partition=cell, metadata=metadata)
        instance.report_runless_asset_event(observed)

    def wait(parent: str, seen: int) -> dict:
        return {event_log.WAITS_KEY: dg.MetadataValue.json({"partition": parent, "event_id": seen})}

    with dg.DagsterInstance.ephemeral() as instance:
        for cell, metadata in (
            ("a", wait("p", 0)),
            ("b", {"reason": "stopped"}),
            ("a", wait("q", 3)),
            ("c", wait("p", 0)),
            ("c", {"reason": "stopped"}),
        ):
            observe(instance, cell, metadata)
        log = EventLog(instance)
        found = log.waits("trained_policies")
        assert {cell: (one.parent, one.seen) for cell, one in found.items()} == {"a": ("q", 3), "c": ("p", 0)}
        assert set(log.waits("trained_policies", after=found["a"].event_id)) == {"c"}
        assert log.waits("trained_policies", after=found["c"].event_id) == {}
