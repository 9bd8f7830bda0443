"""An artifact is a manifest that names its files, their checksums, its facts and its owners."""

import json
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Self

from rl_assets.config.canonical import canonical_json
from rl_assets.errors import CorruptObject, ErasedData, ObjectNotFound, StoreError
from rl_assets.store.objects import ObjectRef, ObjectStore

_KIND = re.compile(r"[a-z][a-z0-9_]*")
_FIELDS = {"facts", "files", "kind", "owners"}


@dataclass(frozen=True, kw_only=True)
class ArtifactRef:
    """Which artifact: the object that holds its manifest."""

    manifest: ObjectRef

    @property
    def data_version(self) -> str:
        """SHA-256 of the manifest: equal for equal kind, files, facts and owners."""
        return self.manifest.sha256

    def to_json(self) -> dict[str, Any]:
        """Plain data for metadata and manifests."""
        return self.manifest.to_json()

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """Read back what `to_json` wrote.

        Raises:
            ValueError: a field is missing, unknown or malformed.
        """
        return cls(manifest=ObjectRef.from_json(data))


@dataclass(frozen=True, kw_only=True)
class Artifact:
    """A manifest that has been read and checked, and the way to its files."""

    ref: ArtifactRef
    kind: str
    facts: Mapping[str, Any]
    owners: frozenset[str]
    files: Mapping[str, ObjectRef]
    store: ObjectStore = field(repr=False, compare=False)
    name: str = field(default="", compare=False)
    """What it is called in an error, such as `trained_policies[CartPole-v1|…]`; its kind and version if empty."""

    @property
    def file_names(self) -> tuple[str, ...]:
        """Names of the files in alphabetical order."""
        return tuple(sorted(self.files))

    @property
    def size_bytes(self) -> int:
        """Size of all files together, manifest excluded."""
        return sum(ref.size_bytes for ref in self.files.values())

    def checksum(self, name: str) -> str:
        """SHA-256 of one file as hex, from the manifest.

        Raises:
            ObjectNotFound: the manifest names no such file.
        """
        return self._ref(name).sha256

    def path(self, name: str) -> str:
        """Where one file's object stands below the store's root.

        Raises:
            ObjectNotFound: the manifest names no such file.
        """
        return self._ref(name).path

    @property
    def contents(self) -> Mapping[str, bytes]:
        """Name -> bytes of all files, each read and checked when it is asked for."""
        return _Contents(self)

    def is_whole(self) -> bool:
        """Whether all files are in the store with the very bytes that were written; reads them all."""
        try:
            for ref in self.files.values():
                self.store.verify(ref)
        except (ObjectNotFound, CorruptObject):
            return False
        return True

    def read(self, name: str) -> bytes:
        """Read one file's bytes, checked against the manifest.

        Raises:
            ObjectNotFound: the manifest names no such file, or its object is gone.
            CorruptObject: the bytes are not those that were written.
            StoreUnavailable: the disk refused.
        """
        ref = self._ref(name)
        with _named(f"{self._name}, file '{name}'"):
            return self.store.get(ref)

    def _ref(self, name: str) -> ObjectRef:
        if name not in self.files:
            raise ObjectNotFound(f"{self._name} has no file '{name}': it holds {', '.join(self.file_names) or 'none'}")
        return self.files[name]

    @property
    def _name(self) -> str:
        return self.name or f"{self.kind} artifact '{self.ref.data_version[:12]}'"


class _Contents(Mapping[str, bytes]):
    """An artifact's files, one at a time."""

    def __init__(self, artifact: Artifact) -> None:
        self._artifact = artifact

    def __getitem__(self, name: str) -> bytes:
        return self._artifact.read(name)

    def __iter__(self) -> Iterator[str]:
        return iter(self._artifact.file_names)

    def __len__(self) -> int:
        return len(self._artifact.file_names)


