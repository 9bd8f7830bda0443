import dataclasses
import json
import re

from rl_assets.reports.lineage_drawing import Edge
from rl_assets.reports.lineage_page import MAX_DRAWN, MAX_ROWS, group, lineage_page
from tests.reports.lineages import box, chain, page_of, sweep_lineage


def data_of(page: bytes) -> dict:
    found = re.search(rb'<script type="application/json" id="lineage">(.*?)</script>', page)
    assert found is not None
    return json.loads(found[1])


def test_equal_contents_give_equal_bytes() -> None:
    assert lineage_page(sweep_lineage(5)) == lineage_page(sweep_lineage(5))


def test_every_materialization_is_drawn_described_and_listed() -> None:
    page = lineage_page(sweep_lineage(5))
    data = data_of(page)
    assert len(data["nodes"]) == page.count(b'data-node="') == 18
    assert data["nodes"]["5"]["details"]["seeds"] == "0, 1, 2"
    assert [1, 3] in data["edges"]
    assert page.count(b'<td class="key">') == 18


def test_a_missing_one_is_marked_and_warnings_are_escaped() -> None:
    page = lineage_page(chain())
    assert b'class="node missing"' in page
    assert b'<td class="">gone</td>' in page
    assert b"something &lt;b&gt;was&lt;/b&gt; wiped" in page


def test_nothing_to_draw_is_a_page_too() -> None:
    page = lineage_page(page_of([], []))
    assert b"<svg" not in page
    assert b"<script" not in page


def test_too_many_are_drawn_by_kind_and_counted() -> None:
    page = sweep_lineage(MAX_DRAWN)
    html = lineage_page(page)
    assert len(data_of(html)["nodes"]) == 8
    assert b"601 of them" in html
    assert b"Too many to draw one by one" in html
    assert html.count(b'<td class="key">') == len(page.nodes)


def test_grouping_keeps_datasets_models_and_the_subject_and_every_connection() -> None:
    nodes = [box(1, "datasets", "d"), box(2, "a", "x"), box(3, "a", "y"), box(4, "b", "z", "subject"), box(5, "b", "w")]
    edges = [Edge(source=1, reader=2), Edge(source=2, reader=3), Edge(source=3, reader=4), Edge(source=3, reader=5)]
    boxes, joined = group(nodes, edges)
    assert {node.number: node.count for node in boxes} == {1: 1, 2: 2, 4: 1, 5: 1}
    assert [(edge.source, edge.reader) for edge in joined] == [(1, 2), (2, 4), (2, 5)]


def test_a_long_table_says_how_many_it_leaves_out() -> None:
    rows = [{"field": str(number)} for number in range(MAX_ROWS + 5)]
    page = lineage_page(dataclasses.replace(chain(), tables={"Recipes differ in": rows}))
    assert b"5 more are left out here" in page
