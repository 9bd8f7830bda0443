import itertools

import numpy as np
import pytest
from scipy.stats import t

from rl_assets.statistics.gates import GateDecision
from rl_assets.statistics.spending import (
    LOOK_SHARES,
    MAX_LOOKS,
    alpha_of_test,
    confidence_of_look,
    decide_by_looks,
    power_of_pairs,
)


def decision(verdict) -> GateDecision:
    return GateDecision(name="gate", verdict=verdict, reason="because", numbers={})


def test_the_first_tests_of_a_reign_may_err_by_worked_shares():
    assert [alpha_of_test(number, confidence=0.95) for number in (1, 2, 3, 20)] == pytest.approx(
        [0.05 / 2, 0.05 / 6, 0.05 / 12, 0.05 / 420]
    )


@pytest.mark.parametrize("confidence", [0.9, 0.95, 0.999])
def test_all_tests_of_a_reign_together_never_err_by_more_than_was_promised(confidence):
    spent = sum(alpha_of_test(number, confidence=confidence) for number in range(1, 10_001))
    assert 0.999 * (1 - confidence) < spent < 1 - confidence


def test_the_looks_of_a_test_share_its_error():
    errors = [1 - confidence_of_look(look, alpha=0.02) for look in (1, 2, 3)]
    assert errors == pytest.approx([0.004, 0.006, 0.01])
    assert sum(LOOK_SHARES) == pytest.approx(1)


@pytest.mark.parametrize("look", [0, 4, -1])
def test_there_is_no_fourth_look(look):
    with pytest.raises(ValueError, match="expected 1 to 3"):
        confidence_of_look(look, alpha=0.02)


def test_a_test_has_a_number_from_one():
    with pytest.raises(ValueError, match="number is 0"):
        alpha_of_test(0, confidence=0.95)


@pytest.mark.parametrize("verdicts", list(itertools.product(["pass", "hold", "fail"], repeat=MAX_LOOKS)))
def test_looking_ends_with_the_first_answer_and_after_three_looks_anyway(verdicts):
    asked = []

    def ask(look, confidence):
        asked.append((look, confidence))
        return [decision("pass"), decision(verdicts[look - 1])]

    decisions, looks = decide_by_looks(ask, alpha=0.02)
    first = next((index for index, verdict in enumerate(verdicts) if verdict != "hold"), MAX_LOOKS - 1)
    assert looks == first + 1
    assert decisions[1].verdict == verdicts[first]
    assert asked == [(look, confidence_of_look(look, alpha=0.02)) for look in range(1, looks + 1)]


@pytest.mark.parametrize(("improvement", "num_pairs", "confidence"), [(0.28, 100, 0.95), (0.5, 20, 0.99), (0, 30, 0.9)])
def test_power_is_what_simulation_gives(improvement, num_pairs, confidence):
    draws = np.random.default_rng(0).standard_normal((20_000, num_pairs)) + improvement
    means, errors = draws.mean(axis=1), draws.std(axis=1, ddof=1) / np.sqrt(num_pairs)
    simulated = (means / errors > t.ppf(confidence, num_pairs - 1)).mean()
    found = power_of_pairs(improvement, num_pairs=num_pairs, confidence=confidence)
    assert found == pytest.approx(simulated, abs=0.012)


def test_four_tenths_of_a_deviation_are_seen_by_the_default_gates_in_the_first_twenty_tests():
    for number in range(1, 21):
        alpha = alpha_of_test(number, confidence=0.95)
        power = power_of_pairs(0.4 / np.sqrt(2), num_pairs=300, confidence=confidence_of_look(3, alpha=alpha))
        assert power > 0.8
