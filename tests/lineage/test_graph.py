import random
from collections.abc import Iterable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rl_assets.errors import LineageError, UnknownPartition
from rl_assets.lineage.graph import LineageGraph
from rl_assets.lineage.records import InputRecord, Materialization, Role

ALICE, BOB = "c-00000000aa.d1", "c-00000000bb.d1"
ASSETS = ["datasets", "sweep_configs", "trained_policies", "policy_evaluations", "eval_leaderboards", "promoted_models"]


def made(event_id: int, asset: str, partition: str | None, *read: Materialization) -> Materialization:
    return Materialization(
        asset=asset,
        partition=partition,
        event_id=event_id,
        data_version=f"v{event_id}",
        inputs=tuple(as_input(event) for event in read),
    )


def as_input(event: Materialization, role: Role = "data") -> InputRecord:
    return InputRecord(
        asset=event.asset,
        partition=event.partition,
        event_id=event.event_id,
        data_version=event.data_version,
        role=role,
    )


def unrecorded(event_id: int, asset: str, partition: str | None) -> Materialization:
    return Materialization(
        asset=asset, partition=partition, event_id=event_id, data_version=f"v{event_id}", inputs=None
    )


def ids(entries: Iterable) -> list[int]:
    return [entry["event_id"] if isinstance(entry, dict) else entry.event_id for entry in entries]


def two_clients_in_one_run(order: list[str]) -> tuple[LineageGraph, dict[str, int]]:
    """Both clients' recipes are trained in one run; their events are logged in the order given."""
    data = {"alice": made(1, "datasets", ALICE), "bob": made(2, "datasets", BOB)}
    sweeps = {name: made(3 + index, "sweep_configs", name, data[name]) for index, name in enumerate(data)}
    policies = {
        name: made(10 + index, "trained_policies", f"Pong-v5|{name}", data[name], sweeps[name])
        for index, name in enumerate(order)
    }
    evaluations = {
        name: made(20 + index, "policy_evaluations", f"Pong-v5|{name}", policies[name])
        for index, name in enumerate(order)
    }
    board = made(30, "eval_leaderboards", "Pong-v5", *evaluations.values())
    champion = made(31, "promoted_models", "Pong-v5", policies[order[-1]])
    log = [*data.values(), *sweeps.values(), *policies.values(), *evaluations.values(), board, champion]
    return LineageGraph.build(log), {name: policy.event_id for name, policy in policies.items()}


@pytest.mark.parametrize("order", [["alice", "bob"], ["bob", "alice"]])
def test_two_clients_in_one_run_keep_their_own_descendants(order: list[str]):
    graph, policy = two_clients_in_one_run(order)
    first, last = order
    keys = {"alice": ALICE, "bob": BOB}
    answer = graph.client_query([keys[first]])
    assert ids(answer["materializations"]) == sorted(
        [1 if first == "alice" else 2, *([3] if first == "alice" else [4]), policy[first], policy[first] + 10, 30]
    )
    assert answer["promoted"] == []
    answer = graph.client_query([keys[last]])
    assert policy[first] not in ids(answer["materializations"])
    assert ids(answer["promoted"]) == [31]
    assert answer["possibly_affected"] == []


def test_an_answer_names_asset_partition_event_and_version():
    data = made(1, "datasets", ALICE)
    answer = LineageGraph.build([data, made(2, "promoted_models", "Pong-v5", data)]).client_query([ALICE])
    champion = {"asset": "promoted_models", "partition": "Pong-v5", "event_id": 2, "data_version": "v2"}
    assert answer == {
        "datasets": [ALICE],
        "materializations": [
            {"asset": "datasets", "partition": ALICE, "event_id": 1, "data_version": "v1"},
            champion,
        ],
        "promoted": [champion],
        "possibly_affected": [],
    }


