"""Named tensors as safetensors and named columns as Parquet: equal values give equal bytes, and no bytes are code."""

import json
from collections.abc import Mapping, Sequence
from io import BytesIO
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq
import safetensors
import safetensors.numpy

from rl_assets.errors import CorruptObject

_TENSOR_DTYPES = frozenset(
    {"bool", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64", "float16", "float32", "float64"}
)
_COLUMN_DTYPES = _TENSOR_DTYPES - {"float16"}


_NOTE = "note"


def encode_tensors(tensors: Mapping[str, npt.NDArray[Any]], *, note: str | None = None) -> bytes:
    """Write named arrays as safetensors.

    Args:
        tensors: arrays of any shape, bool, integer or float; memory layout, byte order and key order do not matter.
        note: text to keep in the header.

    Raises:
        ValueError: a dtype that has no exact counterpart in the file; nothing is converted silently.
    """
    plain: dict[str, npt.NDArray[Any]] = {}
    for name in sorted(tensors):
        array = np.asarray(tensors[name])
        if array.dtype.name not in _TENSOR_DTYPES:
            raise ValueError(
                f"tensor '{name}' has dtype {array.dtype}: expected one of {', '.join(sorted(_TENSOR_DTYPES))}"
            )
        plain[name] = np.asarray(array, dtype=array.dtype.newbyteorder("<"), order="C")
    return safetensors.numpy.save(plain, metadata=None if note is None else {_NOTE: note})


def read_note(data: bytes, *, source: str) -> str:
    """Read the text that `encode_tensors` kept in the header.

    Args:
        data: a whole safetensors file.
        source: what the bytes are, for the error.

    Raises:
        CorruptObject: there is no such text.
    """
    try:
        length = int.from_bytes(data[:8], "little")
        return json.loads(data[8 : 8 + length])["__metadata__"][_NOTE]
    except (ValueError, KeyError, TypeError) as error:
        raise CorruptObject(
            f"{source} says nothing of itself ({error!r}): restore it from a backup, or remove it"
        ) from error


def decode_tensors(data: bytes, *, source: str) -> dict[str, npt.NDArray[Any]]:
    """Read named arrays from safetensors.

    Args:
        source: what the bytes are, for the error.

    Returns:
        Writable arrays in alphabetical order of their names, with the shapes and dtypes that were written.

    Raises:
        CorruptObject: the bytes are not a whole safetensors file.
    """
    try:
        tensors = safetensors.numpy.load(data)
    except (safetensors.SafetensorError, KeyError, ValueError) as error:
        raise CorruptObject(
            f"{source} is not a readable safetensors file ({error}): restore it from a backup or materialize it again"
        ) from error
    return {name: tensors[name] for name in sorted(tensors)}


def encode_table(columns: Mapping[str, npt.NDArray[Any] | Sequence[Any]]) -> bytes:
    """Write named columns as Parquet.

    Args:
        columns: one-dimensional, equally long; bool, integer, float32, float64 or text. NaN is kept as NaN.

    Raises:
        ValueError: lengths differ, a column is not one-dimensional, or has another dtype, such as one with None in it.
    """
    arrays = {name: np.asarray(columns[name]) for name in sorted(columns)}
    for name, array in arrays.items():
        if array.ndim != 1:
            raise ValueError(f"column '{name}' has shape {array.shape}: expected one dimension")
        if array.dtype.name not in _COLUMN_DTYPES and array.dtype.kind != "U":
            raise ValueError(
                f"column '{name}' has dtype {array.dtype}: expected text or one of {', '.join(sorted(_COLUMN_DTYPES))}"
            )
    lengths = {name: len(array) for name, array in arrays.items()}
    if len(set(lengths.values())) > 1:
        raise ValueError(f"columns differ in length: {lengths}")
    table = pa.table({name: _to_arrow(array) for name, array in arrays.items()})
    buffer = BytesIO()
    pq.write_table(
        table, buffer, compression="zstd", write_page_checksum=True, use_dictionary=False, write_statistics=False
    )
    return buffer.getvalue()


def decode_table(data: bytes, *, source: str) -> dict[str, npt.NDArray[Any]]:
    """Read named columns from Parquet.

    Args:
        source: what the bytes are, for the error.

    Returns:
        Writable columns in alphabetical order of their names, with the dtypes that were written.

    Raises:
        CorruptObject: the bytes are not a whole Parquet file.
    """
    try:
        table = pq.read_table(BytesIO(data), page_checksum_verification=True)
        return {name: _from_arrow(table.column(name)) for name in sorted(table.column_names)}
    except (pa.ArrowException, OSError, ValueError, KeyError) as error:
        raise CorruptObject(
            f"{source} is not a readable Parquet file ({error}): restore it from a backup or materialize it again"
        ) from error


def _to_arrow(array: npt.NDArray[Any]) -> pa.Array:
    if array.dtype.kind == "U":
        return pa.array(array.tolist(), type=pa.string())
    return pa.array(np.asarray(array, dtype=array.dtype.newbyteorder("="), order="C"), from_pandas=False)


def _from_arrow(column: pa.ChunkedArray) -> npt.NDArray[Any]:
    if pa.types.is_string(column.type):
        return np.array(column.to_pylist(), dtype=np.str_)
    return np.array(column.to_numpy())
