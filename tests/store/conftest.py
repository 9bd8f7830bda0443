"""Child processes that work on a store and can be held, killed and raced."""

import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[2]
HOLD_BEFORE_PUBLISHING = """
import os, stat, sys
real_fsync = os.fsync
def held_fsync(descriptor):
    real_fsync(descriptor)
    if stat.S_ISDIR(os.fstat(descriptor).st_mode):
        return
    os.fsync = real_fsync
    print("held", flush=True)
    sys.stdin.readline()
os.fsync = held_fsync
"""

StartChild = Callable[..., subprocess.Popen[str]]


@pytest.fixture
def start_child() -> Iterator[StartChild]:
    """Start `python -c script args…`; whatever still runs when the test ends is killed."""
    children: list[subprocess.Popen[str]] = []

    def start(script: str, *args: object) -> subprocess.Popen[str]:
        child = subprocess.Popen(
            [sys.executable, "-c", textwrap.dedent(script), *map(str, args)],
            cwd=REPOSITORY,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        children.append(child)
        return child

    yield start
    for child in children:
        child.kill()
        child.communicate()


@pytest.fixture
def start_held_child(start_child: StartChild) -> StartChild:
    """The same, but the child stops, and says `held`, when its first bytes are on disk and not yet published."""

    def start(script: str, *args: object) -> subprocess.Popen[str]:
        child = start_child(HOLD_BEFORE_PUBLISHING + textwrap.dedent(script), *args)
        assert child.stdout is not None
        line = child.stdout.readline()
        if line != "held\n":
            raise AssertionError(f"the child said {line!r} and then {child.communicate()}")
        return child

    return start
