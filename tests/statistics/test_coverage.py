import numpy as np
import pytest

from rl_assets.statistics.coverage import COVERAGE, SCORES, known_coverage, simulate_coverage, simulate_exclusion
from rl_assets.statistics.estimates import Interval


@pytest.mark.parametrize("name", SCORES)
def test_the_stated_moments_are_those_of_the_draws(name: str):
    scores = SCORES[name]
    drawn = scores.draw(np.random.default_rng(0), (2_000_000,))
    assert drawn.mean() == pytest.approx(scores.mean, abs=0.01 * scores.std)
    assert drawn.std() == pytest.approx(scores.std, rel=0.03)


@pytest.mark.parametrize("num_seeds", [3, 5, 20])
@pytest.mark.parametrize("name", SCORES)
def test_the_table_of_coverage_is_what_simulation_gives(name: str, num_seeds: int):
    found = simulate_coverage(SCORES[name], num_seeds=num_seeds, num_trials=1000, seed=11)
    # Three standard errors of 1,000 trials are at most 4.8 points.
    assert found == pytest.approx(COVERAGE[num_seeds][name], abs=0.048)


def test_the_table_tells_where_intervals_over_few_seeds_fail():
    assert COVERAGE[5]["normal"] > 0.94
    assert 0.85 < COVERAGE[5]["skewed"] < 0.92
    assert COVERAGE[5]["a tenth fails"] < 0.5, "a failure that did not happen is in no interval"


def test_the_coverage_of_a_method_that_is_always_or_never_right_is_known():
    arguments = {"num_seeds": 3, "num_trials": 20, "seed": 0}
    everything = simulate_coverage(SCORES["normal"], method=lambda _: Interval(low=-1e9, high=1e9), **arguments)
    nothing = simulate_coverage(SCORES["normal"], method=lambda _: Interval(low=1e9, high=1e9), **arguments)
    assert (everything, nothing) == (1.0, 0.0)


@pytest.mark.parametrize(("num_seeds", "row"), [(2, 2), (4, 3), (5, 5), (19, 10), (1000, 20)])
def test_between_the_simulated_numbers_of_seeds_the_lower_one_counts(num_seeds: int, row: int):
    assert known_coverage(num_seeds) == COVERAGE[row]


def test_one_seed_has_no_interval_and_no_coverage():
    with pytest.raises(ValueError, match="num_seeds is 1, expected at least 2"):
        known_coverage(1)


@pytest.mark.parametrize("name", SCORES)
@pytest.mark.parametrize(("num_recipes", "num_trials"), [(2, 1000), (5, 1000), (20, 400)])
def test_the_best_recipe_is_among_those_that_may_be_best(name: str, num_recipes: int, num_trials: int):
    """All recipes are equal, so that every one of them is best and the leader is one by luck."""
    wrong, _ = simulate_exclusion(
        SCORES[name], num_recipes=num_recipes, num_seeds=5, num_trials=num_trials, seed=num_recipes
    )
    three_standard_errors = 3 * np.sqrt(0.05 * 0.95 / num_trials)
    assert wrong <= 0.05 + three_standard_errors


def test_recipes_that_are_far_behind_are_told_apart():
    wrong, apart = simulate_exclusion(SCORES["normal"], num_recipes=20, num_seeds=5, num_trials=100, seed=0, lead=6.0)
    assert wrong == 0.0
    assert apart > 0.99
