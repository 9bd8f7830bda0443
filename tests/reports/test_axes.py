import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rl_assets.reports.axes import axis_over, standings_axis
from rl_assets.statistics.ranking import CellEpisodes, rank_policies


@pytest.mark.parametrize(
    ("values", "ticks"),
    [
        ([0, 500], (0, 100, 200, 300, 400, 500)),
        ([-500, -70], (-500, -400, -300, -200, -100)),
        ([0, 1], (0, 0.2, 0.4, 0.6, 0.8, 1)),
    ],
)
def test_ticks_are_round_numbers_inside_the_range(values, ticks):
    assert axis_over(values).ticks == ticks


@given(st.lists(st.floats(allow_nan=True, allow_infinity=True), max_size=5))
def test_any_values_give_an_axis_with_ascending_ticks_inside(values):
    axis = axis_over(values)
    assert axis.low < axis.high
    assert list(axis.ticks) == sorted(set(axis.ticks))
    assert len(axis.ticks) <= 12
    assert all(0 <= axis.fraction(value) <= 1 for value in values if not math.isnan(value))


def test_one_value_stands_in_the_middle():
    axis = axis_over([480.0])
    assert axis.fraction(480.0) == pytest.approx(0.5)


def test_the_widest_interval_does_not_hide_the_differences_between_means():
    rows = rank_policies(
        {
            "a": CellEpisodes(returns=[[100], [101], [102], [103], [104]]),
            "b": CellEpisodes(returns=[[90], [91], [92], [93], [94]]),
            "two seeds": CellEpisodes(returns=[[80], [104]]),
        }
    )
    axis = standings_axis(rows)
    widest = rows[-1]
    assert widest.ci_high is not None
    assert widest.ci_high - widest.mean_return > 100
    assert not axis.holds(widest.ci_high)
    assert axis.high - axis.low < 110
    for row in rows[:-1]:
        assert all(axis.holds(end) for end in (row.mean_return, row.worst_seed_return, row.ci_low, row.ci_high))


def test_a_single_recipe_shows_its_whole_interval():
    (row,) = rank_policies({"a": CellEpisodes(returns=[[10.0], [12.0], [14.0]])})
    axis = standings_axis([row])
    assert axis.holds(row.ci_low)
    assert axis.holds(row.ci_high)
