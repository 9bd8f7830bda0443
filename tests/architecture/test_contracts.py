"""The shape of the code base: who may import whom, what a file may be called and how long it may be."""

import ast
import os
import re
import subprocess
import sys
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
SOURCES = sorted((ROOT / "rl_assets").rglob("*.py"))
TESTS = sorted((ROOT / "tests").rglob("*.py"))
NAMELESS = {"utils", "util", "common", "helpers", "helper", "misc"}
MAX_LINES = 450
LONG_FILES = {"rl_assets/rl/kernels.py": 720}
"""File -> its own bound. Compiled code is cached by the date of the file it stands in, so what it calls in another file
could change unnoticed: the kernels stand in one (docs/decisions/007-compiled-kernels.md)."""


def relative(path: Path) -> str:
    return str(path.relative_to(ROOT))


def canonical(distribution: str) -> str:
    return re.sub(r"[-_.]+", "-", distribution).lower()


def imported_modules(path: Path) -> set[str]:
    """Return the top-level names that a file imports, wherever in the file."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text(), filename=str(path))):
        if isinstance(node, ast.Import):
            names |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            names.add(node.module.split(".")[0])
    return names


def test_import_contracts_are_kept() -> None:
    program = Path(sys.executable).with_name("lint-imports")
    result = subprocess.run(
        [program, "--no-cache"],
        cwd=ROOT,
        env={**os.environ, "NO_COLOR": "1", "COLUMNS": "200"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, f"\n{result.stdout}\n{result.stderr}"


def test_every_module_is_named_for_what_it_holds() -> None:
    nameless = [name for name in map(relative, SOURCES + TESTS) if NAMELESS & set(Path(name).with_suffix("").parts)]
    assert not nameless, f"name these for what they hold, or move their contents: {nameless}"


def test_no_file_is_too_long_to_read() -> None:
    files = [*SOURCES, *TESTS, ROOT / "definitions.py"]
    lengths = {relative(path): len(path.read_text().splitlines()) for path in files}
    too_long = {name: length for name, length in lengths.items() if length > LONG_FILES.get(name, MAX_LINES)}
    assert not too_long, f"more than {MAX_LINES} lines, split by idea: {too_long}"


@pytest.mark.parametrize(
    ("paths", "extras"),
    [
        pytest.param([*SOURCES, ROOT / "definitions.py"], [], id="package"),
        pytest.param(TESTS, ["postgres", "test"], id="tests"),
    ],
)
def test_every_imported_distribution_is_declared(paths: list[Path], extras: list[str]) -> None:
    requirements = list(PROJECT["project"]["dependencies"])
    for extra in extras:
        requirements += PROJECT["project"]["optional-dependencies"][extra]
    declared = {canonical(re.split(r"[^\w.-]", requirement)[0]) for requirement in requirements}
    providers = packages_distributions()
    ours = {"rl_assets", "definitions", "tests", "benchmarks"} | sys.stdlib_module_names
    undeclared = {
        f"{relative(path)}: {name}"
        for path in paths
        for name in imported_modules(path) - ours
        if not declared & {canonical(distribution) for distribution in providers.get(name, [])}
    }
    assert not undeclared, f"declare in pyproject.toml what provides these: {sorted(undeclared)}"
