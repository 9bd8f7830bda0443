from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rl_assets.erasure.plan import ChampionChange, ErasurePlan, KeysToRemove, SharedPartition
from rl_assets.erasure.planning import LIFE_CYCLE, ChampionFacts, LivePartitions, plan_erasure
from rl_assets.erasure.scope import ErasureScope
from rl_assets.errors import ErasureRefused
from rl_assets.lineage.graph import LineageGraph
from rl_assets.lineage.records import Materialization
from tests.erasure.lineage_logs import ALICE, BOB, DATASETS, logs, made, obvious_answer, read

ALICES = ErasureScope(pseudonym=ALICE, datasets=(f"{ALICE}.d1", f"{ALICE}.d2"), is_whole_client=True)


def reign(generation: int, **facts: object) -> ChampionFacts:
    """A reign of the promoted model of that event and the policy of that name."""
    usual = {"hparam": "ppo-a", "policy_version": "p", "data_version": "d", "weights_sha256": f"w{generation}"}
    return ChampionFacts(**{"generation": generation, "is_in_production": False} | usual | facts)


def planned(log: list[Materialization], scope: ErasureScope = ALICES, **more) -> ErasurePlan:
    settings = {"champions": {}, "log_id": "log-1", "live": LivePartitions()} | more
    return plan_erasure(LineageGraph.build(log), scope, **settings)


def ids(events) -> list[int]:
    return [event.event_id for event in events]


def two_clients() -> list[Materialization]:
    """Alice's and Bob's policies, one fine-tuned on Alice's, a mixed one, and Bob's as the champion before Alice's."""
    alice, bob = made(1, "datasets", f"{ALICE}.d1"), made(2, "datasets", f"{BOB}.d1")
    hers, his = made(3, "sweep_configs", "hers", alice), made(4, "sweep_configs", "his", bob)
    first = made(5, "trained_policies", "Pong-v5|ppo-a", alice, hers)
    other = made(6, "trained_policies", "Pong-v5|ppo-b", bob, his)
    tuned = made(7, "trained_policies", "Pong-v5|ppo-tuned", bob, his, first)
    far = made(8, "trained_policies", "Ant-v4|ppo-a", alice, hers)
    judged = [made(event.event_id + 10, "policy_evaluations", str(event.partition), event) for event in (first, other)]
    board = made(20, "eval_leaderboards", "Pong-v5", *judged)
    bobs = made(21, "promoted_models", "Pong-v5", other, read(board, "evidence"))
    alices = made(22, "promoted_models", "Pong-v5", tuned, read(board, "evidence"))
    reports = made(23, "sweep_reports", "hers", hers, judged[0]), made(24, "sweep_reports", "his", his, judged[1])
    again = made(25, "eval_leaderboards", "Pong-v5", judged[1])
    return [alice, bob, hers, his, first, other, tuned, far, *judged, board, bobs, alices, *reports, again]


def test_the_plan_of_a_client_worked_by_hand():
    live = LivePartitions(
        dataset=frozenset(DATASETS),
        sweep=frozenset({"hers", "his", "untouched"}),
        hparam=frozenset({"ppo-a", "ppo-b", "ppo-tuned", "ppo-asked", "ppo-both"}),
        env=frozenset({"Pong-v5", "Ant-v4", "Snake-v1"}),
        cells_by_sweep={
            "hers": {("Pong-v5", "ppo-a"), ("Ant-v4", "ppo-a"), ("Ant-v4", "ppo-asked"), ("Pong-v5", "ppo-both")},
            "his": {("Pong-v5", "ppo-b"), ("Pong-v5", "ppo-both")},
        },
    )
    champions = {
        "Pong-v5": [
            reign(1, hparam="ppo-b", policy_version="v6", data_version="v21"),
            reign(2, hparam="ppo-tuned", policy_version="v7", data_version="v22", is_in_production=True),
        ],
        "Snake-v1": [reign(1, is_in_production=True)],
    }
    plan = planned(two_clients(), live=live, champions=champions, num_objects=9, size_bytes=1000)
    assert [(event.asset, event.event_id) for event in plan.erased] == [
        ("datasets", 1),
        ("sweep_configs", 3),
        ("trained_policies", 5),
        ("trained_policies", 7),
        ("trained_policies", 8),
        ("policy_evaluations", 15),
        ("eval_leaderboards", 20),
        ("promoted_models", 22),
        ("sweep_reports", 23),
    ]
    change = ChampionChange(env="Pong-v5", erased_generations=(2,), production=2, replacement=1)
    assert plan.champions == plan.promoted_now == (change,)
    assert change.action == "roll_back"
    assert plan.kept_shared == (
        SharedPartition(asset="eval_leaderboards", partition="Pong-v5", kept=(25,), shared_versions=()),
        SharedPartition(asset="promoted_models", partition="Pong-v5", kept=(21,), shared_versions=()),
    )
    assert plan.keys == KeysToRemove(
        dataset=(f"{ALICE}.d1", f"{ALICE}.d2"),
        sweep=("hers",),
        hparam=("ppo-a", "ppo-asked", "ppo-tuned"),
        env=("Ant-v4",),
    )
    assert plan.counts == {
        "datasets": 1,
        "sweep_configs": 1,
        "trained_policies": 3,
        "policy_evaluations": 1,
        "eval_leaderboards": 1,
        "promoted_models": 1,
        "sweep_reports": 1,
    }
    assert (plan.num_objects, plan.size_bytes, plan.is_decided) == (9, 1000, True)


