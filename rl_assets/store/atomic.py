"""Files that appear whole or not at all, whatever kills their writer."""

import errno
import fcntl
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rl_assets.errors import StoreUnavailable

STAGING_FOLDER = "incoming"
_LOCK_NAME = ".lock"
_ADVICE = {
    errno.ENOSPC: "free some space or move the store to a larger disk",
    errno.EDQUOT: "raise the quota or free some space",
    errno.EFBIG: "raise the limit on file sizes",
    errno.EROFS: "mount the disk writable or move the store",
    errno.EACCES: "let this user read and write there, or choose another store root",
    errno.EPERM: "let this user read and write there, or choose another store root",
    errno.ENOTDIR: "a file stands where a folder is needed: move it away, or choose another store root",
    errno.EEXIST: "a file stands where a folder is needed: move it away, or choose another store root",
    errno.EISDIR: "a folder stands where a file is needed: move it away",
    errno.EIO: "check that the disk is mounted and healthy, then run `rlctl doctor`",
    errno.ESTALE: "the network disk lost its server: mount it again",
    errno.EMFILE: "raise the limit on open files (`ulimit -n`)",
    errno.ENFILE: "raise the machine's limit on open files",
    errno.ENOLCK: "the file system offers no locks: turn them on where it is mounted, or move the store to another",
    errno.EOPNOTSUPP: "the file system lacks locks or links: move the store to another",
}


@contextmanager
def staged_file(folder: Path, data: bytes) -> Iterator[Path]:
    """Write the bytes to a temporary file beside their destination, for the caller to rename or link into place.

    The bytes are on the disk when the block starts. A temporary file that the block leaves behind is removed; one
    that a killed process leaves behind is removed by `sweep_leftovers`.

    Args:
        folder: the destination's folder or one above it on the same disk; created if missing.
    """
    staging = folder / STAGING_FOLDER
    make_folder(staging)
    temporary = staging / secrets.token_hex(16)
    with open(staging / _LOCK_NAME, "a+b") as lock:
        fcntl.flock(lock, fcntl.LOCK_SH)
        try:
            with open(temporary, "xb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            yield temporary
        finally:
            temporary.unlink(missing_ok=True)


def sweep_leftovers(folder: Path) -> int:
    """Remove what killed writers left in a folder's staging area; does nothing while any writer is at work there.

    Returns:
        How many leftovers were removed.
    """
    staging = folder / STAGING_FOLDER
    if not staging.is_dir():
        return 0
    with open(staging / _LOCK_NAME, "a+b") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return 0
        leftovers = [path for path in staging.iterdir() if path.name != _LOCK_NAME]
        for path in leftovers:
            path.unlink()
        return len(leftovers)


def has_writer(staging: Path) -> bool:
    """Whether some process is writing in a staging folder right now, or nobody can tell; writes nothing itself."""
    try:
        with open(staging / _LOCK_NAME, "rb") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except OSError:
        return True
    return False


def is_staged(path: str) -> bool:
    """Whether a path below the store's root is that of a file on its way in, or of what its killed writer left."""
    *folders, name = path.split("/")
    return folders[-1:] == [STAGING_FOLDER] and name != _LOCK_NAME


def is_lock(path: str) -> bool:
    """Whether a path below the store's root is that of a staging folder's lock."""
    return path.split("/")[-2:] == [STAGING_FOLDER, _LOCK_NAME]


def make_folder(folder: Path) -> None:
    """Create a folder and those above it where they are missing, so that they survive a power cut."""
    if folder.is_dir():
        return
    make_folder(folder.parent)
    folder.mkdir(exist_ok=True)
    sync_folder(folder.parent)


def remove_empty(folder: Path) -> None:
    """Remove a folder that holds nothing; one that is gone or holds something is left alone."""
    try:
        folder.rmdir()
    except OSError as error:
        if error.errno not in (errno.ENOTEMPTY, errno.EEXIST, errno.ENOENT):
            raise


def sync_folder(folder: Path) -> None:
    """Make a rename or link inside the folder survive a power cut."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def refusals_explained(action: str) -> Iterator[None]:
    """Turn the operating system's refusals into `StoreUnavailable`, with what to do.

    Args:
        action: what was tried and where, such as `write object '…' in the store at '…'`.
    """
    try:
        yield
    except OSError as error:
        advice = _ADVICE.get(error.errno or 0, "check that the disk is mounted and healthy")
        raise StoreUnavailable(f"cannot {action}: {error.strerror or error}: {advice}") from error
