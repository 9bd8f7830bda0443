"""Which bytes a dataset is: every file's SHA-256 and one Merkle root over them all."""

import hashlib
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from rl_assets.config.canonical import canonical_json
from rl_assets.datasets.register import RegisteredDataset
from rl_assets.datasets.subjects import ErasedSubject, Excludes, excludes, without_subjects
from rl_assets.errors import InvalidDataset

_CHUNK_BYTES = 1 << 20
_KNOWN_SUFFIXES = frozenset(
    {".arrow", ".csv", ".feather", ".h5", ".hdf5", ".json", ".jsonl", ".npy", ".npz", ".parquet", ".safetensors"}
)


@dataclass(frozen=True, kw_only=True)
class DatasetFile:
    """One file of a dataset; the name is the client's own and belongs in no log."""

    name: str
    """Path below the dataset's folder, with `/` between its parts."""
    sha256: str
    size_bytes: int


@dataclass(frozen=True, kw_only=True)
class DatasetContent:
    """The bytes of a dataset as they were when it was scanned."""

    kind: str
    """`files`, or `declaration` when the dataset is work in a simulator only."""
    listing: tuple[DatasetFile, ...]
    """All files in alphabetical order."""
    files: Mapping[str, bytes]
    """Neutral names such as `000000.parquet`, in the order of the listing, to bytes. It reads one file when asked
    for it, and raises `InvalidDataset` if that changed since the scan."""

    originals: Mapping[str, bytes]
    """The same bytes under the client's own names, for messages to the client alone."""

    @property
    def size_bytes(self) -> int:
        """Size of all files together."""
        return sum(file.size_bytes for file in self.listing)

    @property
    def merkle_root(self) -> str:
        """The data version: hex SHA-256 that changes with any byte, name, addition or removal of a file."""
        leaves = [canonical_json([file.name, file.sha256, file.size_bytes]) for file in self.listing]
        return merkle_root(leaves)


def read_dataset(dataset: RegisteredDataset) -> DatasetContent:
    """Scan the files that a dataset was registered with, or declare it where there are none.

    Episodes about subjects that were erased from it are left out, whatever the files hold.

    Raises:
        InvalidDataset: the files cannot be taken as they are; names the key alone, as it may be logged.
    """
    if dataset.path is None:
        return declare_dataset(dataset.key)
    try:
        return without_erased(scan_files(dataset.path), dataset.erased_subjects)
    except InvalidDataset:
        raise InvalidDataset(
            f"dataset '{dataset.key}': its files are missing or cannot be taken as they are; the reason names them, so "
            "it is not logged here: register the same words and path again with `rlctl dataset add` to see it"
        ) from None


def scan_files(path: str | os.PathLike[str]) -> DatasetContent:
    """Read a file, or all files below a folder, hidden ones included.

    Raises:
        InvalidDataset: nothing is there; a link leads out of the folder, to a folder or nowhere; something is not
            a plain file, cannot be read, or has a name that is not unicode.
    """
    start = Path(path)
    try:
        root = start.resolve(strict=True)
    except (OSError, RuntimeError) as error:
        raise InvalidDataset(
            f"dataset path '{start}': nothing readable is there ({error}): correct the path"
        ) from error
    places = list(_walk(root, top=root)) if root.is_dir() else [root]
    if not places:
        raise InvalidDataset(f"dataset path '{start}': expected at least one file, the folder is empty: add files")
    base = root if root.is_dir() else root.parent
    files = tuple(sorted((_hash_file(place, base=base) for place in places), key=lambda file: file.name))
    neutral = {f"{index:06d}{_known_suffix(file.name)}": file for index, file in enumerate(files)}
    return DatasetContent(
        kind="files",
        listing=files,
        files=_LazyContents(base=base, files=neutral),
        originals=_LazyContents(base=base, files={file.name: file for file in files}),
    )


def without_erased(content: DatasetContent, erased: Sequence[ErasedSubject]) -> DatasetContent:
    """The same dataset without the episodes about erased subjects; a file of which nothing stays is left out.

    Raises:
        InvalidDataset: nothing at all is left, or a file cannot be read.
    """
    if not erased:
        return content
    is_excluded = excludes(erased)
    staying: dict[str, DatasetFile] = {}
    for neutral, file in zip(content.files, content.listing, strict=True):
        rest = without_subjects(content.files[neutral], neutral, is_excluded)
        if rest is not None:
            sha256 = hashlib.sha256(rest).hexdigest()
            staying[neutral] = DatasetFile(name=file.name, sha256=sha256, size_bytes=len(rest))
    if not staying:
        raise InvalidDataset("dataset: every episode is about a subject who was erased: expected some of others")
    names = [file.name for file in staying.values()]
    return replace(
        content,
        listing=tuple(staying.values()),
        files=_WithoutSubjects(content.files, list(staying), is_excluded),
        originals=_WithoutSubjects(content.originals, names, is_excluded),
    )