def test_a_rematerialization_without_the_data_is_not_affected():
    alice, bob = made(1, "datasets", ALICE), made(2, "datasets", BOB)
    before = made(3, "trained_policies", "Pong-v5|a", alice)
    after = made(4, "trained_policies", "Pong-v5|a", bob)
    board = made(5, "eval_leaderboards", "Pong-v5", after)
    graph = LineageGraph.build([alice, bob, before, after, board])
    assert ids(graph.client_query([ALICE])["materializations"]) == [1, 3]
    assert ids(graph.client_query([BOB])["materializations"]) == [2, 4, 5]
    assert graph.latest("trained_policies", "Pong-v5|a") == after


def test_fine_tuning_chains_are_followed_to_the_end():
    events = [made(1, "datasets", ALICE)]
    for number in range(2, 2000):
        events.append(made(number, "trained_policies", f"Pong-v5|g{number}", events[-1]))
    random.Random(0).shuffle(events)
    graph = LineageGraph.build(events)
    assert ids(graph.client_query([ALICE])["materializations"]) == list(range(1, 2000))
    assert ids(graph.ancestors(1999)) == list(range(1, 1999))


def test_an_unrecorded_event_and_its_descendants_are_possibly_affected_and_never_dropped():
    alice = made(1, "datasets", ALICE)
    old = unrecorded(2, "trained_policies", "Pong-v5|old")
    evaluation = made(3, "policy_evaluations", "Pong-v5|old", old)
    mixed = made(4, "eval_leaderboards", "Pong-v5", evaluation, alice)
    clean = made(5, "sweep_configs", "clean")
    answer = LineageGraph.build([alice, old, evaluation, mixed, clean]).client_query([ALICE])
    assert ids(answer["materializations"]) == [1, 4]
    assert ids(answer["possibly_affected"]) == [2, 3]


def test_a_dataset_needs_no_inputs_and_is_not_suspect_without_them():
    graph = LineageGraph.build([unrecorded(1, "datasets", ALICE), unrecorded(2, "datasets", BOB)])
    assert ids(graph.client_query([ALICE])["materializations"]) == [1]
    assert graph.client_query([ALICE])["possibly_affected"] == []


def test_an_event_that_read_a_dataset_whose_record_is_gone_is_affected_all_the_same():
    gone = made(1, "datasets", ALICE)
    policy = made(2, "trained_policies", "Pong-v5|a", gone)
    champion = made(3, "promoted_models", "Pong-v5", policy)
    graph = LineageGraph.build([policy, champion])
    assert ids(graph.client_query([ALICE])["materializations"]) == [2, 3]
    other = graph.client_query([BOB])
    assert (other["materializations"], other["possibly_affected"]) == ([], [])
    assert ids(graph.descendants("datasets", ALICE)) == [2, 3]


def test_an_event_that_read_something_whose_record_is_gone_is_possibly_affected():
    gone = made(1, "trained_policies", "Pong-v5|a")
    evaluation = made(2, "policy_evaluations", "Pong-v5|a", gone)
    champion = made(3, "promoted_models", "Pong-v5", evaluation)
    answer = LineageGraph.build([evaluation, champion]).client_query([ALICE])
    assert (answer["materializations"], ids(answer["possibly_affected"])) == ([], [2, 3])


@pytest.mark.parametrize("change", [{"data_version": "other"}, {"partition": "Pong-v5|b"}, {"asset": "sweep_configs"}])
def test_an_input_that_is_not_what_was_recorded_is_not_trusted(change):
    policy = made(1, "trained_policies", "Pong-v5|a")
    record = InputRecord.from_json(as_input(policy).to_json() | change)
    champion = Materialization(
        asset="promoted_models", partition="Pong-v5", event_id=2, data_version="v2", inputs=(record,)
    )
    graph = LineageGraph.build([policy, champion])
    assert ids(graph.client_query([ALICE])["possibly_affected"]) == [2]
    assert graph.trace(2).missing == (record,)


