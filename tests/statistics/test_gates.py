import json
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rl_assets.statistics.estimates import lower_bound, upper_bound
from rl_assets.statistics.gates import (
    GateDecision,
    all_of,
    beats_champion,
    combine,
    hold,
    limit_gate,
    share_gate,
    tail_gate,
)

RETURNS = [1.0, 2.0, 3.0]


def decision(verdict) -> GateDecision:
    return GateDecision(name="gate", verdict=verdict, reason="because", numbers={})


def test_a_floor_is_reached_when_the_lower_bound_reaches_it():
    assert limit_gate(RETURNS, lower_bound(RETURNS)).verdict == "pass"
    assert limit_gate(RETURNS, math.nextafter(lower_bound(RETURNS), math.inf)).verdict == "hold"


def test_a_floor_is_missed_when_the_upper_bound_stays_below_it():
    assert limit_gate(RETURNS, upper_bound(RETURNS)).verdict == "hold"
    assert limit_gate(RETURNS, math.nextafter(upper_bound(RETURNS), math.inf)).verdict == "fail"


def test_a_high_mean_of_a_wild_policy_holds():
    assert limit_gate([1000.0, 0.0, 1000.0, 0.0], 475).verdict == "hold"


def test_more_confidence_asks_for_more():
    returns = [478.0, 480.0, 482.0, 484.0]
    assert limit_gate(returns, 475, 0.95).verdict == "pass"
    assert limit_gate(returns, 475, 0.9999).verdict == "hold"


@pytest.mark.parametrize(
    ("floor", "verdict"), [(475, "pass"), (500, "pass"), (500.0000001, "fail"), (-200, "pass"), (600, "fail")]
)
def test_a_perfect_policy_without_variance_is_judged_by_its_mean(floor: float, verdict: str):
    assert limit_gate([500.0] * 100, floor).verdict == verdict


def test_one_episode_holds_however_good_or_bad():
    assert limit_gate([500.0], 475).verdict == "hold"
    assert limit_gate([0.0], 475).verdict == "hold"


def test_a_floor_says_why_in_numbers_and_words():
    passed = limit_gate([500.0] * 100, 475)
    assert passed.reason == (
        "100 episodes have a mean of 500, with 95 % confidence at least 500: the floor of 475 is reached"
    )
    assert passed.numbers == {
        "mean": 500.0,
        "floor": 475,
        "num_episodes": 100,
        "lower_bound": 500.0,
        "upper_bound": 500.0,
        "std": 0.0,
        "confidence": 0.95,
    }
    assert "at most 3.68585: the floor of 475 is missed" in limit_gate(RETURNS, 475).reason
    assert "between 0.314146 and 3.68585: the floor of 2 lies inside" in limit_gate(RETURNS, 2).reason
    assert "run at least two" in limit_gate([500.0], 475).reason


@pytest.mark.parametrize(
    ("returns", "floor", "confidence", "words"),
    [
        ([], 475, 0.95, "floor gate values: expected at least 1 values, got 0"),
        ([500.0, math.nan], 475, 0.95, "value 1 is nan, .* a failed episode is not a score"),
        ([500.0, 500.0], math.nan, 0.95, "floor nan is not a finite number"),
        ([500.0, 500.0], -math.inf, 0.95, "floor -inf is not a finite number"),
        ([500.0, 500.0], 475, 0.0, "confidence 0.0 is outside"),
        ([500.0, 500.0], 475, 95, "confidence 95 is outside"),
    ],
)
def test_a_floor_that_cannot_be_decided_is_refused(returns, floor, confidence, words):
    with pytest.raises(ValueError, match=words):
        limit_gate(returns, floor, confidence)


def test_a_candidate_that_is_better_on_every_start_passes_and_a_worse_one_fails():
    champion = [100.0, 200.0, 300.0, 400.0]
    better = [110.0, 212.0, 311.0, 409.0]
    assert beats_champion(better, champion).verdict == "pass"
    assert beats_champion(champion, better).verdict == "fail"


def test_a_difference_lost_in_noise_holds():
    assert beats_champion([1.0, 5.0, 2.0, 4.0], [2.0, 3.0, 4.0, 1.0]).verdict == "hold"


def test_the_bound_must_be_above_zero_and_not_at_it():
    differences = np.array(RETURNS) - lower_bound(RETURNS)
    decision = beats_champion(differences, np.zeros(3))
    assert decision.numbers["lower_bound"] == pytest.approx(0.0, abs=1e-12)
    nudge = 1e-9
    assert beats_champion(differences - nudge, np.zeros(3)).verdict == "hold"
    assert beats_champion(differences + nudge, np.zeros(3)).verdict == "pass"


