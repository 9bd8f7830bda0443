"""The file of the client register: encrypted at rest, replaced at once, shared by any number of processes."""

import copy
import fcntl
import json
import os
import re
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from rl_assets.config.canonical import canonical_json
from rl_assets.datasets.keyring import Keyring, RegisterKey
from rl_assets.errors import CorruptObject, StoreUnavailable

SEALED_NAME = "clients.sealed"
PLAIN_NAME = "clients.json"
LOCK_NAME = "clients.lock"
_HEADER = re.compile(rb"rl_assets client register 1 ([0-9a-f]{16})\n")
_NONCE_BYTES = 12
_PADDING_BYTES = 4096


Record = dict[str, dict[str, dict[str, Any]]]
"""What the file holds: `clients` by pseudonym and `datasets` by key."""


class SealedFile:
    """One record, encrypted with AES-256-GCM.

    The first line says which key opens it. The file's size tells the record's size to the nearest 4 KiB only.
    A plain file of an earlier version is encrypted, and removed, when it is first met.

    Args:
        folder: created, private to this user, when something is first written.
        keyring: opens it.
    """

    def __init__(self, folder: Path, *, keyring: Keyring) -> None:
        self.folder = folder
        self.file = folder / SEALED_NAME
        self.keyring = keyring

    def read(self) -> Record:
        """What is registered; nothing where nothing ever was.

        Raises:
            RegisterLocked: the key that opens it is missing.
            CorruptObject: it is damaged, or was changed by somebody without the key.
            StoreUnavailable: it cannot be read.
        """
        if self._plain_exists():
            with self._locked():
                self._migrate()
        return self._open() or _empty()

    @contextmanager
    def changed(self) -> Iterator[Record]:
        """Read the record for a change that nobody else can make meanwhile; it is kept when the block ends.

        Raises:
            RegisterLocked, CorruptObject, StoreUnavailable: as `read`.
        """
        with self._locked():
            self._migrate()
            record = self._open() or _empty()
            before = copy.deepcopy(record)
            yield record
            if record != before:
                self._seal(record, self._key_in_use())

    def rotate(self) -> RegisterKey:
        """Encrypt the record anew, with a new key, or with the first where a variable gives the keys.

        Returns:
            The key to use from now on.

        Raises:
            RegisterLocked, CorruptObject, StoreUnavailable: as `read`.
        """
        with self._locked():
            self._migrate()
            record = self._open()
            key = self.keyring.renew(self.key_id())
            if record is not None:
                self._seal(record, key)
        return key

    def key_id(self) -> str | None:
        """Id of the key that opens the document; None where nothing was ever written."""
        data = self._bytes()
        return None if data is None else self._header(data)[1].decode()

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """Keep other writers away."""
        with self._refusals_explained():
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            descriptor = os.open(self.folder / LOCK_NAME, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)

    def _open(self) -> Record | None:
        data = self._bytes()
        if data is None:
            return None
        header = self._header(data)
        key = self.keyring.key(header[1].decode())
        nonce, body = data[header.end() :][:_NONCE_BYTES], data[header.end() + _NONCE_BYTES :]
        try:
            return _checked(json.loads(AESGCM(key.secret).decrypt(nonce, body, header[0])))
        except (InvalidTag, ValueError, TypeError) as error:
            raise self._damaged(type(error).__name__) from error

    def _seal(self, record: Record, key: RegisterKey) -> None:
        """Replace the file at once; the lock is held, so nobody else writes the temporary one."""
        text = canonical_json(record)
        text += b" " * (-len(text) % _PADDING_BYTES)
        header = f"rl_assets client register 1 {key.id}\n".encode()
        nonce = secrets.token_bytes(_NONCE_BYTES)
        self._replace(header + nonce + AESGCM(key.secret).encrypt(nonce, text, header))

    def _replace(self, data: bytes) -> None:
        temporary = self.folder / f"{SEALED_NAME}.new"
        with self._refusals_explained():
            temporary.unlink(missing_ok=True)
            with open(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            os.replace(temporary, self.file)
            descriptor = os.open(self.folder, os.O_RDONLY | os.O_DIRECTORY)
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)

    def _key_in_use(self) -> RegisterKey:
        """The key in use; a new register takes the newest."""
        key_id = self.key_id()
        return self.keyring.newest() if key_id is None else self.keyring.key(key_id)

    def _plain_exists(self) -> bool:
        with self._refusals_explained():
            return os.path.lexists(self.folder / PLAIN_NAME) if self.folder.is_dir() else False

    def _migrate(self) -> None:
        """Encrypt a plain file of an earlier version and remove it; one that says something else is never dropped."""
        if not self._plain_exists():
            return
        plain = self.folder / PLAIN_NAME
        with self._refusals_explained():
            data = plain.read_bytes()
        try:
            record = _checked(json.loads(data))
        except ValueError as error:
            raise CorruptObject(
                f"client register '{plain}' is damaged ({type(error).__name__}): restore it from a backup"
            ) from error
        sealed = self._open()
        if sealed is None:
            self._seal(record, self.keyring.newest())
        elif sealed != record:
            raise CorruptObject(
                f"client register: '{plain}' and '{self.file}' both exist and differ: expected the encrypted one "
                "alone; move away the one that is out of date"
            )
        with self._refusals_explained():
            plain.unlink()

    def _bytes(self) -> bytes | None:
        with self._refusals_explained():
            try:
                return self.file.read_bytes()
            except FileNotFoundError:
                return None

    def _header(self, data: bytes) -> re.Match[bytes]:
        header = _HEADER.match(data)
        if header is None:
            raise self._damaged("its first line is not that of an encrypted register")
        return header

    def _damaged(self, why: str) -> CorruptObject:
        return CorruptObject(f"client register '{self.file}' is damaged ({why}): restore it from a backup")

    @contextmanager
    def _refusals_explained(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise StoreUnavailable(
                f"client register '{self.file}': {error.strerror or error}: "
                "let this user read and write there, free some space, or choose another folder"
            ) from error


def _empty() -> Record:
    return {"clients": {}, "datasets": {}}


def _checked(record: Any) -> Record:
    if not isinstance(record, dict) or set(record) != set(_empty()):
        raise ValueError("expected exactly the fields clients and datasets")
    return record
