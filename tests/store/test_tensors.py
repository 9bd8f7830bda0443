import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from rl_assets.errors import CorruptObject
from rl_assets.store.tensors import decode_table, decode_tensors, encode_table, encode_tensors

DTYPES = ["bool", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64", "float32", "float64"]
TENSORS = {"b": np.arange(6, dtype=np.float32).reshape(2, 3), "a": np.array([True, False]), "c": np.array(7, np.int64)}
COLUMNS = {"seed": np.arange(4), "name": ["x", "ü", "", "x"], "return": [1.5, -0.0, np.nan, np.inf]}

any_array = st.sampled_from([*DTYPES, "float16"]).flatmap(
    lambda dtype: hnp.arrays(dtype, hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=4))
)
any_column = st.sampled_from(DTYPES).flatmap(lambda dtype: hnp.arrays(dtype, 5))


def same_bits(left: np.ndarray, right: np.ndarray) -> bool:
    return left.dtype == right.dtype and left.shape == right.shape and left.tobytes() == right.tobytes()


@given(tensors=st.dictionaries(st.text(max_size=8).filter(lambda name: name != "__metadata__"), any_array, max_size=4))
@settings(max_examples=60, deadline=None)
def test_tensors_come_back_bit_for_bit(tensors: dict[str, np.ndarray]):
    data = encode_tensors(tensors)
    decoded = decode_tensors(data, source="test")
    assert list(decoded) == sorted(tensors)
    assert all(same_bits(decoded[name], tensors[name]) for name in tensors)
    assert encode_tensors(decoded) == data


def test_equal_tensors_are_equal_bytes_whatever_their_order_and_layout():
    fortran = {name: np.array(tensor, order="F") for name, tensor in reversed(TENSORS.items())}
    big_endian = {name: tensor.astype(tensor.dtype.newbyteorder(">")) for name, tensor in TENSORS.items()}
    strided = TENSORS | {"b": np.arange(12, dtype=np.float32)[::2].reshape(2, 3) / 2}
    assert encode_tensors(TENSORS) == encode_tensors(fortran) == encode_tensors(big_endian) == encode_tensors(strided)


def test_decoded_tensors_can_be_changed():
    tensors = decode_tensors(encode_tensors(TENSORS), source="test")
    tensors["b"][0, 0] = 9
    assert TENSORS["b"][0, 0] == 0


@pytest.mark.parametrize("wrong", [np.array([object()]), np.array(["text"]), np.array([1j]), np.array([1], "M8[s]")])
def test_a_dtype_that_would_need_code_or_a_conversion_is_refused(wrong: np.ndarray):
    with pytest.raises(ValueError, match="tensor 'odd' has dtype"):
        encode_tensors({"odd": wrong})


@pytest.mark.parametrize("data", [b"", b"\x80\x04pickle", encode_tensors(TENSORS)[:-1], encode_table(COLUMNS)])
def test_what_is_no_tensor_file_is_corrupt(data: bytes):
    with pytest.raises(CorruptObject, match=r"weights of c-1 is not a readable safetensors file.*materialize it again"):
        decode_tensors(data, source="weights of c-1")


@given(length=st.integers(0, 300), position=st.integers(0, 10_000), bit=st.integers(0, 7))
@settings(max_examples=80, deadline=None)
def test_damaged_tensor_bytes_raise_nothing_but_corrupt_object(length: int, position: int, bit: int):
    whole = encode_tensors(TENSORS)
    damaged = bytearray(whole)
    damaged[position % len(whole)] ^= 1 << bit
    for data in (bytes(damaged), whole[: min(length, len(whole) - 1)]):
        try:
            decode_tensors(data, source="test")
        except CorruptObject:
            continue


