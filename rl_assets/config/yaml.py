"""YAML 1.2 documents, in which `3e-4` is a number."""

import warnings
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError, YAMLWarning

from rl_assets.errors import InvalidConfig

MAX_DOCUMENT_BYTES = 500_000
"""About four seconds of parsing; a grid of the largest size takes a tenth of it."""

_REFUSED_VALUES = (ArithmeticError, AttributeError, LookupError, TypeError, ValueError)
"""What the parser lets through where a value is not what its tag or shape promises, such as the date 2020-99-99."""


def load_yaml(path: Path) -> Any:
    """Read one YAML 1.2 document as plain dicts, lists, strings, numbers and booleans.

    Raises:
        InvalidConfig: the file is missing, not text, too large, not YAML, or repeats a key.
    """
    try:
        with path.open("rb") as file:
            text = file.read(MAX_DOCUMENT_BYTES + 1)
    except OSError as error:
        raise InvalidConfig(f"{path}: cannot be read ({error.strerror}): give the path of a YAML file") from error
    return parse_yaml(text, source=str(path))


def parse_yaml(text: str | bytes, *, source: str) -> Any:
    """Parse one YAML 1.2 document.

    Args:
        text: UTF-8 where it is bytes.
        source: what to call it in an error, such as a file name.

    Raises:
        InvalidConfig: it is too large, not UTF-8, not YAML, or repeats a key.
    """
    if len(text) > MAX_DOCUMENT_BYTES:
        raise InvalidConfig(
            f"{source}: expected at most {MAX_DOCUMENT_BYTES:,} bytes, got more: is this a sweep? Split it if it is"
        )
    try:
        text = text.decode("utf-8-sig") if isinstance(text, bytes) else text
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        raise InvalidConfig(
            f"{source}: not UTF-8 text (byte 0x{error.object[error.start]:02x} in line {line}): save it as UTF-8"
        ) from error
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", YAMLWarning)
            return YAML(typ="safe", pure=True).load(text)
    except RecursionError as error:
        raise InvalidConfig(f"{source}: not valid YAML: nested too deeply, remove the innermost brackets") from error
    except (YAMLError, *_REFUSED_VALUES) as error:
        place = getattr(error, "problem_mark", None)
        where = f" in line {place.line + 1}" if place is not None else ""
        problem = getattr(error, "problem", None) or (str(error).strip() or type(error).__name__).splitlines()[0]
        problem = problem.split(";")[0].split(" with value ")[0]  # values may be clients' names, and this may be logged
        raise InvalidConfig(f"{source}: not valid YAML{where}: {problem}") from error
