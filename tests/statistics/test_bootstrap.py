import numpy as np
import pytest

from rl_assets.statistics import bootstrap
from rl_assets.statistics.aggregates import (
    interquartile_mean,
    optimality_gap,
    performance_profile,
    probability_of_improvement,
)
from rl_assets.statistics.bootstrap import bootstrap_interval, draw_resamples, resampled_statistics
from rl_assets.statistics.coverage import SCORES, simulate_coverage

SCORES_OF_ONE = np.random.default_rng(0).normal(1.0, 0.5, (5, 4))
SCORES_OF_ANOTHER = np.random.default_rng(1).normal(0.8, 0.5, (7, 4))
NUM_RESAMPLES = 300


def test_each_environment_is_resampled_by_itself():
    scores = np.array([[1.0, 10.0], [2.0, 20.0]])
    draws = np.array([[[0, 0], [0, 1]], [[1, 1], [1, 0]]])
    seen = []

    def sums(resampled):
        seen.append(resampled.tolist())
        return resampled.sum(axis=(-2, -1))

    assert resampled_statistics(sums, scores, resamples=[draws]).tolist() == [32.0, 34.0]
    assert seen == [[[[1, 10], [1, 20]], [[2, 20], [2, 10]]]]


def test_resamples_are_drawn_from_the_seed_alone_and_reach_every_seed():
    draws = draw_resamples(num_seeds=5, num_envs=3, num_resamples=200, seed=4)
    assert draws.shape == (200, 5, 3)
    assert np.array_equal(draws, draw_resamples(num_seeds=5, num_envs=3, num_resamples=200, seed=4))
    assert not np.array_equal(draws, draw_resamples(num_seeds=5, num_envs=3, num_resamples=200, seed=5))
    for env in range(3):
        counts = np.bincount(draws[:, :, env].ravel(), minlength=5)
        assert counts.sum() == 1000
        assert counts.min() > 150  # 200 are expected, with a standard deviation of 13


@pytest.mark.parametrize("name", ["interquartile_mean", "optimality_gap", "performance_profile"])
def test_intervals_of_one_sample_are_those_of_the_reference_on_shared_resamples(rliable, name: str):
    ours, theirs = {
        "interquartile_mean": (interquartile_mean, rliable.metrics.aggregate_iqm),
        "optimality_gap": (optimality_gap, rliable.metrics.aggregate_optimality_gap),
        "performance_profile": (
            lambda scores: performance_profile(scores, [0.9])[..., 0],
            lambda scores: rliable.library.run_score_deviation(scores, 0.9),
        ),
    }[name]
    draws = reference_draws(rliable.library.StratifiedBootstrap(SCORES_OF_ONE))
    np.random.seed(7)  # the reference draws from numpy's global generator
    _, expected = rliable.library.get_interval_estimates(
        {"x": SCORES_OF_ONE}, lambda scores: np.array([theirs(scores)]), reps=NUM_RESAMPLES
    )
    interval = bootstrap_interval(ours, SCORES_OF_ONE, resamples=draws)
    assert [interval.low, interval.high] == pytest.approx(expected["x"][:, 0], abs=1e-9)
    assert interval.low < interval.high


def test_intervals_of_two_samples_are_those_of_the_reference_on_shared_resamples(rliable):
    pair = [SCORES_OF_ONE, SCORES_OF_ANOTHER]
    draws = reference_draws(rliable.library.StratifiedIndependentBootstrap(*pair))
    np.random.seed(7)
    _, expected = rliable.library.get_interval_estimates(
        {"x": pair},
        lambda x, y: np.array([rliable.metrics.probability_of_improvement(x, y)]),
        reps=NUM_RESAMPLES,
        confidence_interval_size=0.8,
    )
    interval = bootstrap_interval(probability_of_improvement, *pair, resamples=draws, confidence=0.8)
    assert [interval.low, interval.high] == pytest.approx(expected["x"][:, 0], abs=1e-9)


def reference_draws(sampler) -> list[np.ndarray]:
    """The resamples that the reference draws after the same global seed, one set for each of its samples."""
    np.random.seed(7)
    updates = [sampler.update_indices() for _ in range(NUM_RESAMPLES)]
    if isinstance(updates[0][0], list):  # of several samples: positional ones, then named ones
        return [np.stack([update[0][place][0] for update in updates]) for place in range(len(updates[0][0]))]
    return [np.stack([update[0] for update in updates])]


def test_the_size_of_the_parts_in_memory_changes_nothing(monkeypatch):
    draws = [draw_resamples(num_seeds=5, num_envs=4, num_resamples=50, seed=0)]
    whole = resampled_statistics(interquartile_mean, SCORES_OF_ONE, resamples=draws)
    for size in (1, 20, 61):
        monkeypatch.setattr(bootstrap, "CHUNK_SCORES", size)
        assert np.array_equal(resampled_statistics(interquartile_mean, SCORES_OF_ONE, resamples=draws), whole)


def test_no_more_scores_are_in_memory_at_a_time_than_stated(monkeypatch):
    monkeypatch.setattr(bootstrap, "CHUNK_SCORES", 100)
    sizes = []

    def statistic(resampled):
        sizes.append(resampled.size)
        return interquartile_mean(resampled)

    draws = [draw_resamples(num_seeds=5, num_envs=4, num_resamples=13, seed=0)]
    resampled_statistics(statistic, SCORES_OF_ONE, resamples=draws)
    assert max(sizes) <= 100
    assert sum(sizes) == 13 * 20


def test_a_percentile_interval_over_few_seeds_is_less_honest_than_students():
    draws = [draw_resamples(num_seeds=5, num_resamples=400, seed=0)]

    def percentile(scores):
        return bootstrap_interval(lambda part: part.mean(axis=(-2, -1)), scores[:, None], resamples=draws)

    arguments = {"num_seeds": 5, "num_trials": 1500, "seed": 3}
    resampled = simulate_coverage(SCORES["normal"], method=percentile, **arguments)
    assert 0.79 < resampled < 0.88
    assert simulate_coverage(SCORES["normal"], **arguments) > 0.93


@pytest.mark.parametrize(
    ("samples", "shapes", "words"),
    [
        ([], [], "0 samples with 0 sets of draws"),
        ([SCORES_OF_ONE], [], "1 samples with 0 sets of draws: give each its own"),
        ([SCORES_OF_ONE], [(9, 5, 3)], r"sample 0 has shape \(5, 4\), its draws are for \(5, 3\): draw with its"),
        ([SCORES_OF_ONE] * 2, [(9, 5, 4), (8, 5, 4)], r"samples have \[8, 9\] draws: draw equally many"),
        ([np.full((5, 4), np.nan)], [(9, 5, 4)], r"sample 0: the score at \(0, 0\) is nan"),
    ],
)
def test_samples_without_fitting_resamples_are_refused(samples, shapes, words: str):
    with pytest.raises(ValueError, match=words):
        bootstrap_interval(interquartile_mean, *samples, resamples=[np.zeros(shape, np.intp) for shape in shapes])


@pytest.mark.parametrize("name", ["num_seeds", "num_envs", "num_resamples"])
def test_counts_below_one_are_refused_by_name(name: str):
    with pytest.raises(ValueError, match=f"{name} is 0, expected at least 1"):
        draw_resamples(**({"num_seeds": 3, "seed": 0} | {name: 0}))


def test_a_confidence_that_is_none_is_refused():
    with pytest.raises(ValueError, match=r"confidence 95 is outside \(0.5, 1\)"):
        bootstrap_interval(interquartile_mean, SCORES_OF_ONE, resamples=[np.zeros((1, 5, 4), np.intp)], confidence=95)
