import copy
import json
from dataclasses import replace

import pytest

from rl_assets.erasure.plan import ErasurePlan, KeysToRemove, explain_stale
from rl_assets.erasure.planning import LivePartitions, plan_erasure
from rl_assets.erasure.scope import ErasureScope
from rl_assets.errors import ErasureRefused, PlanStale
from rl_assets.lineage.graph import LineageGraph
from tests.erasure.lineage_logs import ALICE, made
from tests.erasure.test_planning import ALICES, planned, reign, two_clients

CHAMPIONS = {"Pong-v5": [reign(1), reign(2, data_version="v22", is_in_production=True)]}
LIVE = LivePartitions(dataset=frozenset(ALICES.datasets), sweep=frozenset({"hers"}))


def plan(*more, **settings) -> ErasurePlan:
    return planned([*two_clients(), *more], **{"champions": CHAMPIONS, "live": LIVE} | settings)


def test_a_plan_survives_its_way_through_json():
    made_plan = plan(num_objects=3, size_bytes=4)
    read = ErasurePlan.from_json(json.loads(json.dumps(made_plan.to_json())))
    assert read == made_plan
    assert (read.plan_id, read.num_objects, read.size_bytes) == (made_plan.plan_id, 3, 4)
    assert len(read.plan_id) == 14


def test_the_id_is_that_of_what_would_be_done():
    usual = plan()
    assert plan().plan_id == usual.plan_id
    assert plan(size_bytes=99).plan_id == usual.plan_id
    others = [
        plan(made(40, "trained_policies", "Pong-v5|ppo-c", two_clients()[0])),
        plan(log_id="log-2"),
        plan(champions={}),
        plan(live=LivePartitions()),
        plan(scope=replace(ALICES, is_whole_client=False)),
    ]
    assert len({usual.plan_id, *(other.plan_id for other in others)}) == 6
    old = replace(made(40, "trained_policies", "Pong-v5|ppo-old"), inputs=None)
    assert len({plan(old, include_possibly_affected=decided).plan_id for decided in (None, True, False)}) == 3


def test_a_decision_on_nothing_is_none():
    assert plan(include_possibly_affected=True).plan_id == plan().plan_id
    assert plan(include_possibly_affected=False).include_possibly_affected is None


@pytest.mark.parametrize("asset", ["eval_leaderboards", "gate_evaluations", "sweep_reports"])
def test_what_is_made_again_anyway_is_listed_and_no_part_of_the_id(asset: str):
    again = plan(made(40, asset, "E", two_clients()[0]))
    assert 40 in {event.event_id for event in again.erased}
    assert again.plan_id == plan().plan_id


def test_what_is_trained_elsewhere_leaves_the_plan_as_it_is():
    assert plan(made(40, "trained_policies", "Pong-v5|ppo-c", two_clients()[1])).plan_id == plan().plan_id


@pytest.mark.parametrize(
    ("field", "value"),
    [("log_id", "log-9"), ("erased", []), ("include_possibly_affected", True), ("plan_id", "p-000000000000")],
)
def test_a_plan_that_was_changed_is_refused(field, value):
    with pytest.raises(ErasureRefused, match="was changed after it was made"):
        ErasurePlan.from_json(plan().to_json() | {field: value})


def test_what_is_no_plan_is_refused():
    whole = plan().to_json()
    for name in set(whole) - {"plan_id"}:
        lacking = copy.deepcopy(whole)
        del lacking[name]
        with pytest.raises(ErasureRefused, match="make the plan again"):
            ErasurePlan.from_json(lacking)
    whole["erased"][0]["owner"] = "somebody"
    with pytest.raises(ErasureRefused, match="owner"):
        ErasurePlan.from_json(whole)


def test_only_the_plan_that_was_confirmed_is_executed():
    shown = plan()
    shown.confirm(shown.plan_id)
    now = plan(made(40, "trained_policies", "Pong-v5|ppo-c", two_clients()[0]))
    with pytest.raises(PlanStale, match=rf"'{shown.plan_id}' is not .*new: trained_policies:Pong-v5\|ppo-c@40"):
        now.confirm(shown.plan_id, shown=shown)
    with pytest.raises(PlanStale, match="nothing was done; print the plan again"):
        now.confirm("p-000000000000", shown=shown)


def test_an_undecided_plan_is_not_executed():
    old = replace(made(40, "trained_policies", "Pong-v5|ppo-old"), inputs=None)
    undecided = plan(old)
    with pytest.raises(
        ErasureRefused, match=r"origin of trained_policies:Pong-v5\|ppo-old@40 was not recorded.*say whether"
    ):
        undecided.confirm(undecided.plan_id)
    decided = plan(old, include_possibly_affected=False)
    decided.confirm(decided.plan_id)


def test_the_difference_between_two_plans_is_told():
    old = plan()
    assert explain_stale(old, plan()) == "nothing has changed"
    many = [made(40 + number, "trained_policies", f"Pong-v5|ppo-{number}", two_clients()[0]) for number in range(7)]
    assert "@44 and 2 more" in explain_stale(old, plan(*many))
    assert "to be erased, no more: trained_policies:Pong-v5|ppo-0@40" in explain_stale(plan(*many), old)
    assert "another event log" in explain_stale(old, plan(log_id="log-2"))
    assert explain_stale(old, plan(champions={})) == (
        "champions, no more: Pong-v5 roll back to generation 1 (erased: generations 2)"
    )
    assert explain_stale(old, plan(live=LivePartitions(sweep=frozenset({"hers"})))) == (
        f"partition keys, no more: dataset '{ALICE}.d1', dataset '{ALICE}.d2'"
    )
    narrower = plan(scope=ErasureScope(pseudonym=ALICE, datasets=(f"{ALICE}.d2",)))
    assert "it was about all of client" in explain_stale(old, narrower)


def test_nothing_to_erase_is_a_plan_too():
    empty = plan_erasure(LineageGraph.build([]), ALICES, champions={}, log_id="log-1", live=LivePartitions())
    assert (empty.erased, empty.counts, empty.keys) == ((), {}, KeysToRemove())
    empty.confirm(empty.plan_id)
