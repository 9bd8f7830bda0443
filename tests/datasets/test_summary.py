import numpy as np

from rl_assets.datasets.episodes import read_episodes
from rl_assets.datasets.summary import distribution, summarize_episodes
from tests.datasets.episode_files import columns_of, npz


def test_every_number_of_a_summary_worked_by_hand():
    observations = np.array([[0, 1], [2, np.nan], [4, -5], [np.inf, 7]], dtype=np.float32)
    columns = columns_of((1, 3), observations=observations, rewards=np.array([2.0, 1.0, np.nan, 3.0]))
    columns["terminated"][0] = False
    columns["truncated"][0] = True
    summary = summarize_episodes(read_episodes({"f.npz": npz(**columns)}))
    assert summary is not None
    assert (summary.num_episodes, summary.num_steps) == (2, 4)
    assert (summary.num_terminated, summary.num_truncated, summary.num_cut) == (1, 1, 0)
    assert summary.lengths.tolist() == [1, 3]
    assert summary.returns[0] == 2.0
    assert np.isnan(summary.returns[1])
    assert summary.nan_share == 2 / 16
    assert (summary.observations.label, summary.actions.label) == ("float32[2]", "int64")
    assert summary.observations.low.tolist() == [0, -5]
    assert summary.observations.high.tolist() == [np.inf, 7]
    assert (summary.observations.num_nan, summary.observations.num_infinite) == (1, 1)
    assert (summary.actions.low, summary.actions.high) == (0, 1)


def test_no_episodes_have_no_summary():
    assert summarize_episodes([]) is None


def test_a_distribution_leaves_out_what_is_not_finite():
    assert distribution(np.array([np.nan, np.inf])) == {}
    numbers = distribution(np.array([1.0, 3.0, np.nan]))
    assert (numbers["mean"], numbers["std"], numbers["min"], numbers["median"], numbers["max"]) == (2, 1, 1, 2, 3)
