import re
from typing import get_args

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st
from pydantic import BaseModel

from rl_assets.config.canonical import config_hash
from rl_assets.config.guardrails import GuardrailsConfig
from rl_assets.config.keys import HASH_LENGTH, check_key
from rl_assets.config.network import NetworkConfig
from rl_assets.config.parent import Parent
from rl_assets.config.ppo import PPOConfig
from rl_assets.config.recipe import Recipe, hparam_key
from tests.config.recipe_strategies import changed, recipes

DATASET = "c-0123456789.d1"
OTHER_VALUES = {
    "algorithm": {
        "learning_rate": 0.00031,
        "anneal_learning_rate": False,
        "num_envs": 16,
        "num_steps": 256,
        "num_minibatches": 2,
        "update_epochs": 11,
        "discount": 0.9,
        "trace_decay": 0.9,
        "clip_coefficient": 0.3,
        "clip_value_loss": True,
        "entropy_coefficient": 0.01,
        "value_coefficient": 0.7,
        "max_grad_norm": 1.5,
        "normalize_advantages": False,
        "target_kl": 0.02,
        "normalize_observations": True,
        "normalize_rewards": True,
        "squash_actions": True,
        "adam_epsilon": 1e-8,
    },
    "network": {
        "hidden_sizes": (64, 65),
        "activation": "relu",
        "image_features": 256,
        "image_precision": "float32",
    },
    "guardrails": {
        "max_reward": 1e3,
        "max_reward_ratio": None,
        "max_saturated_actions": 0.9,
        "max_kl": None,
        "max_value_loss_ratio": 1e3,
        "max_gradient_ratio": None,
        "min_entropy": 1e-3,
        "min_action_deviation": None,
        "max_return_drop": 0.5,
        "patience": 7,
        "target_return": 475.0,
        "target_episodes": 20,
    },
    "": {
        "total_timesteps": 200_001,
        "segment_steps": 999_999,
        "dataset": "c-0123456789.d2",
        "init_from": {"hparam": "ppo-lr=0.001-0a1b2c3d4e"},
    },
}
FIELDS = [(part, name) for part, values in OTHER_VALUES.items() for name in values]


def other(recipe: Recipe, part: str, name: str) -> Recipe:
    """The recipe with another value of one field, whatever its value is."""
    value = getattr(getattr(recipe, part) if part else recipe, name)
    other_value = not value if isinstance(value, bool) else OTHER_VALUES[part][name]
    return changed(recipe, part, name, other_value)


def test_the_table_above_holds_every_field_that_decides_a_training():
    single_valued = {"name"}
    assert len(get_args(PPOConfig.model_fields["name"].annotation)) == 1
    models: dict[str, type[BaseModel]] = {
        "algorithm": PPOConfig,
        "network": NetworkConfig,
        "guardrails": GuardrailsConfig,
        "": Recipe,
    }
    for part, model in models.items():
        assert set(OTHER_VALUES[part]) == set(model.model_fields) - single_valued - set(models)


@pytest.mark.parametrize(("part", "name"), FIELDS)
def test_a_change_of_any_field_changes_the_key(part, name):
    recipe = Recipe(dataset=DATASET, algorithm=PPOConfig(num_envs=8, num_steps=128, num_minibatches=4))
    assert hparam_key(other(recipe, part, name)) != hparam_key(recipe)


@given(recipe=recipes(), field=st.sampled_from([field for field in FIELDS if not field[1].startswith("num_")]))
def test_a_change_of_any_field_of_any_recipe_changes_the_key(recipe: Recipe, field: tuple[str, str]):
    another = other(recipe, *field)
    assume(another != recipe)
    assert hparam_key(another) != hparam_key(recipe)


@given(first=recipes(), second=recipes())
def test_two_recipes_have_one_key_only_if_they_are_equal(first: Recipe, second: Recipe):
    assert (hparam_key(first) == hparam_key(second)) == (first == second)


@given(recipe=recipes())
@example(recipe=Recipe(dataset=DATASET, network=NetworkConfig(hidden_sizes=(4096,) * 8)))
def test_every_recipe_has_a_valid_key_that_ends_in_its_hash(recipe: Recipe):
    key = hparam_key(recipe)
    assert check_key(key, kind="hparam") == key
    assert len(key) <= 71
    assert re.fullmatch(r"ppo-[A-Za-z0-9._=-]*-[0-9a-f]{10}", key)
    assert key.endswith(config_hash(recipe)[:HASH_LENGTH])


