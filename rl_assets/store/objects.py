"""Bytes under the SHA-256 of their content, in a namespace of their owners."""

import hashlib
import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from upath import UPath

from rl_assets.errors import CorruptObject, ErasedData, ObjectNotFound, StoreUnavailable
from rl_assets.store.atomic import (
    has_writer,
    make_folder,
    refusals_explained,
    remove_empty,
    staged_file,
    sweep_leftovers,
    sync_folder,
)
from rl_assets.store.namespaces import NAMESPACE, Namespaces
from rl_assets.store.tombstones import Tombstones

_SHA256 = re.compile(r"[0-9a-f]{64}")
_PLACE = re.compile(rf"objects/({NAMESPACE.pattern})/([0-9a-f]{{2}})/(\2[0-9a-f]{{62}})")


@dataclass(frozen=True, kw_only=True)
class ObjectRef:
    """Where an object lies and what its bytes must be.

    Raises:
        ValueError: a field could not have come from a store; nothing in it can lead out of the store's folder.
    """

    namespace: str
    sha256: str
    size_bytes: int

    def __post_init__(self) -> None:
        if not (isinstance(self.namespace, str) and NAMESPACE.fullmatch(self.namespace)):
            raise ValueError(f"object namespace {self.namespace!r}: expected 'public', 'c-' or 'o-' and hex digits")
        if not (isinstance(self.sha256, str) and _SHA256.fullmatch(self.sha256)):
            raise ValueError(f"object checksum {self.sha256!r}: expected 64 lower-case hex digits")
        if type(self.size_bytes) is not int or self.size_bytes < 0:
            raise ValueError(f"object size {self.size_bytes!r}: expected a whole number of bytes")

    @property
    def path(self) -> str:
        """The object's place below the store's root."""
        return f"objects/{self.namespace}/{self.sha256[:2]}/{self.sha256}"

    def to_json(self) -> dict[str, Any]:
        """Plain data for metadata and manifests."""
        return {"namespace": self.namespace, "sha256": self.sha256, "size_bytes": self.size_bytes}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """Read back what `to_json` wrote.

        Raises:
            ValueError: a field is missing, unknown or malformed.
        """
        if not isinstance(data, Mapping) or set(data) != {"namespace", "sha256", "size_bytes"}:
            raise ValueError(f"object reference {data!r}: expected exactly the fields namespace, sha256, size_bytes")
        return cls(**data)

    @classmethod
    def at(cls, path: str, *, size_bytes: int) -> Self | None:
        """The object that stands at a path below the store's root; None where no object can stand there."""
        match = _PLACE.fullmatch(path)
        return None if match is None else cls(namespace=match[1], sha256=match[3], size_bytes=size_bytes)


@dataclass(frozen=True, kw_only=True)
class StoredFile:
    """One file of a store, without its bytes."""

    path: str
    """Its place below the store's root."""
    size_bytes: int
    modified_at: float
    """Seconds since 1970, UTC."""


