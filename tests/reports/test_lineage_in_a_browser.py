"""Pages about lineage in Chromium, at the width of a desk and of a phone."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from rl_assets.reports.lineage_page import lineage_page
from tests.reports.browser import WIDTHS, needs_browser, open_browser, visit
from tests.reports.lineages import chain, sweep_lineage

pytestmark = needs_browser

PAGES = {
    "3": chain,
    "usual": lambda: sweep_lineage(4),
    "300": lambda: sweep_lineage(146),
    "grouped": lambda: sweep_lineage(400),
}
_OUTSIDE = """() => [...document.querySelectorAll(".lineage .node")].filter(node => {
    const box = node.querySelector(".box").getBoundingClientRect();
    return [...node.querySelectorAll("text")].some(text => text.getBoundingClientRect().right > box.right + 1);
}).map(node => node.textContent)"""


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with open_browser() as browser:
        yield browser


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "lineage.html"


@pytest.mark.parametrize("width", WIDTHS.values(), ids=WIDTHS)
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("name", PAGES)
def test_a_lineage_is_whole_at_any_width(browser: Any, file: Path, name: str, scheme: str, width: int) -> None:
    file.write_bytes(lineage_page(PAGES[name]()))
    with visit(browser, file, width=width, scheme=scheme) as seen:
        assert (seen.complaints, seen.requests) == ([], [])
        assert seen.scroll_width == width, seen.overflowing[:5]
        assert seen.cut == []
        assert seen.page.evaluate(_OUTSIDE) == []
        assert seen.overlapping(".lineage .name, .lineage .what, .lineage .head") == []


@pytest.mark.parametrize("width", WIDTHS.values(), ids=WIDTHS)
def test_what_was_asked_about_is_in_sight_at_first(browser: Any, file: Path, width: int) -> None:
    file.write_bytes(lineage_page(sweep_lineage(146)))
    with visit(browser, file, width=width) as seen:
        box = seen.page.locator(".node.subject .box").bounding_box()
        assert box is not None
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= width
        assert box["y"] < 900


def test_a_chosen_box_shows_what_made_it_and_lights_up_its_ancestry(browser: Any, file: Path) -> None:
    file.write_bytes(lineage_page(sweep_lineage(4)))
    with visit(browser, file, width=WIDTHS["desktop"]) as seen:
        panel = seen.page.locator("#chosen")
        assert not panel.is_visible()
        seen.page.click('[data-node="6"]')
        assert "c9791e8ded (dirty)" in panel.inner_text()
        near = seen.page.evaluate("[...document.querySelectorAll('.node.near')].map(box => Number(box.dataset.node))")
        assert sorted(near) == [2, 4, 6, 10, 13, 14, 15, 16]
        lit = seen.page.locator(".edge.near").count()
        assert 0 < lit < seen.page.locator(".edge").count()
        seen.page.keyboard.press("Escape")
        assert not panel.is_visible()
        assert seen.page.locator(".near").count() == 0
        assert seen.complaints == []


def test_a_box_can_be_chosen_with_the_keyboard(browser: Any, file: Path) -> None:
    file.write_bytes(lineage_page(chain()))
    with visit(browser, file, width=WIDTHS["phone"]) as seen:
        seen.page.focus('[data-node="3"]')
        seen.page.keyboard.press("Enter")
        assert "promoted models: CartPole-v1" in seen.page.locator("#chosen").inner_text()
        assert seen.page.get_attribute('[data-node="3"]', "aria-pressed") == "true"
        seen.page.keyboard.press("Enter")
        assert not seen.page.locator("#chosen").is_visible()
