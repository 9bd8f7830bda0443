"""A page about a lineage: the graph drawn, every materialization with what made it, and what nobody can say."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from html import escape

from rl_assets.reports.lineage_drawing import Edge, Node, draw_lineage, legend
from rl_assets.reports.numbers import count_of
from rl_assets.reports.page import facts_list, html_page, masthead, notice, page_file

MAX_DRAWN = 600
"""Above so many boxes those of a kind are drawn as one, the datasets and promoted models aside."""
MAX_ROWS = 2_000
_SINGLE = {"datasets", "promoted_models"}


@dataclass(frozen=True, kw_only=True)
class LineagePage:
    """All that a page about a lineage shows; plain text, pseudonyms only."""

    kind: str
    """What was asked, such as `Lineage, forward`."""
    title: str
    summary: str
    facts: Mapping[str, str]
    nodes: Sequence[Node]
    edges: Sequence[Edge]
    warnings: Sequence[str] = ()
    """What a reader has to know before relying on it."""
    tables: Mapping[str, Sequence[Mapping[str, str]]] | None = None
    """Title -> rows of further tables, each with the same columns throughout."""


def lineage_page(page: LineagePage) -> bytes:
    """Render a page that opens from disk; equal contents give equal bytes."""
    nodes, edges = page.nodes, page.edges
    is_grouped = len(nodes) > MAX_DRAWN
    if is_grouped:
        nodes, edges = group(nodes, edges)
    parts = [
        masthead(kind=page.kind, title=page.title, summary=page.summary),
        *(notice(warning) for warning in page.warnings),
        f'<section class="card">{facts_list(page.facts)}</section>' if page.facts else "",
        _graph_card(nodes, edges, is_grouped=is_grouped) if nodes else "",
        *(_table(title, rows) for title, rows in (page.tables or {}).items()),
        _table("Every materialization, oldest first", [_row(node) for node in page.nodes]) if page.nodes else "",
        "<footer><p>From the event log, by what was really read. Clients appear by their pseudonyms; the register has "
        "their names. This file needs no network.</p></footer>",
    ]
    shown = {str(node.number): {"title": node.title, "details": dict(node.details)} for node in nodes}
    data = {
        "lineage": json.dumps(
            {"nodes": shown, "edges": sorted({(edge.source, edge.reader) for edge in edges})},
            separators=(",", ":"),
        )
    }
    return html_page(
        title=f"{page.kind}: {page.title}",
        body="\n".join(parts),
        scripts=[page_file("lineage.js")] if nodes else [],
        data=data if nodes else {},
        styles=[page_file("lineage.css")],
    )


def group(nodes: Sequence[Node], edges: Sequence[Edge]) -> tuple[list[Node], list[Edge]]:
    """Draw all materializations of an asset as one box, but for datasets, promoted models and what was asked for."""
    boxes: dict[int, Node] = {}
    first: dict[str, int] = {}
    box_of: dict[int, int] = {}
    for node in sorted(nodes, key=lambda node: node.number):
        if node.asset in _SINGLE or "subject" in node.marks:
            boxes[node.number], box_of[node.number] = node, node.number
            continue
        number = first.setdefault(node.asset, node.number)
        box_of[node.number] = number
        count = boxes[number].count + 1 if number in boxes else 1
        name = node.asset.replace("_", " ")
        boxes[number] = replace(
            node, number=number, partition=name, count=count, marks=(), details={"in all": f"{count:,}"}
        )
    joined = {
        (box_of[edge.source], box_of[edge.reader], edge.role)
        for edge in edges
        if box_of[edge.source] != box_of[edge.reader]
    }
    return list(boxes.values()), [Edge(source=one, reader=other, role=role) for one, other, role in sorted(joined)]


def _graph_card(nodes: Sequence[Node], edges: Sequence[Edge], *, is_grouped: bool) -> str:
    total = count_of(sum(node.count for node in nodes), "materialization")
    about = f"{total}, sources on the left, what was made of them on the right"
    aside = (
        "Too many to draw one by one: a box stands for all of its kind; the table below has them."
        if is_grouped
        else "Choose a box to see what made it, and everything that it stands on and that came of it."
    )
    drawing = draw_lineage(nodes, edges, description=about)
    has_evidence = any(edge.role == "evidence" for edge in edges)
    return (
        f'<section class="card wide"><h3>{escape(about)}</h3><p class="aside">{aside}</p>'
        f"{legend(nodes, has_evidence=has_evidence)}"
        f'<div class="scroll" tabindex="0" role="region" aria-label="Graph">{drawing}</div>'
        '<div class="chosen" id="chosen" aria-live="polite" hidden></div></section>'
    )


def _row(node: Node) -> dict[str, str]:
    return {
        "asset": node.asset,
        "partition": node.partition,
        "event": "gone" if "missing" in node.marks else str(node.number),
        "version": node.data_version[:12],
        **{name: node.details.get(name, "–") for name in ("recorded", "commit", "configuration", "seeds", "run")},
    }


def _table(title: str, rows: Sequence[Mapping[str, str]]) -> str:
    if not rows:
        return ""
    heads = "".join(f'<th scope="col">{escape(name)}</th>' for name in rows[0])
    body = "".join(
        "<tr>"
        + "".join(f'<td class="{_class(name)}">{escape(str(value))}</td>' for name, value in row.items())
        + "</tr>"
        for row in rows[:MAX_ROWS]
    )
    more = notice(f"{len(rows) - MAX_ROWS:,} more are left out here: --json lists all.") if len(rows) > MAX_ROWS else ""
    return (
        f'<section class="card"><h3>{escape(title)}</h3><div class="scroll tall" tabindex="0" role="region" '
        f'aria-label="{escape(title)}"><table><thead><tr>{heads}</tr></thead><tbody>{body}</tbody></table></div>{more}</section>'
    )


def _class(column: str) -> str:
    if column == "partition":
        return "key"
    return "hash" if column in {"version", "commit", "configuration", "run", "sha256", "first", "second"} else ""
