"""Evaluation episodes as tables."""

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest

from rl_assets.rl.evaluation import EpisodeRecords
from rl_assets.store.artifacts import Artifact, read_artifact, write_artifact
from rl_assets.store.bundles import EPISODES_FILE, encode_episodes, encode_timings, load_episodes
from rl_assets.store.objects import ObjectStore
from rl_assets.store.tensors import decode_table


def records(*returns: float, **changes: Any) -> EpisodeRecords:
    """Episodes of one stream."""
    count = len(returns)
    whole: dict[str, Any] = {
        "returns": np.array(returns),
        "lengths": np.arange(1, count + 1, dtype=np.int32),
        "seeds": np.full(count, 77, np.int32),
        "terminated": np.arange(count) % 2 == 0,
        "truncated": np.arange(count) % 2 == 1,
        "metrics": {"calm": np.array(returns) / 10},
        "wall_times_s": np.array(returns) / 100,
    }
    return EpisodeRecords(**(whole | changes))


def stored(store: ObjectStore, episodes: dict[int, EpisodeRecords]) -> Artifact:
    files = {EPISODES_FILE: encode_episodes(episodes)}
    return read_artifact(store, write_artifact(store, kind="evaluation", files=files, facts={}, owners=frozenset()))


def same(one: EpisodeRecords, two: EpisodeRecords) -> bool:
    arrays = ("returns", "lengths", "seeds", "terminated", "truncated", "numbers")
    return (
        all(np.array_equal(getattr(one, name), getattr(two, name)) for name in arrays)
        and one.mode == two.mode
        and {name: values.tolist() for name, values in one.metrics.items()}
        == {name: values.tolist() for name, values in two.metrics.items()}
    )


@pytest.mark.parametrize("deterministic", [True, False])
def test_episodes_of_both_modes_come_back_as_they_were(tmp_path: Path, deterministic: bool) -> None:
    other = records(7.0, 8.0, is_deterministic=not deterministic)
    episodes = {seed: records(seed, 2.0, 3.0, is_deterministic=deterministic, other_mode=other) for seed in (5, 1)}
    back = load_episodes(stored(ObjectStore(tmp_path), episodes))
    assert list(back) == [1, 5]
    for seed, own in back.items():
        assert same(own, episodes[seed])
        assert own.other_mode is not None
        assert same(own.other_mode, other)
        assert own.wall_times_s is None, "a data version holds no clock"


def test_what_was_played_in_one_mode_has_no_other(tmp_path: Path) -> None:
    back = load_episodes(stored(ObjectStore(tmp_path), {0: records(1.0, metrics={})}))
    assert back[0].other_mode is None
    assert back[0].metrics == {}


def test_each_row_names_its_episode(tmp_path: Path) -> None:
    other = records(7.0, is_deterministic=False)
    data = encode_episodes({4: records(1.0, 2.0, other_mode=other), 2: records(3.0)})
    (tmp_path / "e.parquet").write_bytes(data)
    rows = pq.read_table(tmp_path / "e.parquet").to_pylist()
    assert [(row["member_seed"], row["mode"], row["env_seed"], row["episode"]) for row in rows] == [
        (2, "deterministic", 77, 0),
        (4, "deterministic", 77, 0),
        (4, "deterministic", 77, 1),
        (4, "stochastic", 77, 0),
    ]
    assert [(row["episode_return"], row["metric_calm"], row["length"]) for row in rows][1] == (1.0, 0.1, 1)
    timings = decode_table(encode_timings({4: records(1.0, 2.0, other_mode=other), 2: records(3.0)}), source="t")
    assert timings["wall_time_s"].tolist() == [0.03, 0.01, 0.02, 0.07]
    assert timings["episode"].tolist() == [0, 0, 1, 0]


def test_equal_episodes_give_equal_bytes_however_long_they_took() -> None:
    slow, quick = records(1.0, 2.0), records(1.0, 2.0, wall_times_s=None)
    assert encode_episodes({0: slow}) == encode_episodes({0: quick})
    assert np.isnan(decode_table(encode_timings({0: quick}), source="t")["wall_time_s"]).all()


def test_members_with_different_metrics_are_refused() -> None:
    with pytest.raises(ValueError, match=r"members have the metrics .*'calm'.*: expected the same of all"):
        encode_episodes({0: records(1.0), 1: records(1.0, metrics={})})
