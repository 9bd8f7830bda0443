"""The keys of the client register: kept apart from it, so that who copies the state folder has no names."""

import base64
import binascii
import hashlib
import os
import secrets
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from rl_assets.datasets.private_files import mode_for_others, settings_file, write_private
from rl_assets.errors import RegisterLocked

KEYS_VARIABLE = "RL_ASSETS_REGISTER_KEY"
FILE_VARIABLE = "RL_ASSETS_REGISTER_KEY_FILE"
KEY_BYTES = 32
_COMMENT = (
    "# Keys of the rl_assets client register, the one in use first. Without them no client can be named again:\n"
    "# keep a copy in a safe place, apart from the backups of the register, and show them to nobody.\n"
)


@dataclass(frozen=True, kw_only=True)
class RegisterKey:
    """One key of 256 bits; its `repr` shows its id alone."""

    secret: bytes = field(repr=False)

    @property
    def id(self) -> str:
        """Sixteen hex digits that name the key and say nothing about it."""
        return hashlib.sha256(b"rl_assets register key\n" + self.secret).hexdigest()[:16]

    @property
    def text(self) -> str:
        """The key as it is written into a file or variable: 44 characters of URL-safe base64."""
        return base64.urlsafe_b64encode(self.secret).decode()


class Keyring:
    """The keys that open one register, from an environment variable or else a private file.

    Args:
        file: created with a new key, readable by its owner only, when something is first encrypted.
        given: keys separated by commas or white space, which count instead of the file; None where there are none.
    """

    def __init__(self, file: Path, *, given: str | None = None) -> None:
        self.file = file
        self._given = given

    @classmethod
    def from_environment(cls, environ: Mapping[str, str] = os.environ) -> "Keyring":
        """The user's keyring.

        `RL_ASSETS_REGISTER_KEY` holds keys, `RL_ASSETS_REGISTER_KEY_FILE` names the file; else it is
        `rl_assets/register.key` in the user's folder of settings.
        """
        file = Path(environ.get(FILE_VARIABLE) or settings_file("register.key", environ=environ))
        return cls(file.absolute(), given=environ.get(KEYS_VARIABLE) or None)

    @property
    def place(self) -> str:
        """Where the keys come from, for messages."""
        return KEYS_VARIABLE if self._given is not None else str(self.file)

    def load(self) -> tuple[RegisterKey, ...]:
        """All keys, the one to encrypt with first; none where the file does not exist yet.

        Raises:
            RegisterLocked: they cannot be read, or are no keys.
        """
        if self._given is not None:
            return self._parse(self._given)
        try:
            mode = mode_for_others(self.file)
            text = self.file.read_text()
        except FileNotFoundError:
            return ()
        except (OSError, UnicodeDecodeError) as error:
            raise RegisterLocked(
                f"keys of the client register in '{self.file}' cannot be read ({error}): let this user, and nobody "
                "else, read that file"
            ) from error
        if mode is not None:
            raise RegisterLocked(
                f"keys of the client register in '{self.file}' may be read by others (mode {mode:04o}): expected 0600; "
                f"`chmod 600 {self.file}`, and rotate the key if anybody may have read it"
            )
        return self._parse("\n".join(line for line in text.splitlines() if not line.startswith("#")))

    def key(self, key_id: str) -> RegisterKey:
        """The key of that id.

        Raises:
            RegisterLocked: it is not among ours.
        """
        keys = self.load()
        for key in keys:
            if key.id == key_id:
                return key
        known = ", ".join(key.id for key in keys) or "none"
        raise RegisterLocked(
            f"client register: it is encrypted with key {key_id}, and {self.place} holds {known}: put that key back "
            f"from its backup, into the file or into {KEYS_VARIABLE}; without it the names cannot be read by anybody"
        )

    def newest(self) -> RegisterKey:
        """The key to encrypt with; the file is created where nothing holds a key yet.

        Raises:
            RegisterLocked: the keys cannot be read or written.
        """
        return (self.load() or self._create())[0]

    def renew(self, key_id: str | None) -> RegisterKey:
        """The key that shall follow another: a new one, put first in the file. Those before stay there, for backups.

        Args:
            key_id: the key in use; None where there is none yet.

        Raises:
            RegisterLocked: the keys come from a variable whose first is in use already, or cannot be written.
        """
        if self._given is None:
            self._write((RegisterKey(secret=secrets.token_bytes(KEY_BYTES)), *self.load()), publish=os.replace)
            return self.newest()
        if self.newest().id == key_id:
            raise RegisterLocked(
                f"client register: the first key of {KEYS_VARIABLE} ({key_id}) encrypts it already: put a new key "
                "before it, separated by a comma (`rlctl client new-key` draws one), and rotate again"
            )
        return self.newest()

    def _create(self) -> tuple[RegisterKey, ...]:
        with suppress(FileExistsError):  # another process was first, and its key counts
            self._write((RegisterKey(secret=secrets.token_bytes(KEY_BYTES)),), publish=os.link)
        return self.load()

    def _write(self, keys: tuple[RegisterKey, ...], *, publish: Callable[[Path, Path], None]) -> None:
        text = _COMMENT + "".join(f"{key.text}\n" for key in keys)
        try:
            write_private(self.file, text, publish=publish)
        except FileExistsError:
            raise
        except OSError as error:
            raise RegisterLocked(
                f"keys of the client register cannot be written to '{self.file}' ({error.strerror or error}): let this "
                f"user write there, name another file in {FILE_VARIABLE}, or give a key in {KEYS_VARIABLE} "
                "(`rlctl client new-key` draws one)"
            ) from error

    def _parse(self, text: str) -> tuple[RegisterKey, ...]:
        keys = []
        for number, word in enumerate(text.replace(",", " ").split(), start=1):
            try:
                secret = base64.b64decode(word, altchars=b"-_", validate=True)
            except (binascii.Error, ValueError):
                secret = b""
            if len(secret) != KEY_BYTES:
                raise RegisterLocked(
                    f"keys of the client register in {self.place}: number {number} is no key (and not repeated here): "
                    f"expected {KEY_BYTES} bytes as 44 characters of URL-safe base64, such as `rlctl client new-key` "
                    "draws; restore it from its backup"
                )
            keys.append(RegisterKey(secret=secret))
        if not keys:
            raise RegisterLocked(
                f"keys of the client register: {self.place} holds none: restore it from its backup; where nothing was "
                "registered yet, remove it and a new one is made"
            )
        return tuple(keys)


def draw_key() -> str:
    """Draw a key for `RL_ASSETS_REGISTER_KEY`; it is kept nowhere."""
    return RegisterKey(secret=secrets.token_bytes(KEY_BYTES)).text
