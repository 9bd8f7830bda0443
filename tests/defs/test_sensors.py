"""Sensors: each thing is asked for once, and not while somebody else works on it."""

import json
import socket
from typing import Any

import dagster as dg
import pytest
from dagster._core.definitions.assets.graph.asset_graph_subset import AssetGraphSubset
from dagster._core.definitions.events import AssetKeyPartitionKey
from dagster._core.definitions.partitions.context import partition_loading_context
from dagster._core.execution.backfill import BulkActionStatus, PartitionBackfill
from dagster._core.utils import make_new_backfill_id

from rl_assets import api
from rl_assets.api.drive import bury_dead_runs, execute
from rl_assets.api.installation import Installation
from rl_assets.api.sweeps import launch_sweep
from rl_assets.resources.activity import CELLS_TAG, REQUEST_TAG
from tests.defs.tiny_sweeps import tiny_sweep

ENV = "CartPole-v1"


def tick(installation: Installation, name: str, cursor: str | None = None) -> Any:
    """Evaluate a sensor once, as the daemon does."""
    repository = installation.definitions.get_repository_def()
    context = dg.build_sensor_context(instance=installation.instance, repository_def=repository, cursor=cursor)
    with partition_loading_context(dynamic_partitions_store=installation.instance):
        return repository.get_sensor_def(name).evaluate_tick(context)


def start_backfill(installation: Installation, asset: str, partitions: list[str]) -> str:
    """Put an active backfill of these partitions into the instance, as the UI does."""
    graph = installation.definitions.get_repository_def().asset_graph
    targets = {AssetKeyPartitionKey(dg.AssetKey(asset), partition) for partition in partitions}
    with partition_loading_context(dynamic_partitions_store=installation.instance):
        backfill = PartitionBackfill.from_asset_graph_subset(
            backfill_id=make_new_backfill_id(),
            asset_graph_subset=AssetGraphSubset.from_asset_partition_set(targets, graph),
            tags={},
            backfill_timestamp=0.0,
            dynamic_partitions_store=installation.instance,
            title=None,
            description=None,
            run_config=None,
        )
        installation.instance.add_backfill(backfill)
    return backfill.backfill_id


def end_backfill(installation: Installation, backfill_id: str) -> None:
    backfill = installation.instance.get_backfill(backfill_id)
    assert backfill is not None
    installation.instance.update_backfill(backfill.with_status(BulkActionStatus.COMPLETED_FAILED))


def carry_out(installation: Installation, sensor: str) -> None:
    """Execute the one run that a sensor requests."""
    (request,) = tick(installation, sensor).run_requests
    execute(
        installation, assets=list(request.asset_selection), partition=request.partition_key, tags=dict(request.tags)
    )


def cells_of(installation: Installation, sweep: str = "tiny") -> list[str]:
    event = installation.log.latest("sweep_configs", sweep)
    assert event is not None
    return [f"{ENV}|{hparam}" for hparam in event.metadata["rl/cells"]["hparams"]]


def test_a_sweep_asks_for_one_run_for_each_env_with_exactly_its_cells(installation: Installation) -> None:
    launch_sweep(installation, tiny_sweep(envs=[ENV, "Acrobot-v1"]))
    launch_sweep(installation, tiny_sweep("second", grid={"learning_rate": [5e-3, 1e-3]}))
    requests = tick(installation, "sweep_configured").run_requests
    assert sorted(request.tags["rl/env"] for request in requests) == ["Acrobot-v1", ENV, ENV]
    second = next(request for request in requests if request.tags["rl/sweep"] == "second")
    order = installation.instance.get_dynamic_partitions("hparam")
    first, last = (second.tags[f"dagster/asset_partition_range_{end}"].split("|")[1] for end in ("start", "end"))
    assert order.index(first) < order.index(last), "a reversed range would run nothing"
    assert set(json.loads(second.tags[CELLS_TAG])[ENV]) == {
        key.split("|")[1] for key in cells_of(installation, "second")
    }


