"""What the UI shows: the graph itself, and metadata that is worth looking at."""

import base64
import re

import dagster as dg
import numpy as np
import pytest

from rl_assets import api
from rl_assets.api.installation import Installation
from rl_assets.api.queries import ASSETS
from tests.defs.tiny_sweeps import tiny_sweep

ENV = "CartPole-v1"


@pytest.fixture(scope="module")
def swept(tmp_path_factory: pytest.TempPathFactory):
    """One installation with one finished sweep, shared by the questions below."""
    from rl_assets.defs.graph import build_definitions
    from rl_assets.resources.home import Home
    from tests.conftest import PROJECT, QUIET

    folder = tmp_path_factory.mktemp("swept")
    (folder / "instance").mkdir()
    home = Home(root=PROJECT, state=folder / "state", store_url=str(folder / "state" / "store"))
    with dg.DagsterInstance.local_temp(str(folder / "instance"), overrides=QUIET) as instance:
        installation = Installation(home=home, instance=instance, definitions=build_definitions(home))
        api.run_sweep(installation, tiny_sweep())
        yield installation


def test_the_graph_has_its_assets_with_group_owner_kind_and_description(installation: Installation) -> None:
    specs = {spec.key.to_user_string(): spec for spec in installation.definitions.resolve_all_asset_specs()}
    assert set(specs) == {*ASSETS, "erasure_requests", "erasure_certificates"}
    for spec in specs.values():
        assert spec.group_name in {"datasets", "sweeps", "training", "selection", "promotion", "compliance"}
        assert spec.owners
        assert spec.kinds
        assert spec.description
        assert spec.partitions_def is not None


def test_all_sensors_run_from_the_start(installation: Installation) -> None:
    sensors = installation.definitions.get_repository_def().sensor_defs
    assert {sensor.name: sensor.default_status for sensor in sensors} == dict.fromkeys(
        [
            "sweep_files_appeared",
            "sweep_configured",
            "parent_trained",
            "evaluations_settled",
            "gate_passed",
            "sweep_settled",
            "alerts_due",
            "erasures_due",
            "retention_due",
        ],
        dg.DefaultSensorStatus.RUNNING,
    )


@pytest.mark.parametrize("asset", ASSETS)
def test_every_materialization_says_what_was_read_and_which_code_made_it(swept: Installation, asset: str) -> None:
    events = list(swept.log.history(asset))
    assert events
    for event in events:
        assert event.inputs is not None
        assert event.metadata["rl/config_hash"]
        assert re.fullmatch(r"[0-9a-f]{40}", event.metadata["rl/commit"])
        assert event.metadata["rl/dirty"] in {True, False}
        assert event.metadata["rl/package_version"]
        assert event.metadata["rl/numerics"]["numerics_version"] >= 1
        assert re.fullmatch(r"[0-9a-f]{64}", event.data_version)
        assert event.metadata["rl/files"], "the UI names the objects"


def test_inputs_name_the_exact_upstream_events(swept: Installation) -> None:
    for asset in ASSETS:
        for event in swept.log.history(asset):
            for read in event.inputs or ():
                upstream = swept.log.at(read.asset, str(read.partition), read.event_id)
                assert upstream.data_version == read.data_version


def test_a_sweeps_summary_counts_its_partitions_and_lists_its_recipes(swept: Installation) -> None:
    event = swept.log.latest("sweep_configs", "tiny")
    assert event is not None
    assert (event.metadata["num_partitions"], event.metadata["num_members"]) == (2, 4)
    table = event.entries["recipes"]
    assert isinstance(table, dg.TableMetadataValue)
    assert len(table.records) == event.metadata["num_recipes"] == 2


def test_a_trained_policy_shows_its_curve_its_members_and_numbers(swept: Installation) -> None:
    for event in swept.log.newest("trained_policies").values():
        (picture,) = re.findall(r"data:image/svg\+xml;base64,([A-Za-z0-9+/=]+)", event.metadata["learning_curve"])
        assert b"<svg" in base64.b64decode(picture)
        members = event.entries["members"]
        assert isinstance(members, dg.TableMetadataValue)
        assert [record.data["seed"] for record in members.records] == [0, 1]
        assert event.metadata["steps_per_s"] > 0
        assert event.metadata["env_steps"] > 0
        assert f"plan for {ENV}: 4 members in 1 group" in event.metadata["plan"]


def test_a_leaderboard_shows_ties_costs_and_speeds_in_the_ui_and_to_programs(swept: Installation) -> None:
    event = swept.log.latest("eval_leaderboards", ENV)
    assert event is not None
    table = event.entries["leaderboard"]
    assert isinstance(table, dg.TableMetadataValue)
    rows = api.leaderboard(swept, ENV)["rows"]
    assert [record.data["hparam"] for record in table.records] == [row["hparam"] for row in rows]
    assert [record.data["note"] for record in table.records] == [
        "unreplicated", "cannot be told apart from the best, unreplicated"
    ], "two seeds tell nothing apart"  # fmt: skip
    assert event.metadata["num_may_be_best"] == 2
    trained = {event.partition: event for event in swept.log.newest("trained_policies").values()}
    for row, record in zip(rows, table.records, strict=True):
        metadata = trained[f"{ENV}|{row['hparam']}"].metadata
        assert (row["env_steps"], row["steps_per_s"]) == (metadata["env_steps"], metadata["steps_per_s"])
        assert row["process_s"] == pytest.approx(row["env_steps"] / row["steps_per_s"])
        assert record.data["steps_per_s"] == f"{row['steps_per_s']:,}"
        assert record.data["process_s"] == f"{row['process_s']:.1f}"


def test_numbers_that_the_ui_charts_are_finite(swept: Installation) -> None:
    for asset in ASSETS:
        for event in swept.log.history(asset):
            floats = [value for value in event.metadata.values() if isinstance(value, float)]
            assert np.isfinite(floats).all()


def test_pages_are_written_for_a_browser_and_kept_in_the_store(swept: Installation) -> None:
    for asset, partition, name in (
        ("eval_leaderboards", ENV, "leaderboard.html"),
        ("sweep_reports", "tiny", "report.html"),
    ):
        event = swept.log.latest(asset, partition)
        assert event is not None
        with open(event.metadata["page"], "rb") as page:
            assert page.read(15).lower().startswith(b"<!doctype html>")
        files = event.entries["rl/files"]
        assert isinstance(files, dg.TableMetadataValue)
        assert name in {record.data["file"] for record in files.records}


def test_a_policy_can_be_evaluated_alone_and_gets_the_same_episodes(swept: Installation) -> None:
    from rl_assets.api.drive import execute
    from rl_assets.defs.assets.policy_runs import EVALUATED

    before = {key: event.data_version for key, event in swept.log.newest("policy_evaluations").items()}
    hparams = swept.instance.get_dynamic_partitions("hparam")
    result = execute(
        swept,
        assets=[EVALUATED],
        partition=None,
        tags={
            "dagster/asset_partition_range_start": f"{ENV}|{hparams[0]}",
            "dagster/asset_partition_range_end": f"{ENV}|{hparams[-1]}",
        },
        run_config={"ops": {"policies": {"config": {"retrain": True}}}},
    )
    assert result.success
    after = swept.log.newest("policy_evaluations")
    assert {key: event.data_version for key, event in after.items()} == before
    assert all("rl/reused_from" not in event.metadata for event in after.values()), "played again, not logged again"
