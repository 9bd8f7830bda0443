"""Numbered entries that are only ever added: the file system decides who got a number.

An erasure alone writes into what stands, and takes words out of it.
"""

import hashlib
import json
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rl_assets.config.canonical import canonical_json
from rl_assets.errors import CorruptObject
from rl_assets.store.atomic import refusals_explained, staged_file, sweep_leftovers, sync_folder

_ENTRY_NAME = re.compile(r"(\d{6,})\.json")


class NumberedEntries:
    """JSON entries 1, 2, 3 ... in a folder, one file each with its checksum.

    Args:
        folder: created with the first entry.
        what: what the entries are, for errors, such as `champions of 'CartPole-v1'`.
    """

    def __init__(self, folder: Path, *, what: str) -> None:
        self.folder = folder
        self.what = what

    def append(self, number: int, body: Mapping[str, Any]) -> bool:
        """Add an entry under a number that must be free: of two writers exactly one succeeds.

        Returns:
            False where the number is taken; what stands there is as it was.

        Raises:
            StoreUnavailable: the disk refused.
        """
        signed = {"entry": dict(body), "number": number}
        data = canonical_json(signed | {"sha256": _checksum(signed)})
        with refusals_explained(f"write entry {number} of the {self.what} in '{self.folder}'"):
            sweep_leftovers(self.folder)
            with staged_file(self.folder, data) as temporary:
                try:
                    os.link(temporary, self.folder / self.file_name(number))
                except FileExistsError:
                    return False
            sync_folder(self.folder)
        return True

    def replace(self, number: int, body: Mapping[str, Any]) -> None:
        """Write other words into an entry that stands: only an erasure does that. A kill leaves the one or the other.

        Raises:
            StoreUnavailable: the disk refused; the entry is as it was.
        """
        signed = {"entry": dict(body), "number": number}
        data = canonical_json(signed | {"sha256": _checksum(signed)})
        with refusals_explained(f"write entry {number} of the {self.what} in '{self.folder}'"):
            sweep_leftovers(self.folder)
            with staged_file(self.folder, data) as temporary:
                os.replace(temporary, self.folder / self.file_name(number))
            sync_folder(self.folder)

    def read(self) -> tuple[dict[str, Any], ...]:
        """All entries in order; empty where there is none.

        Raises:
            CorruptObject: an entry is damaged or missing.
            StoreUnavailable: the disk refused.
        """
        whole, flaws = self.inspect()
        for flaw in flaws.values():
            raise flaw
        return tuple(whole.values())

    def inspect(self) -> tuple[dict[int, dict[str, Any]], dict[int, CorruptObject]]:
        """The entries that are whole, and what is wrong with each of the others, by number.

        What lost its newest entries looks whole from inside.

        Raises:
            StoreUnavailable: the disk refused.
        """
        whole: dict[int, dict[str, Any]] = {}
        flaws: dict[int, CorruptObject] = {}
        contents = self._contents()
        for number in range(1, max(contents, default=0) + 1):
            if number not in contents:
                flaws[number] = CorruptObject(
                    f"{self.what}: entry {number} is missing in '{self.folder}' while later ones are there: restore "
                    "the file from a backup"
                )
                continue
            try:
                whole[number] = _decode(contents[number], number)
            except (ValueError, TypeError, KeyError) as error:
                flaws[number] = CorruptObject(
                    f"{self.what}: '{self.folder / self.file_name(number)}' is damaged ({error}): restore the file "
                    "from a backup"
                )
        return whole, flaws

    @staticmethod
    def file_name(number: int) -> str:
        """Name of an entry's file."""
        return f"{number:06d}.json"

    def _contents(self) -> dict[int, bytes]:
        with refusals_explained(f"read the {self.what} in '{self.folder}'"):
            try:
                names = [path.name for path in self.folder.iterdir() if _ENTRY_NAME.fullmatch(path.name)]
            except FileNotFoundError:
                return {}
            return {int(name.removesuffix(".json")): (self.folder / name).read_bytes() for name in sorted(names)}


def _decode(data: bytes, number: int) -> dict[str, Any]:
    record = json.loads(data)
    signed = {"entry": record["entry"], "number": record["number"]}
    if record["sha256"] != _checksum(signed) or record["number"] != number:
        raise ValueError("its checksum or number does not match")
    return record["entry"]


def _checksum(body: Mapping[str, Any]) -> str:
    return hashlib.sha256(canonical_json(dict(body))).hexdigest()