def test_a_tick_that_is_repeated_after_its_runs_began_asks_for_nothing(installation: Installation) -> None:
    launch_sweep(installation, tiny_sweep())
    first = tick(installation, "sweep_configured")
    assert len(first.run_requests) == 1
    (request,) = first.run_requests
    execute(installation, assets=list(request.asset_selection), partition=None, tags=dict(request.tags))
    assert tick(installation, "sweep_configured", cursor=first.cursor).run_requests == []
    assert tick(installation, "sweep_configured", cursor=None).run_requests == [], (
        "a lost cursor asks for nothing again"
    )


@pytest.mark.parametrize("sensor", ["evaluations_settled", "gate_passed", "sweep_settled"])
def test_after_a_whole_lifecycle_a_sensor_without_a_cursor_asks_for_nothing(
    installation: Installation, sensor: str
) -> None:
    api.run_sweep(installation, tiny_sweep())
    assert tick(installation, sensor).run_requests == []


def test_cells_that_a_backfill_works_on_are_left_to_it(installation: Installation) -> None:
    launch_sweep(installation, tiny_sweep())
    left, right = cells_of(installation)
    start_backfill(installation, "trained_policies", [left])
    (request,) = tick(installation, "sweep_configured").run_requests
    assert json.loads(request.tags[CELLS_TAG]) == {ENV: [right.split("|")[1]]}


def test_a_leaderboard_waits_for_a_backfill_of_its_env_and_comes_when_that_ended(installation: Installation) -> None:
    launch_sweep(installation, tiny_sweep())
    (request,) = tick(installation, "sweep_configured").run_requests
    execute(installation, assets=list(request.asset_selection), partition=None, tags=dict(request.tags))
    backfill = start_backfill(installation, "policy_evaluations", cells_of(installation)[:1])
    assert tick(installation, "evaluations_settled").run_requests == []
    end_backfill(installation, backfill)
    (request,) = tick(installation, "evaluations_settled").run_requests
    assert request.partition_key == ENV
    assert [key.to_user_string() for key in request.asset_selection] == ["eval_leaderboards", "gate_evaluations"]


def test_a_promotion_waits_for_a_backfill_and_is_not_repeated_after_it(installation: Installation) -> None:
    launch_sweep(installation, tiny_sweep())
    for sensor in ("sweep_configured", "evaluations_settled"):
        carry_out(installation, sensor)
    backfill = start_backfill(installation, "promoted_models", [ENV])
    waiting = tick(installation, "gate_passed")
    assert waiting.run_requests == []
    execute(installation, assets=[dg.AssetKey("promoted_models")], partition=ENV)
    end_backfill(installation, backfill)
    assert tick(installation, "gate_passed", cursor=waiting.cursor).run_requests == [], "the backfill promoted it"


def test_a_verdict_that_had_to_wait_is_not_forgotten(installation: Installation) -> None:
    launch_sweep(installation, tiny_sweep())
    for sensor in ("sweep_configured", "evaluations_settled"):
        carry_out(installation, sensor)
    backfill = start_backfill(installation, "promoted_models", [ENV])
    cursor = tick(installation, "gate_passed").cursor
    end_backfill(installation, backfill)
    (request,) = tick(installation, "gate_passed", cursor=cursor).run_requests
    assert request.tags[REQUEST_TAG].startswith(f"promote/{ENV}/")


def test_a_report_waits_for_training_also_where_an_older_leaderboard_stands(installation: Installation) -> None:
    api.run_sweep(installation, tiny_sweep())
    launch_sweep(installation, tiny_sweep("second", grid={"learning_rate": [5e-3]}))
    assert tick(installation, "sweep_settled").run_requests == [], "nothing of it has begun"


