from pathlib import Path

import numpy as np
import pytest

from rl_assets.errors import InvalidConfig, MetricFault
from rl_assets.rl.metrics import BUILT_IN, Meters, StreamSteps, known_metrics, make_metric, metric_versions
from tests import packages

YES = np.ones(1, bool)


def steps(actions: list, *, valid: list[bool] | None = None, rewards: list[float] | None = None) -> StreamSteps:
    """One step of as many streams as there are actions."""
    count = len(actions)
    blank = np.zeros((count, 1), np.float32)
    return StreamSteps(
        observations=blank,
        actions=np.array(actions),
        rewards=np.array(rewards or [0.0] * count, np.float32),
        next_observations=blank,
        terminated=np.zeros(count, bool),
        truncated=np.zeros(count, bool),
        valid=np.array(valid or [True] * count),
    )


def play(name: str, *actions: list) -> float:
    """The value of one episode of one stream."""
    metric = make_metric(name)
    metric.begin(1)
    for action in actions:
        metric.observe(steps(action))
    return float(metric.finish(YES)[0])


@pytest.mark.parametrize(
    ("actions", "change"),
    [
        ([[1], [1], [0], [0], [1]], 2 / 4),
        ([[1]], 0.0),
        ([[3], [3], [3]], 0.0),
        ([[[0, 1]], [[0, 2]], [[0, 2]]], 1 / 2),
        ([[[0.5, -1.0]], [[1.0, -1.0]], [[1.0, 1.0]]], (0.25 + 1.0) / 2),
    ],
    ids=["discrete", "one step", "never", "several choices", "continuous"],
)
def test_the_change_of_actions_worked_by_hand(actions: list, change: float) -> None:
    assert play("action_change", *actions) == pytest.approx(change)


def test_neither_the_step_of_a_reset_nor_the_episode_before_counts() -> None:
    metric = make_metric("action_change")
    metric.begin(2)
    metric.observe(steps([0, 0]))
    metric.observe(steps([1, 0]))
    assert metric.finish(np.array([True, False]))[0] == 1.0
    metric.observe(steps([0, 1], valid=[False, True]))
    metric.observe(steps([1, 1]))
    metric.observe(steps([1, 0]))
    assert metric.finish(np.array([True, True])).tolist() == [0.0, 0.5]


@pytest.mark.parametrize("name", BUILT_IN)
def test_a_streams_numbers_do_not_depend_on_the_other_streams(name: str) -> None:
    rng = np.random.default_rng(0)
    actions, ended = rng.integers(0, 3, (50, 4)), rng.random((50, 4)) < 0.2
    together, alone = make_metric(name), make_metric(name)
    together.begin(4)
    alone.begin(1)
    for row, ends in zip(actions, ended, strict=True):
        together.observe(steps(row.tolist()))
        alone.observe(steps(row[2:3].tolist()))
        if ends.any():
            values = together.finish(ends)
            if ends[2]:
                assert alone.finish(ends[2:3])[0] == values[2]


def test_an_installed_package_brings_a_metric_by_entry_point(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    packages.install(tmp_path / "lively", monkeypatch, largest_reward="LargestReward")
    assert known_metrics() == ("action_change", "largest_reward")
    assert metric_versions(["largest_reward", "action_change"]) == {"largest_reward": "3", "action_change": "1"}
    meters = Meters(["largest_reward"], num_streams=2)
    meters.observe(steps([0, 0], rewards=[1, 5]))
    meters.observe(steps([0, 0], rewards=[3, 2]))
    assert meters.finish(YES.repeat(2), recorded=YES.repeat(2))["largest_reward"].tolist() == [3.0, 5.0]


def test_an_unknown_metric_is_refused_with_those_that_exist() -> None:
    with pytest.raises(InvalidConfig, match=r"^metric 'charm' is not known: expected one of action_change; install"):
        make_metric("charm")


def test_a_name_that_two_bring_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    packages.install(tmp_path / "a", monkeypatch, package="lively", action_change="LargestReward")
    with pytest.raises(InvalidConfig, match=r"is brought by lively 1\.2 and by rl_assets itself: remove or rename"):
        make_metric("action_change")
    packages.install(tmp_path / "b", monkeypatch, package="calm_one", peak="LargestReward")
    packages.install(tmp_path / "c", monkeypatch, package="calm_two", peak="LargestReward")
    with pytest.raises(InvalidConfig, match=r"'peak' is brought by calm_two 1\.2 and by calm_one 1\.2: remove"):
        make_metric("peak")


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("raise OSError('no licence')", r"metric 'm' of broken 1\.2 \(broken:M\) cannot be loaded \(OSError: no lic"),
        (
            "class M:\n    def begin(self, n): ...",
            r"metric 'm' of broken 1\.2 \(broken:M\) lacks observe, finish, version",
        ),
    ],
)
def test_a_package_that_is_no_metric_is_refused(
    source: str, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delitem(__import__("sys").modules, "broken", raising=False)
    packages.install(tmp_path / "broken", monkeypatch, source=source, package="broken", m="M")
    with pytest.raises(InvalidConfig, match=message):
        make_metric("m")


class Given:
    """Gives what it is told to."""

    version = "7"
    values: object = None

    def begin(self, num_streams):
        pass

    def observe(self, steps):
        pass

    def finish(self, ended):
        return self.values


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ([1.0, np.nan], r"^metric 'given' \(version 7\) gave nan for an episode: expected a finite number; mend it"),
        ([1.0, -np.inf], r"gave -inf for an episode"),
        ([1.0], r"gave numbers of shape \(1,\): expected one for each of 2 streams"),
        ("many", r"failed \(ValueError: could not convert string to float"),
    ],
)
def test_what_is_no_finite_number_is_a_fault_and_no_score(
    values: object, message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rl_assets.rl.metrics.BUILT_IN", {"given": Given})
    monkeypatch.setattr(Given, "values", values)
    meters = Meters(["given"], num_streams=2)
    with pytest.raises(MetricFault, match=message):
        meters.finish(np.array([True, True]), recorded=np.array([False, True]))


def test_episodes_that_are_not_recorded_may_have_any_number(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rl_assets.rl.metrics.BUILT_IN", {"given": Given})
    monkeypatch.setattr(Given, "values", [np.nan, 2.0])
    meters = Meters(["given"], num_streams=2)
    assert meters.finish(np.array([True, True]), recorded=np.array([False, True]))["given"][1] == 2.0


@pytest.mark.parametrize("part", ["begin", "observe", "finish"])
def test_a_metric_that_raises_is_named(part: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(self, _):
        raise ZeroDivisionError("a / 0")

    monkeypatch.setattr("rl_assets.rl.metrics.BUILT_IN", {"given": Given})
    monkeypatch.setattr(Given, part, fail)

    def measure() -> None:
        meters = Meters(["given"], num_streams=1)
        meters.observe(steps([0]))
        meters.finish(YES, recorded=YES)

    with pytest.raises(MetricFault, match=r"metric 'given' \(version 7\) failed \(ZeroDivisionError: a / 0\): mend it"):
        measure()


def test_the_example_of_the_documentation_is_the_metric_that_is_tested_here() -> None:
    page = (Path(__file__).parents[2] / "docs" / "rl-engineer.md").read_text()
    assert packages.LARGEST_REWARD.strip() in page
