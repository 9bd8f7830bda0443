import re
from xml.etree import ElementTree

import pytest

from rl_assets.reports.lineage_drawing import Edge, Node, draw_lineage, elide, legend
from tests.reports.lineages import box, chain, sweep_lineage


def svg(nodes: list[Node], edges: list[Edge]) -> ElementTree.Element:
    return ElementTree.fromstring(draw_lineage(nodes, edges, description="d & e"))


def texts(drawing: ElementTree.Element, kind: str) -> list[str]:
    return [element.text or "" for element in drawing.iter("text") if element.get("class") == kind]


@pytest.mark.parametrize("size", [3, 4, 20, 146])
def test_every_box_is_drawn_inside_the_drawing_and_none_covers_another(size: int) -> None:
    page = sweep_lineage(size)
    drawing = svg(list(page.nodes), list(page.edges))
    boxes = [group for group in drawing.iter("g") if group.get("data-node")]
    assert {group.get("data-node") for group in boxes} == {str(node.number) for node in page.nodes}
    places = []
    for group in boxes:
        x, y = map(float, re.findall(r"[\d.]+", group.get("transform", "")))
        rect = group.find("rect")
        assert rect is not None
        places.append((x, y, x + float(rect.get("width", 0)), y + float(rect.get("height", 0))))
    assert all(x >= 0 and x2 <= float(drawing.get("width", 0)) for x, _, x2, _ in places)
    assert all(y >= 0 and y2 <= float(drawing.get("height", 0)) for _, y, _, y2 in places)
    for number, (x, y, x2, y2) in enumerate(places):
        for other in places[number + 1 :]:
            assert x2 <= other[0] or other[2] <= x or y2 <= other[1] or other[3] <= y


def test_evidence_is_told_from_data() -> None:
    nodes = [box(1, "eval_leaderboards", "e"), box(2, "trained_policies", "p"), box(3, "promoted_models", "e")]
    edges = [Edge(source=1, reader=3, role="evidence"), Edge(source=2, reader=3)]
    kinds = {line.get("data-source"): line.get("class") for line in svg(nodes, edges).iter("path")}
    assert kinds == {"1": "edge evidence", "2": "edge data"}


def test_a_box_shows_its_key_its_event_and_its_marks() -> None:
    drawing = svg(list(chain().nodes), list(chain().edges))
    assert texts(drawing, "name") == ["c-d1a973d7da.d1", "? ppo-lr=0…00001", "CartPole-v1"]
    assert texts(drawing, "what")[1] == "CartPole-v1 · #2"
    assert texts(drawing, "head") == ["datasets 1", "trained policies 1", "promoted models 1"]
    (title,) = [element.text for element in drawing.iter("title") if "trained" in str(element.text)]
    assert title == f"trained policies: {chain().nodes[1].partition}", "in full"


def test_a_column_of_many_kinds_names_the_first() -> None:
    nodes = [box(number, asset, "x") for number, asset in enumerate(["a", "b", "c", "b"], start=1)]
    assert texts(svg(nodes, []), "head") == ["b 2", "and 2 other kinds"]


def test_keys_cannot_become_markup() -> None:
    drawing = svg([box(1, "datasets", "<b>&")], [])
    assert texts(drawing, "name") == ["<b>&"]


def test_a_long_key_keeps_its_beginning_and_its_hash() -> None:
    assert elide("ppo-lr=0.001-27263ef805", 18) == "ppo-lr=0.0…63ef805"
    assert elide("short", 18) == "short"
    assert elide("a" * 50 + "ef805", 18).endswith("ef805")
    assert len(elide("a" * 50, 18)) == 18


def test_a_legend_has_what_occurs_and_no_more() -> None:
    told = legend(chain().nodes, has_evidence=False)
    assert "promoted models" in told
    assert "gone from the log" in told
    assert "informed a decision" not in told
    assert "was promoted" not in told
