"""Launching the work of an ended run again: what it finished stays, what it began goes on."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import dagster as dg
from dagster._core.storage.tags import (
    BACKFILL_TAGS,
    GRPC_INFO_TAG,
    PARENT_RUN_ID_TAG,
    PARTITION_NAME_TAG,
    ROOT_RUN_ID_TAG,
    TAGS_TO_MAYBE_OMIT_ON_RETRY,
)

from rl_assets.api.drive import bury_dead_runs, drive, execute, reason_of, unfinished_runs
from rl_assets.api.enqueueing import enqueue, is_queue_served
from rl_assets.api.installation import Installation
from rl_assets.api.outcome import SweepOutcome, sweep_outcome
from rl_assets.api.runs import assets_of, describe_run, find_run
from rl_assets.api.sweeps import POLL_EVERY_S, see_through
from rl_assets.errors import RunRefused
from rl_assets.resources.activity import ASSETS_TAG, awaiting_retry
from rl_assets.resources.event_log import Event
from rl_assets.resources.run_watch import DRIVER_TAG

TRAINING_OP = "policies"

_OWN_TAGS = {*TAGS_TO_MAYBE_OMIT_ON_RETRY, *BACKFILL_TAGS, GRPC_INFO_TAG, DRIVER_TAG, ASSETS_TAG, "dagster/run_key"}
"""What belongs to one run and not to its work."""


@dataclass(frozen=True, kw_only=True)
class ResumeOutcome:
    """What came of a resumed run."""

    run_id: str
    resumed_from: str
    status: str
    """How the new run ended, in lower case, such as `success`."""
    reason: str | None
    """Why it did not succeed; None where it did, or where only the UI knows."""
    sweep: SweepOutcome | None
    """What became of the sweep that the run belongs to; None where it belongs to none."""

    @property
    def is_complete(self) -> bool:
        """Whether the run succeeded and everything after it was decided."""
        return self.status == "success" and (self.sweep is None or self.sweep.is_complete)


def resume(
    installation: Installation,
    run_id: str,
    allow_inexact: bool = False,
    *,
    on_event: Callable[[str], None] | None = None,
) -> ResumeOutcome:
    """Launch the same work as an ended run's again and wait until all that it leads to has been decided.

    Where a daemon serves a queue it does the work; else this process does.

    Args:
        installation: where.
        run_id: the run's id or the beginning of it.
        allow_inexact: resume a training also where other software or another processor would give other bits.
        on_event: is told in a few words what just happened.

    Raises:
        UnknownRun: no run, or more than one, has that id.
        RunRefused: it still goes on, it succeeded, it is being retried or resumed already, or it does not say which
            assets it made.
    """
    tell = on_event or (lambda _: None)
    bury_dead_runs(installation.instance)
    parent = find_run(installation, run_id)
    _check_resumable(installation, parent, allow_inexact=allow_inexact)
    sweep = _sweep_of(installation, parent)
    work = _work_of(parent, allow_inexact=allow_inexact)
    if is_queue_served(installation.instance):
        resumed = enqueue(installation, parent=parent, **work)
        tell(f"run {resumed[:8]} resumes {describe_run(parent)}; the Dagster daemon does the work, and the UI shows it")
        ended, reason = _wait(installation, resumed), None
    else:
        tell(f"this process resumes {describe_run(parent)}")
        result = _execute(installation, **work)
        ended, reason = result.dagster_run, None if result.success else reason_of(result)
        tell(f"run {ended.run_id[:8]} " + ("is done" if result.success else f"failed: {reason}"))
    if sweep is not None:
        see_through(installation, sweep, tell)
    if not is_queue_served(installation.instance):
        for result in drive(installation):
            tell(f"{describe_run(result.dagster_run)} " + ("is done" if result.success else reason_of(result)))
    return ResumeOutcome(
        run_id=ended.run_id,
        resumed_from=parent.run_id,
        status=ended.status.value.lower(),
        reason=reason,
        sweep=sweep_outcome(installation, sweep) if sweep is not None else None,
    )


def _check_resumable(installation: Installation, run: dg.DagsterRun, *, allow_inexact: bool) -> None:
    name = describe_run(run)
    if not run.is_finished:
        raise RunRefused(
            f"{name} is still {run.status.value.lower()}: wait until it ends, or stop it with "
            f"`rlctl stop {run.run_id[:8]}`"
        )
    if run.status == dg.DagsterRunStatus.SUCCESS:
        raise RunRefused(
            f"{name} succeeded, nothing of it is left to do: to train anew, launch it with `retrain: true`"
        )
    successor = _successor_at_work(installation, run)
    if successor is not None:
        who = "by itself" if successor.run_id == run.run_id else f"by run {successor.run_id[:8]}"
        raise RunRefused(f"{name} is done again {who} already: wait for that, or stop it first")
    if not assets_of(run):
        raise RunRefused(f"{name} does not say which assets it made: launch them again in the UI")
    if allow_inexact and "trained_policies" not in assets_of(run):
        raise RunRefused(f"{name} trains nothing, so there is nothing inexact to allow: leave out --allow-inexact")


def _successor_at_work(installation: Installation, run: dg.DagsterRun) -> dg.DagsterRun | None:
    """An unfinished run that retries or resumes the same work, or a failed one of it that is about to be retried."""
    root = run.tags.get(ROOT_RUN_ID_TAG, run.run_id)
    waiting = [*unfinished_runs(installation.instance), *awaiting_retry(installation.instance)]
    return next((other for other in waiting if other.tags.get(ROOT_RUN_ID_TAG, other.run_id) == root), None)


def _work_of(parent: dg.DagsterRun, *, allow_inexact: bool) -> dict[str, Any]:
    """Assets, tags and configuration of the run that does a run's work again."""
    tags = {name: value for name, value in parent.tags.items() if name not in _OWN_TAGS}
    tags[PARENT_RUN_ID_TAG] = parent.run_id
    tags.setdefault(ROOT_RUN_ID_TAG, parent.run_id)
    config = {name: value for name, value in parent.run_config.items() if name != "loggers"}
    return {
        "assets": assets_of(parent),
        "tags": tags,
        "run_config": _with_inexactness(config) if allow_inexact else config,
    }


