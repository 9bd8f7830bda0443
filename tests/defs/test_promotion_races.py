"""Promotions that race each other, and promotions that are killed half-way."""

import os
import pwd
import threading
from typing import Any

import dagster as dg
import pytest

from rl_assets import api
from rl_assets.api.drive import drive, error_of
from rl_assets.api.installation import Installation
from rl_assets.errors import (
    PromotionConflict,
    RlAssetsError,
)
from rl_assets.resources.inputs import Inputs
from rl_assets.resources.promotion import Promotion
from rl_assets.store.history import ChampionHistory
from rl_assets.store.objects import ObjectStore
from rl_assets.store.transitions import Transition
from tests.defs.promotions import (
    ENV,
    STAGED,
    ask_graph,
    history,
    other_recipe,
    recipes,
    served_weights,
    titles,
)
from tests.defs.tiny_sweeps import tiny_sweep

ME = pwd.getpwuid(os.getuid()).pw_name


def test_a_decision_that_was_overtaken_changes_nothing_and_both_attempts_are_kept(installation: Installation) -> None:
    api.run_sweep(installation, tiny_sweep())
    other = other_recipe(installation)
    late = error_of(
        ask_graph(installation, action="promote", hparam=other, reason="late", actor=ME, expected_generation=0)
    )
    assert isinstance(late, PromotionConflict)
    assert api.champion(installation, ENV)["generation"] == 1
    assert [(entry.actor, entry.title) for entry in history(installation).transitions()] == [
        ("gate_passed", "promoted"), (ME, "promotion lost")
    ]  # fmt: skip


def test_of_a_sensor_and_a_person_at_once_exactly_one_wins(
    installation: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rl_assets.api.drive.SENSORS", ("sweep_configured", "evaluations_settled"))
    from rl_assets.api.sweeps import launch_sweep

    launch_sweep(installation, tiny_sweep())
    list(drive(installation))
    assert history(installation).reign() == 0
    gate = installation.log.latest("gate_evaluations", ENV)
    assert gate is not None
    other = next(hparam for hparam in recipes(installation) if hparam != gate.metadata["candidate"])
    barrier = threading.Barrier(2)
    append = ChampionHistory.append

    def append_together(self: ChampionHistory, transition: Transition, *, expected_generation: int) -> int:
        barrier.wait(20)
        return append(self, transition, expected_generation=expected_generation)

    monkeypatch.setattr(ChampionHistory, "append", append_together)
    ended: list[str] = []

    def by_sensor() -> None:
        inputs = Inputs(log=installation.log, store=ObjectStore(installation.home.store_url))
        try:
            with inputs.for_output("promoted_models", ENV) as scope:
                Promotion(scope, env=ENV, history=history(installation), log=installation.log).carry_out(
                    actor="gate_passed"
                )
            ended.append("won")
        except PromotionConflict:
            ended.append("lost")

    sensor = threading.Thread(target=by_sensor)
    sensor.start()
    try:
        api.promote(installation, ENV, other, reason="by hand")
        ended.append("won")
    except PromotionConflict:
        ended.append("lost")
    sensor.join()
    assert sorted(ended) == ["lost", "won"]
    first, second = history(installation).transitions()
    assert (first.outcome, second.outcome) == ("done", "lost")
    assert {first.actor, second.actor} == {ME, "gate_passed"}
    assert history(installation).reign() == 1


@pytest.mark.parametrize("decision", ["promote", "rollback", "stage"])
def test_a_run_that_died_between_the_swap_and_its_record_is_completed_by_the_next(
    installation: Installation, monkeypatch: pytest.MonkeyPatch, decision: str
) -> None:
    if decision == "stage":
        with monkeypatch.context() as patched:
            patched.setattr("rl_assets.resources.promotion.as_staged", die)
            api.run_sweep(installation, tiny_sweep(gates=STAGED))
        assert list(installation.log.observed("promoted_models", ENV)) == []
        assert ask_graph(installation).success
        (staged,) = installation.log.observed("promoted_models", ENV)
        assert (staged.metadata["stage"], staged.metadata["rl/transition"]) == ("staging", 1)
        assert titles(installation) == ["staged"]
        return
    api.run_sweep(installation, tiny_sweep())
    other = other_recipe(installation)
    if decision == "rollback":
        api.promote(installation, ENV, other, reason="try it")
    with monkeypatch.context() as patched:
        patched.setattr("rl_assets.resources.manual_decisions.as_champion", die)
        decide = {
            "promote": lambda: api.promote(installation, ENV, other, reason="try it"),
            "rollback": lambda: api.rollback(installation, ENV, reason="undo"),
        }[decision]
        with pytest.raises(RlAssetsError, match="killed here"):
            decide()
    standing = api.champion(installation, ENV)
    before = installation.log.latest("promoted_models", ENV)
    assert before is not None
    assert before.metadata["generation"] == standing["generation"] - 1
    assert ask_graph(installation).success
    after = installation.log.latest("promoted_models", ENV)
    assert after is not None
    assert after.metadata["generation"] == standing["generation"]
    assert served_weights(installation) == standing["weights_sha256"]
    assert api.champion(installation, ENV) == standing
    assert api.examine(installation)["findings"] == []


def test_a_decision_that_is_resumed_after_its_swap_is_not_carried_out_twice(
    installation: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    api.run_sweep(installation, tiny_sweep())
    with monkeypatch.context() as patched:
        patched.setattr("rl_assets.resources.manual_decisions.as_champion", die)
        with pytest.raises(RlAssetsError):
            api.promote(installation, ENV, other_recipe(installation), reason="try it")
    failed = installation.instance.get_runs(dg.RunsFilter(statuses=[dg.DagsterRunStatus.FAILURE]))[0]
    assert api.resume(installation, failed.run_id).status == "success"
    assert titles(installation) == ["promoted", "promoted"]
    event = installation.log.latest("promoted_models", ENV)
    assert event is not None
    assert event.metadata["generation"] == 2


def die(*_: Any) -> None:
    """As if the process ended here."""
    raise RuntimeError("killed here")
