"""Where each owner set keeps its bytes, and the record of who the owners behind a hash are.

One owner's namespace is its pseudonym. That of several owners is a hash over them, from which nobody can read them
back: so `owners/<namespace>.json` names them, written before the first byte stands there.
"""

import hashlib
import json
import os
import re
from collections.abc import Iterator
from itertools import chain
from pathlib import Path

from rl_assets.config.canonical import canonical_json
from rl_assets.errors import CorruptObject
from rl_assets.store.atomic import make_folder, refusals_explained, staged_file, sync_folder

PUBLIC = "public"
FOLDER = "owners"
OWNED_FOLDERS = ("objects", "checkpoints")
"""Folders of the store that have a folder for each namespace."""

OWNER = re.compile(r"c-[0-9a-f]{10}")
NAMESPACE = re.compile(rf"{PUBLIC}|c-[0-9a-f]{{10}}|o-[0-9a-f]{{32}}")
_MANIFEST = b'{"facts":'
"""Begins every artifact's manifest, whose keys are in alphabetical order."""


def namespace_of(owners: frozenset[str]) -> str:
    """Name the namespace of an owner set: the only owner, a hash over several, `public` for none.

    Args:
        owners: pseudonyms of clients; never their names.

    Raises:
        ValueError: an owner is not a pseudonym; the text itself is not repeated, as it may be a client's name.
    """
    if isinstance(owners, str) or not all(isinstance(owner, str) and OWNER.fullmatch(owner) for owner in owners):
        raise ValueError(
            "an object's owner is not a pseudonym: expected a set of 'c-' and 10 hex digits each; "
            "take them from the client register"
        )
    if not owners:
        return PUBLIC
    if len(owners) == 1:
        return next(iter(owners))
    return "o-" + hashlib.sha256(canonical_json(sorted(owners))).hexdigest()[:32]


class Namespaces:
    """The namespaces of one store and their owners.

    Args:
        root: of the store.
    """

    def __init__(self, root: Path) -> None:
        self._root = root
        self._known: dict[str, frozenset[str]] = {}

    def record(self, owners: frozenset[str]) -> str:
        """Name the namespace of an owner set, with its owners on record.

        Raises:
            ValueError: an owner is not a pseudonym.
            StoreUnavailable: the disk refused.
        """
        namespace = namespace_of(owners)
        place = self.place(namespace)
        if len(owners) < 2 or (namespace in self._known and place.exists()):
            return namespace
        with refusals_explained(f"record who owns '{namespace}' in '{self._root}'"):
            if not place.exists():
                make_folder(place.parent)
                with staged_file(place.parent, canonical_json(sorted(owners))) as temporary:
                    os.replace(temporary, place)
                sync_folder(place.parent)
        self._known[namespace] = owners
        return namespace

    def owners_of(self, namespace: str) -> frozenset[str] | None:
        """Who owns a namespace; None where nothing says so.

        Stores from before owners were recorded tell it by their manifests.

        Raises:
            StoreUnavailable: the disk refused.
        """
        if namespace == PUBLIC:
            return frozenset()
        if OWNER.fullmatch(namespace):
            return frozenset({namespace})
        if namespace not in self._known:
            for owners in chain([self._read(namespace)], self._told_by_manifests(namespace)):
                if owners is not None and namespace_of(owners) == namespace:
                    self._known[namespace] = owners
                    break
        return self._known.get(namespace)

    def of(self, client: str) -> tuple[str, ...]:
        """Every namespace that a client owns or shares, in alphabetical order, its own one whether or not it is there.

        Raises:
            CorruptObject: of a namespace nobody can say whose it is, so that the answer would not be complete.
            StoreUnavailable: the disk refused.
        """
        found = {client}
        for namespace in self._all():
            owners = self.owners_of(namespace)
            if owners is None:
                raise CorruptObject(
                    f"nobody can say who owns '{namespace}' in the store at '{self._root}': its record "
                    f"'{self.place(namespace)}' is missing or damaged, and none of its objects is a manifest: put the "
                    "record back from a backup; where `rlctl doctor` says that nothing needs what lies there, remove it"
                )
            if client in owners:
                found.add(namespace)
        return tuple(sorted(found))

    def place(self, namespace: str) -> Path:
        """The file that names a namespace's owners."""
        return self._root / FOLDER / f"{namespace}.json"

    def _all(self) -> Iterator[str]:
        """Namespaces that have bytes, or a record."""
        found: set[str] = set()
        for folder in (*OWNED_FOLDERS, FOLDER):
            with refusals_explained(f"list '{folder}' in the store at '{self._root}'"):
                try:
                    found |= {path.name.removesuffix(".json") for path in (self._root / folder).iterdir()}
                except FileNotFoundError:
                    continue
        yield from sorted(name for name in found if NAMESPACE.fullmatch(name))

    def _read(self, namespace: str) -> frozenset[str] | None:
        with refusals_explained(f"read who owns '{namespace}' in the store at '{self._root}'"):
            try:
                return _owners_in(json.loads(self.place(namespace).read_bytes()))
            except (FileNotFoundError, ValueError):
                return None

    def _told_by_manifests(self, namespace: str) -> Iterator[frozenset[str] | None]:
        """The owners that each manifest in a namespace names."""
        for path in sorted((self._root / "objects" / namespace).glob("??/*")):
            with refusals_explained(f"look for a manifest in '{path}'"), open(path, "rb") as file:
                if file.read(len(_MANIFEST)) != _MANIFEST:
                    continue
                data = _MANIFEST + file.read()
            try:
                yield _owners_in(json.loads(data)["owners"])
            except (ValueError, KeyError, TypeError):
                continue


def _owners_in(names: object) -> frozenset[str] | None:
    """An owner set as it is written; None where it is none."""
    if isinstance(names, list) and all(isinstance(name, str) and OWNER.fullmatch(name) for name in names):
        return frozenset(names)
    return None
