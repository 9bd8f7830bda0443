"""Live progress on standard error while trainings run, here or in a daemon."""

import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from io import UnsupportedOperation

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from rl_assets.resources.progress import ProgressBoard

POLL_EVERY_S = 0.3


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
def live_progress(board: ProgressBoard, console: Console) -> Iterator[None]:
    """Show a line for each running training until the block ends; on a console that is no terminal, nothing moves."""
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
        thread = threading.Thread(target=_follow, args=(board, progress, stop), daemon=True)
        thread.start()
        try:
            yield
        finally:
            stop.set()
            thread.join()


def _follow(board: ProgressBoard, progress: Progress, stop: threading.Event) -> None:
    tasks: dict[str, TaskID] = {}
    while not stop.wait(POLL_EVERY_S):
        running = {state["run_id"]: state for state in board.running()}
        for run_id in set(tasks) - set(running):
            progress.remove_task(tasks.pop(run_id))
        for run_id, state in running.items():
            if run_id not in tasks:
                tasks[run_id] = progress.add_task(state["title"], steps="", speed="", reward="")
            mean = state["mean_return"]
            progress.update(
                tasks[run_id],
                description=state["title"],
                completed=state["env_steps_done"],
                total=state["env_steps_total"],
                steps=f"{state['env_steps_done'] / 1e6:.2f}/{state['env_steps_total'] / 1e6:.2f}M steps",
                speed=f"{state['steps_per_s']:,.0f} steps/s",
                reward="" if mean is None else f"return {mean:.1f}",
            )
