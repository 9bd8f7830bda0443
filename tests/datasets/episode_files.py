"""Episodes as files, in every format that is read."""

import io
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.ipc
import pyarrow.parquet


def columns_of(lengths: tuple[int, ...] = (3, 5), **changes: Any) -> dict[str, Any]:
    """CartPole-like columns with one row for each step; a change of None leaves one out."""
    steps = sum(lengths)
    terminated = np.zeros(steps, dtype=bool)
    terminated[np.cumsum(lengths) - 1] = True
    columns = {
        "observations": np.arange(steps * 4, dtype=np.float32).reshape(steps, 4),
        "actions": np.arange(steps, dtype=np.int64) % 2,
        "rewards": np.ones(steps, dtype=np.float32),
        "terminated": terminated,
        "truncated": np.zeros(steps, dtype=bool),
        "episode_id": np.repeat(np.arange(len(lengths)), lengths),
    }
    return {name: array for name, array in (columns | changes).items() if array is not None}


def npz(**columns: Any) -> bytes:
    buffer = io.BytesIO()
    np.savez(buffer, **columns)
    return buffer.getvalue()


def table_of(columns: dict[str, Any]) -> pa.Table:
    return pa.table({name: pa.array(np.asarray(array).tolist(), type=_type(array)) for name, array in columns.items()})


def parquet(**columns: Any) -> bytes:
    buffer = io.BytesIO()
    pyarrow.parquet.write_table(table_of(columns), buffer)
    return buffer.getvalue()


def arrow(**columns: Any) -> bytes:
    buffer = io.BytesIO()
    table = table_of(columns)
    with pyarrow.ipc.new_file(buffer, table.schema) as writer:
        writer.write_table(table)
    return buffer.getvalue()


def minari_arrow(length: int = 3) -> bytes:
    """One episode as Minari writes it: a last row that holds the last observation alone, lists of fixed size."""
    rows = length + 1
    flat = np.arange(rows * 4, dtype=np.float32)
    ended = np.arange(rows) == length - 1
    table = pa.table(
        {
            "observations": pa.FixedSizeListArray.from_arrays(pa.array(flat), 4),
            "actions": pa.array(np.arange(rows) % 2),
            "rewards": pa.array(np.append(np.ones(length), 0.0)),
            "terminations": pa.array(ended),
            "truncations": pa.array(np.zeros(rows, dtype=bool)),
        }
    )
    buffer = io.BytesIO()
    with pyarrow.ipc.new_file(buffer, table.schema) as writer:
        writer.write_table(table)
    return buffer.getvalue()


def _type(array: Any) -> pa.DataType:
    kind: pa.DataType = pa.from_numpy_dtype(np.asarray(array).dtype)
    for _ in np.asarray(array).shape[1:]:
        kind = pa.list_(kind)
    return kind
