"""docs/features.md holds every feature that was asked for, and claims only what a test shows."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ASKED_FOR = "0-1..27 1-1..25 2-1..28 2-30..31 3-1..17 4-1..22 4-24..32 D1..9 D11..12"
ROW = re.compile(r"^\| ([0-9D][-0-9]*) \| (.+?) \| (.+) \|$", re.MULTILINE)
NAMED = re.compile(r"`(tests/[\w/]+\.py)::(\w+)`")
ROWS = ROW.findall((ROOT / "docs" / "features.md").read_text())


def spelled_out(ranges: str) -> list[str]:
    """`0-1..3` stands for `0-1`, `0-2`, `0-3`."""
    ids = []
    for part in ranges.split():
        prefix, first, last = re.fullmatch(r"(\d-|D)(\d+)\.\.(\d+)", part).groups()  # pyright: ignore[reportOptionalMemberAccess]
        ids += [f"{prefix}{number}" for number in range(int(first), int(last) + 1)]
    return ids


def test_every_feature_has_exactly_one_row_in_order() -> None:
    assert [feature for feature, _, _ in ROWS] == spelled_out(ASKED_FOR)


@pytest.mark.parametrize(("feature", "shown"), [(feature, shown) for feature, _, shown in ROWS])
def test_a_row_names_tests_that_exist_or_says_not_yet(feature: str, shown: str) -> None:
    if shown == "not yet":
        return
    named = NAMED.findall(shown)
    rest = re.sub(r"^in part \([^|]+?\): ", "", shown)
    assert named, f"{feature}: expected tests as `tests/file.py::name`, or 'not yet'"
    assert NAMED.sub("", rest).strip(", ") == "", f"{feature}: expected nothing but tests, got '{rest}'"
    for path, name in named:
        assert (ROOT / path).is_file(), f"{feature}: there is no {path}"
        assert name in names_of_tests_in(ROOT / path), f"{feature}: {path} has no {name}"


def names_of_tests_in(path: Path) -> set[str]:
    functions = (node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.FunctionDef))
    return {function.name for function in functions if function.name.startswith("test_")}
