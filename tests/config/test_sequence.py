from typing import Any

import pytest

from rl_assets.config.parent import Parent
from rl_assets.config.sweep import MAX_CELLS, SweepConfig, expand_recipes
from rl_assets.config.sweep_plan import plan_sweep
from rl_assets.errors import BadInput

DATASET, OTHER = "c-0123456789.d1", "c-9876543210.d1"
POLICY = "ppo-lr=0.001-0123456789"


def sweep(*steps: dict[str, Any], **changes: Any) -> SweepConfig:
    document = {"name": "s", "envs": ["CartPole-v1"], "dataset": DATASET, "sequence": list(steps)}
    return SweepConfig.parse(document | changes, source="s.yaml")


def refusal(*steps: dict[str, Any], **changes: Any) -> str:
    with pytest.raises(BadInput) as caught:
        sweep(*steps, **changes)
    return str(caught.value)


def test_each_step_starts_from_the_one_before():
    plan = plan_sweep(sweep({}, {"fixed": {"learning_rate": 1e-4}}, {"total_timesteps": 500}), dataset=DATASET)
    first, second, third = plan.recipes
    assert plan.recipes[first].init_from is None
    assert plan.parents == {second: Parent(hparam=first), third: Parent(hparam=second)}
    assert plan.num_levels == 3
    assert plan.num_members == 3 * 5


def test_a_step_is_made_for_each_recipe_of_the_step_before():
    steps = [
        {"grid": {"learning_rate": [1e-3, 1e-2]}},
        {"grid": {"update_epochs": [1, 2, 3]}},
        {"fixed": {"discount": 0.9}},
    ]
    plan = plan_sweep(sweep(*steps), dataset=DATASET)
    recipes = list(plan.recipes.values())
    assert (len(recipes), plan.num_levels) == (2 + 6 + 6, 3)
    parents = [parent.hparam for parent in plan.parents.values()]
    keys = list(plan.recipes)
    assert parents == [keys[0]] * 3 + [keys[1]] * 3 + keys[2:8], "parents stand before their children"
    assert [recipe.algorithm.update_epochs for recipe in recipes[2:8]] == [1, 2, 3, 1, 2, 3]
    assert {recipe.algorithm.discount for recipe in recipes[8:]} == {0.9}


def test_a_step_takes_what_it_does_not_say_from_the_sweep():
    shared = {
        "fixed": {"learning_rate": 1e-2, "discount": 0.9},
        "total_timesteps": 1_000,
        "segment_steps": 500,
        "guardrails": {"target_return": 10.0},
        "network": {"hidden_sizes": [8]},
    }
    own = {
        "fixed": {"learning_rate": 1e-4},
        "total_timesteps": 2_000,
        "segment_steps": 700,
        "guardrails": {"max_kl": 5.0},
        "dataset": OTHER,
    }
    first, second = expand_recipes(sweep({}, own, **shared), dataset=DATASET, source="s")
    assert (first.algorithm.learning_rate, second.algorithm.learning_rate) == (1e-2, 1e-4)
    assert (first.algorithm.discount, second.algorithm.discount) == (0.9, 0.9)
    assert (first.total_timesteps, second.total_timesteps) == (1_000, 2_000)
    assert (first.segment_steps, second.segment_steps) == (500, 700)
    assert (first.guardrails.target_return, second.guardrails.target_return) == (10.0, None)
    assert second.guardrails.max_kl == 5.0
    assert (first.dataset, second.dataset) == (DATASET, OTHER)
    assert first.network == second.network
    assert plan_sweep(sweep({}, own, **shared), dataset=DATASET).datasets == (DATASET, OTHER)


@pytest.mark.parametrize(
    ("shared", "step", "value"),
    [
        ({"fixed": {"total_timesteps": 100}}, {"total_timesteps": 200}, 200),
        ({"total_timesteps": 100}, {"fixed": {"total_timesteps": 200}}, 200),
        ({"total_timesteps": 100}, {"grid": {"total_timesteps": [200]}}, 200),
        ({"fixed": {"total_timesteps": 100}}, {"grid": {"total_timesteps": [200]}}, 200),
        ({"fixed": {"total_timesteps": 100}}, {}, 100),
    ],
)
def test_a_step_s_own_value_wins_wherever_either_stands(shared, step, value):
    (recipe,) = expand_recipes(sweep(step, **shared), dataset=DATASET, source="s")
    assert recipe.total_timesteps == value


