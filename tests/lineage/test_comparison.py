from dataclasses import replace

from hypothesis import given, settings

from rl_assets.lineage.comparison import clients_of, compare_ancestry, differing_fields
from rl_assets.lineage.graph import LineageGraph
from rl_assets.lineage.records import Materialization
from tests.lineage.test_graph import ALICE, BOB, as_input, ids, logs, made, unrecorded


def two_champions() -> LineageGraph:
    """The first stands on an old version of Alice's data, the second on the new one and on Bob's."""
    old, new, bob = made(1, "datasets", ALICE), made(2, "datasets", ALICE), made(3, "datasets", BOB)
    sweep = made(4, "sweep_configs", "s")
    first, second = made(5, "trained_policies", "e|a", old, sweep), made(6, "trained_policies", "e|b", new, bob, sweep)
    board = made(7, "eval_leaderboards", "e", first, second)
    return LineageGraph.build(
        [old, new, bob, sweep, first, second, board]
        + [
            replace(
                made(number, "promoted_models", "e", policy), inputs=(as_input(policy), as_input(board, "evidence"))
            )
            for number, policy in ((8, first), (9, second))
        ]
    )


def test_only_means_what_the_other_does_not_stand_on() -> None:
    found = compare_ancestry(two_champions(), 8, 9)
    assert ids(found.only_first) == [8, 5, 1]
    assert ids(found.only_second) == [9, 6, 3, 2]
    assert ids(found.shared) == [4]
    assert clients_of(found.first.steps) == ("c-00000000aa",)
    assert clients_of(found.second.steps) == ("c-00000000aa", "c-00000000bb")
    assert found.is_complete


def test_the_same_dataset_in_two_versions_is_a_pair() -> None:
    pairs = compare_ancestry(two_champions(), 8, 9).other_versions
    assert [(ids([one])[0], ids([other])[0]) for one, other in pairs] == [(8, 9), (1, 2)]


def test_the_policies_are_those_that_the_models_were_copied_from() -> None:
    graph = two_champions()
    assert [policy and policy.event_id for policy in compare_ancestry(graph, 8, 9).policies] == [5, 6]
    assert [policy and policy.event_id for policy in compare_ancestry(graph, 5, 1).policies] == [5, None]


def test_the_same_bytes_logged_twice_are_one_thing() -> None:
    data = made(1, "datasets", ALICE)
    again = replace(data, event_id=2)
    graph = LineageGraph.build(
        [data, again, made(3, "trained_policies", "e|a", data), made(4, "trained_policies", "e|b", again)]
    )
    found = compare_ancestry(graph, 3, 4)
    assert (ids(found.only_first), ids(found.only_second), ids(found.shared)) == ([3], [4], [1])


def test_a_gap_on_either_side_is_told() -> None:
    old = unrecorded(1, "trained_policies", "e|a")
    graph = LineageGraph.build([old, made(2, "promoted_models", "e", old), made(3, "datasets", ALICE)])
    assert not compare_ancestry(graph, 2, 3).is_complete
    assert not compare_ancestry(graph, 3, 2).is_complete
    assert compare_ancestry(graph, 3, 3).is_complete


@given(log=logs(roles=("data", "data", "evidence")))
@settings(max_examples=300, deadline=None)
def test_three_parts_are_the_two_ancestries_and_the_order_does_not_matter(log: list[Materialization]) -> None:
    graph = LineageGraph.build(log)
    first, second = log[0].event_id, log[-1].event_id
    found, mirrored = compare_ancestry(graph, first, second), compare_ancestry(graph, second, first)
    assert (found.only_first, found.only_second) == (mirrored.only_second, mirrored.only_first)
    assert sorted(ids([*found.only_first, *found.shared])) == sorted(ids(found.first.steps))
    alone = {(step.asset, step.partition, step.data_version) for step in found.only_second}
    both = {(step.asset, step.partition, step.data_version) for step in found.shared}
    assert alone | both == {(step.asset, step.partition, step.data_version) for step in found.second.steps}
    assert not alone & both


def test_fields_that_differ_are_named_by_their_path() -> None:
    first = {"algorithm": {"name": "ppo", "learning_rate": 0.1}, "dataset": "a", "steps": 5}
    second = {"algorithm": {"name": "ppo", "learning_rate": 0.2, "target_kl": 1}, "dataset": "a"}
    assert differing_fields(first, second) == {
        "algorithm.learning_rate": [0.1, 0.2],
        "algorithm.target_kl": [None, 1],
        "steps": [5, None],
    }
    assert differing_fields(first, first) == {}
