"""Runs two ways of doing the same work in turn and tells medians and ratios: one time alone says little."""

import platform
import statistics
import time
from collections.abc import Callable
from pathlib import Path

from rich.console import Console
from rich.table import Table


def seconds(work: Callable[[], object]) -> float:
    """Wall-clock seconds that a piece of work takes."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def compare(title: str, ways: dict[str, Callable[[], object]], *, rounds: int = 5) -> dict[str, float]:
    """Run each way in turn, round by round after one round that does not count, and print a table.

    Args:
        title: of the table.
        ways: name -> work; the first is the one that the others are compared with.
        rounds: that count.

    Returns:
        Name -> median seconds.
    """
    for work in ways.values():
        work()
    times: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(rounds):
        for name, work in ways.items():
            times[name].append(seconds(work))
    first = next(iter(ways))
    table = Table(title=f"{title} ({_machine()}, {rounds} rounds)", title_justify="left")
    for name in ("", "median s", "min s", "max s", f"times {first}"):
        table.add_column(name, justify="right" if name else "left")
    for name, own in times.items():
        ratio = statistics.median(mine / base for mine, base in zip(own, times[first], strict=True))
        table.add_row(name, f"{statistics.median(own):.2f}", f"{min(own):.2f}", f"{max(own):.2f}", f"{ratio:.2f}")
    Console().print(table)
    return {name: statistics.median(own) for name, own in times.items()}


def _machine() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else []
    models = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return f"{len(models)} x {models[0]}" if models else platform.processor() or platform.machine()
