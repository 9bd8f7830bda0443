"""Bytes under the SHA-256 of their content, in a namespace of their owners."""

import hashlib
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from upath import UPath

from rl_assets.config.canonical import canonical_json
from rl_assets.errors import CorruptObject, ObjectNotFound, StoreUnavailable
from rl_assets.store.atomic import refusals_explained, staged_file, sweep_leftovers, sync_folder

PUBLIC = "public"
_OWNER = re.compile(r"c-[0-9a-f]{10}")
_NAMESPACE = re.compile(rf"{PUBLIC}|c-[0-9a-f]{{10}}|o-[0-9a-f]{{32}}")
_SHA256 = re.compile(r"[0-9a-f]{64}")


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
        if not (isinstance(self.namespace, str) and _NAMESPACE.fullmatch(self.namespace)):
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


def namespace_of(owners: frozenset[str]) -> str:
    """Name the namespace of an owner set: the only owner, a hash over several, `public` for none.

    Args:
        owners: pseudonyms of clients; never their names.

    Raises:
        ValueError: an owner is not a pseudonym; the text itself is not repeated, as it may be a client's name.
    """
    if isinstance(owners, str) or not all(isinstance(owner, str) and _OWNER.fullmatch(owner) for owner in owners):
        raise ValueError(
            "an object's owner is not a pseudonym: expected a set of 'c-' and 10 hex digits each; "
            "take them from the client register"
        )
    if not owners:
        return PUBLIC
    if len(owners) == 1:
        return next(iter(owners))
    return "o-" + hashlib.sha256(canonical_json(sorted(owners))).hexdigest()[:32]


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
        self._swept: set[str] = set()

    def put(self, data: bytes, *, owners: frozenset[str]) -> ObjectRef:
        """Store the bytes; the same bytes of the same owners are one object, and putting them again repairs it.

        Raises:
            ValueError: an owner is not a pseudonym.
            StoreUnavailable: the disk refused; nothing half-written can be read.
        """
        ref = ObjectRef(namespace=namespace_of(owners), sha256=hashlib.sha256(data).hexdigest(), size_bytes=len(data))
        target = self.root / ref.path
        folder = self.root / "objects" / ref.namespace
        with refusals_explained(f"write object '{ref.path}' in the store at '{self.root}'"):
            if ref.namespace not in self._swept:
                sweep_leftovers(folder)
                self._swept.add(ref.namespace)
            if target.is_file() and target.read_bytes() == data:
                return ref
            target.parent.mkdir(parents=True, exist_ok=True)
            with staged_file(folder, data) as temporary:
                os.replace(temporary, target)
            sync_folder(target.parent)
        return ref

    def get(self, ref: ObjectRef) -> bytes:
        """Read an object's bytes, checked against its size and SHA-256.

        Raises:
            ObjectNotFound: there is no such object.
            CorruptObject: the bytes are not those that were put.
            StoreUnavailable: the disk refused.
        """
        with refusals_explained(f"read object '{ref.path}' in the store at '{self.root}'"):
            try:
                data = (self.root / ref.path).read_bytes()
            except FileNotFoundError as error:
                raise ObjectNotFound(
                    f"object '{ref.path}' is not in the store at '{self.root}': "
                    "it was deleted, or the store root is another one: materialize it again or fix the root"
                ) from error
        digest = hashlib.sha256(data).hexdigest()
        if len(data) != ref.size_bytes or digest != ref.sha256:
            raise CorruptObject(
                f"object '{ref.path}' in the store at '{self.root}' is damaged: expected {ref.size_bytes} bytes with "
                f"SHA-256 {ref.sha256}, got {len(data)} bytes with {digest}: "
                "restore the file from a backup or materialize it again"
            )
        return data

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
