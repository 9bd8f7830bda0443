"""docs/runbooks/errors.md says of every error what it means and what to do."""

import re
from pathlib import Path

import pytest

from rl_assets import errors

PAGE = (Path(__file__).parents[2] / "docs" / "runbooks" / "errors.md").read_text()
SECTIONS = dict(re.findall(r"^## (\w+)\n(.*?)(?=^## |\Z)", PAGE, re.DOTALL | re.MULTILINE))


def family(kind: type[errors.RlAssetsError]) -> list[type[errors.RlAssetsError]]:
    """An error and all below it, in the order of the tree."""
    return [kind, *(each for child in kind.__subclasses__() for each in family(child))]


TREE = [kind.__name__ for kind in family(errors.RlAssetsError) if kind.__module__ == errors.__name__]


@pytest.mark.parametrize("name", TREE)
def test_every_error_says_what_it_means_and_what_to_do(name: str) -> None:
    assert name in SECTIONS, f"docs/runbooks/errors.md: add a section '## {name}'"
    assert re.fullmatch(r"Means: \S.+?\nTo do: \S.+?\n*", SECTIONS[name], re.DOTALL), (
        f"docs/runbooks/errors.md, {name}: expected a line 'Means: …' and a line 'To do: …'"
    )


def test_no_error_is_documented_that_does_not_exist() -> None:
    assert set(SECTIONS) <= set(TREE)


def test_every_error_stands_in_the_tree_of_its_module() -> None:
    assert [name for name in TREE if not re.search(rf"\b{name}\b", errors.__doc__ or "")] == []
