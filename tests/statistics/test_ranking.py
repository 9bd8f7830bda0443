import dataclasses
import itertools
import json
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rl_assets.statistics.ranking import CellEpisodes, LeaderboardRow, metric_names, rank_policies

cells_of_returns = st.dictionaries(
    st.text("abc", min_size=1, max_size=3),
    st.lists(st.lists(st.floats(-100, 100), min_size=1, max_size=4), min_size=1, max_size=6),
    max_size=6,
)


def rank(cells: dict[str, list[list[float]]]):
    return rank_policies({hparam: CellEpisodes(returns=seeds) for hparam, seeds in cells.items()})


def test_every_field_of_a_row_worked_by_hand():
    (row,) = rank_policies(
        {
            "a": CellEpisodes(
                returns=[[1, 3], [5, 5], [3, 3], [4, 12]],
                lengths=[[10, 30], [50, 50], [30, 30], [80, 80]],
            )
        }
    )
    assert (row.hparam, row.rank) == ("a", 1)
    # seed means 2, 5, 3, 8
    assert row.mean_return == 4.5
    assert row.iqm == 4.0
    assert row.worst_seed_return == 2.0
    # episodes 1 3 5 5 3 3 4 12 around 4.5: 12.25 + 2.25 + .25 + .25 + 2.25 + 2.25 + .25 + 56.25 = 76, over 7
    assert row.std_return == pytest.approx(math.sqrt(76 / 7))
    assert row.cvar10 == 1.0
    # standard deviation of the seed means is the root of 7, t(3) at 0.975 is 3.182446
    margin = 3.182446 * math.sqrt(7) / 2
    assert (row.ci_low, row.ci_high) == pytest.approx((4.5 - margin, 4.5 + margin), abs=1e-5)
    assert row.mean_length == 45.0
    assert (row.num_episodes, row.num_seeds, row.is_replicated) == (8, 4, False)


def test_the_unit_is_the_seed_and_not_the_episode():
    # Pooled over episodes `many` would win with (9 * 10 + 0) / 10 = 9.
    rows = rank({"many": [[10.0] * 9, [0.0]], "even": [[6.0], [6.0]]})
    assert [(row.hparam, row.mean_return) for row in rows] == [("even", 6.0), ("many", 5.0)]


def test_a_lucky_seed_does_not_hide_the_failed_one():
    (row,) = rank({"a": [[500.0], [500.0], [500.0], [500.0], [10.0]]})
    assert row.worst_seed_return == 10.0
    assert row.iqm == 500.0
    assert row.mean_return == 402.0
    assert row.ci_low is not None
    assert row.ci_low < 402 - 250


def test_the_highest_mean_comes_first_also_among_negative_returns():
    rows = rank({"a": [[-500.0]], "b": [[-100.0]], "c": [[0.0]]})
    assert [(row.rank, row.hparam) for row in rows] == [(1, "c"), (2, "b"), (3, "a")]


def test_ties_stand_in_alphabetical_order_whatever_the_order_they_came_in():
    names = ["a", "b", "c", "d"]
    for order in itertools.permutations(names):
        rows = rank({name: [[0.1, 0.2, 0.3]] for name in order})
        assert [row.hparam for row in rows] == names
        assert [row.rank for row in rows] == [1, 2, 3, 4]


def test_seeds_in_another_order_are_still_a_tie():
    seeds = [[0.1], [0.2], [0.3], [1e6], [0.7]]
    for order in itertools.permutations(seeds):
        rows = rank({"b": seeds, "a": list(order)})
        assert [row.hparam for row in rows] == ["a", "b"]
        assert rows[0].mean_return == rows[1].mean_return


@pytest.mark.parametrize(("num_seeds", "is_replicated"), [(1, False), (4, False), (5, True), (9, True)])
def test_fewer_than_five_seeds_are_marked_as_unreplicated(num_seeds: int, is_replicated: bool):
    (row,) = rank({"a": [[float(seed)] for seed in range(num_seeds)]})
    assert row.is_replicated is is_replicated
    assert row.to_json()["is_replicated"] is is_replicated


def test_one_episode_of_one_seed_claims_no_spread():
    (row,) = rank({"a": [[7.0]]})
    assert (row.mean_return, row.worst_seed_return, row.cvar10) == (7.0, 7.0, 7.0)
    assert (row.std_return, row.iqm, row.ci_low, row.ci_high, row.mean_length) == (None,) * 5


def test_many_episodes_of_one_seed_have_a_spread_but_no_interval():
    (row,) = rank({"a": [[1.0, 3.0, 5.0]]})
    assert row.std_return == 2.0
    assert (row.ci_low, row.ci_high) == (None, None)


@pytest.mark.parametrize(("num_seeds", "has_iqm"), [(3, False), (4, True)])
def test_the_interquartile_mean_needs_four_seeds(num_seeds: int, has_iqm: bool):
    (row,) = rank({"a": [[float(seed)] for seed in range(num_seeds)]})
    assert (row.iqm is not None) is has_iqm


def test_identical_seeds_give_an_interval_without_width():
    (row,) = rank({"a": [[500.0] * 20] * 5})
    assert (row.mean_return, row.std_return, row.ci_low, row.ci_high) == (500.0, 0.0, 500.0, 500.0)