def _with_inexactness(config: Mapping[str, Any]) -> dict[str, Any]:
    ops = dict(config.get("ops", {}))
    op = dict(ops.get(TRAINING_OP, {}))
    ops[TRAINING_OP] = op | {"config": dict(op.get("config", {})) | {"allow_inexact": True}}
    return {**config, "ops": ops}


def _execute(
    installation: Installation, *, assets: tuple[str, ...], tags: dict[str, str], run_config: dict[str, Any]
) -> dg.ExecuteInProcessResult:
    partition = tags.get(PARTITION_NAME_TAG)
    others = {name: value for name, value in tags.items() if not name.startswith(PARTITION_NAME_TAG)}
    return execute(
        installation,
        assets=[dg.AssetKey(asset) for asset in assets],
        partition=partition,
        tags=others if partition else tags,
        run_config=run_config,
    )


def _wait(installation: Installation, run_id: str) -> dg.DagsterRun:
    """The run when it has ended, and with it every automatic retry of it."""
    while True:
        run = installation.instance.get_run_by_id(run_id)
        assert run is not None, "a run that was just queued is there"
        if run.is_finished:
            successor = _successor_at_work(installation, run)
            if successor is None:
                return run
            run_id = successor.run_id
        time.sleep(POLL_EVERY_S)


def _sweep_of(installation: Installation, run: dg.DagsterRun) -> Event | None:
    """The newest launch of the sweep that a run belongs to."""
    name = run.tags.get("rl/sweep")
    return installation.log.latest("sweep_configs", name) if name is not None else None
