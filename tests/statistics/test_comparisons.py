import math

import numpy as np
import pytest
import scipy.stats
from hypothesis import given
from hypothesis import strategies as st

from rl_assets.statistics.comparisons import REPLICATION_SEEDS, may_be_best, unseen_failure_rate

recipes = st.lists(st.lists(st.floats(-100, 100), min_size=1, max_size=8), min_size=1, max_size=8)


@given(scores=recipes)
def test_ties_agree_with_welchs_test_of_each_against_the_leader(scores: list[list[float]]):
    means = [math.fsum(seeds) / len(seeds) for seeds in scores]
    found = may_be_best(scores)
    best = [seeds for seeds, mean in zip(scores, means, strict=True) if mean == max(means)]
    leader = max(best, key=len)
    for seeds, mean, is_tied in zip(scores, means, found, strict=True):
        if min(len(seeds), len(leader)) < REPLICATION_SEEDS or mean >= max(means) - 1e-9:
            assert is_tied
            continue
        spreads = np.std(seeds, ddof=1), np.std(leader, ddof=1)
        if max(spreads) < 1e-6:
            continue  # the reference loses its digits
        probability = scipy.stats.ttest_ind(leader, seeds, equal_var=False, alternative="greater").pvalue
        threshold = 0.05 / max(1, len(scores) - 1)
        if not math.isclose(probability, threshold, rel_tol=1e-6):
            assert is_tied == (probability >= threshold)


def test_a_recipe_is_told_apart_where_the_lead_is_large_for_its_spread():
    leader = [480.0, 490.0, 500.0, 495.0, 485.0]
    near, far = [470.0, 500.0, 490.0, 480.0, 480.0], [20.0, 30.0, 25.0, 35.0, 15.0]
    assert may_be_best([far, leader, near]).tolist() == [False, True, True]


def test_the_more_recipes_compete_the_larger_the_lead_has_to_be():
    leader, other = [4.0, 5.0, 6.0, 5.0, 5.0], [3.0, 4.0, 5.0, 4.0, 3.5]
    assert may_be_best([leader, other]).tolist() == [True, False]
    crowd = [[0.0, 0.1, 0.2, 0.1, 0.0]] * 30
    assert may_be_best([leader, other, *crowd]).tolist() == [True, True] + [False] * 30


def test_without_any_spread_a_lower_mean_is_told_apart_and_an_equal_one_is_not():
    assert may_be_best([[500.0] * 5, [500.0] * 5, [499.0] * 5]).tolist() == [True, True, False]


def test_the_smallest_and_largest_spreads_neither_overflow_nor_vanish():
    tiny = [[1e-200, 2e-200, 3e-200, 2e-200, 2e-200], [0.0, 1e-210, 0.0, 0.0, 0.0]]
    assert may_be_best(tiny).tolist() == [True, False]
    huge = [[1e150, 1e150, 1e150, 1e150, 9e149], [-1e150, -1e150, 1e150, -1e150, -1e150]]
    assert may_be_best(huge)[0]


@pytest.mark.parametrize("num_seeds", [1, 2, 4])
def test_with_fewer_than_five_seeds_nothing_is_told_apart(num_seeds: int):
    good = [100.0 + seed for seed in range(5)]
    bad = [1.0 + seed for seed in range(5)]
    assert may_be_best([good, bad]).tolist() == [True, False]
    assert may_be_best([good, bad[:num_seeds]]).tolist() == [True, True]
    assert may_be_best([good[:num_seeds], bad]).tolist() == [True, True]


def test_of_equal_leaders_the_one_with_most_seeds_is_compared_with():
    assert may_be_best([[9.0], [9.0, 8.0, 10.0, 9.0, 9.0], [1.0, 2.0, 1.0, 2.0, 1.0]]).tolist() == [True, True, False]


@pytest.mark.parametrize("num_recipes", [0, 1])
def test_who_competes_with_nobody_may_be_best(num_recipes: int):
    assert may_be_best([[1.0, 2.0]] * num_recipes).tolist() == [True] * num_recipes


def test_scores_that_are_none_are_refused():
    with pytest.raises(ValueError, match="scores of recipe 1: value 0 is nan"):
        may_be_best([[1.0], [math.nan]])
    with pytest.raises(ValueError, match="scores of recipe 0: expected at least 1"):
        may_be_best([[]])
    with pytest.raises(ValueError, match="confidence 95 is outside"):
        may_be_best([[1.0]], confidence=95)


def test_failures_that_have_not_shown_are_bounded_by_the_number_of_seeds():
    # 0.55 ** 5 is 0.0503 and 0.7411 ** 10 is 0.0500
    assert unseen_failure_rate(5) == pytest.approx(0.4507, abs=1e-4)
    assert unseen_failure_rate(10) == pytest.approx(0.2589, abs=1e-4)
    assert unseen_failure_rate(1) == pytest.approx(0.95)
    bound = scipy.stats.binomtest(0, 5, alternative="less").proportion_ci(0.95).high
    assert unseen_failure_rate(5) == pytest.approx(bound)
    with pytest.raises(ValueError, match="num_seeds is 0, expected at least 1"):
        unseen_failure_rate(0)