class ObjectStore:
    """A folder of immutable objects that any number of processes may read and write at once.

    Args:
        root: a local folder; created when something is first put.

    Raises:
        StoreUnavailable: the root is an address that this version cannot write to, such as `s3://…`.
    """

    def __init__(self, root: str | os.PathLike[str]) -> None:
        location = UPath(root)
        if location.protocol not in ("", "file"):
            raise StoreUnavailable(
                f"object store '{location}': '{location.protocol}' storage is not supported yet: use a local folder"
            )
        self.root = Path(location.path).absolute()
        self.tombstones = Tombstones(self)
        self.namespaces = Namespaces(self.root)
        self._swept: set[str] = set()
        self._has_written = False

    def put(self, data: bytes, *, owners: frozenset[str], new: list[ObjectRef] | None = None) -> ObjectRef:
        """Store the bytes; the same bytes of the same owners are one object, and putting them again repairs it.

        Args:
            data: the bytes.
            owners: pseudonyms of all clients whose data they descend from.
            new: is added to where the object was not there, or not whole, before.

        Raises:
            ValueError: an owner is not a pseudonym.
            ErasedData: an owner's data was erased; nothing of the bytes stays.
            StoreUnavailable: the disk refused; nothing half-written can be read.
        """
        sha256 = hashlib.sha256(data).hexdigest()
        self._refuse_if_vanished()
        self._refuse_erased(owners, f"object '{sha256[:12]}'")
        try:
            ref = ObjectRef(namespace=self.namespaces.record(owners), sha256=sha256, size_bytes=len(data))
            with refusals_explained(f"write object '{ref.path}' in the store at '{self.root}'"):
                if self._write(ref, data) and new is not None:
                    new.append(ref)
        except StoreUnavailable:
            self._refuse_erased(owners, f"object '{sha256[:12]}'")  # an eraser may have taken the folder away
            raise
        self._has_written = True
        try:
            self._refuse_erased(owners, f"object '{sha256[:12]}'")
        except ErasedData:
            self.remove([ref])
            raise
        return ref

    def remove(self, refs: Iterable[ObjectRef]) -> list[ObjectRef]:
        """Remove objects that nothing refers to, and the folders that this leaves empty.

        Returns:
            Those that were there.

        Raises:
            StoreUnavailable: the disk refused.
        """
        removed = []
        for ref in refs:
            target = self.root / ref.path
            with refusals_explained(f"remove object '{ref.path}' from the store at '{self.root}'"):
                try:
                    target.unlink()
                    removed.append(ref)
                except FileNotFoundError:
                    pass
                remove_empty(target.parent)
        return removed

    def get(self, ref: ObjectRef, *, even_erased: bool = False) -> bytes:
        """Read an object's bytes, checked against its size and SHA-256.

        Args:
            ref: which.
            even_erased: for the eraser alone, which has to know what a manifest names to remove it.

        Raises:
            ErasedData: an owner's data was erased.
            ObjectNotFound: there is no such object.
            CorruptObject: the bytes are not those that were put.
            StoreUnavailable: the disk refused.
        """
        if not even_erased and self.tombstones.clients:
            self._refuse_erased(self.namespaces.owners_of(ref.namespace) or (), f"object '{ref.path}'")
        with refusals_explained(f"read object '{ref.path}' in the store at '{self.root}'"):
            try:
                data = (self.root / ref.path).read_bytes()
            except FileNotFoundError as error:
                raise self._not_found(ref) from error
        self._refuse_if_damaged(ref, sha256=hashlib.sha256(data).hexdigest(), size_bytes=len(data))
        return data

    def is_being_erased(self, ref: ObjectRef) -> bool:
        """Whether an order takes an object, so that whoever still names it needs it no more.

        Raises:
            CorruptObject: a tombstone is damaged, so that nobody can say.
            StoreUnavailable: the disk refused.
        """
        owners = self.namespaces.owners_of(ref.namespace) if self.tombstones.clients else None
        return self.tombstones.is_quarantined(ref.sha256) or bool(self.tombstones.clients & (owners or frozenset()))

    def namespaces_of(self, client: str) -> tuple[str, ...]:
        """Every namespace that a client owns or shares, in alphabetical order.

        Raises:
            CorruptObject: of a namespace nobody can say whose it is, so that the answer would not be complete.
            StoreUnavailable: the disk refused.
        """
        return self.namespaces.of(client)

    def verify(self, ref: ObjectRef) -> None:
        """Check an object's bytes against its size and SHA-256, without holding them in memory.

        Nothing is handed out, so tombstones are not asked.

        Raises:
            ObjectNotFound: there is no such object.
            CorruptObject: the bytes are not those that were put.
            StoreUnavailable: the disk refused.
        """
        with refusals_explained(f"read object '{ref.path}' in the store at '{self.root}'"):
            try:
                with open(self.root / ref.path, "rb") as file:
                    sha256, size_bytes = hashlib.file_digest(file, "sha256").hexdigest(), file.tell()
            except FileNotFoundError as error:
                raise self._not_found(ref) from error
        self._refuse_if_damaged(ref, sha256=sha256, size_bytes=size_bytes)

    def exists(self, ref: ObjectRef) -> bool:
        """Say whether the object is there, without checking its bytes.

        Raises:
            StoreUnavailable: the disk refused to say.
        """
        with refusals_explained(f"look for object '{ref.path}' in the store at '{self.root}'"):
            try:
                return (self.root / ref.path).stat().st_size == ref.size_bytes
            except FileNotFoundError:
                return False

    def locate(self, sha256: str) -> ObjectRef | None:
        """Find an object of which only the checksum is known; None where no owner has one.

        Raises:
            StoreUnavailable: the disk refused to say.
        """
        for namespace in self.folders("objects"):
            path = f"objects/{namespace}/{sha256[:2]}/{sha256}"
            with refusals_explained(f"look for object '{path}' in the store at '{self.root}'"):
                try:
                    size_bytes = (self.root / path).stat().st_size
                except FileNotFoundError:
                    continue
            return ObjectRef.at(path, size_bytes=size_bytes)
        return None

    def folders(self, path: str) -> tuple[str, ...]:
        """Names of the folders at a path below the root, in alphabetical order; none where the path is missing.

        Raises:
            StoreUnavailable: the disk refused.
        """
        with refusals_explained(f"list '{path}' in the store at '{self.root}'"):
            try:
                with os.scandir(self.root / path) as entries:
                    return tuple(sorted(entry.name for entry in entries if entry.is_dir(follow_symlinks=False)))
            except FileNotFoundError:
                return ()

    def files(self, path: str, *, on_refusal: Callable[[str, StoreUnavailable], None]) -> Iterator[StoredFile]:
        """List all files below a path, folder by folder, in no memory to speak of.

        Args:
            path: a folder below the root; empty for the whole store.
            on_refusal: is told of each folder that the disk refuses to list and why; the others are listed all the
                same.
        """
        found: list[StoredFile] = []
        inner: list[str] = []
        try:
            with (
                refusals_explained(f"list '{path}' in the store at '{self.root}'"),
                os.scandir(self.root / path) as entries,
            ):
                for entry in entries:
                    place = f"{path}/{entry.name}" if path else entry.name
                    if entry.is_dir(follow_symlinks=False):
                        inner.append(place)
                        continue
                    try:
                        status = entry.stat()
                    except FileNotFoundError:
                        continue
                    found.append(StoredFile(path=place, size_bytes=status.st_size, modified_at=status.st_mtime))
        except StoreUnavailable as error:
            if not isinstance(error.__cause__, FileNotFoundError):
                on_refusal(path, error)
        yield from sorted(found, key=lambda file: file.path)
        for folder in sorted(inner):
            yield from self.files(folder, on_refusal=on_refusal)

    def is_being_written(self, folder: str) -> bool:
        """Whether some process is writing in a staging folder below the root right now, or nobody can tell."""
        return has_writer(self.root / folder)

    def has_file(self, path: str) -> bool:
        """Whether a file stands at a path below the root; False also where the disk refuses to say."""
        return os.path.isfile(self.root / path)

    def _write(self, ref: ObjectRef, data: bytes) -> bool:
        """Make an object stand; False where it did already."""
        target, folder = self.root / ref.path, self.root / "objects" / ref.namespace
        if ref.namespace not in self._swept:
            sweep_leftovers(folder)
            self._swept.add(ref.namespace)
        if target.is_file() and target.read_bytes() == data:
            return False
        with staged_file(folder, data) as temporary:
            make_folder(target.parent)
            try:
                os.replace(temporary, target)
            except FileNotFoundError:  # the folder was empty, and somebody who removes such folders was faster
                make_folder(target.parent)
                os.replace(temporary, target)
        sync_folder(target.parent)
        return True

    def _refuse_erased(self, owners: Iterable[str], what: str) -> None:
        self.tombstones.refuse(owners=owners, what=what)

    def _refuse_if_vanished(self) -> None:
        """A root that this process wrote to is never made anew: it was unmounted, moved or deleted."""
        if self._has_written and not self.root.is_dir():
            raise StoreUnavailable(
                f"the store at '{self.root}' vanished while it was in use: mount or move it back, then launch again; "
                "nothing was written elsewhere"
            )

    def _not_found(self, ref: ObjectRef) -> ObjectNotFound:
        return ObjectNotFound(
            f"object '{ref.path}' is not in the store at '{self.root}': "
            "it was deleted, or the store root is another one: materialize it again or fix the root"
        )

    def _refuse_if_damaged(self, ref: ObjectRef, *, sha256: str, size_bytes: int) -> None:
        if size_bytes != ref.size_bytes or sha256 != ref.sha256:
            raise CorruptObject(
                f"object '{ref.path}' in the store at '{self.root}' is damaged: expected {ref.size_bytes} bytes with "
                f"SHA-256 {ref.sha256}, got {size_bytes} bytes with {sha256}: "
                "restore the file from a backup or materialize it again"
            )
