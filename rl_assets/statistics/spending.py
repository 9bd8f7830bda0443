"""How much error may be spent: over the tests of one champion's reign, and over the looks of one test.

With a confidence of 95 %, at most 5 % of all reigns end with a false promotion, however many candidates come: the
error of 5 % is shared out over the tests of a reign, and each test's share over its looks. The bounds add up whatever
the tests have in common (Bonferroni), so nothing is assumed about how candidates depend on each other.
"""

import math
from collections.abc import Callable, Sequence

from scipy.special import nctdtr, stdtrit

from rl_assets.statistics.estimates import checked_confidence
from rl_assets.statistics.gates import GateDecision, combine

LOOK_SHARES = (0.2, 0.3, 0.5)
"""Share of a test's error that each of its looks may spend."""

MAX_LOOKS = len(LOOK_SHARES)


def alpha_of_test(number: int, *, confidence: float) -> float:
    """Error that one test of a reign may spend: of the first a half of all, then a sixth, a twelfth, a twentieth ...

    Args:
        number: of the test in its reign, from 1.
        confidence: that no promotion of the reign is false.

    Returns:
        `(1 - confidence) / (number * (number + 1))`, which sums up to `1 - confidence` over all numbers.

    Raises:
        ValueError: the number is below 1, or the confidence outside (0.5, 1).
    """
    if number < 1:
        raise ValueError(f"alpha_of_test: number is {number}, expected at least 1")
    return (1 - checked_confidence(confidence)) / (number * (number + 1))


def confidence_of_look(look: int, *, alpha: float) -> float:
    """One-sided confidence that each bound of a look must have, so that all looks together err by alpha at most.

    Args:
        look: number of the look, from 1 to `MAX_LOOKS`.
        alpha: error that the test may spend.
    """
    if not 1 <= look <= MAX_LOOKS:
        raise ValueError(f"confidence_of_look: look is {look}, expected 1 to {MAX_LOOKS}")
    return 1 - alpha * LOOK_SHARES[look - 1]


def decide_by_looks(
    ask: Callable[[int, float], Sequence[GateDecision]], *, alpha: float
) -> tuple[tuple[GateDecision, ...], int]:
    """Look until the gates can tell, at most `MAX_LOOKS` times.

    All gates have to pass at one and the same look, so a false promotion takes a gate that errs at that look; over
    all looks that happens with a probability of alpha at most.

    Args:
        ask: takes the number of the look and the confidence of its bounds, and decides on all that was seen so far.
        alpha: error that the test may spend.

    Returns:
        The decisions of the last look, and its number.
    """
    decisions: tuple[GateDecision, ...] = ()
    look = 0
    for look in range(1, MAX_LOOKS + 1):
        decisions = tuple(ask(look, confidence_of_look(look, alpha=alpha)))
        if combine(decisions) != "hold":
            break
    return decisions, look


def power_of_pairs(improvement: float, *, num_pairs: int, confidence: float) -> float:
    """Probability that a paired one-sided t test sees an improvement.

    Args:
        improvement: true mean difference in standard deviations of the differences. Where candidate and champion
            play independently, an improvement of 0.4 standard deviations of an episode is 0.4 / sqrt(2) of these.
        num_pairs: at least 2.
        confidence: of the test.

    Returns:
        The power if the differences are about normal, in [0, 1].

    Raises:
        ValueError: fewer than two pairs, or a confidence outside (0.5, 1).

    Source:
        Cohen, Statistical Power Analysis for the Behavioral Sciences (1988), by the noncentral t distribution.
    """
    if num_pairs < 2:
        raise ValueError(f"power_of_pairs: num_pairs is {num_pairs}, expected at least 2")
    threshold = float(stdtrit(num_pairs - 1, checked_confidence(confidence)))
    return 1 - float(nctdtr(num_pairs - 1, improvement * math.sqrt(num_pairs), threshold))
