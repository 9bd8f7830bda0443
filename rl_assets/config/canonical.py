"""One spelling for one value, so that equal configurations have equal hashes."""

import hashlib
import json
import math
from typing import Any

from pydantic import BaseModel


def canonical_json(value: Any) -> bytes:
    """Encode plain data as UTF-8 JSON with sorted keys and no spaces.

    Numbers keep their type: `1` and `1.0` differ, so hash validated models rather than raw input.

    Raises:
        ValueError: the value holds NaN or infinity, which JSON cannot say.
    """
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode()


def config_hash(model: BaseModel) -> str:
    """SHA-256 over a validated model's typed values, as hex.

    Neither the order of keys nor the spelling of a number matters: `3e-4` is `0.0003`, and `-0.0` is `0.0`.

    Fields that are None are left out, so that an optional field added later leaves older hashes as they were.
    """
    values = _without_negative_zeros(model.model_dump(mode="json", exclude_none=True))
    return hashlib.sha256(canonical_json(values)).hexdigest()


def short_number(value: float) -> str:
    """Write a number in the shortest form that reads back equal, without a plus sign: `0.0003`, `1e-05`, `64`."""
    if isinstance(value, float) and math.isfinite(value) and value == int(value) and abs(value) < 1e15:
        return str(int(value))
    return repr(value).replace("e+", "e")


def spell_value(value: object) -> str:
    """Write a value as partition keys do: `true`, `0.0003`, `64x64`."""
    if isinstance(value, bool):
        return str(value).lower()
    if value is None:
        return "null"
    if isinstance(value, tuple):
        return "x".join(spell_value(part) for part in value)
    return short_number(value) if isinstance(value, int | float) else str(value)


def _without_negative_zeros(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_negative_zeros(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_without_negative_zeros(inner) for inner in value]
    return 0.0 if isinstance(value, float) and value == 0 else value