def test_a_dataset_that_was_never_materialized_has_no_descendants():
    graph, _ = two_clients_in_one_run(["alice", "bob"])
    assert graph.client_query(["c-00000000cc.d7"]) == {
        "datasets": ["c-00000000cc.d7"],
        "materializations": [],
        "promoted": [],
        "possibly_affected": [],
    }
    assert graph.client_query([])["materializations"] == []


def test_several_datasets_of_a_client_are_one_question():
    graph, _ = two_clients_in_one_run(["alice", "bob"])
    both = graph.client_query([BOB, ALICE, BOB])
    assert both["datasets"] == [ALICE, BOB]
    assert ids(both["materializations"]) == [1, 2, 3, 4, 10, 11, 20, 21, 30, 31]


def test_a_trace_goes_from_the_champion_down_to_the_bytes():
    graph, _ = two_clients_in_one_run(["alice", "bob"])
    trace = graph.trace(31)
    assert [(step.event_id, step.asset) for step in trace.steps] == [
        (31, "promoted_models"),
        (11, "trained_policies"),
        (4, "sweep_configs"),
        (2, "datasets"),
    ]
    assert trace.is_complete
    assert ids(graph.ancestors(31)) == [2, 4, 11]
    assert graph.ancestors(1) == ()


def test_a_trace_says_what_it_cannot_know():
    gone = made(1, "trained_policies", "Pong-v5|gone")
    old = unrecorded(2, "trained_policies", "Pong-v5|old")
    data = unrecorded(3, "datasets", ALICE)
    champion = made(4, "promoted_models", "Pong-v5", gone, old, data)
    trace = LineageGraph.build([old, data, champion]).trace(4)
    assert trace.missing == (as_input(gone),)
    assert trace.unrecorded == (old,)
    assert not trace.is_complete


def test_descendants_of_a_partition_are_those_of_all_its_materializations():
    first, second = made(1, "datasets", ALICE), made(2, "datasets", ALICE)
    old, new = made(3, "trained_policies", "Pong-v5|a", first), made(4, "trained_policies", "Pong-v5|b", second)
    tuned = made(5, "trained_policies", "Pong-v5|b", new)
    graph = LineageGraph.build([first, second, old, new, tuned])
    assert ids(graph.descendants("datasets", ALICE)) == [3, 4, 5]
    assert ids(graph.descendants("trained_policies", "Pong-v5|b")) == [5]
    assert graph.descendants("trained_policies", "Pong-v5|a") == ()


def test_names_that_nothing_has_are_refused_rather_than_answered_with_nothing():
    graph, _ = two_clients_in_one_run(["alice", "bob"])
    with pytest.raises(UnknownPartition, match="'trained_policies', partition 'typo'"):
        graph.descendants("trained_policies", "typo")
    with pytest.raises(UnknownPartition, match="event 99"):
        graph.trace(99)
    with pytest.raises(UnknownPartition, match="event 99"):
        graph.ancestors(99)
    assert graph.latest("trained_policies", "typo") is None


def test_the_same_record_twice_is_one_event_and_two_records_of_one_event_are_an_error():
    event = made(1, "datasets", ALICE)
    assert ids(LineageGraph.build([event, event]).client_query([ALICE])["materializations"]) == [1]
    with pytest.raises(LineageError, match=r"event 1 is both .*build it again from one event log"):
        LineageGraph.build([event, made(1, "datasets", BOB)])


def test_records_that_read_each_other_do_not_hang():
    first = InputRecord(asset="trained_policies", partition="a", event_id=2, data_version="v2")
    second = InputRecord(asset="trained_policies", partition="b", event_id=1, data_version="v1")
    data = InputRecord(asset="datasets", partition=ALICE, event_id=0, data_version="v0")
    one = Materialization(asset="trained_policies", partition="b", event_id=1, data_version="v1", inputs=(first, data))
    two = Materialization(asset="trained_policies", partition="a", event_id=2, data_version="v2", inputs=(second,))
    graph = LineageGraph.build([one, two])
    assert ids(graph.client_query([ALICE])["materializations"]) == [1, 2]
    assert ids(graph.ancestors(1)) == [2]