def declare_dataset(key: str) -> DatasetContent:
    """Stand in for files where a dataset is work in a simulator only.

    Args:
        key: the dataset's partition key; nothing else enters the content, so no free text can.
    """
    data = canonical_json({"dataset": key, "kind": "declaration"})
    file = DatasetFile(name="declaration.json", sha256=hashlib.sha256(data).hexdigest(), size_bytes=len(data))
    return DatasetContent(kind="declaration", listing=(file,), files={file.name: data}, originals={file.name: data})


def merkle_root(leaves: Sequence[bytes]) -> str:
    """Hash a sequence of leaves into one root, from which any leaf can be proved with a logarithm of hashes.

    Returns:
        Hex SHA-256.

    Raises:
        ValueError: there are no leaves.

    Source:
        RFC 6962, section 2.1.
    """
    if not leaves:
        raise ValueError("a Merkle root needs at least one leaf")
    level = [hashlib.sha256(b"\x00" + leaf).digest() for leaf in leaves]
    while len(level) > 1:
        pairs = [level[index : index + 2] for index in range(0, len(level), 2)]
        level = [hashlib.sha256(b"\x01" + b"".join(pair)).digest() if len(pair) == 2 else pair[0] for pair in pairs]
    return level[0].hex()


class _LazyContents(Mapping[str, bytes]):
    """File names to bytes that are read, and compared with the scan, one at a time."""

    def __init__(self, *, base: Path, files: Mapping[str, DatasetFile]) -> None:
        self._base, self._files = base, files

    def __getitem__(self, name: str) -> bytes:
        file = self._files[name]
        try:
            data = (self._base / file.name).read_bytes()
        except OSError:
            data = None
        if data is None or hashlib.sha256(data).hexdigest() != file.sha256:
            raise InvalidDataset(
                f"dataset file '{name}' (its name, or its number in the order of names) changed since it was scanned: "
                "let its writer finish, then materialize the dataset again"
            )
        return data

    def __iter__(self) -> Iterator[str]:
        return iter(self._files)

    def __len__(self) -> int:
        return len(self._files)


class _WithoutSubjects(Mapping[str, bytes]):
    """Some of the files, each rewritten when it is asked for."""

    def __init__(self, whole: Mapping[str, bytes], names: Sequence[str], is_excluded: Excludes) -> None:
        self._whole, self._names, self._is_excluded = whole, names, is_excluded

    def __getitem__(self, name: str) -> bytes:
        if name not in self._names:
            raise KeyError(name)
        rest = without_subjects(self._whole[name], name, self._is_excluded)
        assert rest is not None, "only files of which something stays are listed"
        return rest

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)


def _walk(folder: Path, *, top: Path) -> Iterator[Path]:
    try:
        entries = list(os.scandir(folder))
    except OSError as error:
        raise InvalidDataset(f"dataset folder '{folder}': {error.strerror}: let this user read it") from error
    for entry in entries:
        place = Path(entry.path)
        if entry.is_symlink():
            yield _checked_link(place, top=top)
        elif entry.is_dir():
            yield from _walk(place, top=top)
        else:
            yield place


def _checked_link(link: Path, *, top: Path) -> Path:
    try:
        target = link.resolve(strict=True)
    except (OSError, RuntimeError) as error:
        raise InvalidDataset(f"dataset link '{link}' leads nowhere: remove it or copy the file") from error
    if not target.is_relative_to(top):
        raise InvalidDataset(f"dataset link '{link}' leaves the dataset's folder: replace it by a copy of the file")
    if target.is_dir():
        raise InvalidDataset(f"dataset link '{link}' leads to a folder: remove it, or replace it by a copy")
    return link


def _hash_file(place: Path, *, base: Path) -> DatasetFile:
    name = place.relative_to(base).as_posix()
    if not place.is_file():
        raise InvalidDataset(f"dataset file '{place}' is not a plain file: remove it from the dataset")
    try:
        name.encode()
        digest = hashlib.sha256()
        size_bytes = 0
        with open(place, "rb") as file:
            while chunk := file.read(_CHUNK_BYTES):
                digest.update(chunk)
                size_bytes += len(chunk)
    except OSError as error:
        raise InvalidDataset(f"dataset file '{place}': {error.strerror}: let this user read it") from error
    except UnicodeEncodeError as error:
        raise InvalidDataset(
            f"dataset file {os.fsencode(place)!r} has a name that is not unicode: rename it"
        ) from error
    return DatasetFile(name=name, sha256=digest.hexdigest(), size_bytes=size_bytes)


def _known_suffix(name: str) -> str:
    """The file's suffix where it says the format; another may be a word of the client's."""
    suffix = Path(name).suffix.lower()
    return suffix if suffix in _KNOWN_SUFFIXES else ""
