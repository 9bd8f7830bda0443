"""Nothing is found any more: what was erased is searched for everywhere that this installation writes."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Self

from rl_assets.erasure.fingerprints import Fingerprint, Scanner, fingerprint
from rl_assets.erasure.plan import ErasurePlan
from rl_assets.erasure.words import Words
from rl_assets.errors import ObjectNotFound
from rl_assets.resources.erasing.deletion import divide, needed_paths
from rl_assets.resources.erasing.estate import Estate
from rl_assets.resources.redaction.mentions import find_mentions, recorded_files
from rl_assets.store.objects import ObjectRef
from rl_assets.store.tombstones import FOLDER as TOMBSTONES_FOLDER

MIN_TELLING_LETTERS = 7
"""Letters and digits of a word that is searched for; in a page of a few megabytes, shorter ones are found by chance."""

MAX_PLACES = 5
"""Places that are named of each kind where something is found."""


@dataclass(frozen=True, kw_only=True)
class Traces:
    """What reveals nothing and still tells erased bytes wherever they turn up."""

    key: bytes = field(repr=False)
    """Of the rolling hashes."""
    fingerprints: frozenset[Fingerprint]
    paths: tuple[str, ...]
    """Places below the store's root where the objects stood."""
    sha256s: tuple[str, ...]

    @classmethod
    def of(cls, estate: Estate, objects: Iterable[tuple[ObjectRef, bool]], *, key: bytes) -> Self:
        """Read each object once more and note its traces.

        Texts that only repeat settings, such as manifests, are the same for everybody and have no fingerprints.

        Args:
            estate: where.
            objects: each with whether it is a file of a client's.
            key: of the rolling hashes.
        """
        found: set[Fingerprint] = set()
        paths, sha256s = [], []
        for ref, is_source in objects:
            paths.append(ref.path)
            sha256s.append(ref.sha256)
            try:
                data = estate.store.get(ref, even_erased=True)
            except ObjectNotFound:
                continue
            if is_source or not _is_text(data):
                found |= fingerprint(data, key)
        return cls(key=key, fingerprints=frozenset(found), paths=tuple(paths), sha256s=tuple(sha256s))

    def to_json(self) -> dict[str, Any]:
        """Plain data for the journal."""
        return {
            "fingerprints": sorted(item.to_json() for item in self.fingerprints),
            "paths": list(self.paths),
            "sha256s": list(self.sha256s),
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any], *, key: bytes) -> Self:
        """Read back what `to_json` wrote; the key is the order's."""
        return cls(
            key=key,
            fingerprints=frozenset(map(Fingerprint.from_json, data["fingerprints"])),
            paths=tuple(data["paths"]),
            sha256s=tuple(data["sha256s"]),
        )


@dataclass(frozen=True, kw_only=True)
class Search:
    """One kind of place that was searched."""

    what: str
    num_scanned: int
    size_bytes: int
    hits: int
    where: tuple[str, ...] = ()
    """The first places of the hits; never in a certificate."""

    def to_json(self) -> dict[str, Any]:
        """Plain data for the journal."""
        return asdict(self) | {"where": list(self.where)}


def search(estate: Estate, plan: ErasurePlan, traces: Traces, *, on_event: Callable[[str], None]) -> list[Search]:
    """Search the store, the state folder and Dagster's storage for erased bytes and for the client's words.

    Namespaces of others are not searched for bytes: nothing is ever shared with them, and equal bytes that somebody
    else owns are theirs.

    Raises:
        StoreUnavailable: something cannot be read.
        LineageError: Dagster's storage cannot be searched.
    """
    scope = plan.scope
    words = estate.register.words_of(scope.pseudonym, datasets=None if scope.is_whole_client else scope.datasets)
    telling = [] if scope.kind == "subject" else sorted(word for word in words if _is_telling(word))
    needles = [word.encode() for word in telling]
    searcher = _Searcher(bytes_of=Scanner(traces.fingerprints, traces.key), words=Words(telling) if telling else None)
    on_event("searching the store")
    searches = [_objects(estate, plan, traces), _scan("store", searcher, _store_files(estate))]
    on_event("searching the state folder")
    searches.append(_scan("state", searcher, _state_files(estate)))
    on_event("searching Dagster's records")
    recorded = list(recorded_files(estate.instance))
    files = _scan("records", searcher, recorded)
    mentions = find_mentions(estate.instance, needles) if needles else []
    places = (*files.where, *(f"{item.place} {item.row}".strip() for item in mentions))
    searches.append(replace(files, hits=files.hits + len(mentions), where=places[:MAX_PLACES]))
    return searches


def _objects(estate: Estate, plan: ErasurePlan, traces: Traces) -> Search:
    """The very places where the objects stood, and everything in a whole client's namespaces."""
    scope, root = plan.scope, estate.store.root
    there = [path for path in traces.paths if (root / path).exists()]
    needed = needed_paths(estate, divide(estate, plan)) if there else frozenset()
    left = [path for path in there if path not in needed]
    if scope.is_whole_client:
        for namespace in estate.store.namespaces_of(scope.pseudonym):
            for folder in ("objects", "checkpoints"):
                place = root / folder / namespace
                left += [str(path.relative_to(root)) for path in place.rglob("*") if path.is_file()]
    return Search(
        what="objects",
        num_scanned=len(traces.paths),
        size_bytes=0,
        hits=len(left),
        where=tuple(left[:MAX_PLACES]),
    )


def _is_telling(word: str) -> bool:
    """Whether a word stands for its client alone; a short one, such as `Apex`, stands in any text by chance."""
    return sum(map(str.isalnum, word)) >= MIN_TELLING_LETTERS


@dataclass(frozen=True, kw_only=True)
class _Searcher:
    """Looks into one file for erased bytes and for words."""

    bytes_of: Scanner
    words: Words | None

    def finds(self, path: Path) -> bool:
        return bool(self.bytes_of.scan(path)) or (self.words is not None and bool(self.words.scan(path)))


def _scan(what: str, searcher: _Searcher, paths: Iterable[Path]) -> Search:
    count = size = 0
    hits: list[str] = []
    for path in paths:
        count += 1
        size += _size(path)
        try:
            if searcher.finds(path):
                hits.append(path.name)
        except FileNotFoundError:
            continue
    return Search(what=what, num_scanned=count, size_bytes=size, hits=len(hits), where=tuple(hits[:MAX_PLACES]))


def _store_files(estate: Estate) -> Iterator[Path]:
    """All of the store but the objects that belong to somebody, and the tombstones."""
    root = estate.store.root
    for folder in sorted(root.iterdir()) if root.is_dir() else ():
        if folder.name == TOMBSTONES_FOLDER or not folder.is_dir():
            continue
        yield from _files(folder / "public" if folder.name == "objects" else folder)


def _state_files(estate: Estate) -> Iterator[Path]:
    """All of the state but the store, the encrypted register, and the demo's recording, which is a client's file."""
    home = estate.home
    own = {home.register_folder, home.demo_folder, estate.store.root}
    for entry in sorted(home.state.iterdir()) if home.state.is_dir() else ():
        if entry not in own:
            yield from _files(entry) if entry.is_dir() else [entry]


def _files(folder: Path) -> Iterator[Path]:
    yield from (path for path in sorted(folder.rglob("*")) if path.is_file())


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


def _is_text(data: bytes) -> bool:
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True
