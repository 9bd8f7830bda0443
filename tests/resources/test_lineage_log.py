from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from rl_assets.errors import LineageError
from rl_assets.lineage.index import LineageIndex
from rl_assets.lineage.records import Materialization
from rl_assets.resources.event_log import ARTIFACT_KEY, INPUTS_KEY, EventLog
from rl_assets.resources.lineage_log import UNREADABLE_KEY, DagsterLineageLog

QUIET = {"telemetry": {"enabled": False}, "nux": {"enabled": False}}


@pytest.fixture
def instance(tmp_path: Path) -> Any:
    with dg.DagsterInstance.local_temp(str(tmp_path), overrides=QUIET) as instance:
        yield instance


@pytest.fixture
def index(instance: dg.DagsterInstance, tmp_path: Path) -> LineageIndex:
    return LineageIndex(tmp_path / "lineage", DagsterLineageLog(EventLog(instance)))


def make(instance: dg.DagsterInstance, asset: str, partition: str, **metadata: Any) -> int:
    instance.report_runless_asset_event(
        dg.AssetMaterialization(
            asset, partition=partition, metadata=metadata, tags={"dagster/data_version": f"v-{partition}"}
        )
    )
    return EventLog(instance).latest_ids(asset)[partition]


def read_of(asset: str, partition: str, event_id: int) -> dg.MetadataValue:
    return dg.MetadataValue.json(
        [
            {"asset": asset, "partition": partition, "event_id": event_id, "data_version": f"v-{partition}",
             "role": "data"}
        ]
    )  # fmt: skip


def places(index: LineageIndex) -> list[tuple[str, str | None]]:
    return [(event.asset, event.partition) for event in index.graph()[0].events]


def test_materializations_come_with_inputs_and_facts(instance: dg.DagsterInstance, index: LineageIndex) -> None:
    data = make(instance, "datasets", "d", **{INPUTS_KEY: dg.MetadataValue.json([])})
    policy = make(
        instance,
        "trained_policies",
        "p",
        **{INPUTS_KEY: read_of("datasets", "d", data), "rl/commit": "c0ffee", "rl/seeds": dg.MetadataValue.json([1])},
        learning_curve=dg.MetadataValue.md("![x](data:image/png;base64,AAAA)"),
        reason="free text",
        members=dg.MetadataValue.table([dg.TableRecord({"seed": 1})]),
    )
    graph, _ = index.graph()
    assert [event.event_id for event in graph.trace(policy).steps] == [policy, data]
    assert graph.trace(policy).is_complete
    facts = index.facts([policy])[policy]
    assert facts.pop("timestamp") > 0
    assert facts == {"rl/commit": "c0ffee", "rl/seeds": [1], "run_id": ""}


def test_an_asset_that_is_wiped_is_gone_and_what_comes_after_is_there(
    instance: dg.DagsterInstance, index: LineageIndex
) -> None:
    data = make(instance, "datasets", "d")
    make(instance, "trained_policies", "p", **{INPUTS_KEY: read_of("datasets", "d", data)})
    assert places(index) == [("datasets", "d"), ("trained_policies", "p")]
    instance.wipe_assets([dg.AssetKey("trained_policies")])
    graph, news = index.graph()
    assert news.removed == {"trained_policies": 1}
    assert graph.client_query(["d"])["materializations"] == [graph.event(data).summary()]
    make(instance, "trained_policies", "after")
    assert places(index) == [("datasets", "d"), ("trained_policies", "after")]


def test_a_run_that_is_deleted_takes_its_events_along_and_its_ids_may_come_again(
    instance: dg.DagsterInstance, index: LineageIndex
) -> None:
    @dg.asset(name="datasets", partitions_def=dg.StaticPartitionsDefinition(["d"]))
    def made_in_a_run() -> None: ...

    make(instance, "sweep_configs", "s")
    result = dg.materialize([made_in_a_run], instance=instance, partition_key="d")
    assert places(index) == [("sweep_configs", "s"), ("datasets", "d")]
    (first,) = [event.event_id for event in index.graph()[0].events if event.asset == "datasets"]
    instance.delete_run(result.run_id)
    while (again := make(instance, "datasets", "other")) < first:
        pass
    assert again == first, "SQLite gives the ids of deleted last events again"
    graph, news = index.graph()
    assert graph.event(first).partition == "other"
    assert news.num_changed == 1
    assert index.check() == ()


def test_a_version_that_was_only_observed_is_a_staged_model(instance: dg.DagsterInstance, index: LineageIndex) -> None:
    for metadata in ({"note": "nothing of ours"}, {ARTIFACT_KEY: dg.MetadataValue.json({"sha256": "x"})}):
        instance.report_runless_asset_event(dg.AssetObservation("promoted_models", partition="e", metadata=metadata))
    assert places(index) == [("staged_models", "e")]
    assert index.check() == ()


@pytest.mark.parametrize("inputs", [[{"asset": "datasets"}], {"a": 1}, [7]])
def test_a_record_of_inputs_that_nobody_can_read_is_none(
    instance: dg.DagsterInstance, index: LineageIndex, inputs: Any
) -> None:
    event_id = make(instance, "trained_policies", "p", **{INPUTS_KEY: dg.MetadataValue.json(inputs)})
    graph, _ = index.graph()
    assert graph.event(event_id).inputs is None
    assert [item["event_id"] for item in graph.client_query([])["possibly_affected"]] == [event_id]
    assert "not written by this package" in index.facts([event_id])[event_id][UNREADABLE_KEY]


def test_two_instances_have_two_logs(instance: dg.DagsterInstance, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    with dg.DagsterInstance.local_temp(str(tmp_path / "other"), overrides=QUIET) as other:
        ids = [DagsterLineageLog(EventLog(one)).log_id for one in (instance, instance, other)]
    assert ids[0] == ids[1] != ids[2]


def test_assets_that_are_not_ours_are_not_read(instance: dg.DagsterInstance, index: LineageIndex) -> None:
    make(instance, "somebody_elses", "x")
    assert places(index) == []


def test_a_log_that_is_kept_elsewhere_is_refused(instance: dg.DagsterInstance) -> None:
    class Elsewhere(EventLog):
        def __init__(self) -> None:
            self.instance: Any = type("Instance", (), {"event_log_storage": object(), "run_storage": object()})()

    with pytest.raises(LineageError, match=r"event log in object: expected .* SQLite or Postgres"):
        DagsterLineageLog(Elsewhere())


def test_the_index_equals_a_scan_through_dagsters_own_reading(
    instance: dg.DagsterInstance, index: LineageIndex
) -> None:
    data = make(instance, "datasets", "d", **{INPUTS_KEY: dg.MetadataValue.json([])})
    for number in range(5):
        make(instance, "trained_policies", f"p{number % 3}", **{INPUTS_KEY: read_of("datasets", "d", data)})
    scanned = [
        Materialization(asset=e.asset, partition=e.partition, event_id=e.event_id, data_version=e.data_version,
                        inputs=e.inputs)
        for asset in ("datasets", "trained_policies") for e in EventLog(instance).history(asset)
    ]  # fmt: skip
    assert list(index.graph()[0].events) == sorted(scanned, key=lambda event: event.event_id)