def test_identical_policies_hold():
    returns = [500.0, 480.0, 500.0]
    decision = beats_champion(returns, returns)
    assert decision.verdict == "hold"
    assert decision.reason == "all 3 pairs differ by exactly 0: no spread to judge by"


@pytest.mark.parametrize("shift", [5.0, -5.0])
def test_a_constant_difference_holds_as_its_pairs_are_no_independent_evidence(shift: float):
    assert beats_champion(np.full(50, 500.0 + shift), np.full(50, 500.0)).verdict == "hold"


def test_beating_the_champion_says_why_in_numbers_and_words():
    better = beats_champion([3.0, 5.0, 7.0], [1.0, 2.0, 3.0])
    assert better.name == "beats_champion"
    assert better.reason == (
        "3 paired episodes differ by 3 on average, with 95 % confidence by at least 1.31415: the candidate is better"
    )
    assert better.numbers["mean_improvement"] == 3.0
    assert better.numbers["num_pairs"] == 3
    assert "the candidate is worse" in beats_champion([1.0, 2.0, 3.0], [3.0, 5.0, 7.0]).reason
    assert "cannot be told apart" in beats_champion([1.0, 5.0], [2.0, 3.0]).reason


@pytest.mark.parametrize(
    ("candidate", "champion", "words"),
    [
        ([], [], "candidate returns: expected at least 2 values, got 0"),
        ([1.0], [0.0], "expected at least 2 values, got 1"),
        ([1.0, 2.0], [0.0], "champion returns: expected at least 2 values"),
        ([1.0, 2.0, 3.0], [0.0, 1.0], "do not pair up"),
        ([1.0, math.nan], [0.0, 1.0], "candidate returns: value 1 is nan"),
        ([1.0, 2.0], [0.0, math.inf], "champion returns: value 1 is inf"),
    ],
)
def test_pairs_that_cannot_be_compared_are_refused(candidate, champion, words):
    with pytest.raises(ValueError, match=words):
        beats_champion(candidate, champion)


@given(
    pairs=st.lists(st.tuples(st.floats(-1e3, 1e3), st.floats(-1e3, 1e3)), min_size=2, max_size=20),
    confidence=st.floats(0.6, 0.999),
)
def test_swapping_the_two_never_lets_both_win(pairs: list[tuple[float, float]], confidence: float):
    left, right = zip(*pairs, strict=True)
    opposite = {"pass": "fail", "hold": "hold", "fail": "pass"}
    forward = beats_champion(left, right, confidence).verdict
    assert beats_champion(right, left, confidence).verdict == opposite[forward]


@given(returns=st.lists(st.floats(-1e3, 1e3), min_size=2, max_size=20), floors=st.tuples(*[st.floats(-2e3, 2e3)] * 2))
def test_a_higher_floor_never_helps(returns: list[float], floors: tuple[float, float]):
    order = ["fail", "hold", "pass"]
    low, high = sorted(floors)
    assert order.index(limit_gate(returns, high).verdict) <= order.index(limit_gate(returns, low).verdict)


def test_an_equal_candidate_wins_no_more_often_than_stated():
    generator = np.random.default_rng(11)
    draws = generator.normal(size=(3000, 2, 30))
    wins = np.mean([beats_champion(candidate, champion).verdict == "pass" for candidate, champion in draws])
    assert wins == pytest.approx(0.05, abs=0.012)


def test_a_policy_at_the_floor_passes_no_more_often_than_stated_and_a_better_one_mostly_does():
    draws = np.random.default_rng(12).normal(475.0, 20.0, size=(2000, 100))
    assert np.mean([limit_gate(row, 475).verdict == "pass" for row in draws]) == pytest.approx(0.05, abs=0.015)
    assert np.mean([limit_gate(row + 8, 475).verdict == "pass" for row in draws]) > 0.95


@pytest.mark.parametrize(
    ("verdicts", "expected"),
    [
        (["pass"], "pass"),
        (["pass", "pass"], "pass"),
        (["pass", "hold"], "hold"),
        (["hold", "fail", "pass"], "fail"),
        (["fail", "fail"], "fail"),
    ],
)
def test_the_worst_gate_decides(verdicts: list[str], expected: str):
    assert combine([decision(verdict) for verdict in verdicts]) == expected


