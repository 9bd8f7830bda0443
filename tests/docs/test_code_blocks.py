"""Every code block of the documentation is parsed, and every command and link in it exists."""

import ast
import importlib
import json
import re
import shlex
import tomllib
from pathlib import Path
from typing import Any

import pytest
import typer

from rl_assets.cli.app import app
from rl_assets.config.evaluation import GatesConfig
from rl_assets.config.yaml import parse_yaml
from rl_assets.resources.sweep_library import read_sweep

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").rglob("*.md"))]
LANGUAGES = {"yaml", "python", "json", "console", "sh", "text", "mermaid", "toml", ""}
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
COMMAND = re.compile(r"`(rlctl[^`]*)`")
MAKE = re.compile(r"\bmake ([a-z]+)")
VARIABLE = re.compile(r"\b(?:RL_ASSETS|DAGSTER)_[A-Z_]+\b")
LINK = re.compile(r"\]\(([^)#]*)(?:#([\w-]+))?\)")


def blocks(*languages: str) -> list:
    """The code blocks in these languages, each with its page and line for a name."""
    found = []
    for page in PAGES:
        text = page.read_text()
        for match in BLOCK.finditer(text):
            if match[1] in languages:
                line = text.count("\n", 0, match.start()) + 1
                found.append(pytest.param(match[2], id=f"{page.relative_to(ROOT)}:{line}"))
    return found


def commands() -> list:
    """Every call of `rlctl`, in blocks and in sentences."""
    found = {}
    for page in PAGES:
        text = page.read_text()
        lines = [line for _, body in BLOCK.findall(text) for line in body.splitlines() if line.startswith("rlctl ")]
        for line in [*lines, *COMMAND.findall(BLOCK.sub("", text))]:
            found[line] = str(page.relative_to(ROOT))
    return [pytest.param(line, id=f"{page}: {line}") for line, page in found.items()]


def test_every_block_has_a_language_that_is_checked() -> None:
    unknown = {
        f"{page.relative_to(ROOT)}: {language}"
        for page in PAGES
        for language, _ in BLOCK.findall(page.read_text())
        if language not in LANGUAGES
    }
    assert not unknown
    for page in PAGES:
        assert page.read_text().count("\n```") % 2 == 0, f"{page}: a block is not closed"


@pytest.mark.parametrize("body", blocks("yaml"))
def test_yaml_that_looks_like_a_sweep_is_one(body: str) -> None:
    document = parse_yaml(body, source="block")
    if isinstance(document, dict) and {"envs", "env"} & set(document):
        read_sweep(document, source="block")
    if isinstance(document, dict) and set(document) == {"gates"}:
        GatesConfig.parse(document["gates"], source="block")


@pytest.mark.parametrize("body", blocks("toml"))
def test_toml_can_be_read(body: str) -> None:
    tomllib.loads(body)


@pytest.mark.parametrize("body", blocks("json"))
def test_json_can_be_read(body: str) -> None:
    json.loads(body)


@pytest.mark.parametrize("body", blocks("python"))
def test_python_compiles_and_what_it_imports_from_here_exists(body: str) -> None:
    tree = ast.parse(body)
    compile(tree, "block", "exec")
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("rl_assets"):
            module = importlib.import_module(node.module or "")
            assert [alias.name for alias in node.names if not hasattr(module, alias.name)] == []


@pytest.mark.parametrize("line", commands())
def test_every_command_exists_with_its_options(line: str) -> None:
    command: Any = typer.main.get_command(app)
    words = shlex.split(line)[1:]
    while words and hasattr(command, "commands"):
        if words[0].startswith("-") and command.invoke_without_command:
            break
        assert words[0] in command.commands, f"'{line}': expected one of {sorted(command.commands)}"
        command = command.commands[words.pop(0)]
    options = {option for parameter in command.params for option in parameter.opts}
    used = {word.split("=")[0] for word in words if word.startswith("-")}
    assert used <= options | {"--help"}, f"'{line}': expected options among {sorted(options)}"
    if words and not hasattr(command, "commands"):
        command.make_context("rlctl", list(words), resilient_parsing=False)


def test_every_command_of_the_program_is_documented() -> None:
    written = " ".join(page.read_text() for page in PAGES)
    group: Any = typer.main.get_command(app)
    names = [
        f"rlctl {name} {inner}" if inner else f"rlctl {name}"
        for name, command in group.commands.items()
        for inner in getattr(command, "commands", [""])
    ]
    undocumented = [name for name in names if name not in written]
    assert undocumented == []


def test_every_make_target_exists() -> None:
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    named = {
        name
        for page in PAGES
        for text in [
            *(body for _, body in BLOCK.findall(page.read_text())),
            *re.findall(r"`[^`\n]+`", page.read_text()),
        ]
        for name in MAKE.findall(text)
    }
    assert named <= targets


def test_every_environment_variable_is_read_somewhere() -> None:
    sources = " ".join(path.read_text() for path in (ROOT / "rl_assets").rglob("*.py"))
    named = {name for page in PAGES for name in VARIABLE.findall(page.read_text())}
    assert {name for name in named if name not in sources} == set()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_leads_somewhere(page: Path) -> None:
    for target, anchor in LINK.findall(page.read_text()):
        if "://" in target:
            continue
        other = (page.parent / target).resolve() if target else page
        assert other.exists(), f"{page.name}: no {target}"
        if anchor:
            headings = re.findall(r"^#+ (.+)$", other.read_text(), re.MULTILINE)
            anchors = {re.sub(r"[^\w\- ]", "", heading).strip().lower().replace(" ", "-") for heading in headings}
            assert anchor in anchors, f"{page.name}: {target} has no #{anchor}"
