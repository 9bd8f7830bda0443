"""Keyed digests: who has the order's key can check what was erased, and nobody else learns anything from them."""

import hashlib
import hmac
import secrets
from typing import Literal

Subject = Literal["pseudonym", "dataset", "data subject", "version", "file", "actor"]
DIGEST_KEY_BYTES = 32


def draw_digest_key() -> bytes:
    """Draw the key of one order."""
    return secrets.token_bytes(DIGEST_KEY_BYTES)


def keyed_digest(key: bytes, subject: Subject, value: str) -> str:
    """HMAC-SHA256 of a value as hex; the same text as another kind of thing has another digest.

    Raises:
        ValueError: the key is too short to keep a secret.
    """
    if len(key) < DIGEST_KEY_BYTES:
        raise ValueError(f"key of keyed digests: expected {DIGEST_KEY_BYTES} bytes, got {len(key)}")
    return hmac.new(key, f"{subject}\n{value}".encode(), hashlib.sha256).hexdigest()
