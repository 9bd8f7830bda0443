import math

import pytest

from rl_assets.reports.numbers import (
    count_of,
    decimals_for,
    format_compact,
    format_exact,
    format_interval,
    format_number,
    format_share,
)


@pytest.mark.parametrize(
    ("value", "decimals", "text"),
    [
        (1234.567, 2, "1,234.57"),
        (-0.5, 3, "−0.500"),
        (-0.0, 2, "0.00"),
        (0.0, 0, "0"),
        (0.00001, 3, "1e−05"),
        (-3.2e12, 0, "−3.2e12"),
        (None, 2, "–"),
        (math.nan, 2, "–"),
        (math.inf, 2, "∞"),
        (-math.inf, 2, "−∞"),
    ],
)
def test_a_number_is_written_for_a_person(value, decimals, text):
    assert format_number(value, decimals=decimals) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.0, "0 %"), (0.004, "<1 %"), (0.36, "36 %"), (0.997, ">99 %"), (1.0, "100 %"), (None, "–")],
)
def test_a_share_is_whole_percent_and_never_rounded_to_certainty(value, text):
    assert format_share(value) == text


def test_an_interval_without_both_ends_is_unknown():
    assert format_interval(1.0, 2.5, decimals=1) == "1.0 … 2.5"
    assert format_interval(None, 2.5, decimals=1) == "–"


@pytest.mark.parametrize(
    ("values", "decimals"), [([0.2, -9.9], 3), ([500.0], 2), ([-5000.0, None], 1), ([2e6], 0), ([math.nan], 3)]
)
def test_a_column_shows_as_many_decimals_as_its_largest_value_bears(values, decimals):
    assert decimals_for(values) == decimals


@pytest.mark.parametrize(
    ("value", "text"),
    [(0, "0"), (100_000, "100k"), (-2_500_000, "−2.5M"), (0.3, "0.3"), (999, "999"), (1e-7, "1e−07"), (1e20, "1e20")],
)
def test_an_axis_is_labelled_in_few_characters(value, text):
    assert format_compact(value) == text


def test_evidence_keeps_integers_whole_and_shortens_the_rest():
    assert format_exact(1234567) == "1,234,567"
    assert format_exact(-1.23456789) == "−1.23457"
    assert format_exact(math.nan) == "–"


def test_counts_agree_with_their_nouns():
    assert [count_of(n, "seed") for n in (0, 1, 1200)] == ["0 seeds", "1 seed", "1,200 seeds"]
    assert count_of(2, "interval overlaps", "intervals overlap") == "2 intervals overlap"
