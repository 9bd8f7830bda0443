import math

import numpy as np
import pytest
import scipy.stats
from hypothesis import given
from hypothesis import strategies as st

from rl_assets.statistics.estimates import (
    Interval,
    cvar,
    iqm,
    lower_bound,
    mean,
    paired_improvement,
    sample_std,
    share_interval,
    t_interval,
    tail_interval,
    upper_bound,
)

numbers = st.floats(-1e6, 1e6)
samples = st.lists(numbers, min_size=2, max_size=30)
ESTIMATES = [mean, sample_std, iqm, cvar, t_interval, lower_bound, upper_bound]


def test_the_mean_of_small_numbers_worked_by_hand():
    assert mean([1, 2, 6]) == 3.0
    assert mean([500.0]) == 500.0
    # Summed from left to right these give 0: the small number drowns.
    assert mean([1e16, 1.0, -1e16]) == pytest.approx(1 / 3)


def test_the_standard_deviation_divides_by_one_less():
    # deviations -2, 0, 2: (4 + 0 + 4) / 2 = 4
    assert sample_std([1, 3, 5]) == 2.0


@given(value=numbers, count=st.integers(2, 200))
def test_equal_values_have_exactly_their_own_mean_and_no_spread(value: float, count: int):
    values = [value] * count
    assert mean(values) == value
    assert sample_std(values) == 0.0
    assert t_interval(values) == Interval(low=value, high=value)
    assert iqm(values) == cvar(values) == value


def test_the_interquartile_mean_leaves_out_a_quarter_on_each_side():
    assert iqm([100, 2, 3, 1]) == 2.5
    assert iqm([100, 2, 3, 4, 1]) == 3.0
    assert iqm([0, 1, 2, 3, 4, 5, 6, 100]) == 3.5
    assert iqm([1, 2, 9]) == 4.0


def test_the_largest_numbers_allowed_still_have_estimates():
    values = [1e150, -1e150, 1e150]
    assert all(math.isfinite(estimate(values)) for estimate in (mean, sample_std, iqm, cvar, lower_bound))


def test_the_conditional_value_at_risk_is_the_mean_of_the_worst_share():
    assert cvar(range(20)) == 0.5
    # 2.5 of 25 values: (0 + 1 + 2 / 2) / 2.5
    assert cvar(range(25)) == pytest.approx(0.8)
    assert cvar([7, 3.3, 5]) == 3.3
    assert cvar([1, 2, 3, 4], level=1.0) == 2.5
    assert cvar([1, 2, 3, 4], level=0.5) == 1.5


def test_bounds_worked_with_the_printed_table_of_student():
    # mean 2, standard deviation 1, n 3: t(2) is 4.302653 at 0.975 and 2.919986 at 0.95, over the root of 3
    interval = t_interval([1, 2, 3])
    assert (interval.low, interval.high) == pytest.approx((-0.484138, 4.484138), abs=1e-6)
    assert lower_bound([1, 2, 3]) == pytest.approx(0.314145, abs=1e-6)
    assert upper_bound([1, 2, 3]) == pytest.approx(3.685855, abs=1e-6)


def test_a_paired_improvement_worked_by_hand():
    # differences 2, 3, 4
    gain = paired_improvement([3, 5, 7], [1, 2, 3])
    assert (gain.mean, gain.std, gain.num_pairs) == (3.0, 1.0, 3)
    assert gain.lower_bound == pytest.approx(1.314145, abs=1e-6)
    assert gain.upper_bound == pytest.approx(4.685855, abs=1e-6)


def test_pairing_removes_what_both_share():
    starts = np.array([0.0, 100.0, 200.0, 300.0])
    gain = paired_improvement(starts + np.array([2, 1, 2, 1]), starts)
    assert gain.lower_bound > 0 > lower_bound(starts + 1.5) - mean(starts)


