"""The frame of every page: one file that opens from disk, fetches nothing and follows the reader's colour scheme."""

import base64
import hashlib
from collections.abc import Mapping, Sequence
from functools import cache
from html import escape
from importlib.resources import files
from typing import Any

from rl_assets.statistics.gates import Verdict

_MARKS: Mapping[str, str] = {"pass": "✓", "hold": "–", "fail": "✕", "none": "·"}


def html_page(
    *,
    title: str,
    body: str,
    scripts: Sequence[str] = (),
    data: Mapping[str, str] | None = None,
    styles: Sequence[str] = (),
) -> bytes:
    """Frame a page; its security policy allows these scripts alone and no request to anywhere.

    Args:
        title: plain text.
        body: HTML, escaped by whoever made it.
        scripts: JavaScript to run after the body, in this order.
        data: element id -> JSON text that the scripts read.
        styles: CSS to add to that of every page.
    """
    hashes = " ".join(f"'sha256-{_digest(script)}'" for script in scripts) or "'none'"
    policy = (
        f"default-src 'none'; style-src 'unsafe-inline'; img-src data: blob:; script-src {hashes}; "
        "base-uri 'none'; form-action 'none'"
    )
    blocks = [
        f'<script type="application/json" id="{escape(name)}">{_inert(text)}</script>'
        for name, text in (data or {}).items()
    ]
    blocks += [f"<script>{script}</script>" for script in scripts]
    return "\n".join(
        [
            "<!doctype html>",
            '<html lang="en">',
            "<head>",
            '<meta charset="utf-8">',
            f'<meta http-equiv="Content-Security-Policy" content="{policy}">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            '<meta name="color-scheme" content="light dark">',
            '<link rel="icon" href="data:,">',
            f"<title>{escape(title)}</title>",
            f"<style>\n{''.join([page_file('page.css'), *styles])}</style>",
            "</head>",
            "<body>",
            f"<main>\n{body}\n</main>",
            *blocks,
            "</body>",
            "</html>",
            "",
        ]
    ).encode()


@cache
def page_file(name: str) -> str:
    """Read a stylesheet or script that ships with this package."""
    return files("rl_assets.reports").joinpath(name).read_text(encoding="utf-8")


def masthead(*, kind: str, title: str, summary: str) -> str:
    """Head a page: what kind of page it is, its subject, and its message in a sentence or two; all plain text."""
    return (
        f'<header class="masthead"><p class="kind">{escape(kind)}</p><h1>{escape(title)}</h1>'
        f'<p class="lead">{escape(summary)}</p></header>'
    )


def facts_list(facts: Mapping[str, str]) -> str:
    """List named facts, plain text both; nothing where there are none."""
    if not facts:
        return ""
    items = "".join(f"<div><dt>{escape(name)}</dt><dd>{escape(value)}</dd></div>" for name, value in facts.items())
    return f'<dl class="facts">{items}</dl>'


def verdict_chip(verdict: Verdict | None) -> str:
    """Show a verdict by mark, word and colour; None where nobody has judged."""
    name = verdict or "none"
    mark = f'<span aria-hidden="true">{_MARKS[name]}</span>'
    return f'<span class="chip chip-{name}">{mark} {verdict or "not judged"}</span>'


def badge(text: str, *, kind: str = "plain") -> str:
    """A small mark in a table's cell, from plain text."""
    return f'<span class="badge badge-{kind}">{escape(text)}</span>'


def place_chart(place: str, figure: Mapping[str, Any], description: str) -> str:
    """Where a chart will be drawn, at its final height so that the page does not jump; the description is plain text.

    Args:
        place: id on the page, and of the chart among the data of `charts.js`.
        figure: the chart, with the height in its layout.
        description: what someone hears who cannot see it.
    """
    height = figure["layout"]["height"]
    return (
        f'<div class="plot" id="{place}" style="height:{height}px" role="img" aria-label="{escape(description)}"></div>'
    )


def select_menu(place: str, choices: Sequence[str], *, label: str) -> str:
    """A menu of what a chart may show: the chart itself, then its further `choices`, by plain names."""
    options = "".join(f'<option value="{number}">{escape(name)}</option>' for number, name in enumerate(choices))
    select = f'<select data-chart="{place}" autocomplete="off">{options}</select>'
    return f'<label class="menu"><span>{escape(label)}</span>{select}</label>'


def notice(text: str) -> str:
    """Say plainly what is missing, from plain text."""
    return f'<p class="notice">{escape(text)}</p>'


def _inert(text: str) -> str:
    """JSON that cannot end its script element."""
    return text.replace("<", "\\u003c")


def _digest(script: str) -> str:
    return base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
