import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rl_assets.reports.seed_bands import MAX_POINTS, known_points, seed_band, thin_curve

NAN = np.nan


def history(steps, values):
    return {"env_steps": np.array(steps), "mean_return": np.array(values, float)}


def test_mean_and_band_of_two_seeds_worked_by_hand():
    band = seed_band([history([10, 20, 30], [NAN, 2, 4]), history([10, 20, 30], [1, 4, 10])])
    assert band is not None
    np.testing.assert_array_equal(band.steps, [20, 30])
    np.testing.assert_array_equal(band.mean, [3, 7])
    np.testing.assert_array_equal(band.low, [2, 4])
    np.testing.assert_array_equal(band.high, [4, 10])
    assert band.num_known == 2


def test_a_gap_is_bridged_so_that_it_does_not_move_the_mean():
    band = seed_band([history([10, 20, 30], [0, NAN, 0]), history([10, 20, 30], [10, 10, 10])])
    assert band is not None
    np.testing.assert_array_equal(band.mean, [5, 5, 5])


def test_a_seed_that_is_stuck_still_weighs_on_the_mean_until_its_training_ends():
    band = seed_band(
        [history([10, 20, 30, 40], [-100, NAN, NAN, NAN]), history([10, 20, 30, 40], [-100, -80, -60, -40])]
    )
    assert band is not None
    np.testing.assert_array_equal(band.steps, [10, 20, 30, 40])
    np.testing.assert_array_equal(band.mean, [-100, -90, -80, -70])
    np.testing.assert_array_equal(band.low, [-100, -100, -100, -100])


def test_the_mean_begins_where_the_slowest_seed_has_its_first_value():
    band = seed_band([history([10, 20, 30], [500, 500, 500]), history([10, 20, 30], [NAN, NAN, 9])])
    assert band is not None
    np.testing.assert_array_equal(band.steps, [30])
    np.testing.assert_array_equal(band.mean, [254.5])


def test_a_seed_that_never_finished_an_episode_is_not_among_the_known():
    band = seed_band([history([10, 20], [NAN, NAN]), history([10, 20], [1, 2])])
    assert band is not None
    assert band.num_known == 1
    np.testing.assert_array_equal(band.mean, [1, 2])


def test_trainings_of_different_lengths_are_compared_as_long_as_all_last():
    band = seed_band([history([10, 22], [1, 2.2]), history([15, 40], [5, 10])])
    assert band is not None
    np.testing.assert_array_equal(band.steps, [15, 22])
    np.testing.assert_allclose(band.mean, [(1.5 + 5) / 2, (2.2 + 6.4) / 2])


def test_a_first_value_after_another_training_has_ended_is_one_point_over_both():
    band = seed_band([history([10, 20], [1, 2]), history([30, 40], [NAN, 10])])
    assert band is not None
    np.testing.assert_array_equal(band.steps, [40])
    np.testing.assert_array_equal(band.mean, [6])


@pytest.mark.parametrize("histories", [[], [{}], [history([], [])], [history([1, 2], [NAN, NAN])]])
def test_without_any_value_there_is_no_band(histories):
    assert seed_band(histories) is None


@given(st.lists(st.integers(1, 3000), min_size=1, max_size=4))
def test_a_band_has_few_points_and_its_mean_lies_inside(lengths):
    rng = np.random.default_rng(0)
    band = seed_band([history(np.arange(n) * 8, rng.normal(size=n)) for n in lengths])
    assert band is not None
    assert len(band.steps) <= MAX_POINTS
    assert (np.diff(band.steps) > 0).all()
    assert ((band.low <= band.mean + 1e-12) & (band.mean <= band.high + 1e-12)).all()


def test_thinning_averages_neighbours():
    steps, values = thin_curve(np.arange(6.0), np.array([0.0, 2, 4, 6, 8, 10]), max_points=3)
    np.testing.assert_array_equal(steps, [0.5, 2.5, 4.5])
    np.testing.assert_array_equal(values, [1, 5, 9])


def test_steps_and_values_of_different_lengths_are_refused():
    with pytest.raises(ValueError, match=r"one length, got shapes \(2,\) and \(3,\)"):
        known_points([1, 2], [1, 2, 3])