def test_a_sequence_of_one_step_asks_for_what_the_plain_sweep_asks_for():
    plain = plan_sweep(sweep(grid={"learning_rate": [1e-3, 1e-2]}), dataset=DATASET)
    stepped = plan_sweep(sweep({"grid": {"learning_rate": [1e-3, 1e-2]}}), dataset=DATASET)
    assert stepped == plain


def test_the_first_step_starts_from_the_sweep_s_own_parent_unless_it_names_another():
    (recipe,) = expand_recipes(sweep({}, init_from=POLICY), dataset=DATASET, source="s")
    assert recipe.init_from == Parent(hparam=POLICY)
    named = sweep({"init_from": {"hparam": POLICY, "member_seed": 2}}, {}, init_from="champion")
    first, second = expand_recipes(named, dataset=DATASET, source="s")
    assert first.init_from == Parent(hparam=POLICY, member_seed=2)
    assert second.init_from is not None
    assert second.init_from.hparam.startswith("ppo-lr=0.001-init=0123456789.m2-")


def test_a_sequence_survives_being_written_and_read():
    asked = sweep({"init_from": "champion", "grid": {"learning_rate": [1e-3]}}, {"guardrails": {"max_kl": None}})
    assert SweepConfig.parse(asked.model_dump(mode="json"), source="again") == asked


@pytest.mark.parametrize(
    ("steps", "changes", "told"),
    [
        (
            [{}, {"fixed": {"learning_rates": 1}}],
            {},
            "(step 2 of the sequence): field 'sequence.1.fixed': 'learning_rates' is no hyper-parameter: did you "
            "mean 'learning_rate'?",
        ),
        (
            [{}, {"fixed": {"discount": 2.0}}],
            {},
            "s.yaml: field 'sequence.1.fixed.discount': expected a number from 0 to 1, got 2.0",
        ),
        (
            [{}, {"grid": {"discount": [0.9, 2.0]}}],
            {},
            "field 'sequence.1.grid.discount': expected a number from 0 to 1, got 2.0",
        ),
        (
            [{"fixed": {"discount": 0.9}, "grid": {"discount": [0.8]}}],
            {},
            "s.yaml (step 1 of the sequence): 'discount' stands under both fixed and grid: keep one",
        ),
        ([{"total_timesteps": 0}], {}, "s.yaml: field 'sequence.0.total_timesteps': expected a whole number from 1 to"),
        ([{"algorithm": "sac"}], {}, "s.yaml: field 'sequence.0.algorithm'"),
        ([{"steps": 1}], {}, "s.yaml: unknown field 'sequence.0.steps'"),
        ([{"network": {}}], {}, "s.yaml: unknown field 'sequence.0.network'"),
        ([{}, {"init_from": "champion"}], {}, "sequence.1.init_from: a later step starts from the step before it"),
        ([{}], {"grid": {"discount": [0.9]}}, "'grid' stands beside 'sequence': put it into the step"),
        ([{}], {"halving": {"rungs": [1_000]}}, "'halving' stands beside 'sequence', whose steps all train to the end"),
        (
            [{}, {"grid": {"discount": [0.9, 0.9]}}],
            {},
            "s.yaml: field 'sequence.1.grid.discount': expected each value once, got 0.9 twice",
        ),
    ],
)
def test_what_is_wrong_is_refused_by_step_and_field(steps, changes, told):
    assert told in refusal(*steps, **changes)


@pytest.mark.parametrize(
    ("field", "value", "told"),
    [
        ("hidden_sizes", [8], "expected hidden_sizes [64, 64], got [8]"),
        ("activation", "relu", "expected activation 'tanh', got 'relu'"),
        ("normalize_observations", True, "expected normalize_observations false, got true"),
        ("squash_actions", True, "expected squash_actions false, got true"),
    ],
)
def test_a_step_that_would_read_the_weights_otherwise_is_refused_with_both_named(field, value, told):
    text = refusal({}, {}, {"fixed": {field: value}})
    assert text == (
        f"s.yaml: field 'sequence.2': step 3 starts from step 2 and must act like it: {told}: say it once for all steps"
    )


def test_a_sequence_too_large_is_refused_without_expanding_it():
    steps = [{"grid": {name: [0.1 + number / 1000 for number in range(99)]}} for name in ("discount", "trace_decay")]
    assert f"field 'sequence' spans {99 + 99 * 99} combinations of env and recipe: expected at most {MAX_CELLS}" in (
        refusal(*steps)
    )
