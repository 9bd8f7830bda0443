"""A lineage as one SVG: boxes in columns, lines between them, readable without scripts."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from html import escape

from rl_assets.reports.lineage_layout import Layout, Stop, lay_out

_COLORS = {
    "datasets": "series-1",
    "sweep_configs": "series-8",
    "trained_policies": "series-2",
    "policy_evaluations": "series-3",
    "eval_leaderboards": "series-7",
    "gate_evaluations": "series-5",
    "promoted_models": "series-4",
    "staged_models": "series-6",
}
_SIGNS = {"promoted": "★", "first": "①", "second": "②", "missing": "?", "unrecorded": "?"}
_WIDTH, _GAP, _MARGIN, _HEAD = 152, 28, 8, 40
_DENSE_FROM = 24
_LABEL = 18


@dataclass(frozen=True, kw_only=True)
class Node:
    """One materialization, or one that is missing."""

    number: int
    """Its event id; grows from source to reader."""
    asset: str
    partition: str
    data_version: str
    marks: tuple[str, ...] = ()
    """Of `subject`, `promoted`, `missing`, `unrecorded`, `first`, `second`."""
    details: Mapping[str, str] = field(default_factory=dict)
    """What to show of it when it is chosen, in this order."""
    count: int = 1
    """How many materializations the box stands for."""

    @property
    def title(self) -> str:
        """In full, for whoever points at it or chooses it."""
        return f"{self.asset.replace('_', ' ')}: {self.partition}" if self.count == 1 else self.partition


@dataclass(frozen=True, kw_only=True)
class Edge:
    """Data or evidence that went from one materialization into another."""

    source: int
    reader: int
    role: str = "data"


def draw_lineage(nodes: Sequence[Node], edges: Sequence[Edge], *, description: str) -> str:
    """Draw a graph from left to right.

    Args:
        nodes: in any order.
        edges: between them.
        description: what someone hears who cannot see it; plain text.
    """
    by_number = {node.number: node for node in nodes}
    layout = lay_out(list(by_number), [(edge.source, edge.reader) for edge in edges], on_top=_on_the_way(nodes, edges))
    grid = _Grid(layout)
    roles = {(edge.source, edge.reader): "evidence" for edge in edges}
    roles |= {(edge.source, edge.reader): "data" for edge in edges if edge.role == "data"}
    parts = [_heading(column, by_number, grid) for column in range(len(layout.columns))]
    parts += [_line(start, end, readers, roles, grid) for (start, end), readers in layout.lines.items()]
    parts += [
        _box(node, grid)
        for node in sorted(nodes, key=lambda node: (layout.column_of[node.number], grid.top(node.number)))
    ]
    return (
        f'<svg class="lineage{" dense" if grid.is_dense else ""}" width="{grid.width}" height="{grid.height}" '
        f'viewBox="0 0 {grid.width} {grid.height}" '
        f'role="group" aria-label="{escape(description)}">{"".join(parts)}</svg>'
    )


def legend(nodes: Sequence[Node], *, has_evidence: bool) -> str:
    """What colours and lines mean, of those that occur."""
    assets = dict.fromkeys(node.asset for node in sorted(nodes, key=lambda node: node.number))
    items = [
        f'<span><i class="swatch" style="--c:var(--{_color(asset)})"></i>{escape(asset.replace("_", " "))}</span>'
        for asset in assets
    ]
    marks = {mark for node in nodes for mark in node.marks}
    told = {
        "promoted": "★ was promoted",
        "first": "① only the first stands on it",
        "second": "② only the second stands on it",
        "missing": "? is gone from the log",
        "unrecorded": "? does not say what it read",
    }
    items += [f"<span>{text}</span>" for mark, text in told.items() if mark in marks]
    if has_evidence:
        items.append(
            '<span><svg width="26" height="8" aria-hidden="true"><path class="edge evidence" d="M0 4H26"/></svg>'
            "informed a decision, passed no data on</span>"
        )
    return f'<p class="legend">{"".join(items)}</p>'


def _on_the_way(nodes: Sequence[Node], edges: Sequence[Edge]) -> set[int]:
    """What was asked about, what was promoted, and all whose data went into these."""
    sources: dict[int, list[int]] = {}
    for edge in edges:
        if edge.role == "data":
            sources.setdefault(edge.reader, []).append(edge.source)
    waiting = [node.number for node in nodes if {"subject", "promoted"} & set(node.marks)]
    found = set(waiting)
    while waiting:
        for source in sources.get(waiting.pop(), ()):
            if source not in found:
                found.add(source)
                waiting.append(source)
    return found


class _Grid:
    """Pixels of columns and rows; columns are centred on each other, long ones begin at the top."""

    def __init__(self, layout: Layout) -> None:
        self.is_dense = max((len(column) for column in layout.columns), default=0) > _DENSE_FROM
        self.box_height = 20 if self.is_dense else 40
        gap = 5 if self.is_dense else 14
        self._column_of = layout.column_of
        self._tops: dict[Stop, float] = {}
        heights = [self._stack(column, gap) for column in layout.columns]
        tallest = max(heights, default=0)
        for column, height in zip(layout.columns, heights, strict=True):
            for stop in column:
                self._tops[stop] += _HEAD + (0 if self.is_dense else (tallest - height) / 2)
        self.width = 2 * _MARGIN + len(layout.columns) * (_WIDTH + _GAP) - _GAP
        self.height = round(_HEAD + tallest + _MARGIN)

    def _stack(self, column: Sequence[Stop], gap: int) -> float:
        top = 0.0
        for stop in column:
            self._tops[stop] = top
            top += (self.box_height if self.is_node(stop) else 0) + gap
        return top

    def is_node(self, stop: Stop) -> bool:
        return self._column_of[stop[0]] == stop[1]

    def left(self, column: int) -> int:
        return _MARGIN + column * (_WIDTH + _GAP)

    def top(self, number: int) -> float:
        return self._tops[number, self._column_of[number]]

    def place(self, number: int) -> tuple[int, float]:
        return self.left(self._column_of[number]), self.top(number)

    def middle(self, stop: Stop) -> float:
        return self._tops[stop] + (self.box_height / 2 if self.is_node(stop) else 0)


def _line(start: Stop, end: Stop, readers: Sequence[int], roles: Mapping[tuple[int, int], str], grid: _Grid) -> str:
    """A curve between two columns; where it passes through the second it goes on straight across."""
    x, y = grid.left(start[1]) + _WIDTH, grid.middle(start)
    to_x, to_y = grid.left(end[1]), grid.middle(end)
    half = (to_x - x) / 2
    path = f"M{x:g} {y:g}C{x + half:g} {y:g} {to_x - half:g} {to_y:g} {to_x:g} {to_y:g}"
    if not grid.is_node(end):
        path += f"h{_WIDTH}"
    role = "data" if any(roles[start[0], reader] == "data" for reader in readers) else "evidence"
    return (
        f'<path class="edge {role}" d="{path}" data-source="{start[0]}" data-readers="{" ".join(map(str, readers))}"/>'
    )


def _box(node: Node, grid: _Grid) -> str:
    x, y = grid.place(node.number)
    classes = " ".join(["node", *node.marks])
    sign = "".join(_SIGNS[mark] + " " for mark in node.marks if mark in _SIGNS)
    env, _, recipe = node.partition.rpartition("|")
    name = node.partition if grid.is_dense else recipe
    label = escape(sign + elide(name, _LABEL - 2 * len(sign)))
    texts = f'<text class="name" x="13" y="{14 if grid.is_dense else 17}">{label}</text>'
    if not grid.is_dense:
        what = f"{env} · #{node.number}" if env else f"#{node.number} · {node.data_version[:8]}"
        what = f"{node.count:,} of them" if node.count > 1 else what
        texts += f'<text class="what" x="13" y="32">{escape(elide(what, _LABEL))}</text>'
    return (
        f'<g class="{classes}" data-node="{node.number}" tabindex="0" role="button" transform="translate({x:g} {y:g})" '
        f'style="--c:var(--{_color(node.asset)})"><title>{escape(node.title)}</title>'
        f'<rect class="box" width="{_WIDTH}" height="{grid.box_height}" rx="6"/>'
        f'<rect class="bar" x="4" y="4" width="3" height="{grid.box_height - 8}" rx="1.5"/>{texts}</g>'
    )


def _heading(column: int, nodes: Mapping[int, Node], grid: _Grid) -> str:
    """What stands in a column and how many of it, the two most frequent kinds at most."""
    counts: dict[str, int] = {}
    for node in nodes.values():
        if grid.place(node.number)[0] == grid.left(column):
            counts[node.asset] = counts.get(node.asset, 0) + node.count
    told = [
        f"{asset.replace('_', ' ')} {number:,}" for asset, number in sorted(counts.items(), key=lambda item: -item[1])
    ]
    if len(told) > 2:
        told = [told[0], f"and {len(told) - 1} other kinds"]
    return "".join(
        f'<text class="head" x="{grid.left(column)}" y="{13 + 14 * row}">{escape(text)}</text>'
        for row, text in enumerate(told)
    )


def elide(text: str, length: int) -> str:
    """Shorten a key in its middle: the beginning says what it is, the end is its hash."""
    if len(text) <= length:
        return text
    tail = (length - 1) * 9 // 20
    return f"{text[: length - 1 - tail]}…{text[-tail:]}"


def _color(asset: str) -> str:
    return _COLORS.get(asset, "series-muted")
