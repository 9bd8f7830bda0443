"""The last id of SQLite's index stays taken; Dagster reads what holds it, and shows it to nobody."""

from pathlib import Path

import dagster as dg

from rl_assets.resources.redaction.doomed import Doomed
from rl_assets.resources.redaction.redact import redact
from rl_assets.resources.redaction.run_events import PLACEHOLDER
from tests.conftest import QUIET
from tests.resources.redaction.worlds import all_rows

KEY = dg.AssetKey("policies")


@dg.asset(key=KEY, partitions_def=dg.StaticPartitionsDefinition(["a", "b"]))
def policies() -> None:
    """Nothing."""


def test_a_removed_last_run_leaves_one_neutral_line_that_dagster_can_read(tmp_path: Path) -> None:
    with dg.DagsterInstance.local_temp(str(tmp_path), overrides=QUIET) as instance:
        for partition in ("a", "b"):
            dg.materialize([policies], partition_key=partition, instance=instance)
        last = max(all_rows(instance)["event_logs 0"])
        for _ in range(2):  # a second time there is nothing more to do
            redact(instance, Doomed(partitions={"policies": frozenset({"b"})}))
            rows = all_rows(instance)["event_logs 0"]
            assert max(rows) == last
            assert [key for key, row in rows.items() if row[2] == PLACEHOLDER] == [last]
        read = instance.event_log_storage.get_logs_for_all_runs_by_log_id(after_cursor=last - 1)
        assert [entry.user_message for entry in read.values()] == ["Erased."]
        assert [run.tags["dagster/partition"] for run in instance.get_runs()] == ["a"]
        assert len(instance.fetch_run_status_changes(dg.DagsterEventType.RUN_SUCCESS, limit=9).records) == 1
        dg.materialize([policies], partition_key="b", instance=instance)
        (made,) = instance.fetch_materializations(
            dg.AssetRecordsFilter(asset_key=KEY, after_storage_id=last), limit=9
        ).records
        assert made.partition_key == "b"
