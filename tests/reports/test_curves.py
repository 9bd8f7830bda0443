import base64
import re
from xml.etree import ElementTree

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rl_assets.reports.curves import MAX_CURVES, as_data_uri, learning_curve_svg

SVG = "{http://www.w3.org/2000/svg}"
numbers = st.floats(allow_nan=True, allow_infinity=True)


def lines_of(svg: str) -> list[list[tuple[float, ...]]]:
    found = ElementTree.fromstring(svg).iter(f"{SVG}polyline")
    return [[tuple(map(float, point.split(","))) for point in line.attrib["points"].split()] for line in found]


def test_a_curve_rises_from_left_to_right():
    (points,) = lines_of(learning_curve_svg({"mean": (np.arange(4), np.array([0.0, 1, 2, 3]))}, title="t"))
    assert len(points) == 4
    assert [x for x, _ in points] == sorted(x for x, _ in points)
    assert [y for _, y in points] == sorted((y for _, y in points), reverse=True)
    assert all(0 <= x <= 480 and 0 <= y <= 220 for x, y in points)


def test_unknown_values_are_bridged():
    svg = learning_curve_svg({"a": ([1, 2, 3, 4], [np.nan, 5.0, np.nan, 7.0])}, title="t")
    assert [len(points) for points in lines_of(svg)] == [2]


@pytest.mark.parametrize("curves", [{}, {"a": ([], [])}, {"a": ([1, 2], [np.nan, np.nan])}])
def test_without_an_episode_the_picture_says_so(curves):
    svg = learning_curve_svg(curves, title="t")
    assert "no episode has ended yet" in "".join(ElementTree.fromstring(svg).itertext())
    assert lines_of(svg) == []


def test_a_single_value_is_a_dot():
    svg = learning_curve_svg({"a": ([100], [3.0])}, title="t")
    assert len(list(ElementTree.fromstring(svg).iter(f"{SVG}circle"))) == 1


@pytest.mark.parametrize("num_curves", [1, 2, 5, 8, 9, MAX_CURVES, 60])
def test_the_picture_stays_small(num_curves):
    rng = np.random.default_rng(0)
    steps = np.arange(20_000) * 1_000_000
    curves = {f"{'&' * 40}{n}": (steps, -1e6 * rng.random(20_000)) for n in range(num_curves)}
    svg = learning_curve_svg(curves, title="&" * 500)
    assert len(svg.encode()) < 8_000
    assert len(lines_of(svg)) == min(num_curves, MAX_CURVES)


def test_curves_that_are_left_out_are_counted():
    curves = {f"seed {n}": ([1, 2], [1.0, n]) for n in range(30)}
    text = "".join(ElementTree.fromstring(learning_curve_svg(curves, title="t")).itertext())
    assert f"the first {MAX_CURVES} of 30 curves" in text


def test_names_are_escaped_and_shown():
    text = "".join(
        ElementTree.fromstring(learning_curve_svg({"<a&b>": ([1, 2], [1.0, 2.0])}, title="<script>")).itertext()
    )
    assert "<script>" in text
    assert "<a&b>" in text


@given(st.lists(st.tuples(numbers, numbers), max_size=6))
def test_any_numbers_give_a_picture(points):
    svg = learning_curve_svg({"a": ([x for x, _ in points], [y for _, y in points])}, title="t")
    assert not re.search(r'"[^"]*\b(nan|inf)\b[^"]*"', svg)
    ElementTree.fromstring(svg)


def test_the_address_holds_the_picture():
    svg = learning_curve_svg({"ü": ([1, 2], [1.0, 2.0])}, title="t")
    head, data = as_data_uri(svg).split(",")
    assert head == "data:image/svg+xml;base64"
    assert base64.b64decode(data).decode() == svg
    assert not re.search(r"[\s()]", as_data_uri(svg))


def test_steps_and_values_of_different_lengths_are_refused():
    with pytest.raises(ValueError, match="one length"):
        learning_curve_svg({"a": ([1, 2], [1.0])}, title="t")
