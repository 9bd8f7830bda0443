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
