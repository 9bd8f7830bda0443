"""Data subjects inside a dataset: whose steps are whose, and a dataset without some of them.

A file of episodes may say in a column `subject` (in Minari's HDF5: an attribute of the episode's group) whom a step is
about, in whatever pseudonym the client uses. A file without one says nothing about anybody.
"""

import hashlib
import hmac
import io
import secrets
import zipfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import PurePosixPath
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.ipc
import pyarrow.parquet

from rl_assets.errors import InvalidDataset

SUBJECT = "subject"
MAX_SUBJECT_LENGTH = 200

Excludes = Callable[[str], bool]
"""Whether a subject is to be left out."""


@dataclass(frozen=True, kw_only=True)
class ErasedSubject:
    """Somebody who must not come back into a dataset, known by a salted digest alone."""

    salt: str
    """32 hex digits."""
    digest: str
    """Hex HMAC-SHA256 of the subject under the salt."""

    @classmethod
    def of(cls, subject: str, *, salt: str | None = None) -> Self:
        """The digest of a subject, under a new salt where none is given.

        Raises:
            InvalidDataset: the text is empty or too long to be anybody's pseudonym.
        """
        name = subject.strip()
        if not 1 <= len(name) <= MAX_SUBJECT_LENGTH:
            raise InvalidDataset(
                f"subject: expected 1 to {MAX_SUBJECT_LENGTH} characters, got {len(name)}: give it as the dataset's "
                f"column '{SUBJECT}' does"
            )
        salt = salt or secrets.token_hex(16)
        return cls(salt=salt, digest=hmac.new(bytes.fromhex(salt), name.encode(), hashlib.sha256).hexdigest())

    def stands_for(self, subject: str) -> bool:
        """Whether this is the digest of a subject."""
        found = hmac.new(bytes.fromhex(self.salt), subject.strip().encode(), hashlib.sha256).hexdigest()
        return hmac.compare_digest(found, self.digest)

    def to_json(self) -> dict[str, str]:
        """Plain data for the register and the ledger."""
        return asdict(self)


def excludes(erased: Iterable[ErasedSubject]) -> Excludes:
    """Whether a subject is one of those that were erased; each is digested once."""
    entries, known = tuple(erased), dict[str, bool]()

    def is_erased(subject: str) -> bool:
        if subject not in known:
            known[subject] = any(entry.stands_for(subject) for entry in entries)
        return known[subject]

    return is_erased


def subjects_of(data: bytes, name: str) -> frozenset[str]:
    """Everybody whom a file's steps are about; nobody where it does not say.

    Args:
        data: the file's bytes.
        name: its name; the suffix says the format.

    Raises:
        InvalidDataset: the file cannot be read.
    """
    suffix = _suffix(name)
    if suffix in _READERS:
        with _reading(name):
            return frozenset(_READERS[suffix](data))
    return frozenset()


def without_subjects(data: bytes, name: str, is_excluded: Excludes) -> bytes | None:
    """A file without the episodes that are about some subjects, written anew so that no byte of theirs remains.

    Arrays of an NPZ archive that do not go by steps are left out of a rewritten file: nobody can say whom they are
    about.

    Returns:
        The very bytes that came in where nobody is excluded, new ones where some episodes stay, None where none
        does.

    Raises:
        InvalidDataset: the file cannot be read.
    """
    suffix = _suffix(name)
    if suffix not in _WRITERS or not any(map(is_excluded, subjects_of(data, name))):
        return data
    with _reading(name):
        return _WRITERS[suffix](data, is_excluded)


def mentions(data: bytes, subject: str) -> bool:
    """Whether a file that cannot be looked into holds a subject's name as it stands, in UTF-8 or UTF-16."""
    return any(subject.encode(code) in data for code in ("utf-8", "utf-16-le", "utf-16-be"))


def _npz_subjects(data: bytes) -> Iterator[str]:
    with np.load(io.BytesIO(data), allow_pickle=False) as archive:
        if SUBJECT in archive.files:
            yield from _spelled(archive[SUBJECT])


def _npz_without(data: bytes, is_excluded: Excludes) -> bytes | None:
    with np.load(io.BytesIO(data), allow_pickle=False) as archive:
        ids = archive["episode_id"].tolist() if "episode_id" in archive.files else None
        stays = _staying(_spelled(archive[SUBJECT]), ids, is_excluded)
        columns: dict[str, Any] = {}
        for key in archive.files:
            array = archive[key]
            if array.ndim and len(array) == len(stays):
                columns[key] = array[stays]
    if not stays.any():
        return None
    file = io.BytesIO()
    np.savez_compressed(file, **columns)
    return file.getvalue()


def _table_subjects(table: pa.Table) -> Iterator[str]:
    if SUBJECT in table.column_names:
        yield from (str(value) for value in table[SUBJECT].unique().to_pylist() if value is not None)