@given(values=samples)
def test_estimates_agree_with_slower_or_other_implementations(values: list[float]):
    scale = max(1.0, max(map(abs, values)))
    assert mean(values) == pytest.approx(np.mean(values), abs=1e-9 * scale)
    assert sample_std(values) == pytest.approx(np.std(values, ddof=1), rel=1e-9, abs=1e-9 * scale)
    assert iqm(values) == pytest.approx(scipy.stats.trim_mean(values, 0.25), abs=1e-9 * scale)
    error = np.std(values, ddof=1) / math.sqrt(len(values))
    low, high = scipy.stats.t.interval(0.9, len(values) - 1, loc=np.mean(values), scale=error) if error else values[:2]
    interval = t_interval(values, confidence=0.9)
    assert (interval.low, interval.high) == pytest.approx((low, high), rel=1e-6, abs=1e-6 * scale)


@given(values=samples, level=st.floats(0.01, 1))
def test_the_conditional_value_at_risk_agrees_with_its_definition_as_a_maximum(values: list[float], level: float):
    # CVaR = max over b of b - E[max(b - X, 0)] / level, and one of the values attains it.
    best = max(b - np.mean([max(b - value, 0.0) for value in values]) / level for b in values)
    assert cvar(values, level=level) == pytest.approx(best, rel=1e-6, abs=1e-6 * max(1.0, max(map(abs, values))))


@given(values=samples, seed=st.integers(0, 2**32 - 1))
def test_the_order_of_the_values_does_not_matter(values: list[float], seed: int):
    shuffled = np.random.default_rng(seed).permutation(values)
    for estimate in ESTIMATES:
        assert estimate(shuffled) == estimate(values)


@given(values=samples)
def test_estimates_keep_their_order(values: list[float]):
    interval = t_interval(values)
    rounding = 1e-12 * max(map(abs, values))
    assert min(values) <= cvar(values, level=0.05) <= cvar(values, level=0.5) + rounding
    assert cvar(values, level=0.5) <= mean(values) <= max(values)
    assert min(values) <= iqm(values) <= max(values)
    assert interval.low <= lower_bound(values) <= mean(values) <= upper_bound(values) <= interval.high
    assert t_interval(values, confidence=0.8).low >= interval.low


@given(values=samples)
def test_bounds_mirror_each_other(values: list[float]):
    assert upper_bound(values) == pytest.approx(-lower_bound([-value for value in values]), rel=1e-12)


@pytest.mark.parametrize("num_seeds", [3, 5, 10])
def test_the_interval_covers_the_mean_as_often_as_it_says_at_few_seeds(num_seeds: int):
    draws = np.random.default_rng(7).normal(3.0, 2.0, size=(3000, num_seeds))
    intervals = [t_interval(row) for row in draws]
    coverage = np.mean([interval.low <= 3.0 <= interval.high for interval in intervals])
    # Three standard errors of 3,000 trials are 1.2 points; a percentile bootstrap covers 64 to 90 %.
    assert coverage == pytest.approx(0.95, abs=0.012)
    below = np.mean([lower_bound(row) <= 3.0 for row in draws])
    assert below == pytest.approx(0.95, abs=0.012)


@pytest.mark.parametrize("estimate", ESTIMATES)
@pytest.mark.parametrize(
    ("values", "words"),
    [
        ([], "got 0: collect more"),
        ([1.0, math.nan], "value 1 is nan, expected a finite number.*: a failed episode is not a score"),
        ([math.inf, 1.0], "value 0 is inf"),
        ([1.0, -1e200], r"value 1 is -1e\+200, expected a finite number up to 1e\+150"),
        ([[1.0, 2.0]], r"expected one dimension, got shape \(1, 2\)"),
        (3.0, "expected one dimension"),
    ],
)
def test_what_is_no_sample_is_refused_with_the_reason(estimate, values, words: str):
    with pytest.raises(ValueError, match=words):
        estimate(values)


@pytest.mark.parametrize("estimate", [sample_std, t_interval, lower_bound, upper_bound])
def test_one_value_says_nothing_about_the_spread(estimate):
    with pytest.raises(ValueError, match="expected at least 2 values, got 1"):
        estimate([1.0])


@pytest.mark.parametrize("confidence", [0.5, 1.0, 95, -1, math.nan])
def test_a_confidence_that_is_none_is_refused(confidence: float):
    for estimate in (t_interval, lower_bound, upper_bound):
        with pytest.raises(ValueError, match=r"confidence .* is outside \(0.5, 1\)"):
            estimate([1.0, 2.0], confidence=confidence)