@given(recipe=recipes())
def test_a_key_never_shows_half_a_value(recipe: Recipe):
    """`steps=1000` must not stand for 100000: every word of the readable part is true of the recipe."""
    values = {
        "lr": recipe.algorithm.learning_rate,
        "steps": recipe.total_timesteps,
        "envs": recipe.algorithm.num_envs,
        "hidden": "x".join(map(str, recipe.network.hidden_sizes)),
    }
    readable = hparam_key(recipe)[: -HASH_LENGTH - 1]
    shown = re.findall(r"-(lr|steps|envs|hidden)=([^=]+?)(?=-[a-z]|$)", readable)
    for name, text in shown:
        assert text == values[name] if name == "hidden" else float(text) == values[name]


def test_a_key_names_what_differs_from_the_defaults():
    recipe = Recipe(
        dataset=DATASET,
        algorithm=PPOConfig(learning_rate=3e-4, normalize_observations=True),
        network=NetworkConfig(hidden_sizes=(32, 16)),
        total_timesteps=100_000,
    )
    key = hparam_key(recipe)[: -HASH_LENGTH - 1]
    assert key == "ppo-lr=0.0003-normalize_observations=true-hidden=32x16"


def test_keys_from_before_there_were_parents_stand():
    plain = Recipe(dataset=DATASET)
    larger = Recipe(dataset=DATASET, total_timesteps=1_000, algorithm=PPOConfig(learning_rate=3e-4, num_envs=16))
    assert hparam_key(plain) == "ppo-lr=0.001-eaee1b7672"
    assert hparam_key(larger) == "ppo-lr=0.0003-envs=16-steps=1000-d584a5bdfe"
    assert "init_from" not in plain.model_dump(mode="json"), "what is published of them stays the same, too"


@pytest.mark.parametrize(
    ("parent", "word"),
    [
        ({"hparam": "champion", "generations": {"CartPole-v1": 3}}, "init=champion.3"),
        ({"hparam": "champion", "generations": {"A-v1": 3, "B-v1": 3}}, "init=champion.3"),
        ({"hparam": "champion", "generations": {"A-v1": 3, "B-v1": 4}}, "init=champion"),
        ({"hparam": "ppo-lr=0.01-1f0c9a3b2e"}, "init=1f0c9a3b2e"),
        ({"hparam": "ppo-lr=0.01-1f0c9a3b2e", "member_seed": 7}, "init=1f0c9a3b2e.m7"),
    ],
)
def test_a_key_names_what_it_starts_from(parent, word):
    recipe = Recipe(dataset=DATASET, init_from=Parent(**parent), total_timesteps=1_000)
    assert hparam_key(recipe)[: -HASH_LENGTH - 1] == f"ppo-lr=0.001-{word}-steps=1000"


def test_another_reign_is_another_recipe():
    keys = {
        hparam_key(Recipe(dataset=DATASET, init_from=Parent(hparam="champion", generations=generations)))
        for generations in ({"A": 1, "B": 2}, {"A": 2, "B": 1}, {"A": 1}, {"A": 1, "B": 1})
    }
    assert len(keys) == 4


def test_the_learning_rate_is_always_named():
    assert re.fullmatch(r"ppo-lr=[0-9.e-]+-[0-9a-f]{10}", hparam_key(Recipe(dataset=DATASET)))


def test_a_key_names_guardrails_that_differ():
    recipe = Recipe(dataset=DATASET, guardrails=GuardrailsConfig(max_kl=None, target_return=475.0))
    assert hparam_key(recipe)[: -HASH_LENGTH - 1] == "ppo-lr=0.001-max_kl=null-target_return=475"


def test_a_word_that_does_not_fit_is_left_out_and_later_ones_are_not():
    recipe = Recipe(
        dataset=DATASET,
        algorithm=PPOConfig(learning_rate=0.000123),
        network=NetworkConfig(hidden_sizes=(4096,) * 8),
        total_timesteps=123,
    )
    assert "hidden" not in hparam_key(recipe)
    assert "-steps=123-" in hparam_key(recipe)


@given(recipe=recipes())
def test_a_recipe_survives_json_with_its_key(recipe: Recipe):
    assert hparam_key(Recipe.model_validate_json(recipe.model_dump_json())) == hparam_key(recipe)
