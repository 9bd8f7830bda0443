"""Whose steps are whose, and files without some of them."""

import io
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rl_assets.datasets.episodes import read_episodes
from rl_assets.datasets.files import read_dataset
from rl_assets.datasets.register import ClientRegister
from rl_assets.datasets.subjects import ErasedSubject, excludes, mentions, subjects_of, without_subjects
from rl_assets.errors import InvalidDataset
from tests.datasets.episode_files import arrow, columns_of, npz, parquet

WRITERS = {".npz": npz, ".parquet": parquet, ".arrow": arrow}
WORDS = {"client_id": "Aurora", "project": "balance", "data_source": "plant", "domain": "control"}


def minari_hdf5(subjects: tuple[str | None, ...], *, length: int = 3) -> bytes:
    file = io.BytesIO()
    with h5py.File(file, "w") as archive:
        for number, subject in enumerate(subjects):
            group = archive.create_group(f"episode_{number}")
            group["observations"] = np.full((length + 1, 4), number + 0.5, np.float32)
            group["actions"] = np.zeros(length, np.int64)
            group["rewards"] = np.ones(length)
            group["terminations"] = np.arange(length) == length - 1
            group["truncations"] = np.zeros(length, bool)
            if subject is not None:
                group.attrs["subject"] = subject
    return file.getvalue()


def episodes_about(subjects: tuple[str, ...], lengths: tuple[int, ...]) -> dict[str, Any]:
    return columns_of(lengths, subject=np.repeat(np.array(subjects), lengths))


@pytest.mark.parametrize("suffix", WRITERS)
def test_the_episodes_of_others_stay_to_the_last_value(suffix: str):
    whole = episodes_about(("ann", "bob", "ann"), (3, 5, 2))
    rest = without_subjects(WRITERS[suffix](**whole), f"f{suffix}", {"ann"}.__contains__)
    assert rest is not None
    (episode,) = read_episodes({f"f{suffix}": rest})
    np.testing.assert_array_equal(episode.observations, whole["observations"][3:8])
    assert subjects_of(rest, f"f{suffix}") == {"bob"}


def test_groups_of_minari_go_by_their_attribute():
    rest = without_subjects(minari_hdf5(("ann", None, "bob")), "main_data.hdf5", {"ann"}.__contains__)
    assert rest is not None
    kept = list(read_episodes({"main_data.hdf5": rest}))
    assert [episode.observations[0, 0] for episode in kept] == [1.5, 2.5]
    assert subjects_of(rest, "main_data.hdf5") == {"bob"}


@pytest.mark.parametrize("suffix", WRITERS)
def test_no_byte_of_what_goes_stays_in_the_file(suffix: str):
    columns = episodes_about(("ann", "bob"), (64, 64))
    secret = np.random.default_rng(3).integers(2**31, size=(64, 4)).astype(np.float32)
    columns["observations"][:64] = secret
    rest = without_subjects(WRITERS[suffix](**columns), f"f{suffix}", {"ann"}.__contains__)
    assert rest is not None
    assert not any(row.tobytes() in rest for row in secret)
    assert b"ann" not in rest


def test_no_byte_of_an_hdf5_group_stays_either():
    whole = minari_hdf5(("ann-the-canary", "bob"))
    rest = without_subjects(whole, "a.h5", {"ann-the-canary"}.__contains__)
    assert rest is not None
    assert mentions(whole, "ann-the-canary")
    assert not mentions(rest, "ann-the-canary")
    assert np.full(4, 0.5, np.float32).tobytes() not in rest


def test_an_episode_with_one_step_about_somebody_goes_whole():
    columns = columns_of((4, 3), subject=np.array(["bob", "ann", "bob", "bob", "bob", "bob", "bob"]))
    rest = without_subjects(npz(**columns), "f.npz", {"ann"}.__contains__)
    assert rest is not None
    assert [episode.length for episode in read_episodes({"f.npz": rest})] == [3]


@pytest.mark.parametrize("suffix", WRITERS)
def test_nobody_excluded_leaves_the_very_bytes(suffix: str):
    data = WRITERS[suffix](**episodes_about(("ann", "bob"), (3, 2)))
    assert without_subjects(data, f"f{suffix}", {"eve"}.__contains__) is data
    silent = WRITERS[suffix](**columns_of())
    assert without_subjects(silent, f"f{suffix}", lambda _: True) is silent


@pytest.mark.parametrize("suffix", WRITERS)
def test_a_file_about_nobody_else_is_gone(suffix: str):
    data = WRITERS[suffix](**episodes_about(("ann", "ann"), (3, 2)))
    assert without_subjects(data, f"f{suffix}", {"ann"}.__contains__) is None


@pytest.mark.parametrize("suffix", WRITERS)
def test_a_damaged_file_is_refused_by_name(suffix: str):
    data = WRITERS[suffix](**episodes_about(("ann", "bob"), (3, 2)))
    with pytest.raises(InvalidDataset, match=f"'torn{suffix}' is half-written or damaged"):
        subjects_of(data[: len(data) // 2], f"torn{suffix}")


def test_arrays_that_do_not_go_by_steps_are_left_out_of_a_rewritten_archive():
    columns = episodes_about(("ann", "bob"), (3, 2)) | {"names": np.array(["ann", "bob"])}
    rest = without_subjects(npz(**columns), "f.npz", {"ann"}.__contains__)
    assert rest is not None
    with np.load(io.BytesIO(rest)) as archive:
        assert "names" not in archive.files


@given(subject=st.text(min_size=1, max_size=30).filter(lambda text: text.strip()), other=st.text(max_size=30))
def test_a_digest_stands_for_one_subject_alone(subject: str, other: str):
    erased = ErasedSubject.of(subject)
    assert erased.stands_for(subject)
    assert erased.stands_for(other) == (other.strip() == subject.strip())
    assert excludes([erased])(subject)
    assert subject not in erased.to_json().values()
    assert ErasedSubject.of(subject).digest != erased.digest


@pytest.mark.parametrize("text", ["", "   ", "x" * 201])
def test_what_cannot_be_a_pseudonym_is_refused(text: str):
    with pytest.raises(InvalidDataset, match="subject: expected 1 to 200 characters"):
        ErasedSubject.of(text)


def test_a_subject_that_was_erased_does_not_come_back_with_the_client_s_files(tmp_path: Path):
    folder = tmp_path / "data"
    folder.mkdir()
    (folder / "a.npz").write_bytes(npz(**episodes_about(("ann", "bob"), (3, 2))))
    (folder / "b.npz").write_bytes(npz(**episodes_about(("ann",), (4,))))
    register = ClientRegister(tmp_path / "register")
    key = register.add_dataset(**WORDS, path=folder)
    whole = read_dataset(register.dataset(key))
    register.erase_subject([key], ErasedSubject.of("ann"))
    rest = read_dataset(register.dataset(key))
    assert [file.name for file in rest.listing] == ["a.npz"]
    assert rest.merkle_root != whole.merkle_root
    assert [episode.length for episode in read_episodes(dict(rest.files))] == [2]
    assert rest.merkle_root == read_dataset(register.dataset(key)).merkle_root
    assert "ann" not in repr(register.dataset(key))


def test_a_dataset_about_nobody_else_is_refused_by_its_key(tmp_path: Path):
    file = tmp_path / "a.npz"
    file.write_bytes(npz(**episodes_about(("ann",), (3,))))
    register = ClientRegister(tmp_path / "register")
    key = register.add_dataset(**WORDS, path=file)
    register.erase_subject([key], ErasedSubject.of("ann"))
    with pytest.raises(InvalidDataset, match=key):
        read_dataset(register.dataset(key))