def test_the_other_clients_plan_leaves_hers_alone():
    bobs = ErasureScope(pseudonym=BOB, datasets=(f"{BOB}.d1",), is_whole_client=True)
    plan = planned(two_clients(), bobs)
    assert ids(plan.erased) == [2, 4, 6, 7, 16, 20, 25, 21, 22, 24]


@given(
    log=logs(), keys=st.sets(st.sampled_from(DATASETS[:2]), min_size=1), included=st.sampled_from([None, True, False])
)
@settings(max_examples=1_000, deadline=None)
def test_everything_that_descends_from_the_datasets_is_in_the_plan_and_nothing_else(log, keys, included):
    scope = ErasureScope(pseudonym=ALICE, datasets=tuple(keys))
    plan = planned(log, scope, include_possibly_affected=included)
    roots = {event.event_id for event in log if event.asset == "datasets" and event.partition in keys}
    goes, may = obvious_answer(log, roots, keys, whole=True)
    assert set(ids(plan.possibly_affected)) == may
    assert set(ids(plan.erased)) == (goes | may if included else goes)
    assert len(set(plan.erased)) == len(plan.erased)
    places = [LIFE_CYCLE.index(event.asset) for event in plan.erased]
    assert places == sorted(places)
    assert {event.event_id: event.data_version for event in log}.items() >= {
        event.event_id: event.data_version for event in plan.erased
    }.items()


@given(log=logs(), asked=st.sets(st.sampled_from(["sweep-x", "sweep-y", "sweep-z"])))
@settings(max_examples=300, deadline=None)
def test_no_key_goes_that_something_left_over_uses_or_asks_for(log, asked):
    cells = {sweep: {("Ant-v4", f"ppo-{sweep[-1]}")} for sweep in asked}
    live = LivePartitions(
        sweep=frozenset(asked),
        hparam=frozenset({"ppo-x", "ppo-y", "ppo-z"}),
        env=frozenset({"Pong-v5", "Ant-v4"}),
        cells_by_sweep=cells,
    )
    plan = planned(log, live=live)
    gone = {key for keys in (plan.keys.sweep, plan.keys.hparam, plan.keys.env) for key in keys}
    left = {event.event_id for event in log} - set(ids(plan.erased))
    used = {part for event in log if event.event_id in left for part in str(event.partition).split("|")}
    assert not gone & used
    assert not gone & {key for sweep in asked - gone for cell in cells[sweep] for key in cell}
    made_use_of = {part for event in plan.erased for part in str(event.partition).split("|")}
    assert gone <= made_use_of | {key for sweep in asked & gone for cell in cells[sweep] for key in cell}


@given(log=logs(), chosen=st.sets(st.integers(1, 30)), gone=st.sets(st.integers(500, 503)))
@settings(max_examples=500, deadline=None)
def test_a_data_subject_takes_only_what_descends_from_the_versions_that_hold_it(log, chosen, gone):
    keys = set(DATASETS[:2])
    roots = {e.event_id for e in log if e.event_id in chosen and e.asset == "datasets" and e.partition in keys} | gone
    scope = ErasureScope(pseudonym=ALICE, datasets=tuple(keys), subject_digest="0" * 32)
    plan = planned(log, scope, holding_subject=roots)
    goes, may = obvious_answer(log, roots, keys, whole=False)
    assert set(ids(plan.erased)) == goes
    assert set(ids(plan.possibly_affected)) == may


