import math

import numpy as np

from rl_assets.rl.guardrails import find_divergence


def test_finite_numbers_are_fine():
    assert find_divergence({"a loss": np.ones((2, 3)), "a parameter": np.ones((2, 4))}, 0) is None


def test_the_first_quantity_and_value_are_named():
    loss, parameter = np.ones((2, 3)), np.ones((2, 4))
    loss[1, 2], parameter[1, 0] = -math.inf, math.nan
    assert find_divergence({"a loss": loss, "a parameter": parameter}, 1) == ("a loss", -math.inf)


def test_another_members_trouble_is_not_ones_own():
    loss = np.ones((2, 3))
    loss[1, 2] = math.nan
    assert find_divergence({"a loss": loss}, 0) is None
