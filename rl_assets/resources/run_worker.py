"""Whether anybody still works on a run: Dagster does not watch the run workers of one machine by itself."""

import errno
import json
import os
import socket
from typing import Any

import dagster as dg
from dagster._core.errors import DagsterUserCodeUnreachableError
from dagster._core.launcher.base import CheckRunHealthResult, WorkerStatus
from dagster._core.launcher.default_run_launcher import DefaultRunLauncher
from dagster._core.storage.tags import GRPC_INFO_TAG
from dagster._grpc.client import DagsterGrpcClient
from dagster._grpc.types import CanCancelExecutionRequest, CanCancelExecutionResult
from dagster._serdes import deserialize_value

from rl_assets.resources.run_watch import DRIVER_TAG

_ANSWER_S = 10


class WatchedRunLauncher(DefaultRunLauncher):
    """Dagster's launcher for one machine, which can also say that a run's worker is gone.

    With `run_monitoring` in `dagster.yaml` the daemon then fails runs that nobody works on any more, and `run_retries`
    launches them again.
    """

    @property
    def supports_check_run_worker_health(self) -> bool:
        """Lets the daemon's run monitoring ask."""
        return True

    def check_run_worker_health(self, run: dg.DagsterRun) -> CheckRunHealthResult:
        """Say whether a run's worker lives."""
        lost = why_worker_is_lost(run)
        return CheckRunHealthResult(WorkerStatus.RUNNING if lost is None else WorkerStatus.FAILED, lost)

    def terminate(self, run_id: str) -> bool:
        """Ask a run to end; one that a program executes by itself looks for that within a second."""
        run = self._instance.get_run_by_id(run_id)
        if run is not None and not run.is_finished and DRIVER_TAG in run.tags:
            self._instance.report_run_canceling(run)
            return True
        return super().terminate(run_id)


def why_worker_is_lost(run: dg.DagsterRun) -> str | None:
    """Why nobody can be working on a started run; None while somebody may.

    Only a process or a code server of this machine that is certainly gone counts; what does not answer in time, or is
    elsewhere, may still be at work.
    """
    if DRIVER_TAG in run.tags:
        host, _, pid = run.tags[DRIVER_TAG].rpartition(":")
        is_here = host == socket.gethostname()
        return f"process {pid} on {host} ended without a word" if is_here and not is_alive(int(pid)) else None
    if GRPC_INFO_TAG not in run.tags:
        return None
    server = json.loads(run.tags[GRPC_INFO_TAG])
    if _refuses_connections(server):
        return "the code server that ran it is gone"
    if run.status == dg.DagsterRunStatus.CANCELING:
        return None
    client = DagsterGrpcClient(
        host=server.get("host"),
        port=server.get("port"),
        socket=server.get("socket"),
        use_ssl=bool(server.get("use_ssl", False)),
    )
    request = CanCancelExecutionRequest(run_id=run.run_id)
    try:
        answer = deserialize_value(client.can_cancel_execution(request, timeout=_ANSWER_S), CanCancelExecutionResult)
    except DagsterUserCodeUnreachableError:
        return None
    return None if answer.can_cancel else "the code server that ran it knows nothing of it"


def is_alive(pid: int) -> bool:
    """Whether a process of this machine lives; one that has ended and that nobody has asked about does not."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return True


def _refuses_connections(server: dict[str, Any]) -> bool:
    path = server.get("socket")
    family = socket.AF_UNIX if path else socket.AF_INET
    address = path or (server.get("host"), server.get("port"))
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.settimeout(_ANSWER_S)
        try:
            probe.connect(address)
        except OSError as error:
            return error.errno in (errno.ECONNREFUSED, errno.ENOENT)
    return False
