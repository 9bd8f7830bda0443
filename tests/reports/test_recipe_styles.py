import pytest

from rl_assets.config.ppo import PPOConfig
from rl_assets.config.recipe import Recipe, hparam_key
from rl_assets.reports.recipe_styles import MUTED, NUM_COLORS, recipe_labels, recipe_styles

SPACE = "\N{NO-BREAK SPACE}"


def recipes_with(**fields) -> dict[str, Recipe]:
    (name, values) = next(iter(fields.items()))
    recipes = [Recipe(dataset="d", algorithm=PPOConfig.model_validate({name: value})) for value in values]
    return {hparam_key(recipe): recipe for recipe in recipes}


def test_a_label_is_what_sets_a_key_apart():
    keys = ["ppo-lr=1e-05-steps=50000-1f0c9a3b2e", "ppo-lr=0.003-steps=50000-2f0c9a3b2e"]
    assert list(recipe_labels(keys).values()) == ["lr=1e-05", "lr=0.003"]


def test_a_single_key_is_named_by_all_of_its_words():
    assert recipe_labels(["ppo-lr=0.003-1f0c9a3b2e"]) == {"ppo-lr=0.003-1f0c9a3b2e": f"ppo{SPACE}· lr=0.003"}


def test_keys_that_read_alike_are_told_apart_by_their_hashes():
    labels = recipe_labels(["ppo-lr=0.003-1f0c9a3b2e", "ppo-lr=0.003-2f0c9a3b2e"])
    assert len(set(labels.values())) == 2
    assert labels["ppo-lr=0.003-2f0c9a3b2e"].endswith("2f0c9a3b2e")


@pytest.mark.parametrize("key", ["", "x", "a-b", "-=", "ppo-lr=0.003", "<b>"])
def test_any_name_has_a_label(key):
    assert recipe_labels([key, "ppo-lr=0.5-1f0c9a3b2e"])[key] or not key


def test_recipes_are_named_by_the_fields_that_differ_even_at_their_defaults():
    styles = recipe_styles(recipes_with(num_envs=[8, 16]))
    assert [style.label for style in styles.values()] == ["envs=8", "envs=16"]


def test_long_numbers_are_rounded_in_labels_while_they_stay_apart():
    styles = recipe_styles(recipes_with(learning_rate=[0.0021544346900319, 0.004641588833612]))
    assert [style.label for style in styles.values()] == ["lr=0.00215", "lr=0.00464"]
    styles = recipe_styles(recipes_with(learning_rate=[0.00215443, 0.00215444, 0.1]))
    assert [style.label for style in styles.values()] == ["lr=0.00215443", "lr=0.00215444", "lr=0.1"]


def test_every_recipe_has_its_own_colour_while_colours_last():
    styles = recipe_styles(recipes_with(learning_rate=[0.1 / n for n in range(1, NUM_COLORS + 1)]))
    assert [style.color for style in styles.values()] == [f"series-{n}" for n in range(1, NUM_COLORS + 1)]


def test_beyond_that_only_the_highlighted_have_one():
    recipes = recipes_with(learning_rate=[0.1 / n for n in range(1, NUM_COLORS + 4)])
    best = list(recipes)[::-1]
    styles = recipe_styles(recipes, highlighted=best)
    assert {hparam for hparam, style in styles.items() if not style.is_muted} == set(best[:NUM_COLORS])
    assert len({style.color for style in styles.values()}) == NUM_COLORS + 1


def test_recipes_of_other_sweeps_are_muted_and_keep_their_words():
    recipes = recipes_with(learning_rate=[0.1, 0.2])
    style = recipe_styles(recipes, others=["ppo-lr=0.1-steps=7-1f0c9a3b2e"])["ppo-lr=0.1-steps=7-1f0c9a3b2e"]
    assert style.color == MUTED
    assert style.label == f"ppo{SPACE}· lr=0.1{SPACE}· steps=7"
