import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rl_assets.statistics.aggregates import (
    interquartile_mean,
    optimality_gap,
    performance_profile,
    probability_of_improvement,
)
from rl_assets.statistics.estimates import iqm

FUNCTIONS = {
    "interquartile_mean": interquartile_mean,
    "optimality_gap": optimality_gap,
    "performance_profile": lambda scores: performance_profile(scores, [0.0]),
    "probability_of_improvement, scores": lambda scores: probability_of_improvement(scores, [[1.0]]),
    "probability_of_improvement, baseline": lambda scores: probability_of_improvement([[1.0]], scores),
}
SHAPES = [(1, 1), (2, 1), (3, 2), (5, 1), (5, 26), (10, 7)]


def draw(shape: tuple[int, ...], seed: int = 0, *, steps: int | None = None) -> np.ndarray:
    """Scores around 1; `steps` rounds them so that many are equal."""
    scores = np.random.default_rng(seed).normal(1.0, 0.7, shape)
    return scores if steps is None else np.round(scores * steps) / steps


def test_the_interquartile_mean_pools_seeds_and_environments():
    # of -9, 1, 2, 3, 4, 99 one is cut on either side: (1 + 2 + 3 + 4) / 4
    assert interquartile_mean([[1, 99], [3, -9], [2, 4]]) == 2.5
    assert interquartile_mean([[7.0]]) == 7.0


def test_the_optimality_gap_forgives_nothing_above_the_target():
    # shortfalls 0.5, 0, 0, 1
    assert optimality_gap([[0.5, 2.0], [1.0, 0.0]]) == 0.375
    assert optimality_gap([[3.0], [4.0]]) == 0.0
    assert optimality_gap([[3.0], [4.0]], target=5.0) == 1.5


def test_a_performance_profile_counts_what_exceeds_each_threshold():
    profile = performance_profile([[0.0, 0.5], [1.0, 2.0]], [-1.0, 0.0, 0.5, 1.9, math.inf])
    assert profile.tolist() == [1.0, 0.75, 0.5, 0.25, 0.0]


def test_the_probability_of_improvement_counts_pairs_and_halves_ties():
    # 3 beats 1 and 2, 2 beats 1 and ties with 2: 3.5 of 4
    assert probability_of_improvement([[3], [2]], [[1], [2]]) == 0.875
    # certain in one environment, hopeless in the other
    assert probability_of_improvement([[1, 0]], [[0, 9], [0, 9], [0, 9]]) == 0.5


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("steps", [None, 2])
def test_the_aggregates_are_those_of_the_reference(rliable, shape: tuple[int, int], steps: int | None):
    scores = draw(shape, seed=sum(shape), steps=steps)
    baseline = draw((shape[0] + 2, shape[1]), seed=1, steps=steps)
    reference = rliable.metrics
    assert interquartile_mean(scores) == pytest.approx(reference.aggregate_iqm(scores), abs=1e-9)
    for target in (0.5, 1.0, 3.0):
        expected = reference.aggregate_optimality_gap(scores, gamma=target)
        assert optimality_gap(scores, target=target) == pytest.approx(expected, abs=1e-9)
    thresholds = np.array([-1.0, 0.0, 0.5, 1.0, 2.5])
    expected = rliable.library.score_distributions(scores, thresholds)
    np.testing.assert_allclose(performance_profile(scores, thresholds), expected, atol=1e-9)
    for ours, theirs in ((scores, baseline), (baseline, scores), (scores, scores)):
        expected = reference.probability_of_improvement(ours, theirs)
        assert probability_of_improvement(ours, theirs) == pytest.approx(expected, abs=1e-9)


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=30))
def test_over_one_environment_the_interquartile_mean_is_that_of_the_sample(values: list[float]):
    column = np.array(values)[:, None]
    assert interquartile_mean(column) == pytest.approx(iqm(values), rel=1e-12, abs=1e-6)


@given(seed=st.integers(0, 2**32 - 1))
def test_improvement_over_another_and_the_others_over_it_are_one_together(seed: int):
    ours, theirs = draw((4, 3), seed, steps=2), draw((6, 3), seed + 1, steps=2)
    both = probability_of_improvement(ours, theirs) + probability_of_improvement(theirs, ours)
    assert both == pytest.approx(1.0, abs=1e-12)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_batch_gives_what_its_elements_give_by_themselves(name: str):
    batch = draw((3, 4, 5, 1))
    together = FUNCTIONS[name](batch)
    assert together.shape[:2] == (3, 4)
    for place in np.ndindex(3, 4):
        np.testing.assert_allclose(together[place], FUNCTIONS[name](batch[place]), atol=1e-12)


@pytest.mark.parametrize("name", FUNCTIONS)
@pytest.mark.parametrize(
    ("scores", "words"),
    [
        ([1.0, 2.0], r"expected \[..., num_seeds, num_envs\] with at least one of each, got shape \(2,\)"),
        (np.ones((0, 3)), r"got shape \(0, 3\)"),
        ([[1.0], [math.nan]], r"the score at \(1, 0\) is nan, expected a finite number: a failed training is not"),
    ],
)
def test_what_are_no_scores_is_refused_with_the_reason(name: str, scores, words: str):
    with pytest.raises(ValueError, match=f"{name}: .*{words}"):
        FUNCTIONS[name](scores)


def test_questions_that_make_no_sense_are_refused():
    with pytest.raises(ValueError, match="target nan is not a finite number"):
        optimality_gap([[1.0]], target=math.nan)
    for thresholds in ([], [[1.0]], [math.nan]):
        with pytest.raises(ValueError, match=r"thresholds are .* expected one axis of numbers"):
            performance_profile([[1.0]], thresholds)
    with pytest.raises(ValueError, match="scores in 2 and baseline in 1 environments"):
        probability_of_improvement([[1.0, 2.0]], [[1.0]])
