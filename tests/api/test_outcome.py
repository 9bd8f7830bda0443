"""What a sweep led to, as its caller is told."""

from pathlib import Path

from rl_assets import api
from rl_assets.api.installation import Installation
from tests.defs.tiny_sweeps import tiny_sweep


def test_a_launch_where_everything_was_there_says_so_and_names_its_report(installation: Installation) -> None:
    told: list[str] = []
    first = api.run_sweep(installation, tiny_sweep(grid={"learning_rate": [1e-3]}, seeds=1), on_event=told.append)
    assert told[0] == "sweep 'tiny' asks for 1 partition, 1 training"
    assert (first.num_reused, first.num_trainings) == (0, 1)
    again = api.run_sweep(installation, tiny_sweep(grid={"learning_rate": [1e-3]}, seeds=1))
    assert (again.num_reused, again.num_trainings) == (1, 1)
    assert again.report is not None
    assert Path(again.report).read_bytes().lower().startswith(b"<!doctype html>")


def test_seeds_that_were_there_are_counted_beside_new_ones(installation: Installation) -> None:
    api.run_sweep(installation, tiny_sweep(seeds=[3]))
    outcome = api.run_sweep(installation, tiny_sweep(seeds=[3, 5, 7]))
    assert (outcome.num_reused, outcome.num_trainings) == (2, 6)


def test_a_verdict_that_is_no_pass_comes_with_the_gates_reason(installation: Installation) -> None:
    outcome = api.run_sweep(installation, tiny_sweep(gates={"floor": 1e6, "num_episodes": 4}))
    assert outcome.verdicts == {"CartPole-v1": "fail"}
    (reason,) = outcome.reasons["CartPole-v1"]
    assert reason.startswith("meets_floor: 4 episodes have a mean of")
    assert reason.endswith("the floor of 1e+06 is missed")


def test_a_pass_needs_no_reason(installation: Installation) -> None:
    outcome = api.run_sweep(installation, tiny_sweep())
    assert (outcome.verdicts, outcome.reasons) == ({"CartPole-v1": "pass"}, {"CartPole-v1": ()})
