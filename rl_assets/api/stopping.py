"""Stopping a run, whoever executes it."""

import contextlib
import os
import signal
import socket
import time
from collections.abc import Callable

import dagster as dg
from dagster._core.errors import DagsterUserCodeUnreachableError

from rl_assets.api.installation import Installation
from rl_assets.api.runs import describe_run, find_run, running_runs
from rl_assets.errors import RunDidNotStop, RunRefused
from rl_assets.resources.run_watch import DRIVER_TAG
from rl_assets.resources.run_worker import why_worker_is_lost

NOTICED_WITHIN_S = 8.0
"""A training looks once a second whether it is still wanted; what it does between two looks may take longer."""

STOPS_WITHIN_S = 60.0

_POLL_EVERY_S = 0.2


def stop(
    installation: Installation, run: str | None = None, *, on_event: Callable[[str], None] | None = None
) -> dg.DagsterRun:
    """Stop a run and wait until it has ended; what it finished stays materialized.

    Args:
        installation: where.
        run: its id or the beginning of it; None stops the only run there is.
        on_event: is told in a few words what is done.

    Returns:
        The run as it ended, usually with status CANCELED.

    Raises:
        UnknownRun: no run, or more than one, has that id.
        RunRefused: it has ended already, or a program on another machine executes it, or there are several to choose
            from.
        RunDidNotStop: it was told to stop and is still there.
    """
    tell = on_event or (lambda _: None)
    found = find_run(installation, run) if run is not None else _only_run(installation)
    if found.is_finished:
        raise RunRefused(f"{describe_run(found)} has ended already: it is {found.status.value.lower()}")
    tell(f"stopping {describe_run(found)}")
    if DRIVER_TAG in found.tags:
        _stop_program(installation, found, tell)
    else:
        _stop_launched(installation, found)
    ended = _wait(installation, found.run_id, seconds=STOPS_WITHIN_S)
    if ended is None:
        raise RunDidNotStop(
            f"{describe_run(found)} was told to stop and had not ended after {STOPS_WITHIN_S:.0f} s: see its log in "
            "the UI; ending its process by hand is safe, as what is finished is kept and the rest is trained again"
        )
    installation.progress.clear(found.run_id)
    return ended


def _only_run(installation: Installation) -> dg.DagsterRun:
    running = running_runs(installation)
    if len(running) == 1:
        return find_run(installation, running[0].run_id)
    if not running:
        raise RunRefused("nothing runs that could be stopped")
    listed = "; ".join(f"{run.run_id} {run.status}, {', '.join(run.assets)} [{run.place}]" for run in running)
    raise RunRefused(f"{len(running)} runs to choose from, name one: {listed}")


def _stop_launched(installation: Installation, run: dg.DagsterRun) -> None:
    """As the UI does; where nobody is left to tell, the run is ended in the records."""
    instance = installation.instance
    is_told = False
    with contextlib.suppress(DagsterUserCodeUnreachableError):
        is_told = instance.run_coordinator.cancel_run(run.run_id)
    if not is_told:
        current = instance.get_run_by_id(run.run_id)
        if current is not None and not current.is_finished:
            instance.report_run_canceled(current, "Nothing was found that works on this run; it was stopped by name.")


def _stop_program(installation: Installation, run: dg.DagsterRun, tell: Callable[[str], None]) -> None:
    """Leave word on the run, which its program looks for; remind the program with an interrupt if it does not."""
    instance = installation.instance
    host, _, pid = run.tags[DRIVER_TAG].rpartition(":")
    if host != socket.gethostname():
        raise RunRefused(
            f"{describe_run(run)} is executed by process {pid} on machine '{host}', and this is "
            f"'{socket.gethostname()}': run `rlctl stop {run.run_id[:8]}` there"
        )
    if run.status != dg.DagsterRunStatus.CANCELING:
        instance.report_run_canceling(run)
    if _wait(installation, run.run_id, seconds=NOTICED_WITHIN_S) is not None:
        return
    if why_worker_is_lost(run) is None and int(pid) != os.getpid():
        tell(f"process {pid} has not noticed yet: interrupting it")
        with contextlib.suppress(ProcessLookupError):
            os.kill(int(pid), signal.SIGINT)


def _wait(installation: Installation, run_id: str, *, seconds: float) -> dg.DagsterRun | None:
    """The run when it has ended; None where it has not in time. One whose program is gone is ended in the records."""
    instance = installation.instance
    ends_at = time.monotonic() + seconds
    while time.monotonic() < ends_at:
        run = instance.get_run_by_id(run_id)
        if run is None or run.is_finished:
            return run
        lost = why_worker_is_lost(run)
        if lost is not None:
            instance.report_run_canceled(run, lost)
        else:
            time.sleep(_POLL_EVERY_S)
    return None