def promotion_decided_on_evidence() -> LineageGraph:
    """Alice's policy is promoted over Bob's: the leaderboard saw both, the champion holds Alice's data alone."""
    alice, bob = made(1, "datasets", ALICE), made(2, "datasets", BOB)
    policies = [made(3, "trained_policies", "Pong-v5|a", alice), made(4, "trained_policies", "Pong-v5|b", bob)]
    board = made(5, "eval_leaderboards", "Pong-v5", *policies)
    champion = Materialization(
        asset="promoted_models",
        partition="Pong-v5",
        event_id=6,
        data_version="v6",
        inputs=(as_input(board, "evidence"), as_input(policies[0])),
    )
    tuned = made(7, "trained_policies", "Pong-v5|tuned", champion)
    return LineageGraph.build([alice, bob, *policies, board, champion, tuned])


def test_evidence_that_informed_a_decision_passes_no_data_on():
    graph = promotion_decided_on_evidence()
    assert ids(graph.client_query([ALICE])["materializations"]) == [1, 3, 5, 6, 7]
    bobs = graph.client_query([BOB])
    assert ids(bobs["materializations"]) == [2, 4, 5]
    assert (bobs["promoted"], bobs["possibly_affected"]) == ([], [])
    assert ids(graph.descendants("datasets", BOB)) == [4, 5]


def test_a_trace_shows_the_evidence_of_its_own_decision_but_not_what_that_stands_on():
    graph = promotion_decided_on_evidence()
    assert ids(graph.trace(6).steps) == [6, 5, 3, 1]
    assert ids(graph.trace(7).steps) == [7, 6, 3, 1]


def test_what_was_read_both_as_evidence_and_as_data_is_data():
    data = made(1, "datasets", ALICE)
    policy = Materialization(
        asset="trained_policies",
        partition="Pong-v5|a",
        event_id=2,
        data_version="v2",
        inputs=(as_input(data, "evidence"), as_input(data)),
    )
    assert ids(LineageGraph.build([data, policy]).client_query([ALICE])["materializations"]) == [1, 2]


def test_evidence_that_is_gone_leaves_no_doubt_about_the_data_but_a_gap_in_the_trace():
    gone = as_input(made(1, "eval_leaderboards", "Pong-v5"), "evidence")
    champion = Materialization(
        asset="promoted_models", partition="Pong-v5", event_id=2, data_version="v2", inputs=(gone,)
    )
    graph = LineageGraph.build([champion])
    assert graph.client_query([ALICE])["possibly_affected"] == []
    assert graph.trace(2).missing == (gone,)


@st.composite
def logs(draw: st.DrawFn, *, roles: tuple[Role, ...] = ("data",)) -> list[Materialization]:
    """Random logs: a few partitions made again and again, from anything before, something missing, or unknown."""
    events: list[Materialization] = []
    for event_id in range(1, draw(st.integers(1, 25)) + 1):
        asset = draw(st.sampled_from(ASSETS))
        partition = draw(st.sampled_from([ALICE, BOB, "c-00000000aa.d2"] if asset == "datasets" else ["x", "y", "z"]))
        kind = draw(st.sampled_from(["recorded"] * 8 + ["unrecorded"]))
        if kind == "unrecorded":
            events.append(unrecorded(event_id, asset, partition))
            continue
        read = draw(st.lists(st.sampled_from(events), max_size=3, unique_by=id)) if events else []
        inputs = [] if asset == "datasets" else [as_input(event, draw(st.sampled_from(roles))) for event in read]
        if asset != "datasets" and draw(st.integers(0, 9)) == 0:
            wrong = draw(st.sampled_from(["gone", "renamed", "gone dataset"]))
            if wrong == "gone":
                inputs.append(InputRecord(asset="trained_policies", partition="x", event_id=1000, data_version="v"))
            elif wrong == "gone dataset":
                inputs.append(InputRecord(asset="datasets", partition=ALICE, event_id=1001, data_version="v"))
            elif events:
                inputs.append(InputRecord.from_json(as_input(events[0]).to_json() | {"data_version": "other"}))
        events.append(
            Materialization(
                asset=asset,
                partition=partition,
                event_id=event_id,
                data_version=f"v{event_id}",
                inputs=tuple(inputs),
            )
        )
    return draw(st.permutations(events))


