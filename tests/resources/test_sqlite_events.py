from pathlib import Path

import dagster as dg
import pytest
from ruamel.yaml import YAML

from rl_assets.resources.sqlite_events import KeptSqliteEventLogStorage
from tests.conftest import PROJECT, QUIET


def settings(folder: Path) -> dict:
    """The project's own storages, in another folder."""
    document = YAML(typ="safe").load((PROJECT / "dagster.yaml").read_text())
    chosen = {name: document[name] for name in ("run_storage", "event_log_storage", "schedule_storage")}
    for storage in chosen.values():
        storage["config"]["base_dir"] = storage["config"]["base_dir"].replace(".rl_assets/dagster", str(folder))
    return QUIET | chosen


@pytest.fixture
def instance(tmp_path: Path):
    with dg.DagsterInstance.local_temp(str(tmp_path), overrides=settings(tmp_path)) as instance:
        yield instance


def materialize(instance: dg.DagsterInstance, partition: str) -> None:
    instance.report_runless_asset_event(dg.AssetMaterialization("a", partition=partition, metadata={"x": 1.0}))


def test_the_projects_storages_lie_where_dagsters_own_would(instance, tmp_path):
    assert isinstance(instance.event_log_storage, KeptSqliteEventLogStorage)
    materialize(instance, "p")
    assert (tmp_path / "history" / "runs.db").is_file()
    assert (tmp_path / "history" / "runs" / "index.db").is_file()
    assert (tmp_path / "schedules" / "schedules.db").is_file()


def test_what_is_stored_is_seen_at_once_by_others_and_after_a_restart(instance, tmp_path):
    materialize(instance, "first")
    with dg.DagsterInstance.local_temp(str(tmp_path), overrides=QUIET) as plain:
        assert instance.get_materialized_partitions(dg.AssetKey("a")) == {"first"}
        assert plain.get_materialized_partitions(dg.AssetKey("a")) == {"first"}
        materialize(plain, "second")
        materialize(instance, "third")
        assert plain.get_materialized_partitions(dg.AssetKey("a")) == {"first", "second", "third"}
        assert instance.get_materialized_partitions(dg.AssetKey("a")) == {"first", "second", "third"}
    instance.event_log_storage.dispose()
    materialize(instance, "fourth")
    with dg.DagsterInstance.local_temp(str(tmp_path), overrides=settings(tmp_path)) as again:
        assert len(again.get_materialized_partitions(dg.AssetKey("a"))) == 4


def test_a_failed_transaction_leaves_the_connection_usable(instance):
    materialize(instance, "p")
    with pytest.raises(ZeroDivisionError), instance.event_log_storage.index_connection():
        raise ZeroDivisionError
    materialize(instance, "q")
    assert len(instance.get_materialized_partitions(dg.AssetKey("a"))) == 2
