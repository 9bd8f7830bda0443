"""Stopping: which run is meant, what is refused, and how it ends."""

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import dagster as dg
import pytest

from rl_assets import api
from rl_assets.api.installation import Installation
from rl_assets.errors import RunRefused, UnknownRun
from rl_assets.resources.run_watch import DRIVER_TAG

HERE = socket.gethostname()


def add_run(
    installation: Installation,
    run_id: str | None = None,
    status: dg.DagsterRunStatus = dg.DagsterRunStatus.STARTED,
    **tags: str,
) -> dg.DagsterRun:
    run = dg.DagsterRun(
        job_name="__ASSET_JOB",
        run_id=run_id,
        status=status,
        tags={"rl/assets": "trained_policies", "rl/env": "CartPole-v1", **tags},
    )
    installation.instance.add_run(run)
    return run


def test_running_runs_tell_what_where_since_when_and_how_far(installation: Installation) -> None:
    assert api.running_runs(installation) == ()
    run = add_run(installation, **{DRIVER_TAG: "host:1"})
    add_run(installation, status=dg.DagsterRunStatus.SUCCESS)
    installation.progress.write(run.run_id, "t", {"env_steps_done": 30, "env_steps_total": 120})
    (told,) = api.running_runs(installation)
    assert (told.run_id, told.status, told.assets, told.place, told.progress, told.executor) == (
        run.run_id,
        "started",
        ("trained_policies",),
        "CartPole-v1",
        0.25,
        "host:1",
    )


def test_a_run_is_found_by_the_beginning_of_its_id_unless_another_begins_so(installation: Installation) -> None:
    add_run(installation, "aa10", dg.DagsterRunStatus.SUCCESS)
    add_run(installation, "aa11", dg.DagsterRunStatus.SUCCESS)
    for name, words in (("aa1", "2 runs begin with 'aa1'"), ("b", "no run 'b'"), ("", "no run ''")):
        with pytest.raises(UnknownRun, match=words):
            api.stop(installation, name)
    with pytest.raises(RunRefused, match=r"aa10 .*CartPole-v1.* has ended already: it is success"):
        api.stop(installation, "aa10")


def test_without_a_name_the_only_run_is_stopped_and_several_are_listed(installation: Installation) -> None:
    with pytest.raises(RunRefused, match="nothing runs"):
        api.stop(installation)
    one, two = add_run(installation), add_run(installation)
    with pytest.raises(RunRefused, match=r"2 runs to choose from") as refusal:
        api.stop(installation)
    assert one.run_id in str(refusal.value)
    assert two.run_id in str(refusal.value)
    assert api.stop(installation, one.run_id).status == dg.DagsterRunStatus.CANCELED
    assert api.stop(installation).run_id == two.run_id


@pytest.mark.parametrize("status", [dg.DagsterRunStatus.NOT_STARTED, dg.DagsterRunStatus.STARTED])
def test_a_run_that_nobody_works_on_is_canceled_and_taken_off_the_board(
    installation: Installation, tmp_path: Path, status: dg.DagsterRunStatus
) -> None:
    server = json.dumps({"host": "localhost", "socket": str(tmp_path / "gone")})
    run = add_run(installation, status=status, **{".dagster/grpc_info": server})
    installation.progress.write(run.run_id, "t", {})
    assert api.stop(installation, run.run_id).status == dg.DagsterRunStatus.CANCELED
    assert list(installation.progress.running()) == []


def test_a_run_of_a_program_that_is_gone_is_canceled_at_once(installation: Installation) -> None:
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    run = add_run(installation, **{DRIVER_TAG: f"{HERE}:{process.pid}"})
    assert api.stop(installation, run.run_id).status == dg.DagsterRunStatus.CANCELED


def test_a_program_on_another_machine_is_not_told_from_here(installation: Installation) -> None:
    run = add_run(installation, **{DRIVER_TAG: f"far-away:{os.getpid()}"})
    with pytest.raises(RunRefused, match=rf"machine 'far-away'.*`rlctl stop {run.run_id[:8]}` there"):
        api.stop(installation, run.run_id)
    current = installation.instance.get_run_by_id(run.run_id)
    assert current is not None
    assert current.status == dg.DagsterRunStatus.STARTED
