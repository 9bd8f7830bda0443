"""Removing what an order erases: bytes that nothing else needs, or all namespaces of a client.

Everything here may be killed at any point and started again, and what is gone already is gone.
"""

import os
import shutil
from collections.abc import Collection, Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from rl_assets.errors import ObjectNotFound, StoreUnavailable
from rl_assets.store.artifacts import ArtifactRef, parse_manifest
from rl_assets.store.atomic import refusals_explained, sweep_leftovers
from rl_assets.store.checkpoints import FOLDER as CHECKPOINTS_FOLDER
from rl_assets.store.objects import ObjectRef, ObjectStore, StoredFile

_ATTEMPTS = 5
"""Times that a folder is removed: a writer that began before the tombstone may make it once more."""


@dataclass(frozen=True, kw_only=True)
class Removed:
    """What one call removed; what an earlier call had removed is not counted again."""

    num_objects: int = 0
    """Files with content: objects and checkpoints, and what killed writers had left of them."""
    num_bytes: int = 0
    sha256s: frozenset[str] = frozenset()
    """Of the objects and checkpoints, as their names say."""

    def __add__(self, other: "Removed") -> "Removed":
        return Removed(
            num_objects=self.num_objects + other.num_objects,
            num_bytes=self.num_bytes + other.num_bytes,
            sha256s=self.sha256s | other.sha256s,
        )


def remove_artifacts(
    store: ObjectStore,
    doomed: Iterable[ArtifactRef],
    *,
    attachments: Iterable[ObjectRef] = (),
    kept: Iterable[ArtifactRef] = (),
    kept_objects: Iterable[ObjectRef] = (),
) -> Removed:
    """Remove artifacts with their files and attachments; an object that anything kept needs stays.

    Args:
        store: where; tombstones stop nobody here.
        doomed: artifacts to remove.
        attachments: further objects to remove.
        kept: artifacts that stay; one that is lost itself needs nothing any more.
        kept_objects: further objects that stay.

    Raises:
        CorruptObject: the manifest of one of them, or of one that stays in the same namespace, is damaged, so that
            nobody can say what it names; nothing was removed.
        StoreUnavailable: the disk refused.
    """
    manifests = set(doomed)
    going = {ref for artifact in manifests for ref in _files_of(store, artifact)} | set(attachments)
    touched = {ref.namespace for ref in going} | {artifact.manifest.namespace for artifact in manifests}
    staying = {ref.path for ref in kept_objects}
    for artifact in kept:
        if artifact.manifest.namespace in touched:
            staying |= {artifact.manifest.path} | {ref.path for ref in _files_of(store, artifact)}
    # A manifest goes after all files that it names: killed in between, the next start still finds them.
    for namespace in touched:
        with refusals_explained(f"remove what killed writers left in namespace '{namespace}'"):
            sweep_leftovers(store.root / "objects" / namespace)
    removed = _remove_objects(store, sorted(going, key=lambda ref: ref.path), staying)
    last = sorted((artifact.manifest for artifact in manifests), key=lambda ref: ref.path)
    return removed + _remove_objects(store, last, staying)


def remove_client(store: ObjectStore, pseudonym: str) -> Removed:
    """Remove every namespace that a client owns or shares: objects, checkpoints and what killed writers left.

    Whatever the records say, nothing stays there; a client's tombstone stands before this is called, so that nobody
    writes there again.

    Raises:
        CorruptObject: of a namespace nobody can say whose it is; nothing was removed.
        StoreUnavailable: the disk refused.
    """
    namespaces = store.namespaces_of(pseudonym)
    removed = _remove_folders(store, [f"objects/{namespace}" for namespace in namespaces])
    removed += remove_checkpoints(store, namespaces)
    for namespace in namespaces:  # last, as it tells the next start after a kill what there is to do
        record = store.namespaces.place(namespace)
        with refusals_explained(f"remove '{record}'"):
            record.unlink(missing_ok=True)
    return removed


def remove_checkpoints(store: ObjectStore, namespaces: Collection[str]) -> Removed:
    """Remove the checkpoints of all trainings in these namespaces.

    A training of other data in one of them loses time by it and nothing else: it starts again, to the same result.

    Raises:
        StoreUnavailable: the disk refused.
    """
    return _remove_folders(store, [f"{CHECKPOINTS_FOLDER}/{namespace}" for namespace in sorted(namespaces)])


def _files_of(store: ObjectStore, artifact: ArtifactRef) -> tuple[ObjectRef, ...]:
    """What an artifact's manifest names; nothing where it is gone."""
    try:
        data = store.get(artifact.manifest, even_erased=True)
    except ObjectNotFound:
        return ()
    return tuple(parse_manifest(store, artifact, data).files.values())


def _remove_objects(store: ObjectStore, refs: Iterable[ObjectRef], staying: Collection[str]) -> Removed:
    gone = store.remove(ref for ref in refs if ref.path not in staying)
    return Removed(
        num_objects=len(gone),
        num_bytes=sum(ref.size_bytes for ref in gone),
        sha256s=frozenset(ref.sha256 for ref in gone),
    )


def _remove_folders(store: ObjectStore, folders: Iterable[str]) -> Removed:
    removed = Removed()
    for folder in folders:
        for file in store.files(folder, on_refusal=_raise):
            removed += _removed(file)
        with refusals_explained(f"remove '{folder}' from the store at '{store.root}'"):
            _remove_tree(store.root / folder)
    return removed


def _removed(file: StoredFile) -> Removed:
    """A file as it is counted: locks have no content."""
    if not file.size_bytes:
        return Removed()
    name = file.path.rsplit("/", 1)[-1].removesuffix(".safetensors").rsplit("-", 1)[-1]
    is_checksum = len(name) == 64
    return Removed(num_objects=1, num_bytes=file.size_bytes, sha256s=frozenset({name}) if is_checksum else frozenset())


def _remove_tree(folder: Path) -> None:
    for attempt in range(_ATTEMPTS):
        with suppress(FileNotFoundError):
            shutil.rmtree(folder, ignore_errors=attempt < _ATTEMPTS - 1)
        if not os.path.lexists(folder):
            return


def _raise(_: str, error: StoreUnavailable) -> None:
    raise error
