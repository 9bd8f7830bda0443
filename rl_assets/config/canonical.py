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
    """SHA-256 over a validated model's typed values, as hex; key order and spelling of numbers never matter.

    Fields that are None are left out, so that an optional field added later leaves older hashes as they were.
    """
    return hashlib.sha256(canonical_json(model.model_dump(mode="json", exclude_none=True))).hexdigest()


def short_number(value: float) -> str:
    """Write a number in the shortest form that reads back equal, without a plus sign: `0.0003`, `1e-05`, `64`."""
    if isinstance(value, float) and math.isfinite(value) and value == int(value) and abs(value) < 1e15:
        return str(int(value))
    return repr(value).replace("e+", "e")
