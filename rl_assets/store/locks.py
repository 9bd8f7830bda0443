"""Who works on what: a claim that only one process can hold, and that the kernel takes back when its holder dies."""

import errno
import fcntl
import hashlib
import os
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rl_assets.store.atomic import refusals_explained

CLAIMS_FILE = "claims.lock"
_LOCK = struct.Struct("@hhqqi4x")
"""The kernel's `struct flock` with 64-bit offsets: kind, whence, start, length, process; padded as C pads it."""


class ClaimBook:
    """One empty file in which each name owns a byte, and holding a lock on that byte is the claim.

    The locks belong to the open file, so two claims in one process exclude each other as two processes do, programs
    that are started keep out of them, and nothing is left behind to clean up: a holder that was killed holds nothing.
    On a network file system they hold between machines where its server supports locks, and a machine that vanished
    loses its claims when the server gives it up.
    """

    def __init__(self, folder: Path) -> None:
        self._path = folder / CLAIMS_FILE

    @contextmanager
    def open(self) -> Iterator["Claims"]:
        """Start with no claims; all that were taken are given back when the block ends.

        Raises:
            StoreUnavailable: the folder cannot be written.
        """
        with refusals_explained(f"open the claims in '{self._path}'"):
            self._path.parent.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
        try:
            yield Claims(descriptor, self._path)
        finally:
            os.close(descriptor)


class Claims:
    """The claims that one piece of work holds."""

    def __init__(self, descriptor: int, path: Path) -> None:
        self._descriptor, self._path = descriptor, path

    def take(self, name: str) -> bool:
        """Claim a name, at once or not at all; what is held already is simply held.

        Returns:
            Whether it is ours now; False where somebody else holds it.

        Raises:
            StoreUnavailable: the file system knows no locks.
        """
        with refusals_explained(f"claim '{name}' in '{self._path}'"):
            try:
                self._lock(fcntl.F_WRLCK, name)
            except OSError as error:
                if error.errno in (errno.EAGAIN, errno.EACCES):
                    return False
                raise
        return True

    def give_back(self, name: str) -> None:
        """Let others claim a name again."""
        self._lock(fcntl.F_UNLCK, name)

    def _lock(self, kind: int, name: str) -> None:
        fcntl.fcntl(self._descriptor, fcntl.F_OFD_SETLK, _LOCK.pack(kind, os.SEEK_SET, place_of(name), 1, 0))


def place_of(name: str) -> int:
    """The byte that stands for a name, in [0, 2^62); two of a million names share one with a chance of 1e-7."""
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big") >> 2