def test_a_leaderboard_that_returns_to_an_earlier_state_is_ranked_again(installation: Installation) -> None:
    both, one = [1e-3, 3e-3], [3e-3]
    for rates in (both, one, both):
        assert api.run_sweep(installation, tiny_sweep(grid={"learning_rate": rates}, seeds=1)).is_complete
        rows = api.leaderboard(installation, ENV)["rows"]
        assert len(rows) == len(rates)


def test_a_run_whose_process_was_killed_is_marked_failed_and_blocks_nobody(installation: Installation) -> None:
    job = installation.definitions.resolve_implicit_global_asset_job_def()
    run = installation.instance.create_run_for_job(
        job.get_subset(asset_selection={dg.AssetKey("eval_leaderboards")}),
        tags={"rl/driver": f"{socket.gethostname()}:999999999", "rl/assets": "eval_leaderboards"},
        status=dg.DagsterRunStatus.STARTED,
    )
    assert bury_dead_runs(installation.instance) == 1
    buried = installation.instance.get_run_by_id(run.run_id)
    assert buried is not None
    assert buried.status == dg.DagsterRunStatus.FAILURE
    assert bury_dead_runs(installation.instance) == 0


def test_a_ranking_whose_process_was_killed_is_asked_for_again_by_the_next_launch(installation: Installation) -> None:
    launch_sweep(installation, tiny_sweep())
    carry_out(installation, "sweep_configured")
    (request,) = tick(installation, "evaluations_settled").run_requests
    gone = {"rl/driver": f"{socket.gethostname()}:999999999", "rl/assets": "eval_leaderboards,gate_evaluations"}
    job = installation.definitions.resolve_implicit_global_asset_job_def()
    installation.instance.create_run_for_job(
        job.get_subset(asset_selection={dg.AssetKey("eval_leaderboards")}),
        tags={**request.tags, **gone},
        status=dg.DagsterRunStatus.STARTED,
    )
    assert bury_dead_runs(installation.instance) == 1
    assert tick(installation, "evaluations_settled").run_requests == [], "not in a loop"
    assert api.run_sweep(installation, tiny_sweep()).is_complete


def test_an_env_whose_run_a_daemon_is_about_to_retry_is_left_alone(
    installation: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    from rl_assets.resources import activity

    launch_sweep(installation, tiny_sweep())
    carry_out(installation, "sweep_configured")
    assert len(tick(installation, "evaluations_settled").run_requests) == 1
    job = installation.definitions.resolve_implicit_global_asset_job_def()
    run = installation.instance.create_run_for_job(
        job.get_subset(asset_selection={dg.AssetKey("trained_policies")}),
        tags={"dagster/partition": cells_of(installation)[0], "rl/assets": "trained_policies"},
    )
    monkeypatch.setattr(activity, "awaiting_retry", lambda instance: [run])
    installation.instance.report_run_failed(run)
    assert tick(installation, "evaluations_settled").run_requests == []


def test_new_sweep_files_become_partitions_and_a_wrong_one_is_left_alone(
    installation: Installation, tmp_path: Any
) -> None:
    folder = tmp_path / "sweeps"
    folder.mkdir()
    (folder / "good.yaml").write_text("name: good\nenvs: [CartPole-v1]\ndataset: c-0123456789.d1\n")
    (folder / "bad.yaml").write_text("name: bad\nenvs: []\ndataset: c-0123456789.d1\n")
    from rl_assets.defs.sensors.sweep_files import sweep_files_appeared
    from rl_assets.resources.configured import ClientsResource, SweepsResource

    context = dg.build_sensor_context(instance=installation.instance)
    result = sweep_files_appeared(
        context,
        sweeps=SweepsResource(files=str(folder), submitted=str(tmp_path / "none")),
        clients=ClientsResource(folder=str(tmp_path / "register")),
    )
    assert isinstance(result, dg.SensorResult)
    assert [list(request.partition_keys) for request in result.dynamic_partitions_requests or ()] == [["good"]]