def write_artifact(
    store: ObjectStore,
    *,
    kind: str,
    files: Mapping[str, bytes],
    facts: Mapping[str, Any],
    owners: frozenset[str],
    new: list[ObjectRef] | None = None,
) -> ArtifactRef:
    """Store files, then the manifest that names them; a writer killed between the two leaves no artifact.

    Args:
        kind: what it is, such as `policy`; lower case, digits and underscores.
        files: file names to bytes; taken one at a time, so a mapping that reads lazily need not fit into memory.
        facts: plain JSON data; a time in it would make equal artifacts differ.
        owners: pseudonyms of all clients whose data the artifact descends from.
        new: is added to for each object that was not there before.

    Returns:
        A reference whose data version depends on nothing but these arguments.

    Raises:
        ValueError: the kind, a name or an owner is malformed, or the facts hold NaN or infinity.
        TypeError: the facts are not JSON data.
        ErasedData: an owner's data was erased, or this very version is being erased; nothing that was not there before
            stays.
        StoreUnavailable: the disk refused.
    """
    if not _KIND.fullmatch(kind):
        raise ValueError(f"artifact kind {kind!r}: expected lower-case letters, digits and underscores")
    canonical_json(dict(facts))
    listed: dict[str, dict[str, Any]] = {}
    written: list[ObjectRef] = []
    try:
        for name in sorted(files):
            if not name:
                raise ValueError(f"{kind} artifact: a file has an empty name: give it one")
            listed[name] = store.put(files[name], owners=owners, new=written).to_json()
        manifest = {"facts": dict(facts), "files": listed, "kind": kind, "owners": sorted(owners)}
        ref = ArtifactRef(manifest=store.put(canonical_json(manifest), owners=owners, new=written))
        store.tombstones.refuse(data_versions=[ref.data_version], what=f"{kind} artifact '{ref.data_version[:12]}'")
    except ErasedData:
        store.remove(written)
        raise
    if new is not None:
        new += written
    return ref


def read_artifact(store: ObjectStore, ref: ArtifactRef, *, name: str = "") -> Artifact:
    """Read and check a manifest; its files are read when asked for.

    Args:
        store: where.
        ref: which.
        name: what to call it in an error, such as the partition that it belongs to.

    Raises:
        ErasedData: it is being erased, or the data of one of its owners was.
        ObjectNotFound: there is no such artifact.
        CorruptObject: the bytes are damaged or are no manifest.
        StoreUnavailable: the disk refused.
    """
    with _named(name):
        what = f"artifact '{ref.data_version[:12]}'"
        store.tombstones.refuse(data_versions=[ref.data_version], what=what)
        artifact = parse_manifest(store, ref, store.get(ref.manifest), name=name)
        store.tombstones.refuse(owners=artifact.owners, what=what)
    return artifact


def parse_manifest(store: ObjectStore, ref: ArtifactRef, data: bytes, *, name: str = "") -> Artifact:
    """The artifact that a manifest's bytes describe.

    Raises:
        CorruptObject: the bytes are no manifest.
    """
    try:
        manifest = json.loads(data)
        if not isinstance(manifest, dict) or set(manifest) != _FIELDS:
            raise ValueError(f"expected exactly the fields {', '.join(sorted(_FIELDS))}")
        return Artifact(
            ref=ref,
            kind=manifest["kind"],
            facts=manifest["facts"],
            owners=frozenset(manifest["owners"]),
            files={name: ObjectRef.from_json(entry) for name, entry in manifest["files"].items()},
            store=store,
            name=name,
        )
    except (ValueError, TypeError, AttributeError) as error:
        raise CorruptObject(
            f"object '{ref.manifest.path}' is no artifact manifest ({error}): the reference points to something else; "
            "take the reference from the materialization's metadata"
        ) from error


@contextmanager
def _named(name: str) -> Iterator[None]:
    """Begin the message of any refusal of the store with what was being read."""
    try:
        yield
    except StoreError as error:
        raise (type(error)(f"{name}: {error}") if name else error) from error.__cause__
