"""Under which conditions equal inputs give equal bits."""

import torch

from rl_assets.rl.backend import Backend

NUMERICS_VERSION = 2
"""Raised by hand in the commit after which the same recipe and seed may train other weights."""


def numerics_fingerprint(backend: Backend | None = None) -> dict[str, str | int | None]:
    """Name everything that weights may depend on beside recipe and seed; equal fingerprints promise equal bits.

    Args:
        backend: what computed; None where nothing was trained.
    """
    return {
        "numerics_version": NUMERICS_VERSION,
        "backend": backend,
        "cpu_capability": torch.backends.cpu.get_cpu_capability(),
        "torch": torch.__version__,
    }
