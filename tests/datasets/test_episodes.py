import numpy as np
import pytest

from rl_assets.datasets.episodes import holds_episodes, read_episodes, read_transitions
from rl_assets.errors import InvalidDataset
from tests.datasets.episode_files import columns_of, minari_arrow, npz, parquet


def test_episodes_come_in_the_order_of_files_with_their_ends():
    cut = columns_of((4,), terminated=np.zeros(4, dtype=bool))
    files = {"0.parquet": parquet(**columns_of((2, 3))), "1.json": b"{", "2.npz": npz(**cut)}
    episodes = list(read_episodes(files))
    assert [episode.length for episode in episodes] == [2, 3, 4]
    assert [episode.is_cut for episode in episodes] == [False, False, True]
    assert episodes[0].rewards.dtype == np.float64
    assert episodes[0].next_observations is None


def test_transitions_say_which_episode_they_are_of():
    transitions = read_transitions({"a.npz": npz(**columns_of((2, 3))), "b.arrow": minari_arrow(1)})
    assert transitions.episode.tolist() == [0, 0, 1, 1, 1, 2]
    assert transitions.observations.shape == (6, 4)
    assert transitions.terminated.tolist() == [False, True, False, False, True, True]
    with pytest.raises(InvalidDataset, match=r"expected episodes in files that end in \.arrow"):
        read_transitions({"a.csv": b"1,2"})


def test_formats_are_known_by_suffix_alone():
    assert holds_episodes(["a.csv", "b.NPZ"])
    assert not holds_episodes(["a.csv", "npz", "b.safetensors"])


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"rewards": np.ones((8, 2))}, r"expected rewards as one number a step, got float64 of shape \[3, 2\]"),
        ({"terminated": np.zeros(8)}, "expected terminated as one boolean a step, got float64"),
        ({"observations": np.array(["x"] * 8)}, "expected observations of numbers, got <U1"),
        ({"actions": np.array([1j] * 8)}, "expected actions of numbers, got complex128"),
        ({"next_observations": np.zeros((8, 3))}, "expected next_observations like observations"),
        ({"terminated": np.ones(8, dtype=bool)}, "ends at step 0 and has 3 steps: expected an end at the last step"),
    ],
)
def test_what_is_no_episode_is_refused_with_what_was_expected_and_what_came(changes: dict, words: str):
    with pytest.raises(InvalidDataset, match=rf"dataset file 'f\.npz', episode 0: {words}"):
        list(read_episodes({"f.npz": npz(**columns_of((3, 5), **changes))}))


def test_files_that_differ_in_shape_or_dtype_are_refused():
    other = columns_of((2,), actions=np.zeros((2, 1), dtype=np.float32))
    with pytest.raises(InvalidDataset, match=r"'b\.npz', episode 0: .* and int64 \[\], got float32 \[4\] "):
        list(read_episodes({"a.npz": npz(**columns_of()), "b.npz": npz(**other)}))
