"""What was erased, and by whose order: readers ask before they open, writers before and after they write.

An order's tombstone is written before the eraser looks for what it has to remove. A writer that checks again when its
bytes stand either sees the tombstone, and takes them back, or wrote them before the eraser looked: no locks are needed.
"""

import fcntl
import hashlib
import json
import os
import re
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, fields
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import Any, NoReturn, Protocol, Self

from rl_assets.config.canonical import canonical_json
from rl_assets.errors import CorruptObject, ErasedData
from rl_assets.store.atomic import make_folder, refusals_explained, staged_file, sync_folder

FOLDER = "tombstones"
_ORDER = re.compile(r"e-[0-9a-f]{10}")
_FILE = re.compile(r"e-[0-9a-f]{10}\.json")
_LOCK_NAME = ".lock"
_SETTLED_AFTER_S = 2.0
"""A folder whose time of change is this old when it is listed cannot change again and keep that time."""


@dataclass(frozen=True, kw_only=True)
class Erased:
    """One materialization that an order erased."""

    asset: str
    partition: str | None
    event_id: int
    data_version: str

    @property
    def identity(self) -> tuple[str, str, int, str]:
        """All four; a missing partition and an empty one are the same."""
        return self.asset, self.partition or "", self.event_id, self.data_version


@dataclass(frozen=True, kw_only=True)
class Tombstone:
    """What one order erases; it holds pseudonyms, keys and hashes alone.

    Raises:
        ValueError: the order is no id of an order, or the time has no zone.
    """

    order: str
    """`e-` and 10 hex digits."""
    at: str
    """ISO 8601 with a time zone."""
    clients: frozenset[str] = frozenset()
    """Pseudonyms of clients all of whose data goes; nothing is written in their name again."""
    datasets: frozenset[str] = frozenset()
    """Keys of datasets that go as a whole; none of them is materialized again."""
    erased: tuple[Erased, ...] = ()
    """The materializations that go."""
    bytes_are_gone: bool = False
    """Whether their bytes are removed. Until then nobody reads or makes anything of these data versions; from then on
    an equal version may be made again of what was not erased, such as a policy of what is left of a dataset."""

    def __post_init__(self) -> None:
        if not (isinstance(self.order, str) and _ORDER.fullmatch(self.order)):
            raise ValueError(f"order {self.order!r}: expected 'e-' and 10 hex digits")
        if datetime.fromisoformat(self.at).tzinfo is None:
            raise ValueError(f"tombstone of order '{self.order}': at {self.at!r} lacks a time zone: add one")

    @cached_property
    def data_versions(self) -> frozenset[str]:
        """Of all materializations that go."""
        return frozenset(item.data_version for item in self.erased)

    def united(self, other: "Tombstone") -> "Tombstone":
        """Both together; the time is this one's.

        Raises:
            ValueError: the other belongs to another order.
        """
        if other.order != self.order:
            raise ValueError(f"tombstone of order '{self.order}': cannot take in one of order '{other.order}'")
        known = {item.identity for item in self.erased}
        further = {item.identity: item for item in other.erased if item.identity not in known}
        return Tombstone(
            order=self.order,
            at=self.at,
            clients=self.clients | other.clients,
            datasets=self.datasets | other.datasets,
            erased=(*self.erased, *further.values()),
            bytes_are_gone=(self.bytes_are_gone or other.bytes_are_gone) and (other.bytes_are_gone or not further),
        )

    def to_json(self) -> dict[str, Any]:
        """Plain data for the tombstone's file."""
        return {
            "order": self.order,
            "at": self.at,
            "clients": sorted(self.clients),
            "datasets": sorted(self.datasets),
            "erased": [asdict(item) for item in self.erased],
            "bytes_are_gone": self.bytes_are_gone,
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """Read back what `to_json` wrote.

        Raises:
            ValueError: a field is missing, unknown or malformed.
        """
        expected = {item.name for item in fields(cls)}
        if not isinstance(data, Mapping) or set(data) != expected:
            raise ValueError(f"tombstone: expected exactly the fields {', '.join(sorted(expected))}")
        try:
            return cls(
                order=data["order"],
                at=data["at"],
                clients=frozenset(data["clients"]),
                datasets=frozenset(data["datasets"]),
                erased=tuple(Erased(**item) for item in data["erased"]),
                bytes_are_gone=bool(data["bytes_are_gone"]),
            )
        except TypeError as error:
            raise ValueError(f"tombstone: {error}") from error


class _Rooted(Protocol):
    @property
    def root(self) -> Path: ...


_Listing = tuple[tuple[str, int, int, int], ...]


@dataclass(frozen=True, kw_only=True)
class _Known:
    """All tombstones, and what to look up in them."""

    listing: _Listing = ()
    """Name, inode, size and time of each file when it was read."""
    tombstones: tuple[Tombstone, ...] = ()
    clients: Mapping[str, Tombstone] = field(default_factory=dict)
    datasets: Mapping[str, Tombstone] = field(default_factory=dict)
    versions: Mapping[str, Tombstone] = field(default_factory=dict)
    quarantined: Mapping[str, Tombstone] = field(default_factory=dict)
    """The versions among them whose bytes may still be there."""
    events: Mapping[tuple[str, str, int, str], Tombstone] = field(default_factory=dict)

    @classmethod
    def of(cls, tombstones: tuple[Tombstone, ...], listing: _Listing) -> "_Known":
        newest_first = tombstones[::-1]  # so that the order that erased something first is the one that is named
        return cls(
            listing=listing,
            tombstones=tombstones,
            clients={client: item for item in newest_first for client in item.clients},
            datasets={key: item for item in newest_first for key in item.datasets},
            versions={version: item for item in newest_first for version in item.data_versions},
            quarantined={
                version: item for item in newest_first if not item.bytes_are_gone for version in item.data_versions
            },
            events={erased.identity: item for item in newest_first for erased in item.erased},
        )


class Tombstones:
    """The tombstones of one store. Looking is cheap: files are read again only where the folder changed.

    Args:
        store: anything with the store's `root`.
    """

    def __init__(self, store: _Rooted) -> None:
        self._folder = store.root / FOLDER
        self._known = _Known()
        self._settled: tuple[int, int, int] | None = None
        """Inode and times of the folder as it was listed, where they tell every later change."""

    def write(self, tombstone: Tombstone) -> Tombstone:
        """Set an order's tombstone, or add to the one that stands; from here on everybody refuses.

        Returns:
            What stands now: everything that was ever written for this order.

        Raises:
            CorruptObject: a tombstone that stands is damaged.
            StoreUnavailable: the disk refused; what stood before stands.
        """
        with refusals_explained(f"write the tombstone of order '{tombstone.order}' in '{self._folder}'"):
            make_folder(self._folder)
            with self._alone():
                standing = next((item for item in self.all() if item.order == tombstone.order), None)
                united = tombstone if standing is None else standing.united(tombstone)
                if united == standing:
                    return united
                body = united.to_json()
                data = canonical_json({"tombstone": body, "sha256": _checksum(body)})
                with staged_file(self._folder, data) as temporary:
                    os.replace(temporary, self._folder / f"{tombstone.order}.json")
                sync_folder(self._folder)
        return united

    def all(self) -> tuple[Tombstone, ...]:
        """Every order's tombstone, the oldest first.

        Raises:
            CorruptObject: one is damaged, so that nobody can say what was erased.
            StoreUnavailable: the disk refused.
        """
        return self._look().tombstones

    def refuse(
        self,
        *,
        owners: Iterable[str] = (),
        datasets: Iterable[str] = (),
        data_versions: Iterable[str] = (),
        events: Iterable[Erased] = (),
        what: str,
    ) -> None:
        """Refuse what is erased, or stands on what is.

        Args:
            owners: pseudonyms of the clients whose data it is.
            datasets: keys of datasets that it is.
            data_versions: of what it is or stands on, where the materialization is not known; such a version is refused
                as long as its bytes may be there.
            events: the very materializations that it is or stands on.
            what: what to call it in the error, such as `trained_policies[CartPole-v1|…]`.

        Raises:
            ErasedData: it is; the order is named.
            CorruptObject: a tombstone is damaged, so that nobody can say.
            StoreUnavailable: the disk refused to say.
        """
        known = self._look()
        if not known.tombstones:
            return
        for owner in owners:
            if owner in known.clients:
                _refuse(what, f"all data of client '{owner}'", known.clients[owner])
        for key in datasets:
            if key in known.datasets:
                _refuse(what, f"dataset '{key}'", known.datasets[key])
        for event in events:
            if event.identity in known.events:
                _refuse(what, f"{event.asset}[{event.partition or ''}]", known.events[event.identity])
        for version in data_versions:
            if version in known.quarantined:
                _refuse(what, f"data version '{version[:12]}'", known.quarantined[version])

    def order_of(self, data_version: str) -> str | None:
        """The order that erased a data version, whether or not an equal one was made since; None where none did."""
        tombstone = self._look().versions.get(data_version)
        return None if tombstone is None else tombstone.order

    def order_of_event(self, event: Erased) -> str | None:
        """The order that erased exactly this materialization; None where none did."""
        tombstone = self._look().events.get(event.identity)
        return None if tombstone is None else tombstone.order

    def order_of_client(self, pseudonym: str) -> str | None:
        """The order that erased all of a client; None where none did."""
        tombstone = self._look().clients.get(pseudonym)
        return None if tombstone is None else tombstone.order

    def order_of_dataset(self, key: str) -> str | None:
        """The order that erased a dataset for good; None where none did."""
        tombstone = self._look().datasets.get(key)
        return None if tombstone is None else tombstone.order

    def order_of_partition(self, asset: str, partition: str) -> str | None:
        """The newest order that erased a materialization of a partition, whatever was made there since."""
        for tombstone in reversed(self._look().tombstones):
            if any((item.asset, item.partition) == (asset, partition) for item in tombstone.erased):
                return tombstone.order
        return None

    def is_quarantined(self, data_version: str) -> bool:
        """Whether an order takes a data version whose bytes may still be there."""
        return data_version in self._look().quarantined

    @property
    def clients(self) -> frozenset[str]:
        """Pseudonyms of all erased clients."""
        return frozenset(self._look().clients)

    def _look(self) -> _Known:
        """All tombstones as they stand; the listing is taken first, so what is read is never older than it says."""
        with refusals_explained(f"look for tombstones in '{self._folder}'"):
            try:
                status = os.stat(self._folder)
            except FileNotFoundError:
                self._known, self._settled = _Known(), None
                return self._known
            stamp = (status.st_ino, status.st_mtime_ns, status.st_ctime_ns)
            if stamp == self._settled:
                return self._known
            self._settled = None
            listing = self._listing()
            if listing != self._known.listing:
                read = tuple(self._read(name) for name, *_ in listing)
                self._known = _Known.of(tuple(sorted(read, key=lambda item: (item.at, item.order))), listing)
            if time.time() - status.st_mtime > _SETTLED_AFTER_S:
                self._settled = stamp
        return self._known

    def _listing(self) -> _Listing:
        """Times alone would not do: two changes in a row may share one."""
        with os.scandir(self._folder) as entries:
            found = [(entry.name, entry.stat()) for entry in entries if _FILE.fullmatch(entry.name)]
        return tuple(sorted((name, stat.st_ino, stat.st_size, stat.st_mtime_ns) for name, stat in found))

    def _read(self, name: str) -> Tombstone:
        path = self._folder / name
        try:
            record = json.loads(path.read_bytes())
            if record["sha256"] != _checksum(record["tombstone"]):
                raise ValueError("its checksum does not match")
            return Tombstone.from_json(record["tombstone"])
        except (ValueError, KeyError, TypeError) as error:
            raise CorruptObject(
                f"tombstone '{path}' is damaged ({error}), so that nobody can say what was erased, and nothing is read "
                "or written: restore the file from a backup, or start the erasure of that order again"
            ) from error

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """One writer at a time, as each adds to what stands."""
        descriptor = os.open(self._folder / _LOCK_NAME, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)


def _refuse(what: str, which: str, tombstone: Tombstone) -> NoReturn:
    raise ErasedData(
        f"{what}: {which} was erased by order {tombstone.order} on {tombstone.at[:10]}: it is neither read nor written "
        "again; train without it"
    )


def _checksum(body: Mapping[str, Any]) -> str:
    return hashlib.sha256(canonical_json(dict(body))).hexdigest()
