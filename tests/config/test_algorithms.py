"""A sweep says which algorithm it trains with, and takes the hyper-parameters of that one alone."""

import re
from typing import Any, get_args

import pytest

from rl_assets.config.algorithms import ALGORITHMS, AlgorithmName, hyperparameters_of
from rl_assets.config.bc import BCConfig
from rl_assets.config.ppo import PPOConfig
from rl_assets.config.recipe import Recipe, hparam_key
from rl_assets.config.sweep import SweepConfig
from rl_assets.config.sweep_plan import plan_sweep
from rl_assets.errors import BadInput
from tests.config.recipe_strategies import changed

KEY = "c-0123456789.d1"
OTHER_VALUES = {
    "learning_rate": 0.00031,
    "anneal_learning_rate": False,
    "batch_size": 65,
    "steps_per_update": 17,
    "validation_share": 0.25,
    "discount": 0.9,
    "value_coefficient": 0.7,
    "max_grad_norm": 1.5,
    "normalize_observations": True,
    "normalize_rewards": False,
    "squash_actions": True,
    "adam_epsilon": 1e-8,
}


def sweep(**changes: Any) -> SweepConfig:
    document = {"name": "s", "envs": ["CartPole-v1"], "dataset": KEY} | changes
    return SweepConfig.parse(document, source="s.yaml")


def refusal(**changes: Any) -> str:
    with pytest.raises(BadInput) as caught:
        sweep(**changes)
    return str(caught.value)


def test_the_registry_holds_every_algorithm_under_its_own_name() -> None:
    assert tuple(ALGORITHMS) == get_args(AlgorithmName)
    assert [config().name for config in ALGORITHMS.values()] == list(ALGORITHMS)


def test_a_sweep_that_clones_is_made_of_recipes_that_clone() -> None:
    plan = plan_sweep(
        sweep(algorithm="bc", fixed={"batch_size": 32}, grid={"learning_rate": [1e-3, 3e-3]}), dataset=KEY
    )
    assert [recipe.algorithm for recipe in plan.recipes.values()] == [
        BCConfig(batch_size=32),
        BCConfig(batch_size=32, learning_rate=3e-3),
    ]
    assert all(re.fullmatch(r"bc-lr=0.00[13]-batch_size=32-[0-9a-f]{10}", key) for key in plan.recipes)
    assert type(plan).model_validate_json(plan.model_dump_json()) == plan


@pytest.mark.parametrize("place", ["fixed", "grid"])
@pytest.mark.parametrize(
    ("algorithm", "name", "of"), [("bc", "clip_coefficient", "ppo"), ("ppo", "validation_share", "bc")]
)
def test_a_hyper_parameter_of_another_algorithm_is_refused_by_name(
    place: str, algorithm: AlgorithmName, name: str, of: str
) -> None:
    told = refusal(algorithm=algorithm, **{place: {name: [0.1] if place == "grid" else 0.1}})
    assert told.startswith(f"s.yaml: field '{place}': '{name}' is no hyper-parameter of {algorithm} but of {of}: ")
    assert set(re.findall(r"\w+", told.split("expected one of ")[1])) >= hyperparameters_of(algorithm)


@pytest.mark.parametrize("place", ["fixed", "grid"])
def test_a_wrong_value_is_named_where_it_was_written_whatever_the_algorithm(place: str) -> None:
    told = refusal(algorithm="bc", **{place: {"batch_size": [0] if place == "grid" else 0}})
    assert told == f"s.yaml: field '{place}.batch_size': expected a whole number from 1 to 65,536, got 0: try 64"


def test_what_looks_at_training_episodes_is_refused_where_there_are_none() -> None:
    told = refusal(algorithm="bc", halving={"rungs": [1000], "keep": 0.5})
    assert "'halving' looks at the returns of training episodes, and bc plays none: remove it" in told
    told = refusal(algorithm="bc", guardrails={"target_return": 475.0})
    assert "'guardrails.target_return' looks at the returns of training episodes" in told


@pytest.mark.parametrize("name", sorted(hyperparameters_of("bc")))
def test_a_change_of_any_hyper_parameter_changes_the_key(name: str) -> None:
    recipe = Recipe(algorithm=BCConfig(), dataset=KEY)
    assert hparam_key(changed(recipe, "algorithm", name, OTHER_VALUES[name])) != hparam_key(recipe)


def test_a_recipe_without_environments_has_segments_of_the_usual_size() -> None:
    assert Recipe(algorithm=BCConfig(), dataset=KEY).steps_per_segment == 250_000
    assert Recipe(algorithm=PPOConfig(num_envs=100), dataset=KEY).steps_per_segment == 400_000
