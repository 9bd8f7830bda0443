"""Without a daemon, the caller's own process lets the sensors act: the very sensors that run in production."""

import os
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import dagster as dg
from dagster._core.definitions.partitions.context import partition_loading_context

from rl_assets import errors
from rl_assets.api.installation import Installation
from rl_assets.resources.activity import ASSETS_TAG, UNFINISHED
from rl_assets.resources.progress import STALE_AFTER_S
from rl_assets.resources.run_watch import DRIVER_TAG
from rl_assets.resources.run_worker import why_worker_is_lost

DAEMON_SILENT_AFTER_S = 75.0
"""The sensor daemon gives a sign of life every 30 seconds."""

DAEMON_LATE_AFTER_S = 40.0
"""One sign of life is overdue."""

ALERTS = "alerts_due"

SENSORS = (ALERTS, "sweep_configured", "parent_trained", "evaluations_settled", "gate_passed", "sweep_settled")
"""In the order of the lifecycle, so that one round gets as far as it can; alerts are sent as each round begins."""

_OUR_ERRORS = frozenset(name for name, kind in vars(errors).items() if isinstance(kind, type))

_BEGUN = [dg.DagsterRunStatus.STARTED, dg.DagsterRunStatus.STARTING, dg.DagsterRunStatus.CANCELING]
_QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}


def has_daemon(instance: dg.DagsterInstance) -> bool:
    """Whether a sensor daemon, such as that of `dagster dev`, looks after this instance right now."""
    silence_s = daemon_silence_s(instance)
    return silence_s is not None and silence_s < DAEMON_SILENT_AFTER_S


def daemon_silence_s(instance: dg.DagsterInstance) -> float | None:
    """Seconds since the last sign of life of a sensor daemon; None where there never was one."""
    beat = instance.get_daemon_heartbeats().get("SENSOR")
    return None if beat is None else time.time() - beat.timestamp


def awaited_worker(installation: Installation) -> str | None:
    """Who else works on this instance, so that this process only watches; None where it has to work by itself."""
    silence_s = daemon_silence_s(installation.instance)
    if silence_s is not None and silence_s < DAEMON_LATE_AFTER_S:
        return "a Dagster daemon does the work; the UI shows it"
    if silence_s is not None and silence_s < DAEMON_SILENT_AFTER_S:
        return (
            f"waiting for the Dagster daemon, which fell silent: "
            f"after {DAEMON_SILENT_AFTER_S:.0f} s without a sign of life this process goes on by itself"
        )
    unfinished = {run.run_id for run in unfinished_runs(installation.instance)}
    if any(state["run_id"] in unfinished for state in installation.progress.running()):
        return (
            "waiting for a training that another process runs: "
            f"after {STALE_AFTER_S:.0f} s without progress this process goes on by itself"
        )
    return None


def unfinished_runs(instance: dg.DagsterInstance) -> list[dg.DagsterRun]:
    """Runs that have not ended."""
    return [record.dagster_run for record in instance.get_run_records(dg.RunsFilter(statuses=UNFINISHED))]


def drive(installation: Installation) -> Iterator[dg.ExecuteInProcessResult]:
    """Evaluate the sensors and execute what they request, until none requests anything.

    Yields:
        Each finished run, failed ones too.
    """
    while True:
        requested = False
        for name in SENSORS:
            for request in _tick(installation, name):
                requested = True
                yield execute(
                    installation,
                    assets=list(request.asset_selection or ()),
                    partition=request.partition_key,
                    tags={**request.tags, "dagster/run_key": request.run_key or ""},
                )
        if not requested:
            return


@contextmanager
def tell_receivers(installation: Installation) -> Iterator[None]:
    """Send the alerts of what happens in the block when it ends, unless a daemon does."""
    if not has_daemon(installation.instance):
        _tick(installation, ALERTS)
    try:
        yield
    finally:
        if not has_daemon(installation.instance):
            _tick(installation, ALERTS)


