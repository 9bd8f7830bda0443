import io
from pathlib import Path

import h5py
import numpy as np
import pyarrow as pa
import pytest

from rl_assets.datasets.formats import DECODERS, decode_arrow, decode_hdf5, decode_npz, decode_parquet
from rl_assets.errors import InvalidDataset
from tests.datasets.episode_files import arrow, columns_of, minari_arrow, npz, parquet, table_of

WRITERS = {".npz": npz, ".parquet": parquet, ".arrow": arrow}


@pytest.mark.parametrize("suffix", WRITERS)
def test_every_format_gives_the_same_arrays(suffix: str):
    columns = columns_of((3, 5))
    first, second = DECODERS[suffix](WRITERS[suffix](**columns), "f")
    assert [len(episode["rewards"]) for episode in (first, second)] == [3, 5]
    assert set(first) == set(columns) - {"episode_id"}
    for name, array in first.items():
        np.testing.assert_array_equal(array, columns[name][:3])
        assert array.dtype == columns[name].dtype


def test_nested_lists_are_images():
    images = np.arange(2 * 3 * 4 * 5, dtype=np.uint8).reshape(2, 3, 4, 5)
    (episode,) = decode_parquet(parquet(**columns_of((2,), observations=images)), "f")
    np.testing.assert_array_equal(episode["observations"], images)


@pytest.mark.parametrize("suffix", WRITERS)
@pytest.mark.parametrize("share", [0.0, 0.3, 0.99])
def test_a_half_written_file_is_refused_by_name(suffix: str, share: float):
    data = WRITERS[suffix](**columns_of())
    with pytest.raises(InvalidDataset, match="dataset file 'the file' is half-written or damaged"):
        list(DECODERS[suffix](data[: int(len(data) * share)], "the file"))


@pytest.mark.parametrize("suffix", WRITERS)
@pytest.mark.parametrize("column", ["observations", "terminated", "episode_id"])
def test_a_missing_column_is_named_with_those_that_are_expected(suffix: str, column: str):
    data = WRITERS[suffix](**columns_of(**{column: None}))
    with pytest.raises(InvalidDataset, match=f"expected the columns observations, actions, .*, {column} is missing"):
        list(DECODERS[suffix](data, "f"))


def test_an_npz_with_objects_is_refused_before_any_code_of_it_runs():
    class Trap:
        def __reduce__(self):
            return (pytest.fail, ("the pickle was run",))

    data = npz(**columns_of((1,), observations=np.array([Trap()], dtype=object)))
    with pytest.raises(InvalidDataset, match="plain arrays"):
        list(decode_npz(data, "f"))


def test_lists_of_different_lengths_and_nulls_are_refused():
    table = table_of(columns_of((2,), observations=None))
    ragged = table.append_column("observations", pa.array([[1.0], [1.0, 2.0]]))
    nulls = table.append_column("observations", pa.array([1.0, None]))
    for bad, words in ((ragged, "2 different numbers of values"), (nulls, "holds 1 nulls")):
        buffer = io.BytesIO()
        pa.parquet.write_table(bad, buffer)
        with pytest.raises(InvalidDataset, match=words):
            list(decode_parquet(buffer.getvalue(), "f"))


def test_an_episode_that_is_taken_up_again_is_refused():
    with pytest.raises(InvalidDataset, match="comes again after another"):
        list(decode_npz(npz(**columns_of((1, 1, 1), episode_id=np.array([0, 1, 0]))), "f"))


def test_columns_of_different_lengths_are_refused():
    with pytest.raises(InvalidDataset, match="actions has 7 rows and episode_id has 8"):
        list(decode_npz(npz(**columns_of(actions=np.zeros(7, dtype=int))), "f"))


def test_minaris_last_row_is_the_last_observation_alone():
    (episode,) = decode_arrow(minari_arrow(3), "f")
    flat = np.arange(16, dtype=np.float32).reshape(4, 4)
    np.testing.assert_array_equal(episode["observations"], flat[:3])
    np.testing.assert_array_equal(episode["next_observations"], flat[1:])
    assert episode["actions"].tolist() == [0, 1, 0]
    assert episode["terminated"].tolist() == [False, False, True]


def test_encoded_pictures_are_refused_with_what_to_do():
    table = table_of(columns_of((2,), observations=None)).append_column(
        "observations", pa.array([b"\xff\xd8", b"\xff"])
    )
    buffer = io.BytesIO()
    pa.parquet.write_table(table, buffer)
    with pytest.raises(InvalidDataset, match="jpeg_encoding=False"):
        list(decode_parquet(buffer.getvalue(), "f"))


def test_hdf5_of_minari_is_read_in_the_order_of_its_episodes():
    buffer = io.BytesIO()
    with h5py.File(buffer, "w") as file:
        for number in range(11):
            group = file.create_group(f"episode_{number}")
            group["observations"] = np.full((3, 4), number, dtype=np.float32)
            group["actions"] = np.zeros(2, dtype=np.int64)
            group["rewards"] = np.ones(2)
            group["terminations"] = np.array([False, True])
            group["truncations"] = np.array([False, False])
    episodes = list(decode_hdf5(buffer.getvalue(), "f"))
    assert [episode["observations"][0, 0] for episode in episodes] == list(range(11))
    assert [len(episode["rewards"]) for episode in episodes] == [2] * 11
    with pytest.raises(InvalidDataset, match="half-written or damaged"):
        list(decode_hdf5(buffer.getvalue()[:500], "f"))


@pytest.mark.parametrize("how", ["external link", "soft link", "external storage", "virtual"])
def test_hdf5_that_points_to_other_files_is_refused_and_they_are_not_read(tmp_path: Path, how: str):
    secret = tmp_path / "secret.h5"
    with h5py.File(secret, "w") as file:
        file["observations"] = np.zeros((3, 4))
    buffer = io.BytesIO()
    with h5py.File(buffer, "w") as file:
        group = file.create_group("episode_0")
        if how == "external link":
            group["observations"] = h5py.ExternalLink(str(secret), "observations")
        elif how == "soft link":
            group["observations"] = h5py.SoftLink("/episode_0/rewards")
        elif how == "external storage":
            group.create_dataset("observations", (3, 4), "f4", external=[(str(secret), 0, 48)])
        else:
            layout = h5py.VirtualLayout((3, 4), "f8")
            layout[:] = h5py.VirtualSource(str(secret), "observations", (3, 4))
            group.create_virtual_dataset("observations", layout)
        group["actions"] = np.zeros(2, dtype=np.int64)
        group["rewards"] = np.ones(2)
        group["terminations"] = group["truncations"] = np.zeros(2, dtype=bool)
    with pytest.raises(InvalidDataset, match="observations points to data elsewhere"):
        list(decode_hdf5(buffer.getvalue(), "f"))


def test_nested_observations_of_hdf5_are_refused():
    buffer = io.BytesIO()
    with h5py.File(buffer, "w") as file:
        group = file.create_group("episode_0")
        group["observations/position"] = np.zeros((3, 4))
        for name in ("actions", "rewards", "terminations", "truncations"):
            group[name] = np.zeros(2)
    with pytest.raises(InvalidDataset, match="observations are nested: expected one array"):
        list(decode_hdf5(buffer.getvalue(), "f"))
