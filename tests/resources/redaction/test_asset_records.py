"""An asset's entry tells of what is left of it."""

from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest

from rl_assets.resources.redaction.asset_records import delete_dynamic_keys, delete_orphaned_tags, point_to_newest
from rl_assets.resources.redaction.databases import Databases
from rl_assets.resources.redaction.doomed import Doomed
from rl_assets.resources.redaction.redact import redact
from rl_assets.resources.redaction.report import Counts
from tests.conftest import QUIET
from tests.resources.redaction.worlds import all_rows

KEY = dg.AssetKey("policies")


@pytest.fixture
def instance(tmp_path: Path) -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.local_temp(str(tmp_path), overrides=QUIET) as instance:
        for partition in ("a", "b", "c"):
            instance.report_runless_asset_event(
                dg.AssetMaterialization(KEY, partition=partition, tags={"dagster/data_version": f"of-{partition}"})
            )
        yield instance


def told(instance: dg.DagsterInstance) -> str | None:
    event = instance.get_latest_materialization_event(KEY)
    return None if event is None or event.asset_materialization is None else event.asset_materialization.partition


@pytest.mark.parametrize(("gone", "newest"), [("a", "c"), ("c", "b"), ("bc", "a"), ("abc", None)])
def test_the_newest_that_is_left_is_told_of(instance: dg.DagsterInstance, gone: str, newest: str | None) -> None:
    redact(instance, Doomed(partitions={"policies": frozenset(gone)}))
    assert told(instance) == newest
    ids = instance.event_log_storage.get_latest_storage_id_by_partition(KEY, dg.DagsterEventType.ASSET_MATERIALIZATION)
    assert set(ids) == set("abc") - set(gone)
    tags = instance.event_log_storage.get_latest_tags_by_partition(
        KEY, dg.DagsterEventType.ASSET_MATERIALIZATION, tag_keys=["dagster/data_version"]
    )
    assert {partition: values["dagster/data_version"] for partition, values in tags.items()} == {
        partition: f"of-{partition}" for partition in set("abc") - set(gone)
    }


def test_an_asset_that_lost_everything_can_be_materialized_again(instance: dg.DagsterInstance) -> None:
    redact(instance, Doomed(partitions={"policies": frozenset("abc")}))
    assert list(instance.fetch_materializations(KEY, limit=9).records) == []
    instance.report_runless_asset_event(dg.AssetMaterialization(KEY, partition="d"))
    assert told(instance) == "d"
    assert instance.has_asset_key(KEY)


def test_an_entry_that_is_right_is_not_touched(instance: dg.DagsterInstance) -> None:
    before, counts = all_rows(instance), Counts()
    with Databases(instance).index() as connection:
        point_to_newest(connection, Doomed(partitions={"policies": frozenset({"other"})}), counts)
    assert all_rows(instance) == before
    assert not counts.cleaned


def test_tags_that_an_earlier_wipe_left_behind_go_where_they_name_the_erased(instance: dg.DagsterInstance) -> None:
    instance.wipe_assets([KEY])
    doomed, counts = Doomed(names=frozenset({"of-a"})), Counts()
    with Databases(instance).index() as connection:
        delete_orphaned_tags(connection, doomed, counts)
    assert counts.deleted == {"asset_event_tags": 1}
    assert {row[4] for row in all_rows(instance)["asset_event_tags 0"].values()} == {"of-b", "of-c"}


def test_only_the_keys_of_the_named_definition_go(instance: dg.DagsterInstance) -> None:
    for name in ("sweep", "env"):
        instance.add_dynamic_partitions(name, ["x", "y"])
    with Databases(instance).index() as connection:
        delete_dynamic_keys(connection, Doomed(dynamic_keys={"sweep": frozenset({"x", "unknown"})}), Counts())
    assert instance.get_dynamic_partitions("sweep") == ["y"]
    assert instance.get_dynamic_partitions("env") == ["x", "y"]
