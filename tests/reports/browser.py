"""A page as a browser shows it: what it asked for, what it complained of, and where things stand."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
WIDTHS = {"desktop": 1440, "phone": 390}
needs_browser = [
    pytest.mark.browser,
    pytest.mark.skipif(
        CHROMIUM is None, reason="no chromium on the PATH: install it, on Debian `apt-get install chromium`"
    ),
]
_QUIET = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--no-first-run",
]
_OVERFLOWING = """() => [...document.querySelectorAll("main *")]
    .filter(e => !e.closest(".scroll, pre, svg") && e.getClientRects().length)
    .filter(e => e.getBoundingClientRect().right > document.documentElement.clientWidth + 1)
    .map(e => e.tagName + "." + e.className)"""
_CUT = """() => [...document.querySelectorAll(
        "main :is(h1, h2, h3, p, dt, dd, td, th, a, button, select, summary, .chip, .badge)")]
    .filter(e => e.getClientRects().length && getComputedStyle(e).display !== "inline")
    .filter(e => e.scrollWidth > e.clientWidth + 1)
    .map(e => e.tagName + " " + e.textContent.trim().slice(0, 60))"""
_OVERLAPPING = """(selector) => {
    const boxes = [...document.querySelectorAll(selector)]
        .filter(e => e.textContent.trim() && e.getClientRects().length)
        .map(e => [e.textContent, e.getBoundingClientRect()]);
    const found = [];
    boxes.forEach(([a, p], i) => boxes.slice(i + 1).forEach(([b, q]) => {
        const wide = Math.min(p.right, q.right) - Math.max(p.left, q.left);
        const high = Math.min(p.bottom, q.bottom) - Math.max(p.top, q.top);
        if (wide > 1 && high > 3) found.push(a + " / " + b);
    }));
    return found;
}"""


@dataclass(kw_only=True)
class Visit:
    """One page in one window."""

    page: Page
    complaints: list[str] = field(default_factory=list)
    """Errors and warnings on the console, and exceptions that nobody caught."""
    requests: list[str] = field(default_factory=list)
    """Addresses that were asked for, but for the file itself and data inside it."""

    @property
    def overflowing(self) -> list[str]:
        """Elements that reach beyond the window, those aside that scroll by themselves."""
        return self.page.evaluate(_OVERFLOWING)

    @property
    def scroll_width(self) -> int:
        """How wide the page is, in pixels; the window's width where it does not scroll sideways."""
        return self.page.evaluate("document.documentElement.scrollWidth")

    @property
    def cut(self) -> list[str]:
        """Texts that are wider than their boxes."""
        return self.page.evaluate(_CUT)

    @property
    def plots(self) -> dict[str, dict[str, Any]]:
        """Place -> size on the page, number of drawn marks, and whether it stands inside its place."""
        return {
            place.get_attribute("id") or "": place.evaluate(
                """e => ({
                    width: e.getBoundingClientRect().width,
                    height: e.getBoundingClientRect().height,
                    drawn: e.querySelectorAll(".main-svg").length ? e.querySelector(".main-svg").clientHeight : 0,
                    marks: e.querySelectorAll(".point, .points path, .js-line, .hm image, .bars path").length,
                })"""
            )
            for place in self.page.locator(".plot").all()
        }

    def overlapping(self, selector: str) -> list[str]:
        """Pairs of texts, of all that a selector finds, that cover each other."""
        return self.page.evaluate(_OVERLAPPING, selector)

    def settle(self) -> None:
        """Wait until everything is drawn."""
        self.page.evaluate("() => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")


@contextmanager
def open_browser() -> Iterator[Browser]:
    """Start a browser without a window."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=_QUIET)
        try:
            yield browser
        finally:
            browser.close()


@contextmanager
def visit(browser: Browser, file: Path, *, width: int, scheme: Any = "light") -> Iterator[Visit]:
    """Open a file from disk in a window of this width; nothing else can be fetched without being noticed."""
    page = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)
    found = Visit(page=page)
    page.on("console", lambda message: found.complaints.append(message.text) if message.type != "log" else None)
    page.on("pageerror", lambda error: found.complaints.append(str(error)))
    page.on(
        "request",
        lambda request: (
            found.requests.append(request.url)
            if request.url != file.as_uri() and not request.url.startswith(("data:", "blob:"))
            else None
        ),
    )
    try:
        page.goto(file.as_uri())
        found.settle()
        yield found
    finally:
        page.close()