@given(cells=cells_of_returns)
def test_a_ranking_agrees_with_a_slow_obvious_one(cells: dict[str, list[list[float]]]):
    rows = rank(cells)
    means = {hparam: np.mean([np.mean(seed) for seed in seeds]) for hparam, seeds in cells.items()}
    assert sorted(row.hparam for row in rows) == sorted(cells)
    assert [row.rank for row in rows] == list(range(1, len(rows) + 1))
    for better, worse in itertools.pairwise(rows):
        assert (-better.mean_return, better.hparam) < (-worse.mean_return, worse.hparam)
    for row in rows:
        seeds = cells[row.hparam]
        episodes = [value for seed in seeds for value in seed]
        assert row.mean_return == pytest.approx(means[row.hparam], abs=1e-9)
        assert row.worst_seed_return == pytest.approx(min(np.mean(seed) for seed in seeds), abs=1e-9)
        assert min(episodes) <= row.cvar10 <= np.mean(episodes) + 1e-9
        assert (row.num_episodes, row.num_seeds) == (len(episodes), len(seeds))
        if row.ci_low is not None and row.ci_high is not None:
            assert row.ci_low <= row.mean_return <= row.ci_high


def test_an_environment_without_evaluated_recipes_has_an_empty_leaderboard():
    assert rank_policies({}) == ()


@pytest.mark.parametrize(
    ("cell", "words"),
    [
        (CellEpisodes(returns=[]), "recipe 'a' has no evaluated seeds: leave it out"),
        (CellEpisodes(returns=[[1.0], []]), "returns of recipe 'a', seed 1: expected at least 1 values, got 0"),
        (CellEpisodes(returns=[[1.0, math.nan]]), "returns of recipe 'a', seed 0: value 1 is nan"),
        (CellEpisodes(returns=[[1.0]], lengths=[[1, 2]]), r"\[2\] lengths per seed do not match \[1\] returns"),
        (CellEpisodes(returns=[[1.0]], lengths=[]), r"\[\] lengths per seed do not match \[1\] returns"),
        (CellEpisodes(returns=[[1.0]], lengths=[[math.inf]]), "lengths of recipe 'a', seed 0: value 0 is inf"),
    ],
)
def test_a_recipe_that_cannot_be_ranked_is_refused_by_name(cell: CellEpisodes, words: str):
    with pytest.raises(ValueError, match=words):
        rank_policies({"fine": CellEpisodes(returns=[[1.0]]), "a": cell})


def test_rows_are_plain_json():
    (row,) = rank_policies({"a": CellEpisodes(returns=np.ones((5, 3)), lengths=np.ones((5, 3), np.int32))})
    data = json.loads(json.dumps(row.to_json()))
    assert set(data) == {field.name for field in dataclasses.fields(row)} | {"is_replicated", "process_s"}
    assert data["num_episodes"] == 15


def test_rows_come_back_from_json():
    rows = rank_policies({"a": CellEpisodes(returns=[[1.0], [2.0]], env_steps=100, steps_per_s=7.0)})
    assert tuple(type(row).from_json(json.loads(json.dumps(row.to_json()))) for row in rows) == rows


def test_a_row_of_before_there_were_comparisons_claims_none():
    (row,) = rank({"a": [[1.0], [2.0]]})
    later = {"may_be_best", "probability_of_improvement", "env_steps", "steps_per_s", "process_s"}
    old = {name: value for name, value in row.to_json().items() if name not in later}
    assert type(row).from_json(old) == row


def test_ties_with_the_best_and_chances_against_it_stand_in_the_rows():
    first, second, third = rank(
        {
            "far": [[1.0], [2.0], [3.0], [2.0], [2.0]],
            "near": [[97.0], [100.0], [99.0], [96.0], [104.0]],
            "best": [[98.0], [100.0], [102.0], [99.0], [101.0]],
        }
    )
    assert [row.hparam for row in (first, second, third)] == ["best", "near", "far"]
    assert (first.may_be_best, second.may_be_best, third.may_be_best) == (True, True, False)
    # 97 and 96 beat none, 99 beats 98 and ties with 99, 100 beats two and ties with one, 104 beats all: 9 of 25
    assert second.probability_of_improvement == pytest.approx(0.36)
    assert (first.probability_of_improvement, third.probability_of_improvement) == (None, 0.0)


def test_what_training_took_is_steps_over_speed_and_nothing_where_either_is_unknown():
    known, unknown, still = (
        CellEpisodes(returns=[[1.0]], env_steps=env_steps, steps_per_s=speed)
        for env_steps, speed in ((50_000, 2_000.0), (50_000, None), (50_000, 0.0))
    )
    rows = rank_policies({"a": known, "b": unknown, "c": still})
    assert [row.process_s for row in rows] == [25.0, None, None]
    assert [row.to_json()["process_s"] for row in rows] == [25.0, None, None]


def test_metrics_count_seeds_and_not_episodes():
    metrics = {"calm": [[0.0, 1.0], [4.0]], "awake": [[2.0, 2.0], [2.0]]}
    (row,) = rank_policies({"a": CellEpisodes(returns=[[1, 3], [5]], metrics=metrics)})
    assert row.metrics == {"calm": 2.25, "awake": 2.0}, "(0.5 + 4) / 2"
    assert LeaderboardRow.from_json(json.loads(json.dumps(row.to_json()))) == row


def test_recipes_may_have_different_metrics():
    cells = {"a": CellEpisodes(returns=[[1]], metrics={"calm": [[1]]}), "b": CellEpisodes(returns=[[2]])}
    rows = rank_policies(cells)
    assert [row.metrics for row in rows] == [{}, {"calm": 1.0}]
    assert metric_names(rows) == ("calm",)


@pytest.mark.parametrize("values", [[[1.0]], [[1.0, 2.0], [3.0]], [[1.0, math.nan]]])
def test_metrics_that_do_not_match_the_episodes_are_refused(values):
    with pytest.raises(ValueError, match="calm"):
        rank_policies({"a": CellEpisodes(returns=[[1, 3]], metrics={"calm": values})})
