"""A sweep that stops the recipes that are behind, through the whole graph."""

import pytest

from rl_assets.api.sweeps import run_sweep
from rl_assets.errors import InvalidConfig
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
