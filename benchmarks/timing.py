"""Ways of doing the same work take turns, and their rounds are compared one by one: one time alone says little."""

import time
from collections.abc import Callable
from typing import TypeVar

from benchmarks.report import Table, ratios, spread, times

Result = TypeVar("Result")


def take_turns(ways: dict[str, Callable[[], Result]], *, rounds: int) -> dict[str, list[Result]]:
    """Run each way in turn, round by round.

    Args:
        ways: name -> work.
        rounds: of each.

    Returns:
        Name -> what each of its rounds returned.
    """
    results: dict[str, list[Result]] = {name: [] for name in ways}
    for _ in range(rounds):
        for name, work in ways.items():
            results[name].append(work())
    return results


def seconds(work: Callable[[], object]) -> float:
    """Wall-clock seconds that a piece of work takes."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def compare_seconds(
    title: str, ways: dict[str, Callable[[], object]], *, rounds: int
) -> tuple[Table, dict[str, list[float]]]:
    """Time ways of doing the same work in turn, after one round that does not count.

    Args:
        title: of the table.
        ways: name -> work; the first is the one that the others are compared with.
        rounds: that count.

    Returns:
        The table, and name -> seconds of each round.
    """
    for work in ways.values():
        work()
    found = take_turns({name: lambda work=work: seconds(work) for name, work in ways.items()}, rounds=rounds)
    first = next(iter(ways))
    rows = tuple((name, spread(own, digits=2), times(ratios(own, found[first]))) for name, own in found.items())
    return Table(title=f"{title}, rounds: {rounds}", columns=("", "seconds", f"against {first}"), rows=rows), found
