"""Before anything goes, work on it ends: what is queued is canceled, what goes on is waited for, then stopped."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import dagster as dg
import pytest
from dagster._core.storage.tags import PARTITION_NAME_TAG
from dagster._core.test_utils import create_run_for_test

from rl_assets.api.installation import Installation
from rl_assets.errors import WorkGoesOn
from rl_assets.resources.activity import ASSETS_TAG, CELLS_TAG
from rl_assets.resources.erasing.estate import Estate
from rl_assets.resources.erasing.stopping import WorkStop, targets_of
from rl_assets.resources.run_watch import DRIVER_TAG
from rl_assets.store.locks import ClaimBook
from tests.defs.two_clients import CARTPOLE

CELL = f"{CARTPOLE}|ppo-x"


def stop(used: Installation, *, told: list[str], patience_s: float = 30.0) -> WorkStop:
    places = {"trained_policies": {CELL}, "eval_leaderboards": {CARTPOLE}}
    estate = Estate(home=used.home, instance=used.instance)
    return WorkStop(estate, places, on_event=told.append, lets_go_within_s=patience_s, ends_within_s=1.0)


def begun(used: Installation, asset: str, partition: str, status: dg.DagsterRunStatus) -> dg.DagsterRun:
    """A run that this very process is said to execute."""
    import os
    import socket

    tags = {
        PARTITION_NAME_TAG: partition,
        ASSETS_TAG: asset,
        DRIVER_TAG: f"{socket.gethostname()}:{os.getpid()}",
    }
    return create_run_for_test(used.instance, status=status, tags=tags)


@contextmanager
def claimed(used: Installation) -> Iterator[None]:
    with ClaimBook(used.home.claims_folder).open() as claims:
        assert claims.take(f"trained_policies[{CELL}]")
        yield


def test_nobody_at_work_is_waited_for(used: Installation) -> None:
    begun(used, "eval_leaderboards", "Acrobot-v1", dg.DagsterRunStatus.STARTED)
    told: list[str] = []
    assert stop(used, told=told).wait() == ()
    assert told == []


def test_a_cell_in_training_is_waited_for_until_it_is_let_go(used: Installation) -> None:
    told: list[str] = []
    free = threading.Event()

    def train() -> None:
        with claimed(used):
            free.wait(30)

    trainer = threading.Thread(target=train)
    trainer.start()
    time.sleep(0.2)
    threading.Timer(1.0, free.set).start()
    began = time.monotonic()
    assert stop(used, told=told).wait() == ()
    trainer.join()
    assert time.monotonic() - began > 0.5
    assert told == ["waiting for work on the data to end: 1 cells in training, 0 runs at work"]


def test_a_queued_run_is_canceled_at_once_and_others_are_left(used: Installation) -> None:
    mine = begun(used, "eval_leaderboards", CARTPOLE, dg.DagsterRunStatus.NOT_STARTED)
    other = begun(used, "eval_leaderboards", "Acrobot-v1", dg.DagsterRunStatus.NOT_STARTED)
    told: list[str] = []
    waiting = stop(used, told=told, patience_s=0.5)
    with pytest.raises(WorkGoesOn, match=mine.run_id):  # nobody is there who would end it
        waiting.wait()
    status = {run.run_id: run.status for run in used.instance.get_runs()}
    assert status[mine.run_id] == dg.DagsterRunStatus.CANCELING
    assert status[other.run_id] == dg.DagsterRunStatus.NOT_STARTED


def test_a_claim_that_nobody_gives_back_ends_the_wait_with_advice(used: Installation) -> None:
    with claimed(used), pytest.raises(WorkGoesOn, match=r"1 cells in training.*rlctl stop.*nothing more of the data"):
        stop(used, told=[], patience_s=0.2).wait()


def test_a_run_says_what_it_is_for(used: Installation) -> None:
    run = create_run_for_test(
        used.instance, tags={ASSETS_TAG: "trained_policies,policy_evaluations", CELLS_TAG: '{"E": ["a", "b"]}'}
    )
    cells = frozenset({"E|a", "E|b"})
    assert targets_of(run, used.instance) == {"trained_policies": cells, "policy_evaluations": cells}
    hparams = used.instance.get_dynamic_partitions("hparam")
    ranged = create_run_for_test(
        used.instance,
        tags={
            ASSETS_TAG: "trained_policies",
            "dagster/asset_partition_range_start": f"{CARTPOLE}|{hparams[0]}",
            "dagster/asset_partition_range_end": f"{CARTPOLE}|{hparams[-1]}",
        },
    )
    assert targets_of(ranged, used.instance)["trained_policies"] == {f"{CARTPOLE}|{hparam}" for hparam in hparams}
