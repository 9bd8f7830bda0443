"""A cell that somebody else trains is refused by name; one whose trainer is about to end is waited for."""

import threading
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import dagster as dg
import pytest

from rl_assets.defs.assets import cell_claims
from rl_assets.defs.assets.cell_claims import CELLS_TAG, CellClaims, cells_of
from rl_assets.defs.partitions import ENVS, HPARAMS, add_keys
from rl_assets.errors import PartitionInUse
from rl_assets.store.locks import ClaimBook

KEY = "CartPole-v1|ppo-a"
NAME = f"trained_policies[{KEY}]"


@pytest.fixture
def instance():
    with dg.DagsterInstance.ephemeral() as instance:
        add_keys(instance, ENVS, ["CartPole-v1"])
        add_keys(instance, HPARAMS, ["ppo-a", "ppo-b", "ppo-c"])
        yield instance


def run_with(**tags: str) -> dg.DagsterRun:
    return dg.DagsterRun(job_name="job", status=dg.DagsterRunStatus.STARTED, tags=tags)


def context_of(instance: dg.DagsterInstance) -> Any:
    return SimpleNamespace(instance=instance, run=run_with())


def test_a_run_asks_for_the_cells_that_it_names_or_for_its_partition_or_range(instance) -> None:
    between = {
        "dagster/asset_partition_range_start": KEY,
        "dagster/asset_partition_range_end": "CartPole-v1|ppo-c",
    }
    assert cells_of(run_with(**between), instance) == {f"CartPole-v1|ppo-{letter}" for letter in "abc"}
    exact = {CELLS_TAG: '{"CartPole-v1": ["ppo-a", "ppo-c"]}'}
    assert cells_of(run_with(**between, **exact), instance) == {KEY, "CartPole-v1|ppo-c"}
    assert cells_of(run_with(**{"dagster/partition": KEY}), instance) == {KEY}
    assert cells_of(run_with(), instance) == set()


def test_a_cell_that_a_run_trains_is_refused_with_that_runs_id(instance, tmp_path: Path) -> None:
    other = run_with(**{"dagster/partition": KEY, "rl/driver": "host:7"})
    instance.add_run(other)
    with ClaimBook(tmp_path).open() as theirs, ClaimBook(tmp_path).open() as ours:
        assert theirs.take(NAME)
        with pytest.raises(PartitionInUse, match=rf"'CartPole-v1\|ppo-a' .* run {other.run_id} \(process host:7\)"):
            CellClaims(ours, context_of(instance)).take(KEY)
        CellClaims(ours, context_of(instance)).take("CartPole-v1|ppo-b")


def test_a_process_whose_run_was_given_up_is_waited_for(instance, tmp_path: Path) -> None:
    with ClaimBook(tmp_path).open() as theirs, ClaimBook(tmp_path).open() as ours:
        assert theirs.take(NAME)
        ending = threading.Timer(0.3, theirs.give_back, [NAME])
        ending.start()
        CellClaims(ours, context_of(instance)).take(KEY)
        ending.join()
        assert not theirs.take(NAME)


def test_but_not_for_ever(instance, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cell_claims, "PATIENCE_S", 0.1)
    with ClaimBook(tmp_path).open() as theirs, ClaimBook(tmp_path).open() as ours:
        assert theirs.take(NAME)
        with pytest.raises(PartitionInUse, match="no unfinished run of this instance"):
            CellClaims(ours, context_of(instance)).take(KEY)
