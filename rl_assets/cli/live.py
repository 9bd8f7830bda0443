"""Live progress on standard error while trainings run, here or in a daemon."""

import os
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from io import UnsupportedOperation
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from rl_assets.resources.progress import ProgressBoard

POLL_EVERY_S = 0.3
TELL_EVERY_S = 15.0


@contextmanager
def open_console() -> Iterator[Console]:
    """A console on standard error that Dagster, which captures that stream while a step runs, cannot take away."""
    try:
        copy = os.dup(sys.stderr.fileno())
    except UnsupportedOperation:
        yield Console(stderr=True)
        return
    with os.fdopen(copy, "w") as file:
        yield Console(file=file)


@contextmanager
def live_progress(
    board: ProgressBoard, console: Console, *, is_watching: Callable[[], bool] = lambda: False
) -> Iterator[None]:
    """Show the plan of each running training once, and a bar for it until the block ends.

    On a console that is no terminal, and while another process does the work, a line for each training is printed now
    and then instead or beside.

    Args:
        board: where trainings tell how far they are.
        console: where to show it.
        is_watching: whether another process does the work right now.
    """
    columns = (
        TextColumn("[bold]{task.description}"),
        BarColumn(bar_width=24),
        TextColumn("{task.fields[steps]}"),
        TextColumn("[cyan]{task.fields[speed]}"),
        TextColumn("[green]{task.fields[reward]}"),
        TimeRemainingColumn(),
    )
    stop = threading.Event()
    with Progress(*columns, console=console, transient=True) as progress:
        bars = _Bars(progress)
        lines = _Lines(console, is_wanted=lambda: not console.is_terminal or is_watching())
        plans: set[str] = set()

        def follow() -> None:
            while not stop.wait(POLL_EVERY_S):
                running = {state["run_id"]: state for state in board.running()}
                for plan in {state["plan"]: None for state in running.values() if state["plan"] not in plans}:
                    plans.add(plan)
                    console.print(plan, highlight=False, markup=False, soft_wrap=True)
                bars.show(running)
                lines.show(running)

        thread = threading.Thread(target=follow, daemon=True)
        thread.start()
        try:
            yield
        finally:
            stop.set()
            thread.join()


class _Bars:
    """A bar for each running training."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._tasks: dict[str, TaskID] = {}

    def show(self, running: Mapping[str, Mapping[str, Any]]) -> None:
        for run_id in set(self._tasks) - set(running):
            self._progress.remove_task(self._tasks.pop(run_id))
        for run_id, state in running.items():
            words = _words(state)
            if run_id not in self._tasks:
                self._tasks[run_id] = self._progress.add_task(state["title"], steps="", speed="", reward="")
            self._progress.update(
                self._tasks[run_id],
                description=state["title"],
                completed=state["env_steps_done"],
                total=state["env_steps_total"],
                steps=words["steps"],
                speed=words["speed"],
                reward=words["reward"],
            )


class _Lines:
    """A line for each running training every `TELL_EVERY_S` seconds, if it got on since the last one."""

    def __init__(self, console: Console, *, is_wanted: Callable[[], bool]) -> None:
        self._console = console
        self._is_wanted = is_wanted
        self._told: dict[str, int] = {}
        self._told_at = time.monotonic()

    def show(self, running: Mapping[str, Mapping[str, Any]]) -> None:
        if time.monotonic() - self._told_at < TELL_EVERY_S or not self._is_wanted():
            return
        self._told_at = time.monotonic()
        for run_id, state in running.items():
            if self._told.get(run_id) != state["env_steps_done"]:
                self._told[run_id] = state["env_steps_done"]
                text = ", ".join([state["title"], *filter(None, _words(state).values())])
                self._console.print(text, highlight=False, markup=False, soft_wrap=True)


def _words(state: Mapping[str, Any]) -> dict[str, str]:
    """Steps, speed and return of a training as a person reads them."""
    mean = state["mean_return"]
    return {
        "steps": f"{state['env_steps_done']:,} of {state['env_steps_total']:,} steps",
        "speed": f"{state['steps_per_s']:,.0f} steps/s",
        "reward": "" if mean is None else f"return {mean:.1f}",
    }
