"""A cell that was refused for want of its parent is requested once, when that has landed and nobody works on it."""

import json
from typing import Any

import pytest

from rl_assets.api.drive import execute
from rl_assets.api.installation import Installation
from rl_assets.api.sweeps import launch_sweep
from rl_assets.defs.assets.cell_claims import CELLS_TAG
from rl_assets.defs.assets.policy_runs import EVALUATED, TRAINED
from tests.defs.test_sensors import end_backfill, start_backfill, tick
from tests.defs.tiny_sweeps import tiny_sweep

ENV = "CartPole-v1"
STEPS = [{"fixed": {"learning_rate": 1e-3}}, {"grid": {"discount": [0.9, 0.95]}}]


def run_cells(installation: Installation, cells: list[str]) -> bool:
    """One run of exactly these cells; whether it succeeded."""
    named = json.dumps({ENV: [cell.split("|")[1] for cell in cells]})
    tags = {f"dagster/asset_partition_range_{end}": cells[0] for end in ("start", "end")} | {CELLS_TAG: named}
    return execute(installation, assets=[TRAINED, EVALUATED], partition=None, tags=tags).success


def carry_out(installation: Installation, request: Any) -> bool:
    tags = dict(request.tags)
    return execute(installation, assets=list(request.asset_selection), partition=None, tags=tags).success


@pytest.fixture
def cells(installation: Installation) -> list[str]:
    """A parent and two children, asked for and not trained; the children were tried and refused."""
    event = launch_sweep(installation, tiny_sweep(grid={}, sequence=STEPS, seeds=1))
    cells = [f"{ENV}|{hparam}" for hparam in event.metadata["rl/cells"]["hparams"]]
    assert not run_cells(installation, [cells[1]])
    assert not run_cells(installation, [cells[2]])
    return cells


def named_in(request: Any) -> set[str]:
    return {f"{env}|{hparam}" for env, own in json.loads(request.tags[CELLS_TAG]).items() for hparam in own}


def test_all_that_waited_is_requested_in_one_run_once_the_parent_has_landed(
    installation: Installation, cells: list[str]
) -> None:
    first = tick(installation, "parent_trained")
    assert first.run_requests == []
    assert run_cells(installation, [cells[0]])
    landed = tick(installation, "parent_trained", cursor=first.cursor)
    (request,) = landed.run_requests
    assert named_in(request) == set(cells[1:])
    assert carry_out(installation, request)
    assert set(installation.log.latest_ids("trained_policies")) == set(cells)
    for cursor in (landed.cursor, first.cursor, None):
        assert tick(installation, "parent_trained", cursor=cursor).run_requests == []


def test_a_request_is_made_once_also_where_the_child_fails_again_or_the_cursor_is_lost(
    installation: Installation, cells: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert run_cells(installation, [cells[0]])
    landed = tick(installation, "parent_trained")
    (request,) = landed.run_requests

    def fail(*_, **__):
        raise InterruptedError("injected")

    with monkeypatch.context() as patched:
        patched.setattr("rl_assets.defs.assets.policy_runs.train", fail)
        assert not carry_out(installation, request)
    assert tick(installation, "parent_trained", cursor=landed.cursor).run_requests == []
    assert tick(installation, "parent_trained").run_requests == [], "under the same name nothing is asked for twice"


def test_a_child_that_was_trained_since_or_that_nobody_wants_any_more_is_left(
    installation: Installation, cells: list[str]
) -> None:
    assert run_cells(installation, cells[:2])
    (request,) = tick(installation, "parent_trained").run_requests
    assert named_in(request) == {cells[2]}
    installation.instance.delete_dynamic_partition("sweep", "tiny")
    assert tick(installation, "parent_trained").run_requests == []


def test_what_a_backfill_works_on_waits_until_that_has_ended(installation: Installation, cells: list[str]) -> None:
    backfill = start_backfill(installation, "trained_policies", [cells[1]])
    assert run_cells(installation, [cells[0]])
    first = tick(installation, "parent_trained")
    (request,) = first.run_requests
    assert named_in(request) == {cells[2]}
    end_backfill(installation, backfill)
    (later,) = tick(installation, "parent_trained", cursor=first.cursor).run_requests
    assert named_in(later) == {cells[1]}


def test_a_parent_without_the_seed_is_waited_for_until_it_is_trained_again(installation: Installation) -> None:
    event = launch_sweep(installation, tiny_sweep(grid={}, sequence=STEPS, seeds=1))
    cells = [f"{ENV}|{hparam}" for hparam in event.metadata["rl/cells"]["hparams"]]
    assert run_cells(installation, [cells[0]])
    launch_sweep(installation, tiny_sweep(grid={}, sequence=STEPS, seeds=2))
    assert not run_cells(installation, [cells[1]])
    refused = tick(installation, "parent_trained")
    assert refused.run_requests == [], "what is there lacks a member"
    assert run_cells(installation, [cells[0]])
    (request,) = tick(installation, "parent_trained", cursor=refused.cursor).run_requests
    assert named_in(request) == {cells[1]}
    assert carry_out(installation, request)
