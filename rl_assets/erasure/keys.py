"""The key that signs certificates, and the public key that anybody verifies them with."""

import base64
import binascii
import hashlib
import os
import secrets
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from rl_assets.datasets.private_files import mode_for_others, settings_file, write_private
from rl_assets.errors import BadInput, SigningKeyLocked

KEY_VARIABLE = "RL_ASSETS_ERASURE_KEY"
FILE_VARIABLE = "RL_ASSETS_ERASURE_KEY_FILE"
KEY_BYTES = 32
_COMMENT = (
    "# Key that signs this rl_assets instance's certificates of erasure. Who has it can issue them in its name:\n"
    "# keep a copy in a safe place and show it to nobody. Certificates are verified with the public key alone.\n"
)


@dataclass(frozen=True, kw_only=True)
class PublicKey:
    """What verifies an instance's certificates; no secret."""

    raw: bytes
    """32 bytes, as RFC 8032 writes an Ed25519 public key."""

    @classmethod
    def parse(cls, text: str) -> "PublicKey":
        """Read a public key as `text` writes it.

        Raises:
            BadInput: it is none.
        """
        raw = _decoded(text.strip())
        if raw is None:
            raise BadInput(
                f"public key: expected {KEY_BYTES} bytes as 44 characters of URL-safe base64, got something else: take "
                "the file public.key of the instance's ledger"
            )
        return cls(raw=raw)

    @property
    def text(self) -> str:
        """44 characters of URL-safe base64."""
        return base64.urlsafe_b64encode(self.raw).decode()

    @property
    def instance_id(self) -> str:
        """The name of whoever signs with it: `i-` and sixteen hex digits."""
        return f"i-{hashlib.sha256(b'rl_assets erasure key' + self.raw).hexdigest()[:16]}"

    def has_signed(self, data: bytes, signature: bytes) -> bool:
        """Whether the signature is that of the bytes."""
        try:
            Ed25519PublicKey.from_public_bytes(self.raw).verify(signature, data)
        except (InvalidSignature, ValueError):
            return False
        return True


@dataclass(frozen=True, kw_only=True)
class SigningKey:
    """An Ed25519 key; its `repr` shows the public half alone."""

    seed: bytes = field(repr=False)
    """32 bytes."""

    @property
    def public(self) -> PublicKey:
        """What verifies this key's signatures."""
        return PublicKey(raw=self._private.public_key().public_bytes_raw())

    @property
    def text(self) -> str:
        """The secret as it is written into a file or variable: 44 characters of URL-safe base64."""
        return base64.urlsafe_b64encode(self.seed).decode()

    def sign(self, data: bytes) -> bytes:
        """Sign bytes; equal bytes have equal signatures of 64 bytes."""
        return self._private.sign(data)

    @property
    def _private(self) -> Ed25519PrivateKey:
        return Ed25519PrivateKey.from_private_bytes(self.seed)


class SigningKeyPlace:
    """Where an instance has its key: an environment variable, or else a private file.

    Args:
        file: created with a new key, readable by its owner only, when something is first signed.
        given: the key itself, which counts instead of the file; None where there is none.
    """

    def __init__(self, file: Path, *, given: str | None = None) -> None:
        self.file = file
        self._given = given

    @classmethod
    def from_environment(cls, environ: Mapping[str, str] = os.environ) -> "SigningKeyPlace":
        """The user's place.

        `RL_ASSETS_ERASURE_KEY` holds the key, `RL_ASSETS_ERASURE_KEY_FILE` names the file; else it is
        `rl_assets/erasure.key` in the user's folder of settings.
        """
        file = Path(environ.get(FILE_VARIABLE) or settings_file("erasure.key", environ=environ))
        return cls(file.absolute(), given=environ.get(KEY_VARIABLE) or None)

    def load(self) -> SigningKey | None:
        """The key; None where the file does not exist yet.

        Raises:
            SigningKeyLocked: it cannot be read, others may read it, or it is no key.
        """
        if self._given is not None:
            return self._parse(self._given, place=KEY_VARIABLE)
        try:
            mode = mode_for_others(self.file)
            text = self.file.read_text()
        except FileNotFoundError:
            return None
        except (OSError, UnicodeDecodeError) as error:
            raise SigningKeyLocked(
                f"key that signs certificates in '{self.file}' cannot be read ({error}): let this user, and nobody "
                "else, read that file"
            ) from error
        if mode is not None:
            raise SigningKeyLocked(
                f"key that signs certificates in '{self.file}' may be read by others (mode {mode:04o}): expected 0600; "
                f"`chmod 600 {self.file}`, and draw another key if anybody may have read it"
            )
        lines = [line for line in text.splitlines() if not line.startswith("#")]
        return self._parse("\n".join(lines), place=str(self.file))

    def obtain(self) -> SigningKey:
        """The key to sign with, drawn into the file where there is none yet.

        Raises:
            SigningKeyLocked: it cannot be read or written.
        """
        return self.load() or self._draw()

    def _draw(self) -> SigningKey:
        try:
            with suppress(FileExistsError):  # another process was first, and its key counts
                write_private(self.file, f"{_COMMENT}{draw_signing_key()}\n", publish=os.link)
        except OSError as error:
            raise SigningKeyLocked(
                f"key that signs certificates cannot be written to '{self.file}' ({error.strerror or error}): let this "
                f"user write there, name another file in {FILE_VARIABLE}, or give the key in {KEY_VARIABLE}"
            ) from error
        key = self.load()
        assert key is not None, "the file was written or stood there"
        return key

    @staticmethod
    def _parse(text: str, *, place: str) -> SigningKey:
        seed = _decoded(text.strip())
        if seed is None:
            raise SigningKeyLocked(
                f"key that signs certificates in {place} is no key (and not repeated here): expected one of "
                f"{KEY_BYTES} bytes as 44 characters of URL-safe base64: restore it from its backup"
            )
        return SigningKey(seed=seed)


def draw_signing_key() -> str:
    """Draw a key for `RL_ASSETS_ERASURE_KEY`; it is kept nowhere."""
    return SigningKey(seed=secrets.token_bytes(KEY_BYTES)).text


def _decoded(text: str) -> bytes | None:
    """The 32 bytes that the text spells in the one way there is; None if it spells something else."""
    try:
        raw = base64.b64decode(text, altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        return None
    return raw if len(raw) == KEY_BYTES and base64.urlsafe_b64encode(raw).decode() == text else None
