import re
from xml.etree import ElementTree

import numpy as np
import pytest

from rl_assets.reports.dataset_card import distributions_svg


def heights(svg: str) -> list[float]:
    return [float(height) for height in re.findall(r'height="([\d.]+)" fill="#3b6fd4"', svg)]


def test_bars_are_as_high_as_their_counts():
    tall, low = heights(distributions_svg([("Returns", np.array([1.0, 1.0, 1.0, 5.0]))]))
    assert tall == pytest.approx(3 * low, abs=0.2)


@pytest.mark.parametrize("values", [[], [np.nan], [1.0], [3, 3, 3], [-np.inf, 2.0], [-1e300, 1e300], range(100_000)])
def test_any_numbers_give_a_small_picture_that_can_be_read(values):
    svg = distributions_svg([("Returns", np.array(list(values), dtype=float)), ("Lengths & more", np.array([1, 2]))])
    ElementTree.fromstring(svg)
    assert len(svg) < 8_000
    assert "nan" not in svg.lower().replace("not finite", "")


def test_what_is_left_out_is_said():
    assert "Returns (2 not finite)" in distributions_svg([("Returns", np.array([np.nan, np.inf, 1.0]))])
    assert "no numbers" in distributions_svg([("Returns", np.array([np.nan]))])