def obvious_closure(log: list[Materialization], keys: set[str]) -> tuple[set[int], set[int]]:
    """Ask every event again until nobody changes its mind."""
    events = {event.event_id: event for event in log}
    affected: set[int] = set()
    possibly: set[int] = set()
    for _ in range(len(log) + 1):
        for event in log:
            if event.asset == "datasets":
                if event.partition in keys:
                    affected.add(event.event_id)
                continue
            if event.inputs is None:
                possibly.add(event.event_id)
                continue
            for record in event.inputs:
                if record.role == "evidence":
                    continue
                source = events.get(record.event_id)
                is_known = source is not None and as_input(source) == record
                if record.asset == "datasets" and record.partition in keys:
                    affected.add(event.event_id)
                if not is_known and record.asset != "datasets":
                    possibly.add(event.event_id)
                if is_known and record.event_id in affected:
                    affected.add(event.event_id)
                if is_known and record.event_id in possibly:
                    possibly.add(event.event_id)
    return affected, possibly - affected


@given(log=logs(roles=("data", "data", "evidence")), keys=st.sets(st.sampled_from([ALICE, BOB, "c-00000000aa.d2"])))
@settings(max_examples=1_000, deadline=None)
def test_a_client_query_agrees_with_the_slow_obvious_closure(log: list[Materialization], keys: set[str]):
    answer = LineageGraph.build(log).client_query(keys)
    affected, possibly = obvious_closure(log, keys)
    assert ids(answer["materializations"]) == sorted(affected)
    assert ids(answer["possibly_affected"]) == sorted(possibly)
    assert ids(answer["promoted"]) == sorted(
        e.event_id for e in log if e.event_id in affected and e.asset == "promoted_models"
    )


@given(log=logs())
@settings(max_examples=200, deadline=None)
def test_descendants_and_ancestors_are_each_others_mirror(log: list[Materialization]):
    graph = LineageGraph.build(log)
    ancestors = {event.event_id: set(ids(graph.ancestors(event.event_id))) for event in log}
    known = {event.event_id: event for event in log}
    for asset, partition in {(event.asset, event.partition) for event in log}:
        starts = {event.event_id for event in log if (event.asset, event.partition) == (asset, partition)}
        named = {
            event.event_id
            for event in log
            for record in event.inputs or ()
            if (record.asset, record.partition) == (asset, partition) and record.event_id not in known
        }
        expected = {e for e in known if ancestors[e] & starts or e in named or ancestors[e] & named}
        found = set(ids(graph.descendants(asset, partition)))
        mismatched = {
            event.event_id
            for event in log
            for record in event.inputs or ()
            if record.event_id in known and as_input(known[record.event_id]) != record
        }
        if not mismatched:
            assert found == expected
        assert expected <= found


def test_ten_thousand_policies_are_answered_completely():
    data = [made(client + 1, "datasets", f"c-{client:010x}.d1") for client in range(10)]
    events = list(data)
    number = 11
    policies = []
    for policy in range(10_000):
        parents = [policies[policy - 100]] if policy >= 100 else []
        policies.append(made(number, "trained_policies", f"e|{policy}", data[policy % 10], *parents))
        evaluation = made(number + 1, "policy_evaluations", f"e|{policy}", policies[-1])
        events += [policies[-1], evaluation]
        number += 2
    graph = LineageGraph.build(events)
    for client in range(10):
        answer = graph.client_query([f"c-{client:010x}.d1"])
        assert len(answer["materializations"]) == 1 + 2 * 1_000
        assert answer["possibly_affected"] == []