@pytest.mark.parametrize("level", [0.0, 1.1, -0.1, math.nan])
def test_a_share_that_is_none_is_refused(level: float):
    with pytest.raises(ValueError, match=r"level .* is outside"):
        cvar([1.0], level=level)


def test_episodes_that_do_not_pair_up_are_refused():
    with pytest.raises(ValueError, match="3 candidate and 2 champion episodes do not pair up"):
        paired_improvement([1, 2, 3], [1, 2])
    with pytest.raises(ValueError, match="champion returns: value 0 is nan"):
        paired_improvement([1, 2], [math.nan, 2])


@pytest.mark.parametrize(
    ("hits", "num", "low", "high"), [(0, 100, 0.0, 0.0295), (5, 100, 0.0199, 0.1022), (100, 100, 0.9705, 1.0)]
)
def test_a_share_is_bounded_as_in_the_tables_of_clopper_and_pearson(hits, num, low, high):
    bounds = share_interval(hits, num, confidence=0.95)
    assert (bounds.low, bounds.high) == pytest.approx((low, high), abs=1e-4)


@given(num=st.integers(1, 400), data=st.data(), confidence=st.floats(0.51, 0.9999))
def test_a_share_is_bounded_as_by_inverting_the_binomial_test(num, data, confidence):
    hits = data.draw(st.integers(0, num))
    bounds = share_interval(hits, num, confidence=confidence)
    expected = scipy.stats.binomtest(hits, num).proportion_ci(confidence_level=2 * confidence - 1, method="exact")
    assert (bounds.low, bounds.high) == pytest.approx((expected.low, expected.high), abs=1e-9)


@pytest.mark.parametrize(("hits", "num"), [(-1, 3), (4, 3), (0, 0)])
def test_counts_that_contradict_each_other_are_refused(hits, num):
    with pytest.raises(ValueError, match="is no count"):
        share_interval(hits, num)


def test_the_worst_tenth_is_bounded_by_as_few_and_as_many_values_as_may_belong_to_it():
    values = np.arange(100.0)
    bounds = tail_interval(values, level=0.1, confidence=0.9)
    fewest, most = (int(scipy.stats.binom.ppf(chance, 100, 0.1)) for chance in (0.05, 0.95))
    low, high = values[:fewest], values[:most]
    assert (fewest, most) == (5, 15)
    assert bounds is not None
    assert bounds.low == pytest.approx(2.0 - scipy.stats.t.ppf(0.95, 4) * low.std(ddof=1) / np.sqrt(5))
    assert bounds.high == pytest.approx(7.0 + scipy.stats.t.ppf(0.95, 14) * high.std(ddof=1) / np.sqrt(15))


def test_of_too_few_values_the_worst_tenth_has_no_bounds():
    assert tail_interval(np.arange(20.0), confidence=0.95) is None


@pytest.mark.parametrize("name", ["normal", "uniform", "skewed", "very skewed", "failures"])
@pytest.mark.parametrize("num", [100, 300])
def test_the_worst_tenth_lies_between_its_bounds_as_often_as_is_stated(name, num):
    draws = {
        "normal": lambda rng, shape: rng.standard_normal(shape),
        "uniform": lambda rng, shape: rng.random(shape),
        "skewed": lambda rng, shape: -rng.exponential(size=shape),
        "very skewed": lambda rng, shape: -np.exp(rng.standard_normal(shape)),
        "failures": lambda rng, shape: np.where(rng.random(shape) < 0.05, 50.0, 500.0) + rng.standard_normal(shape),
    }[name]
    rng = np.random.default_rng(3)
    true = cvar(draws(rng, 1_000_000))
    bounds = [tail_interval(values, confidence=0.95) for values in draws(rng, (1_000, num))]
    held = np.mean([(each.low <= true, true <= each.high) for each in bounds if each is not None], axis=0)
    # With a true coverage of 95 %, less than 92.7 % of 1,000 comes with a chance below 0.1 %.
    assert (held > 0.927).all()
