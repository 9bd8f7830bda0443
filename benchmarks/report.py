"""Figures as tables: for the screen, and between the marks of a page whose prose is left alone."""

import os
import re
import secrets
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.table import Table as ScreenTable


@dataclass(frozen=True, kw_only=True)
class Table:
    """Rows of text under column names; the first column names the row."""

    title: str
    """What was measured, on what, how often."""

    columns: tuple[str, ...]
    """Names of the columns."""

    rows: tuple[tuple[str, ...], ...]
    """Cells, as many in each row as there are columns."""

    notes: tuple[str, ...] = ()
    """Sentences that a reader needs to judge the figures."""

    def __post_init__(self) -> None:
        for row in self.rows:
            if len(row) != len(self.columns):
                raise ValueError(f"row {row} of '{self.title}' has {len(row)} cells: expected {len(self.columns)}")

    def for_screen(self) -> ScreenTable:
        """The table as rich prints it."""
        table = ScreenTable(title=self.title, title_justify="left", caption="\n".join(self.notes) or None)
        table.caption_justify = "left"
        for index, name in enumerate(self.columns):
            table.add_column(name, justify="right" if index else "left", overflow="fold")
        for row in self.rows:
            table.add_row(*row)
        return table

    def as_markdown(self) -> str:
        """The table as a page shows it, with its title above and its notes below."""
        lines = [
            f"**{self.title}**",
            "",
            _line(self.columns),
            _line(["---", *["---:"] * (len(self.columns) - 1)]),
            *(_line(row) for row in self.rows),
        ]
        if self.notes:
            lines += ["", " ".join(self.notes)]
        return "\n".join(lines)


def ratios(ours: Sequence[float], theirs: Sequence[float]) -> list[float]:
    """Ours over theirs, round by round: a machine that slows down for a while slows both."""
    return [mine / other for mine, other in zip(ours, theirs, strict=True)]


def spread(numbers: Iterable[float], *, digits: int = 0) -> str:
    """Spell a median with the smallest and the largest, such as `13,100 (12,900 to 13,300)`."""
    found = sorted(numbers)
    if not found:
        return "none"
    middle = f"{statistics.median(found):,.{digits}f}"
    return middle if len(found) == 1 else f"{middle} ({found[0]:,.{digits}f} to {found[-1]:,.{digits}f})"


def times(numbers: Iterable[float]) -> str:
    """Spell the median of ratios, such as `4.1x`."""
    return f"{statistics.median(numbers):.2f}x"


def replace_section(page: str, name: str, body: str) -> str:
    """Put text between the marks of a section and leave all else as it is.

    Args:
        page: with `<!-- benchmark NAME -->` and, below it, `<!-- end of NAME -->`, once each.
        name: of the section.
        body: what is to stand between them.

    Raises:
        ValueError: the marks are missing, doubled or in the wrong order.
    """
    start, end = f"<!-- benchmark {name} -->", f"<!-- end of {name} -->"
    if page.count(start) != 1 or page.count(end) != 1 or page.index(start) > page.index(end):
        raise ValueError(f"page has no section '{name}': expected '{start}' and below it '{end}', once each")
    pattern = re.compile(f"{re.escape(start)}.*?{re.escape(end)}", re.DOTALL)
    return pattern.sub(lambda _: f"{start}\n{body.strip()}\n{end}", page)


def write_section(path: Path, name: str, body: str) -> None:
    """Replace a section of a page; whoever reads meanwhile finds the old page or the new one.

    Raises:
        ValueError: the page has no such section; it is left as it was.
    """
    page = replace_section(path.read_text(encoding="utf-8"), name, body)
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        temporary.write_text(page, encoding="utf-8")
        temporary.chmod(path.stat().st_mode)
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def _line(cells: Iterable[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in cells) + " |"
