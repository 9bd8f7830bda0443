from typing import Any

import pytest

from rl_assets.config.parent import InitFrom, Parent
from rl_assets.config.sweep import SweepConfig
from rl_assets.config.sweep_plan import plan_sweep
from rl_assets.errors import InvalidConfig

POLICY = "ppo-lr=0.001-0123456789"
DATASET = "c-0123456789.d1"


def sweep(**changes: Any) -> SweepConfig:
    return SweepConfig.parse({"name": "s", "envs": ["CartPole-v1"], "dataset": DATASET} | changes, source="s.yaml")


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("champion", InitFrom(hparam="champion")),
        (POLICY, InitFrom(hparam=POLICY)),
        ({"hparam": POLICY, "env": "Acrobot-v1"}, InitFrom(hparam=POLICY, env="Acrobot-v1")),
        ({"hparam": POLICY, "member_seed": 3}, InitFrom(hparam=POLICY, member_seed=3)),
    ],
)
def test_a_parent_is_written_as_a_word_or_as_a_mapping(written, meant):
    assert sweep(init_from=written).init_from == meant
    assert sweep(sequence=[{"init_from": written}, {}]).parent == meant


@pytest.mark.parametrize(
    ("written", "told"),
    [
        ({"hparam": "champion", "member_seed": 0}, "member_seed 0 stands beside 'champion', which has one member"),
        ("a|b", "hparam key 'a|b' holds '|'"),
        ({"hparam": POLICY, "env": "a,b"}, "env key 'a,b' holds ','"),
        ({"hparam": POLICY, "member_seed": -1}, "init_from.member_seed': expected a whole number from 0 to"),
        ({"env": "Acrobot-v1"}, "field 'init_from.hparam'"),
        ({"hparam": POLICY, "seed": 1}, "unknown field 'init_from.seed'"),
        (3, "field 'init_from'"),
    ],
)
def test_a_parent_that_cannot_be_meant_is_refused_by_its_field(written, told):
    with pytest.raises(InvalidConfig) as refusal:
        sweep(init_from=written)
    assert told in str(refusal.value)


def test_a_champion_is_resolved_to_who_reigns_and_a_policy_is_not():
    reigning = {"CartPole-v1": 3}
    assert InitFrom(hparam="champion").resolved(reigning) == Parent(hparam="champion", generations=reigning)
    assert InitFrom(hparam=POLICY, member_seed=1).resolved(None) == Parent(hparam=POLICY, member_seed=1)


def test_a_parent_stands_in_the_training_s_own_environment_or_in_another():
    assert Parent(hparam=POLICY).env_of("CartPole-v1") == "CartPole-v1"
    assert Parent(hparam=POLICY, env="Acrobot-v1").env_of("CartPole-v1") == "Acrobot-v1"


def test_every_recipe_of_a_sweep_starts_from_its_parent():
    asked = sweep(init_from="champion", grid={"learning_rate": [1e-3, 1e-2]})
    plan = plan_sweep(asked, dataset=DATASET, generations={"CartPole-v1": 2})
    assert [recipe.init_from for recipe in plan.recipes.values()] == [
        Parent(hparam="champion", generations={"CartPole-v1": 2})
    ] * 2
    assert all("-init=champion.2-" in key for key in plan.recipes)
    assert plan.recipes.keys().isdisjoint(plan_sweep(sweep(grid=asked.grid), dataset=DATASET).recipes)
