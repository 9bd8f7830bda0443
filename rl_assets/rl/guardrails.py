"""Which members' numbers stopped being finite."""

from collections.abc import Mapping

import numpy as np


def find_divergence(quantities: Mapping[str, np.ndarray], member: int) -> tuple[str, float] | None:
    """Look through one member's numbers.

    Args:
        quantities: arrays by name, each `[members, ...]`, in the order in which trouble would spread.
        member: index of the member.

    Returns:
        The first quantity that holds NaN or infinity, and the first such value; None if all are finite.
    """
    for name, array in quantities.items():
        own = array[member]
        is_finite = np.isfinite(own)
        if not is_finite.all():
            return name, float(own[~is_finite][0])
    return None
