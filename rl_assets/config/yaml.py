"""YAML 1.2 documents, in which `3e-4` is a number."""

from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from rl_assets.errors import InvalidConfig

MAX_DOCUMENT_BYTES = 4_000_000


def load_yaml(path: Path) -> Any:
    """Read one YAML 1.2 document as plain dicts, lists, strings, numbers and booleans.

    Raises:
        InvalidConfig: the file is missing, not text, too large, not YAML, or repeats a key.
    """
    try:
        text = path.read_bytes()
    except OSError as error:
        raise InvalidConfig(f"{path}: cannot be read ({error.strerror}): give the path of a YAML file") from error
    if len(text) > MAX_DOCUMENT_BYTES:
        raise InvalidConfig(f"{path}: {len(text)} bytes: expected at most {MAX_DOCUMENT_BYTES}")
    return parse_yaml(text, source=str(path))


def parse_yaml(text: str | bytes, *, source: str) -> Any:
    """Parse one YAML 1.2 document; the source names it in errors."""
    try:
        return YAML(typ="safe", pure=True).load(text)
    except (YAMLError, UnicodeDecodeError) as error:
        place = getattr(error, "problem_mark", None)
        where = f" in line {place.line + 1}" if place is not None else ""
        problem = getattr(error, "problem", None) or str(error).splitlines()[0]
        raise InvalidConfig(f"{source}: not valid YAML{where}: {problem}") from error
