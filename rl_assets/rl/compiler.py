"""Whether compiled kernels can be had on this machine."""

import functools
from importlib.util import find_spec


@functools.cache
def has_numba() -> bool:
    """Whether numba, the compiler of the kernels, is installed; everything runs without it, more slowly."""
    return find_spec("numba") is not None