def _table_without(table: pa.Table, is_excluded: Excludes) -> pa.Table | None:
    names = ["" if value is None else str(value) for value in table[SUBJECT].to_pylist()]
    if "terminations" in table.column_names:  # Minari's one episode: its last row holds the last observation alone
        return None if any(map(is_excluded, names)) else table
    ids = table["episode_id"].to_pylist() if "episode_id" in table.column_names else None
    stays = _staying(names, ids, is_excluded)
    # Copied, as a slice keeps the buffers of what was cut away.
    return pa.concat_tables([table.filter(pa.array(stays))]).combine_chunks() if stays.any() else None


def _read_parquet(data: bytes) -> pa.Table:
    return pyarrow.parquet.read_table(pa.BufferReader(data))


def _read_arrow(data: bytes) -> pa.Table:
    return pyarrow.ipc.open_file(pa.BufferReader(data)).read_all()


def _parquet_without(data: bytes, is_excluded: Excludes) -> bytes | None:
    table = _table_without(_read_parquet(data), is_excluded)
    if table is None:
        return None
    sink = pa.BufferOutputStream()
    pyarrow.parquet.write_table(table, sink)
    return sink.getvalue().to_pybytes()


def _arrow_without(data: bytes, is_excluded: Excludes) -> bytes | None:
    table = _table_without(_read_arrow(data), is_excluded)
    if table is None:
        return None
    sink = pa.BufferOutputStream()
    with pyarrow.ipc.new_file(sink, table.schema) as writer:
        writer.write_table(table)
    return sink.getvalue().to_pybytes()


def _hdf5_subjects(data: bytes) -> Iterator[str]:
    import h5py

    with h5py.File(io.BytesIO(data), "r") as file:
        yield from (_attribute(file[key]) for key in file if SUBJECT in file[key].attrs)


def _hdf5_without(data: bytes, is_excluded: Excludes) -> bytes | None:
    import h5py

    target = io.BytesIO()
    with h5py.File(io.BytesIO(data), "r") as source, h5py.File(target, "w") as rewritten:
        names: list[str] = [str(key) for key in source]
        episodes = sorted((key for key in names if key.startswith("episode_")), key=lambda key: int(key[8:]))
        staying = [key for key in episodes if not _is_about(source[key], is_excluded)]
        for number, key in enumerate(staying):
            source.copy(source[key], rewritten, name=f"episode_{number}")
    return target.getvalue() if staying else None


def _is_about(group: Any, is_excluded: Excludes) -> bool:
    return SUBJECT in group.attrs and is_excluded(_attribute(group))


def _attribute(group: Any) -> str:
    value = group.attrs[SUBJECT]
    return value.decode() if isinstance(value, bytes) else str(value)


def _spelled(column: npt.NDArray[Any]) -> list[str]:
    return [value.decode() if isinstance(value, bytes) else str(value) for value in column.tolist()]


def _staying(names: Sequence[str], episode_ids: Sequence[Any] | None, is_excluded: Excludes) -> npt.NDArray[np.bool_]:
    """Which steps stay: none of an episode that is about somebody excluded in any step."""
    about = [is_excluded(name) for name in names]
    if episode_ids is None:
        return ~np.array(about, bool)
    gone = {episode for episode, is_gone in zip(episode_ids, about, strict=True) if is_gone}
    return np.array([episode not in gone for episode in episode_ids], bool)


_READERS: Mapping[str, Callable[[bytes], Iterator[str]]] = {
    ".npz": _npz_subjects,
    ".parquet": lambda data: _table_subjects(_read_parquet(data)),
    ".arrow": lambda data: _table_subjects(_read_arrow(data)),
    ".feather": lambda data: _table_subjects(_read_arrow(data)),
    ".hdf5": _hdf5_subjects,
    ".h5": _hdf5_subjects,
}
_WRITERS: Mapping[str, Callable[[bytes, Excludes], bytes | None]] = {
    ".npz": _npz_without,
    ".parquet": _parquet_without,
    ".arrow": _arrow_without,
    ".feather": _arrow_without,
    ".hdf5": _hdf5_without,
    ".h5": _hdf5_without,
}


@contextmanager
def _reading(name: str) -> Iterator[None]:
    """Say which file could not be read."""
    try:
        yield
    except (
        zipfile.BadZipFile,
        ValueError,
        OSError,
        EOFError,
        KeyError,
        RuntimeError,
        TypeError,
        pa.ArrowException,
    ) as error:
        raise InvalidDataset(
            f"dataset file '{name}' is half-written or damaged ({type(error).__name__}): expected a whole file, as "
            "nobody can say whom a damaged one is about; put it right and register the dataset again"
        ) from error


def _suffix(name: str) -> str:
    return PurePosixPath(name).suffix.lower()
