"""Whether a worker is gone: certain only where its process or its code server is."""

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import dagster as dg
import pytest
from dagster._core.launcher.base import WorkerStatus

from rl_assets.resources.run_watch import DRIVER_TAG
from rl_assets.resources.run_worker import WatchedRunLauncher, is_alive, why_worker_is_lost
from tests.conftest import PROJECT

HERE = socket.gethostname()


def run_with(**tags: str) -> dg.DagsterRun:
    return dg.DagsterRun(job_name="job", status=dg.DagsterRunStatus.STARTED, tags=tags)


def served_at(**server: object) -> dg.DagsterRun:
    return run_with(**{".dagster/grpc_info": json.dumps({"host": "localhost", **server})})


@pytest.fixture
def ended_pid() -> int:
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


def test_a_program_of_this_machine_is_asked_by_its_process(ended_pid: int) -> None:
    assert why_worker_is_lost(run_with(**{DRIVER_TAG: f"{HERE}:{os.getpid()}"})) is None
    lost = why_worker_is_lost(run_with(**{DRIVER_TAG: f"{HERE}:{ended_pid}"}))
    assert lost == f"process {ended_pid} on {HERE} ended without a word"
    assert why_worker_is_lost(run_with(**{DRIVER_TAG: f"elsewhere:{ended_pid}"})) is None


def test_a_process_that_ended_unasked_is_not_alive() -> None:
    process = subprocess.Popen([sys.executable, "-c", ""])
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
    assert not is_alive(process.pid)
    process.wait()
    assert not is_alive(process.pid)
    assert is_alive(os.getpid())


def test_a_code_server_that_is_gone_has_lost_its_runs_and_a_silent_one_has_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rl_assets.resources.run_worker._ANSWER_S", 1)
    place = str(tmp_path / "server")
    assert why_worker_is_lost(served_at(socket=place)) == "the code server that ran it is gone"
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(place)
        assert "is gone" in str(why_worker_is_lost(served_at(socket=place))), "nobody listens any more"
        server.listen()
        assert why_worker_is_lost(served_at(socket=place)) is None
    with socket.socket() as server:
        server.bind(("localhost", 0))
        assert "is gone" in str(why_worker_is_lost(served_at(port=server.getsockname()[1])))


def test_a_run_that_says_nothing_of_its_worker_is_left_alone() -> None:
    assert why_worker_is_lost(run_with()) is None


def test_the_projects_settings_watch_workers_and_retry_crashes_alone(tmp_path: Path, ended_pid: int) -> None:
    settings = (PROJECT / "dagster.yaml").read_text().replace(".rl_assets/dagster", str(tmp_path))
    (tmp_path / "dagster.yaml").write_text(settings)
    with dg.DagsterInstance.from_config(str(tmp_path)) as instance:
        assert instance.run_monitoring_enabled
        assert instance.run_retries_enabled
        assert not instance.run_retries_retry_on_asset_or_op_failure
        launcher = instance.run_launcher
        assert isinstance(launcher, WatchedRunLauncher)
        assert launcher.supports_check_run_worker_health
        dead, living = (run_with(**{DRIVER_TAG: f"{HERE}:{pid}"}) for pid in (ended_pid, os.getpid()))
        assert launcher.check_run_worker_health(dead).status == WorkerStatus.FAILED
        assert launcher.check_run_worker_health(living).status == WorkerStatus.RUNNING


def test_terminating_a_run_that_a_program_executes_leaves_word_for_it(tmp_path: Path) -> None:
    settings = (PROJECT / "dagster.yaml").read_text().replace(".rl_assets/dagster", str(tmp_path))
    (tmp_path / "dagster.yaml").write_text(settings)
    with dg.DagsterInstance.from_config(str(tmp_path)) as instance:
        run = run_with(**{DRIVER_TAG: f"{HERE}:{os.getpid()}"})
        instance.add_run(run)
        assert instance.run_coordinator.cancel_run(run.run_id)
        current = instance.get_run_by_id(run.run_id)
        assert current is not None
        assert current.status == dg.DagsterRunStatus.CANCELING
        assert not instance.run_launcher.terminate("no-such-run")
