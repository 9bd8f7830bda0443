"""A queued run is one that a daemon can launch."""

import dagster as dg
import pytest

from rl_assets.api.enqueueing import enqueue, is_queue_served
from rl_assets.api.installation import Installation
from rl_assets.api.sweeps import launch_sweep
from rl_assets.defs.sensors.sweep_configured import CELLS_TAG
from tests.api.test_drive import beat
from tests.defs.tiny_sweeps import tiny_sweep


def test_a_queue_is_served_while_a_daemon_lives(installation: Installation) -> None:
    assert not is_queue_served(installation.instance)
    beat(installation.instance, seconds_ago=1)
    assert is_queue_served(installation.instance)


@pytest.mark.slow
def test_a_queued_run_knows_its_parent_its_work_and_where_its_code_is(installation: Installation) -> None:
    sweep = launch_sweep(installation, tiny_sweep())
    first, last = (f"CartPole-v1|{hparam}" for hparam in sweep.metadata["rl/cells"]["hparams"])
    parent = dg.DagsterRun(job_name="__ASSET_JOB", status=dg.DagsterRunStatus.CANCELED)
    installation.instance.add_run(parent)
    tags = {
        "dagster/asset_partition_range_start": first,
        "dagster/asset_partition_range_end": last,
        CELLS_TAG: "{}",
        "dagster/parent_run_id": parent.run_id,
        "dagster/root_run_id": parent.run_id,
    }
    config = {"ops": {"policies": {"config": {"allow_inexact": True}}}}
    run_id = enqueue(installation, parent=parent, assets=["trained_policies"], tags=tags, run_config=config)
    run = installation.instance.get_run_by_id(run_id)
    assert run is not None
    assert run.status == dg.DagsterRunStatus.QUEUED
    assert (run.parent_run_id, run.root_run_id) == (parent.run_id, parent.run_id)
    assert run.asset_selection == {dg.AssetKey("trained_policies")}
    assert run.run_config == config
    assert run.tags.items() >= tags.items()
    assert run.remote_job_origin is not None
    assert run.remote_job_origin.location_name == "rl_assets"