def test_a_version_of_another_dataset_cannot_hold_the_subject():
    scope = ErasureScope(pseudonym=ALICE, datasets=(f"{ALICE}.d1",), subject_digest="0" * 32)
    with pytest.raises(ErasureRefused, match=rf"event 2 is datasets:{BOB}.d1, which is no version of one data subject"):
        planned(two_clients(), scope, holding_subject={2})


def test_a_subjects_dataset_keeps_its_key_as_it_is_written_anew():
    scope = ErasureScope(pseudonym=ALICE, datasets=(f"{ALICE}.d1",), subject_digest="0" * 32)
    live = LivePartitions(dataset=frozenset(DATASETS), sweep=frozenset({"hers", "his"}))
    plan = planned(two_clients(), scope, holding_subject={1}, live=live)
    assert plan.keys == KeysToRemove(sweep=("hers",))


@pytest.mark.parametrize(
    ("reigns", "goes", "replacement", "action"),
    [
        pytest.param([("w1", True), ("w2", False)], (1,), None, "keep", id="only an archived version goes"),
        pytest.param([("w1", False), ("w2", False), ("w3", True)], (3,), 2, "roll_back", id="the newest that stays"),
        pytest.param([("w1", True), ("w2", True)], (1, 2), None, "vacate", id="none stays"),
        pytest.param([("w1", False), ("w2", True), ("w1", False), ("w2", True)], (2, 4), 3, "roll_back", id="again"),
        pytest.param([("w", False), ("w", True)], (1, 2), None, "vacate", id="the same weights by another way"),
        pytest.param([("", False), ("", True)], (2,), 1, "roll_back", id="weights that were not noted are not alike"),
    ],
)
def test_the_newest_version_that_stays_takes_over(reigns, goes, replacement, action):
    facts = [
        reign(
            number, weights_sha256=weights, is_in_production=number == len(reigns), policy_version="v5" if bad else "ok"
        )
        for number, (weights, bad) in enumerate(reigns, start=1)
    ]
    plan = planned(two_clients(), champions={"Pong-v5": facts})
    assert plan.champions == (
        ChampionChange(env="Pong-v5", erased_generations=goes, production=len(reigns), replacement=replacement),
    )
    assert plan.champions[0].action == action
    assert bool(plan.promoted_now) == (action != "keep")


def test_what_cannot_serve_does_not_take_over_and_what_is_vacant_stays_so():
    unfit = [reign(1), reign(2, can_serve=False), reign(3, data_version="v22", is_in_production=True)]
    assert planned(two_clients(), champions={"Pong-v5": unfit}).promoted_now[0].replacement == 1
    vacant = [reign(1), reign(2, data_version="v22")]
    plan = planned(two_clients(), champions={"Pong-v5": vacant})
    assert plan.champions == (
        ChampionChange(env="Pong-v5", erased_generations=(2,), production=None, replacement=None),
    )
    assert plan.promoted_now == ()


def test_equal_names_in_another_environment_do_not_taint_a_champion():
    facts = [reign(1, data_version="v22", policy_version="v5", is_in_production=True)]
    assert planned(two_clients(), champions={"Ant-v4": facts}).champions == ()


def test_bytes_that_an_event_of_the_same_partition_still_names_are_told():
    log = two_clients()
    twin = replace(made(30, "eval_leaderboards", "Pong-v5"), data_version="v20")
    [board] = [shared for shared in planned([*log, twin]).kept_shared if shared.asset == "eval_leaderboards"]
    assert (board.kept, board.shared_versions) == ((25, 30), ("v20",))


def test_what_may_be_affected_goes_only_where_that_was_said():
    old = replace(made(30, "trained_policies", "Pong-v5|ppo-old"), inputs=None)
    model = made(31, "promoted_models", "Ant-v4", old)
    log = [*two_clients(), old, model]
    champions = {"Ant-v4": [reign(1, data_version="v31", is_in_production=True)]}
    undecided, kept, taken = (
        planned(log, include_possibly_affected=choice, champions=champions) for choice in (None, False, True)
    )
    assert ids(undecided.possibly_affected) == ids(kept.possibly_affected) == ids(taken.possibly_affected) == [30, 31]
    assert (undecided.is_decided, kept.is_decided, taken.is_decided) == (False, True, True)
    assert set(ids(taken.erased)) - set(ids(kept.erased)) == {30, 31}
    assert [plan.promoted_now for plan in (undecided, kept)] == [(), ()]
    assert taken.promoted_now[0].action == "vacate"
    assert len({undecided.plan_id, kept.plan_id, taken.plan_id}) == 3
