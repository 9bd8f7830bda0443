"""Where the boxes of a lineage stand: columns from left to right, each source left of all that read it."""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

_SWEEPS = 8

Stop = tuple[int, int]
"""A node in its own column, or the place where lines from it pass through a later column."""


@dataclass(frozen=True, kw_only=True)
class Layout:
    """Columns of stops, and the lines between neighbouring columns."""

    columns: tuple[tuple[Stop, ...], ...]
    """From left to right, each from top to bottom; a stop is (node, column)."""
    lines: Mapping[tuple[Stop, Stop], tuple[int, ...]]
    """From a stop to one in the next column -> the nodes at whose ends the line arrives in the end."""
    column_of: Mapping[int, int]


def lay_out(nodes: Sequence[int], edges: Sequence[tuple[int, int]], *, on_top: Collection[int] = frozenset()) -> Layout:
    """Give each node the leftmost column right of all its sources, and order columns so that few lines cross.

    Lines of one source that pass through a column pass through it together.

    Args:
        nodes: numbers that grow from source to reader, as event ids do.
        edges: (source, reader); one that does not grow is left out, as no log can have written it in that order.
        on_top: nodes that come first in their columns.
    """
    forward = [(source, reader) for source, reader in edges if source < reader]
    column_of = dict.fromkeys(sorted(nodes), 0)
    for source, reader in sorted(forward, key=lambda edge: edge[1]):
        column_of[reader] = max(column_of[reader], column_of[source] + 1)
    lines: dict[tuple[Stop, Stop], list[int]] = defaultdict(list)
    for source, reader in forward:
        for column in range(column_of[source], column_of[reader]):
            end = reader if column + 1 == column_of[reader] else source
            lines[(source, column), (end, column + 1)].append(reader)
    columns: list[list[Stop]] = [[] for _ in range(max(column_of.values(), default=-1) + 1)]
    for stop in sorted(
        {(node, column) for node, column in column_of.items()} | {stop for pair in lines for stop in pair}
    ):
        columns[stop[1]].append(stop)
    _untangle(columns, list(lines), on_top=frozenset(on_top))
    return Layout(
        columns=tuple(map(tuple, columns)),
        lines={pair: tuple(sorted(set(readers))) for pair, readers in lines.items()},
        column_of=column_of,
    )


def _untangle(columns: list[list[Stop]], lines: Sequence[tuple[Stop, Stop]], *, on_top: frozenset[int]) -> None:
    """Order each column by the mean place of its neighbours in the column before, then in the one after, in turn."""
    left: dict[Stop, list[Stop]] = defaultdict(list)
    right: dict[Stop, list[Stop]] = defaultdict(list)
    for start, end in lines:
        right[start].append(end)
        left[end].append(start)
    place = {stop: index / max(len(column), 1) for column in columns for index, stop in enumerate(column)}
    for sweep in range(_SWEEPS):
        goes_right = sweep % 2 == 0
        near = left if goes_right else right

        def wish(stop: Stop, near: Mapping[Stop, list[Stop]] = near) -> tuple[bool, float, Stop]:
            return stop[0] not in on_top, fmean(place[one] for one in near[stop]) if near[stop] else place[stop], stop

        for column in columns if goes_right else reversed(columns):
            column.sort(key=wish)
            for index, stop in enumerate(column):
                place[stop] = (index + 0.5) / len(column)
