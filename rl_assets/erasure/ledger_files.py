"""Files of the ledger: written once and whole, by one process at a time, and read back with their checksum."""

import fcntl
import hashlib
import json
import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rl_assets.config.canonical import canonical_json
from rl_assets.errors import CorruptObject
from rl_assets.store.atomic import make_folder, refusals_explained, staged_file, sweep_leftovers, sync_folder


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Let no other process or thread change the ledger in the block; creates the folder.

    Raises:
        StoreUnavailable: the folder cannot be written.
    """
    with refusals_explained(f"open the ledger of erasures in '{folder}'"):
        make_folder(folder)
        lock = open(folder / ".lock", "a+b")  # noqa: SIM115 (closed when the block ends)
    with lock:
        with refusals_explained(f"lock the ledger of erasures in '{folder}'"):
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def write_once(file: Path, data: bytes, *, is_private: bool) -> bool:
    """Write a file whole or not at all.

    Args:
        file: its folder is created.
        data: its contents.
        is_private: whether only this user may read it and look into its folder.

    Returns:
        False where a file is there already; it is as it was.

    Raises:
        StoreUnavailable: the disk refused.
    """
    with refusals_explained(f"write '{file}'"):
        make_folder(file.parent)
        if is_private:
            file.parent.chmod(0o700)
        sweep_leftovers(file.parent)
        with staged_file(file.parent, data) as temporary:
            if is_private:
                temporary.chmod(0o600)
            try:
                os.link(temporary, file)
            except FileExistsError:
                return False
        sync_folder(file.parent)
    return True


def names_in(folder: Path, pattern: re.Pattern[str]) -> list[str]:
    """Names of the files that have the pattern, sorted; none where there is no such folder.

    Raises:
        StoreUnavailable: the disk refused.
    """
    with refusals_explained(f"read '{folder}'"):
        return sorted(name for name in (os.listdir(folder) if folder.is_dir() else ()) if pattern.fullmatch(name))


def sealed(entry: Mapping[str, Any]) -> bytes:
    """An entry with its checksum, as it is written.

    Raises:
        ValueError: a number is not finite.
    """
    return canonical_json({"entry": dict(entry), "sha256": hashlib.sha256(canonical_json(dict(entry))).hexdigest()})


def read_entry(file: Path) -> dict[str, Any]:
    """Read back an entry that `sealed` encoded.

    Raises:
        CorruptObject: the file is not as it was written.
        StoreUnavailable: the disk refused.
    """
    with refusals_explained(f"read '{file}'"):
        data = file.read_bytes()
    try:
        content = json.loads(data)
        if sealed(content["entry"]) == data:
            return content["entry"]
    except (ValueError, TypeError, KeyError):
        pass  # told below, in the same words
    raise CorruptObject(f"'{file}' in the ledger of erasures is damaged: restore it from a backup of the ledger")
