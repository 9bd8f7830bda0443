"""How episodes lie in files: NPZ and Parquet in our columns, and Minari's HDF5, Arrow and Parquet.

Minari's files are read directly: what is read is what was stored, whatever the version of the package that wrote it.
"""

import io
import zipfile
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.ipc
import pyarrow.parquet

from rl_assets.errors import InvalidDataset

Columns = dict[str, npt.NDArray[Any]]
"""One episode: name of a column -> `[length, ...]`."""

REQUIRED_COLUMNS = ("observations", "actions", "rewards", "terminated", "truncated", "episode_id")
OPTIONAL_COLUMNS = ("next_observations",)
_MINARI_COLUMNS = ("observations", "actions", "rewards", "terminations", "truncations")
_DAMAGED = "is half-written or damaged"


def decode_npz(data: bytes, name: str) -> Iterator[Columns]:
    """Arrays with one row for each step; those of Python objects are refused, as reading them runs code.

    Raises:
        InvalidDataset: it cannot be read, or a column is missing.
    """
    try:
        with np.load(io.BytesIO(data), allow_pickle=False) as archive:
            _require_columns(archive.files, REQUIRED_COLUMNS, name=name)
            columns = {key: archive[key] for key in (*REQUIRED_COLUMNS, *OPTIONAL_COLUMNS) if key in archive.files}
    except (zipfile.BadZipFile, ValueError, OSError, EOFError, AttributeError, KeyError) as error:
        raise _unreadable(name, "an NPZ archive of plain arrays", error) from error
    yield from _split(columns, name=name)


def decode_parquet(data: bytes, name: str) -> Iterator[Columns]:
    """One row for each step, observations and actions as numbers or (nested) lists of them; or Minari's one episode.

    Raises:
        InvalidDataset: it cannot be read, or a column is missing.
    """
    try:
        table = pyarrow.parquet.read_table(pa.BufferReader(data))
    except (pa.ArrowException, OSError) as error:
        raise _unreadable(name, "a Parquet file", error) from error
    yield from _decode_table(table, name=name)


def decode_arrow(data: bytes, name: str) -> Iterator[Columns]:
    """The same columns in Arrow's file format.

    Raises:
        InvalidDataset: it cannot be read, or a column is missing.
    """
    try:
        table = pyarrow.ipc.open_file(pa.BufferReader(data)).read_all()
    except (pa.ArrowException, OSError) as error:
        raise _unreadable(name, "an Arrow file", error) from error
    yield from _decode_table(table, name=name)


def decode_hdf5(data: bytes, name: str) -> Iterator[Columns]:
    """Minari's `main_data.hdf5`: one group for each episode.

    Raises:
        InvalidDataset: it cannot be read, or is laid out otherwise.
    """
    import h5py

    try:
        with h5py.File(io.BytesIO(data), "r") as file:
            names: list[str] = [str(key) for key in file]
            groups = sorted((key for key in names if key.startswith("episode_")), key=lambda key: int(key[8:]))
            if not groups:
                raise InvalidDataset(
                    f"dataset file '{name}': expected groups episode_0, episode_1, … as Minari writes them, found "
                    "none: convert it"
                )
            for group in groups:
                where = f"{name}: {group}"
                episode = _own_part(file, group, where=where)
                _require_columns(episode, _MINARI_COLUMNS, name=where)
                arrays = {key: _own_part(episode, key, where=where) for key in _MINARI_COLUMNS}
                nested = [key for key, array in arrays.items() if not isinstance(array, h5py.Dataset)]
                if nested:
                    raise InvalidDataset(
                        f"dataset file '{where}': {nested[0]} are nested: expected one array; flatten them first"
                    )
                yield _from_minari({key: array[()] for key, array in arrays.items()}, name=where)
    except (OSError, RuntimeError, ValueError, KeyError, TypeError) as error:
        raise _unreadable(name, "an HDF5 file", error) from error


DECODERS: Mapping[str, Callable[[bytes, str], Iterator[Columns]]] = {
    ".npz": decode_npz,
    ".parquet": decode_parquet,
    ".arrow": decode_arrow,
    ".feather": decode_arrow,
    ".hdf5": decode_hdf5,
    ".h5": decode_hdf5,
}
"""Suffix -> what yields the episodes of a file, given its bytes and its name for errors."""


def _own_part(group: Any, key: str, *, where: str) -> Any:
    """A part of an HDF5 file whose bytes lie in the file itself: HDF5 can point to any file of this machine."""
    import h5py

    part = group[key] if isinstance(group.get(key, getlink=True), h5py.HardLink) else None
    if part is None or (isinstance(part, h5py.Dataset) and (part.external or part.is_virtual)):
        raise InvalidDataset(
            f"dataset file '{where}': {key} points to data elsewhere: expected all data in the file itself; copy it in"
        )
    return part