@given(
    columns=st.dictionaries(
        st.text(st.characters(codec="utf-8"), min_size=1, max_size=8),
        any_column | st.lists(st.text(st.characters(codec="utf-8", exclude_characters="\0")), min_size=5, max_size=5),
        min_size=1,
        max_size=4,
    )
)
@settings(max_examples=60, deadline=None)
def test_tables_come_back_bit_for_bit(columns):
    data = encode_table(columns)
    decoded = decode_table(data, source="test")
    assert list(decoded) == sorted(columns)
    for name, column in columns.items():
        if isinstance(column, list):
            assert decoded[name].tolist() == column
        else:
            assert same_bits(decoded[name], column)
    assert encode_table(decoded) == data


def test_equal_tables_are_equal_bytes_whatever_their_order():
    assert encode_table(COLUMNS) == encode_table(dict(reversed(COLUMNS.items())))


@pytest.mark.parametrize("columns", [{}, {"a": np.array([], np.int32)}, {"a": np.array([], np.float64)}])
def test_an_empty_table_is_a_table(columns: dict[str, np.ndarray]):
    decoded = decode_table(encode_table(columns), source="test")
    assert {name: column.dtype for name, column in decoded.items()} == {n: c.dtype for n, c in columns.items()}


def test_nan_and_negative_zero_are_kept():
    returned = decode_table(encode_table(COLUMNS), source="test")["return"]
    assert np.isnan(returned[2])
    assert np.signbit(returned[1])


@pytest.mark.parametrize(
    ("columns", "words"),
    [
        ({"a": [1, 2], "b": [1]}, "differ in length"),
        ({"a": np.zeros((2, 2))}, "expected one dimension"),
        ({"a": 3}, "expected one dimension"),
        ({"a": [1, None]}, "column 'a' has dtype object"),
        ({"a": [object()]}, "column 'a' has dtype object"),
        ({"a": np.array([1j])}, "column 'a' has dtype complex"),
    ],
)
def test_a_table_that_would_not_come_back_is_refused(columns, words: str):
    with pytest.raises(ValueError, match=words):
        encode_table(columns)


@pytest.mark.parametrize("data", [b"", b"PAR1", encode_table(COLUMNS)[:-5], encode_tensors(TENSORS)])
def test_what_is_no_table_is_corrupt(data: bytes):
    with pytest.raises(CorruptObject, match=r"history of c-1 is not a readable Parquet file.*materialize it again"):
        decode_table(data, source="history of c-1")


@given(position=st.integers(0, 10_000), bit=st.integers(0, 7))
@settings(max_examples=80, deadline=None)
def test_damaged_table_bytes_raise_nothing_but_corrupt_object(position: int, bit: int):
    data = bytearray(encode_table(COLUMNS))
    data[position % len(data)] ^= 1 << bit
    try:
        decode_table(bytes(data), source="test")
    except CorruptObject:
        return


@given(position=st.integers(0, 3000), bit=st.integers(0, 7))
@settings(max_examples=80, deadline=None)
def test_damaged_values_of_a_table_are_never_returned(position: int, bit: int):
    columns = {"return": np.random.default_rng(0).normal(size=400), "seed": np.arange(400)}
    data = bytearray(encode_table(columns))
    assert len(data) > 3500
    data[position] ^= 1 << bit
    try:
        decoded = decode_table(bytes(data), source="test")
    except CorruptObject:
        return
    assert all(same_bits(decoded[name], columns[name]) for name in columns)


def test_another_process_writes_the_same_bytes():
    script = (
        "import hashlib, numpy as np; from rl_assets.store.tensors import encode_table, encode_tensors;"
        "a = {'x': np.arange(5.0), 'y': np.arange(5)};"
        "print(hashlib.sha256(encode_tensors(a) + encode_table(a)).hexdigest())"
    )
    root = Path(__file__).parents[2]
    runs = {
        subprocess.run(
            [sys.executable, "-c", script], cwd=root, env={"PYTHONHASHSEED": seed}, capture_output=True, check=True
        ).stdout
        for seed in ("1", "2")
    }
    assert len(runs) == 1
