"""A sweep that stops the recipes that are behind, through the whole graph."""

import pytest

from rl_assets.api.sweeps import run_sweep
from rl_assets.defs.assets import live_cells
from rl_assets.errors import ErasedData, InvalidConfig
from rl_assets.resources.cells import CellTraining
from tests.defs.tiny_sweeps import tiny_sweep

HALVING = {
    "grid": {"learning_rate": [1e-5, 1e-3, 3e-3]},
    "total_timesteps": 4_096,
    "segment_steps": 1_024,
    "halving": {"rungs": [1_024], "keep": 0.3},
}


def test_recipes_that_are_behind_are_stopped_told_and_not_asked_for_again(installation):
    outcome = run_sweep(installation, tiny_sweep(**HALVING))
    assert (len(outcome.finished), len(outcome.stopped), outcome.failed) == (1, 2, ())
    assert outcome.is_complete
    for reason in outcome.stopped.values():
        assert "stopped at rung 1, after 1,024 steps of each member: place " in reason
    trained = installation.log.latest_ids("trained_policies")
    assert set(trained) == set(outcome.finished)
    event = installation.log.latest("trained_policies", outcome.finished[0])
    assert event.metadata["env_steps"] > 7_000
    again = run_sweep(installation, tiny_sweep(**HALVING))
    assert (again.finished, set(again.stopped)) == (outcome.finished, set(outcome.stopped))
    assert installation.log.latest("trained_policies", outcome.finished[0]).data_version == event.data_version


@pytest.mark.parametrize(
    ("halving", "words"),
    [
        ({"rungs": [4_096]}, "field 'halving.rungs': expected numbers of steps below the budget of 4,096, got 4,096"),
        ({"rungs": [512]}, "expected a segment of 1,024 steps before each rung at least, got rungs 512 steps apart"),
        ({"rungs": [2_048, 1_024]}, "rungs: expected ascending numbers of steps, got [2048, 1024]"),
        ({"rungs": []}, "field 'halving.rungs'"),
        ({"rungs": [1_024], "keep": 1.0}, "field 'halving.keep'"),
    ],
)
def test_rungs_that_would_stop_nobody_are_refused(halving, words):
    with pytest.raises(InvalidConfig) as refusal:
        tiny_sweep(**(HALVING | {"halving": halving}))
    assert words in str(refusal.value)


def test_a_race_that_loses_a_recipe_to_an_erasure_is_run_as_if_it_had_never_been_there(installation, monkeypatch):
    monkeypatch.setattr(live_cells, "LOOK_EVERY_S", 0.0)
    real, erased = CellTraining.save, []

    def save(self, member, checkpoint):
        real(self, member, checkpoint)
        if checkpoint.env_steps > 1_100 and not erased:
            erased.append(self.hparam)  # the one that went on after the rung

    def refuse_if_erased(self):
        if self.hparam in erased:
            raise ErasedData(f"{self.hparam} was erased by order e-00000000aa")

    monkeypatch.setattr(CellTraining, "save", save)
    monkeypatch.setattr(CellTraining, "refuse_if_erased", refuse_if_erased)
    outcome = run_sweep(installation, tiny_sweep(**HALVING))
    assert [key.split("|")[1] for key in outcome.failed] == erased
    assert (len(outcome.finished), len(outcome.stopped)) == (1, 1)
    monkeypatch.undo()
    left = {key.split("|")[1] for key in (*outcome.finished, *outcome.stopped)}
    assert len(left) == 2
    assert erased[0] not in left
    event = installation.log.latest("trained_policies", outcome.finished[0])
    assert event.metadata["env_steps"] > 7_000
    checkpoints = (installation.home.state / "store" / "checkpoints").rglob("*.safetensors")
    assert len({path.parent for path in checkpoints}) == 2, "of the two members of the recipe that is behind"
