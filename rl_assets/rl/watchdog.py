"""Work in this process that may hang, such as stepping environments, and is then given up by name."""

import threading
import time
from collections.abc import Callable
from typing import TypeVar

from rl_assets.errors import EnvironmentFault

Outcome = TypeVar("Outcome")

SILENCE_S = 120.0
"""Seconds without a sign of life after which work counts as hung; building a large pool takes some."""


class _GivenUp(Exception):
    """Nobody waits for the work any more."""


def watched(work: Callable[[Callable[[], None]], Outcome], *, what: str, silence_s: float = SILENCE_S) -> Outcome:
    """Do work in a thread and wait for it as long as it gives signs of life.

    Args:
        work: is given a function to call as a sign of life.
        what: the work in words, for the error.
        silence_s: seconds without a sign of life after which it counts as hung; it is then left behind in its thread.

    Raises:
        EnvironmentFault: the work hangs.
        Exception: whatever the work raises.
    """
    beat_at = time.monotonic()
    is_wanted = True
    finished = threading.Event()
    outcomes: list[Outcome] = []
    errors: list[BaseException] = []

    def beat() -> None:
        nonlocal beat_at
        beat_at = time.monotonic()
        if not is_wanted:
            raise _GivenUp

    def run() -> None:
        try:
            outcomes.append(work(beat))
        except BaseException as error:
            errors.append(error)
        finally:
            finished.set()

    threading.Thread(target=run, name=what, daemon=True).start()
    try:
        while not finished.wait(max(0.0, beat_at + silence_s - time.monotonic())):
            silence = time.monotonic() - beat_at
            if silence >= silence_s:
                raise EnvironmentFault(
                    f"{what} hangs: no environment has answered for {silence:.0f} s: launch it again; if it hangs "
                    "again, try the environment alone"
                )
    finally:
        is_wanted = False
    if errors:
        raise errors[0]
    return outcomes[0]
