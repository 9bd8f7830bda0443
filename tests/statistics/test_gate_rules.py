from dataclasses import dataclass, field

import numpy as np
import pytest

from rl_assets.errors import GateFault
from rl_assets.statistics.gate_rules import GateRules, Limits, power_to_see
from rl_assets.statistics.gates import GateDecision, not_asked


@dataclass
class Played:
    returns: np.ndarray
    lengths: np.ndarray
    metrics: dict = field(default_factory=dict)


RNG = np.random.default_rng(0)
CANDIDATE = Played(RNG.normal(480, 10, 300), RNG.normal(100, 5, 300), {"smoothness": RNG.normal(0.2, 0.01, 300)})
CHAMPION = Played(RNG.normal(450, 10, 300), RNG.normal(100, 5, 300))


def verdicts(rules: GateRules, champion=CHAMPION) -> dict[str, str]:
    return {found.name: found.verdict for found in rules.decide(CANDIDATE, champion, confidence=0.99)}


def test_a_sweep_that_asks_for_little_is_asked_little():
    assert verdicts(GateRules(env="E", floor=400.0)) == {"meets_floor": "pass", "beats_champion": "pass"}
    assert verdicts(GateRules(env="E", floor=400.0, metrics={"length": Limits()})) == {
        "meets_floor": "pass",
        "beats_champion": "pass",
    }


def test_without_a_floor_nobody_can_tell():
    assert verdicts(GateRules(env="E", floor=None))["meets_floor"] == "hold"


@pytest.mark.parametrize(
    ("metric", "limits", "verdict"),
    [
        ("cvar10", Limits(floor=440.0), "pass"),
        ("cvar10", Limits(floor=475.0), "fail"),
        ("length", Limits(ceiling=102.0), "pass"),
        ("length", Limits(floor=102.0), "fail"),
        ("length", Limits(floor=90.0, ceiling=95.0), "fail"),
        ("smoothness", Limits(floor=0.1, ceiling=0.3), "pass"),
    ],
)
def test_further_metrics_keep_their_limits(metric, limits, verdict):
    assert verdicts(GateRules(env="E", floor=0.0, metrics={metric: limits}))["meets_metric_limits"] == verdict


def test_a_metric_that_nobody_measured_is_a_fault_and_no_verdict():
    with pytest.raises(GateFault, match="limit the metric 'grace', but the episodes hold smoothness"):
        verdicts(GateRules(env="E", floor=0.0, metrics={"grace": Limits(floor=1.0)}))


def test_how_often_an_episode_may_fail_is_asked_where_it_is_said():
    assert verdicts(GateRules(env="E", floor=0.0, least_return=440.0))["is_stable"] == "pass"
    assert verdicts(GateRules(env="E", floor=0.0, least_return=480.0))["is_stable"] == "fail"


def test_the_first_champion_has_nobody_to_beat():
    assert verdicts(GateRules(env="E", floor=0.0), champion=None)["beats_champion"] == "pass"


def test_an_installed_gate_is_asked_with_all_that_it_needs_and_under_its_own_name():
    asked = []

    def gate(evidence):
        asked.append(evidence)
        return GateDecision(name="anything", verdict="hold", reason="too loud", numbers={"decibel": 90})

    rules = GateRules(env="E", floor=0.0, plugins={"is_quiet": (gate, {"limit": 80})})
    decision = rules.decide(CANDIDATE, CHAMPION, confidence=0.99)[-1]
    assert decision == GateDecision(name="is_quiet", verdict="hold", reason="too loud", numbers={"decibel": 90})
    (evidence,) = asked
    assert (evidence.env, evidence.confidence, evidence.settings) == ("E", 0.99, {"limit": 80})
    assert evidence.candidate is CANDIDATE
    assert evidence.champion is CHAMPION


@pytest.mark.parametrize(
    ("gate", "words"),
    [
        (lambda _: 1 / 0, "gate 'mine' raised ZeroDivisionError: division by zero"),
        (lambda _: True, "gate 'mine' answered with bool, expected a GateDecision"),
    ],
)
def test_an_installed_gate_that_misbehaves_is_a_fault_and_no_verdict(gate, words):
    with pytest.raises(GateFault, match=words):
        verdicts(GateRules(env="E", floor=0.0, plugins={"mine": (gate, {})}))


def test_what_nobody_asks_passes_without_numbers():
    assert not_asked("x", "nobody").to_json() == {"name": "x", "verdict": "pass", "reason": "nobody", "numbers": {}}


def test_power_falls_as_a_reign_spends_and_rises_with_what_pairs_share():
    start = RNG.normal(0, 10, 300)
    alone = power_to_see(start + 1, RNG.normal(0, 10, 300), num_episodes=100, alpha=0.025)
    late = power_to_see(start + 1, RNG.normal(0, 10, 300), num_episodes=100, alpha=1e-5)
    shared = power_to_see(start + 1, start + RNG.normal(0, 1, 300), num_episodes=100, alpha=1e-5)
    assert alone is not None
    assert late is not None
    assert shared is not None
    assert late < alone
    assert shared > 0.9999
    assert power_to_see([1.0, 1.0], [1.0, 1.0], num_episodes=100, alpha=0.01) is None
