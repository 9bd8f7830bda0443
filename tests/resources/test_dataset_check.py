import pytest

from rl_assets.errors import InvalidDataset, UnsupportedEnvironment
from rl_assets.resources.dataset_check import check_episodes
from tests.datasets.episode_files import columns_of, npz

EPISODES = {"a.npz": npz(**columns_of((3, 5)))}
EMPTY = npz(**{name: array[:0] for name, array in columns_of((1,)).items()})


def test_episodes_are_summed_up_and_other_files_have_nothing_to_sum_up() -> None:
    summary = check_episodes(EPISODES, env="CartPole-v1", what="it")
    assert summary is not None
    assert summary.num_steps == 8
    assert check_episodes({"notes.csv": b"1"}, env=None, what="it") is None


@pytest.mark.parametrize("files", [{}, {"notes.csv": b"1"}, {"empty.npz": EMPTY}])
def test_an_environment_without_episodes_to_compare_is_refused(files: dict[str, bytes]) -> None:
    with pytest.raises(InvalidDataset, match="it: env 'CartPole-v1' was named, and there are no episodes"):
        check_episodes(files, env="CartPole-v1", what="it")


def test_an_environment_that_cannot_be_trained_in_is_refused() -> None:
    with pytest.raises(UnsupportedEnvironment, match="2 players"):
        check_episodes(EPISODES, env="ConnectFour-v1", what="it")
