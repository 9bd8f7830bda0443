"""Who does the work, and what a command waits for."""

import time

import dagster as dg
import pytest
from dagster._daemon.types import DaemonHeartbeat

from rl_assets import api
from rl_assets.api.drive import DAEMON_SILENT_AFTER_S, awaited_worker
from rl_assets.api.installation import Installation
from tests.defs.tiny_sweeps import tiny_sweep


def beat(instance: dg.DagsterInstance, *, seconds_ago: float) -> None:
    """Leave a sign of life of a sensor daemon."""
    instance.add_daemon_heartbeat(
        DaemonHeartbeat(timestamp=time.time() - seconds_ago, daemon_type="SENSOR", daemon_id="d", errors=[])
    )


@pytest.mark.parametrize(
    ("seconds_ago", "words"),
    [(5, "a Dagster daemon does the work"), (50, "fell silent"), (DAEMON_SILENT_AFTER_S + 5, None)],
)
def test_a_daemon_is_waited_for_until_it_was_silent_for_long(
    installation: Installation, seconds_ago: float, words: str | None
) -> None:
    beat(installation.instance, seconds_ago=seconds_ago)
    awaited = awaited_worker(installation)
    assert (awaited is None) if words is None else (awaited is not None and words in awaited)


def test_without_a_daemon_nobody_is_waited_for_but_a_training_that_gets_on(installation: Installation) -> None:
    assert awaited_worker(installation) is None
    run = dg.DagsterRun(job_name="__ASSET_JOB", status=dg.DagsterRunStatus.STARTED)
    installation.instance.add_run(run)
    installation.progress.write(run.run_id, "CartPole-v1: 4 members", {})
    assert "a training that another process runs" in (awaited_worker(installation) or "")
    installation.instance.report_run_failed(run, "it was interrupted")
    assert awaited_worker(installation) is None, "what it last said of itself is left behind"


def test_a_daemon_that_dies_is_given_up_and_the_sweep_goes_on(installation: Installation) -> None:
    def die_after_the_launch(text: str) -> None:
        told.append(text)
        if "asks for" in text:
            beat(installation.instance, seconds_ago=DAEMON_SILENT_AFTER_S - 2)

    told: list[str] = []
    assert api.run_sweep(installation, tiny_sweep(), on_event=die_after_the_launch).is_complete
    assert told[1:3] == [
        "waiting for the Dagster daemon, which fell silent: after 75 s without a sign of life this process goes on by "
        "itself",
        "nobody else is at work: this process goes on by itself",
    ]


def test_a_run_that_nobody_works_on_is_named_instead_of_waited_for(installation: Installation) -> None:
    def leave_a_run_behind(text: str) -> None:
        told.append(text)
        if "asks for" in text:
            instance.add_run(dg.DagsterRun(job_name="__ASSET_JOB", status=dg.DagsterRunStatus.STARTED, **claim))

    told: list[str] = []
    instance = installation.instance
    claim = {"run_id": "0123456789", "tags": {"dagster/partition": "CartPole-v1"}}
    claim["asset_selection"] = {dg.AssetKey("eval_leaderboards")}
    outcome = api.run_sweep(installation, tiny_sweep(), on_event=leave_a_run_behind)
    assert not outcome.is_complete
    assert "run 01234567 is started and nothing works on it: end it with `rlctl stop 01234567` and launch again" in told