def test_what_no_gate_judged_has_not_passed():
    with pytest.raises(ValueError, match="expected at least one gate decision"):
        combine([])


def test_a_decision_survives_json():
    for made in (limit_gate(RETURNS, 2), beats_champion(RETURNS, [0.0, 0.0, 0.0]), hold("meets_floor", "no floor")):
        assert GateDecision.from_json(json.loads(json.dumps(made.to_json()))) == made


@pytest.mark.parametrize("change", [{"verdict": "maybe"}, {"colour": "blue"}])
def test_a_decision_that_nobody_made_is_refused(change):
    with pytest.raises(ValueError, match="pass, hold or fail"):
        GateDecision.from_json(decision("pass").to_json() | change)


def test_a_ceiling_is_kept_when_the_upper_bound_stays_below_it():
    assert limit_gate(RETURNS, upper_bound(RETURNS), kind="ceiling").verdict == "pass"
    assert limit_gate(RETURNS, math.nextafter(upper_bound(RETURNS), -math.inf), kind="ceiling").verdict == "hold"
    assert limit_gate(RETURNS, math.nextafter(lower_bound(RETURNS), -math.inf), kind="ceiling").verdict == "fail"
    assert "the ceiling of 5 is kept" in limit_gate(RETURNS, 5, kind="ceiling").reason
    assert "the ceiling of 0 is exceeded" in limit_gate(RETURNS, 0, kind="ceiling").reason


def test_a_high_mean_does_not_hide_a_bad_tail():
    returns = [500.0] * 280 + [0.0] * 20
    assert limit_gate(returns, 440).verdict == "pass"
    assert tail_gate(returns, 440).verdict == "fail"
    assert tail_gate([500.0] * 300, 440).verdict == "pass"


def test_a_tail_of_few_episodes_holds():
    decision = tail_gate([500.0] * 20, 440)
    assert decision.verdict == "hold"
    assert "too few to bound it" in decision.reason


@pytest.mark.parametrize(("num_failed", "verdict"), [(0, "pass"), (1, "pass"), (2, "hold"), (9, "hold"), (10, "fail")])
def test_few_failures_are_stable_and_many_are_not(num_failed, verdict):
    returns = [500.0] * (100 - num_failed) + [10.0] * num_failed
    assert share_gate(returns, least=400, max_share=0.05).verdict == verdict


def test_stability_says_why_in_numbers_and_words():
    decision = share_gate([500.0] * 99 + [10.0], least=400, max_share=0.05)
    assert decision.reason == (
        "1 of 100 episodes fall below 400, with 95 % confidence at most 4.65598 %: the ceiling of 5 % is kept"
    )
    assert decision.numbers["share_below"] == 0.01


@pytest.mark.parametrize("max_share", [0.0, 1.0, -0.1, math.nan])
def test_a_share_that_is_none_is_refused(max_share):
    with pytest.raises(ValueError, match="outside"):
        share_gate([1.0, 2.0], least=0, max_share=max_share)


def test_with_a_margin_it_is_enough_not_to_be_worse_by_more():
    champion = np.arange(100.0)
    slightly_worse = champion - 1 + 0.1 * np.cos(champion)
    assert beats_champion(slightly_worse, champion).verdict == "fail"
    decision = beats_champion(slightly_worse, champion, margin=2.0)
    assert decision.verdict == "pass"
    assert "the candidate is not worse by more than the allowed 2" in decision.reason
    assert beats_champion(slightly_worse, champion, margin=0.5).verdict == "fail"
    assert beats_champion(slightly_worse, champion, margin=1.0).verdict == "hold"


def test_equal_pairs_hold_whatever_the_margin():
    assert beats_champion([500.0] * 100, [500.0] * 100, margin=10.0).verdict == "hold"


@pytest.mark.parametrize(("margin", "words"), [(-1.0, "is negative"), (math.nan, "not a finite number")])
def test_a_margin_that_is_none_is_refused(margin, words):
    with pytest.raises(ValueError, match=words):
        beats_champion([1.0, 2.0], [1.0, 3.0], margin=margin)


def test_several_decisions_become_one_that_keeps_their_reasons_and_numbers():
    whole = all_of("limits", {"length": limit_gate(RETURNS, 5, kind="ceiling"), "cvar10": limit_gate(RETURNS, 475)})
    assert (whole.name, whole.verdict) == ("limits", "fail")
    assert whole.reason.startswith("length: 3 episodes have a mean of 2, ")
    assert "; cvar10: " in whole.reason
    assert whole.numbers["cvar10.floor"] == 475