def _decode_table(table: pa.Table, *, name: str) -> Iterator[Columns]:
    if "terminations" in table.column_names:
        _require_columns(table.column_names, _MINARI_COLUMNS, name=name)
        columns = {key: _to_numpy(table[key], f"'{name}', column {key}") for key in _MINARI_COLUMNS}
        # Minari's tables end with a row that holds the last observation alone.
        yield _from_minari({key: a if key == "observations" else a[:-1] for key, a in columns.items()}, name=name)
        return
    _require_columns(table.column_names, REQUIRED_COLUMNS, name=name)
    wanted = [key for key in (*REQUIRED_COLUMNS, *OPTIONAL_COLUMNS) if key in table.column_names]
    yield from _split({key: _to_numpy(table[key], f"'{name}', column {key}") for key in wanted}, name=name)


def _to_numpy(column: pa.ChunkedArray, where: str) -> npt.NDArray[Any]:
    """`[num_rows, ...]`, with one further dimension for each level of lists."""
    values: Any = column.combine_chunks()
    shape = [len(values)]
    while True:
        if values.null_count:
            raise InvalidDataset(f"dataset file {where}: holds {values.null_count} nulls: expected none; fill them in")
        kind = values.type
        if not (pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind)):
            break
        inner = values.flatten()
        size = len(inner) // len(values) if len(values) else 0
        lengths = values.value_lengths() if not pa.types.is_fixed_size_list(kind) else None
        if lengths is not None and len(lengths.unique()) > 1:
            raise InvalidDataset(
                f"dataset file {where}: its lists hold {len(lengths.unique())} different numbers of values: expected "
                "one shape in all rows; pad or split them"
            )
        shape.append(size)
        values = inner
    if pa.types.is_binary(values.type):
        raise InvalidDataset(
            f"dataset file {where}: holds encoded pictures: expected plain numbers; write it with jpeg_encoding=False, "
            "as JPEG loses detail"
        )
    return values.to_numpy(zero_copy_only=False).reshape(shape)


def _split(columns: Columns, *, name: str) -> Iterator[Columns]:
    """Cut columns with one row for each step where `episode_id` changes."""
    ids = columns["episode_id"]
    if ids.ndim != 1 or ids.dtype.kind not in "iuUSO":
        raise InvalidDataset(
            f"dataset file '{name}': expected episode_id as one whole number or text a step, got {ids.dtype} of shape "
            f"{list(ids.shape)}: convert it"
        )
    for key, array in columns.items():
        if len(array) != len(ids):
            raise InvalidDataset(
                f"dataset file '{name}': {key} has {len(array)} rows and episode_id has {len(ids)}: expected as many; "
                "write it again"
            )
    if not len(ids):
        return
    starts = np.flatnonzero(np.concatenate([[True], ids[1:] != ids[:-1]]))
    if len(starts) != len(set(ids[starts].tolist())):
        raise InvalidDataset(
            f"dataset file '{name}': an episode_id comes again after another: expected the steps of an episode one "
            "after another; sort them, or number the episodes apart"
        )
    for start, end in zip(starts, [*starts[1:], len(ids)], strict=True):
        yield {key: array[start:end] for key, array in columns.items() if key != "episode_id"}


def _from_minari(arrays: Columns, *, name: str) -> Columns:
    observations, length = arrays["observations"], len(arrays["rewards"])
    if len(observations) != length + 1:
        raise InvalidDataset(
            f"dataset file '{name}': {len(observations)} observations and {length} rewards: expected one observation "
            "more, the last; write the episode again"
        )
    return {
        "observations": observations[:-1],
        "actions": arrays["actions"],
        "rewards": arrays["rewards"],
        "terminated": arrays["terminations"].astype(bool),
        "truncated": arrays["truncations"].astype(bool),
        "next_observations": observations[1:],
    }


def _require_columns(found: Any, expected: tuple[str, ...], *, name: str) -> None:
    missing = [column for column in expected if column not in found]
    if missing:
        raise InvalidDataset(
            f"dataset file '{name}': expected the columns {', '.join(expected)}, {', '.join(missing)} "
            f"{'is' if len(missing) == 1 else 'are'} missing: add what is missing, or rename what is there"
        )


def _unreadable(name: str, expected: str, error: Exception) -> InvalidDataset:
    return InvalidDataset(
        f"dataset file '{name}' {_DAMAGED} ({type(error).__name__}): expected {expected}; let its writer finish, or "
        "take it out of the dataset"
    )