def execute(
    installation: Installation,
    *,
    assets: list[dg.AssetKey],
    partition: str | None,
    tags: dict[str, str] | None = None,
    run_config: dict[str, Any] | None = None,
) -> dg.ExecuteInProcessResult:
    """Materialize assets in this process; the run stands in the UI like any other.

    Raises:
        KeyboardInterrupt: the run was interrupted or stopped; Dagster would tell a failed run and let the caller go on.
    """
    job = installation.definitions.resolve_implicit_global_asset_job_def().get_subset(asset_selection=set(assets))
    result = job.execute_in_process(
        instance=installation.instance,
        partition_key=partition,
        tags={
            **(tags or {}),
            DRIVER_TAG: f"{socket.gethostname()}:{os.getpid()}",
            ASSETS_TAG: ",".join(asset.to_user_string() for asset in assets),
        },
        run_config=_QUIET | (run_config or {}),
        raise_on_error=False,
    )
    if _was_interrupted(installation.instance, result):
        raise KeyboardInterrupt
    return result


def reason_of(result: dg.ExecuteInProcessResult) -> str:
    """Why a run failed, in our own words where the error is one of ours, else in those of the error that began it."""
    failures = [event.step_failure_data for event in result.all_events if event.is_step_failure]
    reasons = []
    for failure in failures:
        if failure.user_failure_data is not None and failure.user_failure_data.description:
            reasons.append(failure.user_failure_data.description)
            continue
        error = failure.error
        while error is not None and error.cause is not None and error.cls_name not in _OUR_ERRORS:
            error = error.cause
        reasons.append(error.message.strip() if error is not None else "no reason was given")
    return "; ".join(reasons) or f"see run {result.run_id} in the UI"


def error_of(result: dg.ExecuteInProcessResult) -> errors.RlAssetsError | None:
    """The error of ours that ended a run, as its step raised it; None where it succeeded or ended otherwise."""
    for event in result.all_events:
        error = event.step_failure_data.error if event.is_step_failure else None
        while error is not None:
            if error.cls_name in _OUR_ERRORS:
                message = error.message.strip().partition(f"{error.cls_name}: ")[2]
                return getattr(errors, error.cls_name)(message)
            error = error.cause
    return None


def bury_dead_runs(instance: dg.DagsterInstance) -> int:
    """Mark runs as ended whose process on this machine is gone, so that nobody waits for them.

    Runs of a daemon's launcher are left to that daemon while it lives: it finds the dead ones and retries them.

    Returns:
        How many there were.
    """
    count = 0
    is_looked_after = has_daemon(instance)
    for record in instance.get_run_records(dg.RunsFilter(statuses=_BEGUN)):
        run = record.dagster_run
        if is_looked_after and DRIVER_TAG not in run.tags:
            continue
        lost = why_worker_is_lost(run)
        if lost is not None:
            if run.status == dg.DagsterRunStatus.CANCELING:
                instance.report_run_canceled(run, lost)
            else:
                instance.report_run_failed(run, lost)
            count += 1
    return count


def _tick(installation: Installation, name: str) -> list[dg.RunRequest]:
    """Evaluate one sensor once, with a cursor of its own that outlives this process."""
    repository = installation.definitions.get_repository_def()
    sensor = repository.get_sensor_def(name)
    resources = installation.definitions.resources or {}
    storage = installation.instance.daemon_cursor_storage
    place = f"rl_assets/driver/{name}"
    context = dg.build_sensor_context(
        instance=installation.instance,
        repository_def=repository,
        resources={name: resources[name] for name in sensor.required_resource_keys},
        cursor=storage.get_cursor_values({place}).get(place),
    )
    with partition_loading_context(dynamic_partitions_store=installation.instance):
        result = sensor.evaluate_tick(context)
    if result.cursor is not None:
        storage.set_cursor_values({place: result.cursor})
    return list(result.run_requests or ())


def _was_interrupted(instance: dg.DagsterInstance, result: dg.ExecuteInProcessResult) -> bool:
    """Whether a signal or another program stopped the run."""
    run = instance.get_run_by_id(result.run_id)
    errors = [event.step_failure_data.error for event in result.all_events if event.is_step_failure]
    return (run is not None and run.status == dg.DagsterRunStatus.CANCELED) or any(
        error is not None and error.cls_name == "DagsterExecutionInterruptedError" for error in errors
    )
