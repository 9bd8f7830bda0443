"""Under which conditions equal inputs give equal bits."""

import torch

NUMERICS_VERSION = 1
"""Raised by hand in the commit after which the same recipe and seed may train other weights."""


def numerics_fingerprint() -> dict[str, str | int]:
    """Name everything that weights may depend on beside recipe and seed; equal fingerprints promise equal bits."""
    return {
        "numerics_version": NUMERICS_VERSION,
        "backend": "torch",
        "cpu_capability": torch.backends.cpu.get_cpu_capability(),
        "torch": torch.__version__,
    }
