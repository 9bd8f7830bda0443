"""The tables of fields in docs/sweeps.md, rendered from the models; run this file to write them anew."""

import re
from pathlib import Path

from pydantic import BaseModel

from rl_assets.config.fields import TITLES, field_rows

PAGE = Path(__file__).parents[2] / "docs" / "sweeps.md"
_TABLE = re.compile(r"(<!-- fields of (\w+) -->\n).*?(<!-- end of fields -->)", re.DOTALL)
_WORDS = {"required", "none", "as below"}
"""Defaults that are words and no values."""


def tables_in(page: str) -> dict[str, str]:
    """Model name -> the table that stands in a page."""
    return {match[2]: match[0] for match in _TABLE.finditer(page)}


def render_table(model: type[BaseModel]) -> str:
    """The table of one model, with the marks around it."""
    rows = [
        f"| `{row.name}` | {row.expects} | {row.default if row.default in _WORDS else f'`{row.default}`'} | "
        f"{row.meaning} |"
        for row in field_rows(model)
    ]
    head = f"<!-- fields of {model.__name__} -->\n| field | expects | default | meaning |\n|---|---|---|---|\n"
    return head + "\n".join(rows) + "\n<!-- end of fields -->"


if __name__ == "__main__":
    fresh = {model.__name__: render_table(model) for model in TITLES}
    PAGE.write_text(_TABLE.sub(lambda match: fresh[match[2]], PAGE.read_text()))
