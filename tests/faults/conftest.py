"""Faults on purpose: their random choices come from one seed, which a failing test shows."""

import os
import random

import pytest

from tests.store.conftest import start_child

__all__ = ["chance", "start_child"]


@pytest.fixture
def chance() -> random.Random:
    """Random numbers from a seed of their own; `FAULT_SEED` in the environment repeats those of an earlier run."""
    seed = int(os.environ.get("FAULT_SEED") or random.SystemRandom().randrange(2**32))
    print(f"FAULT_SEED={seed}")
    return random.Random(seed)
