"""Partition keys that Dagster, its UI and a shell all read alike."""

import hashlib
import re
from typing import Any

from rl_assets.config.canonical import canonical_json
from rl_assets.errors import InvalidPartitionKey

MAX_KEY_LENGTH = 100
HASH_LENGTH = 10
_ALLOWED = re.compile(r"[A-Za-z0-9._=+;-]+")


def check_key(key: str, *, kind: str) -> str:
    """Return the key if Dagster can carry it.

    Args:
        key: a proposed partition key of one dimension.
        kind: what it names, for the error: `sweep`, `env`, `hparam`, `dataset`.

    Raises:
        InvalidPartitionKey: empty, too long, or holding a character or sequence that would be misread.
    """
    if not key:
        raise InvalidPartitionKey(f"{kind} key is empty: expected 1 to {MAX_KEY_LENGTH} characters")
    if len(key) > MAX_KEY_LENGTH:
        raise InvalidPartitionKey(
            f"{kind} key {f'{key[:40]}…'!r} has {len(key)} characters: expected at most {MAX_KEY_LENGTH}; "
            "choose a shorter name"
        )
    if not _ALLOWED.fullmatch(key):
        wrong = sorted({character for character in key if not _ALLOWED.fullmatch(character)})
        raise InvalidPartitionKey(
            f"{kind} key {key!r} holds {', '.join(map(repr, wrong))}: "
            "expected only letters, digits and . _ = + ; - (Dagster reads '|', ',' and '...' as separators)"
        )
    if "..." in key:
        raise InvalidPartitionKey(f"{kind} key '{key}' holds '...', which Dagster reads as a range: remove the dots")
    if not key.strip("."):
        raise InvalidPartitionKey(f"{kind} key '{key}' is a name for a folder on a disk: choose one with letters")
    return key


def fit_key(readable: str, *, identity: Any, is_ambiguous: bool = False) -> str:
    """Make a valid key of a readable name.

    Args:
        readable: the name.
        identity: plain data that tells two things apart whose names are alike.
        is_ambiguous: whether another thing may have the same readable name.

    Returns:
        The readable name if it is a valid key by itself, else a cut and cleaned one that ends in a hash of the
        identity.
    """
    is_plain = _ALLOWED.fullmatch(readable) and "..." not in readable and readable.strip(".")
    if not is_ambiguous and is_plain and len(readable) <= MAX_KEY_LENGTH:
        return readable
    digest = short_hash(identity)
    cleaned = re.sub(r"\.{2,}", ".", re.sub(r"[^A-Za-z0-9._=+;-]+", "_", readable))
    return f"{cleaned[: MAX_KEY_LENGTH - HASH_LENGTH - 1]}-{digest}"


def short_hash(identity: Any) -> str:
    """First ten hex digits of the SHA-256 over the canonical JSON of plain data."""
    return hashlib.sha256(canonical_json(identity)).hexdigest()[:HASH_LENGTH]
