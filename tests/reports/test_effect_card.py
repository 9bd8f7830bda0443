import itertools

import pytest

from rl_assets.config.ppo import PPOConfig
from rl_assets.config.recipe import Recipe, hparam_key
from rl_assets.reports.effect_card import MAX_AXES, MAX_MAPS, effect_card
from rl_assets.reports.page import html_page
from rl_assets.reports.recipe_styles import recipe_styles
from rl_assets.statistics.ranking import CellEpisodes, rank_policies

FIELDS = ("num_envs", "num_steps", "num_minibatches", "update_epochs", "learning_rate", "discount", "trace_decay")


def recipes_of(**grid):
    found = {}
    for values in itertools.product(*grid.values()):
        recipe = Recipe(dataset="d", algorithm=PPOConfig.model_validate(dict(zip(grid, values, strict=True))))
        found[hparam_key(recipe)] = recipe
    return found


@pytest.fixture
def show(parse):
    def render(recipes, *, evaluated=None, others=()):
        known = list(recipes)[:evaluated]
        cells = {hparam: CellEpisodes(returns=[[float(place)]]) for place, hparam in enumerate([*known, *others])}
        figures = {}
        rows = rank_policies(cells) if cells else ()
        styles = recipe_styles(recipes, others=others)
        card = effect_card(rows, recipes, styles, env="E-v1", position=4, figures=figures)
        return " ".join(parse(html_page(title="t", body=card)).text.split()), figures

    return render


def test_two_hyper_parameters_have_lines_and_one_map_without_a_menu(show):
    text, figures = show(recipes_of(learning_rate=[1e-4, 1e-2], num_envs=[8, 16]))
    assert set(figures) == {"effects-4", "maps-4"}
    assert "choices" not in figures["maps-4"]
    assert "Logarithmic: learning_rate." in text
    assert "A tile is a recipe; an empty one was not evaluated. 4 recipes in all." in text
    assert "Show" not in text


def test_more_of_them_have_a_menu_of_all_pairs_the_strongest_first(show):
    recipes = recipes_of(learning_rate=[1e-4, 1e-2], num_envs=[8, 16], discount=[0.9, 0.99])
    text, figures = show(recipes)
    assert len(figures["maps-4"]["choices"]) == 2
    assert "Show learning_rate × num_envs learning_rate × discount num_envs × discount" in text
    names = [note["text"] for note in figures["effects-4"]["layout"]["annotations"] if note["font"].get("weight")]
    assert names == ["discount", "num_envs", "learning_rate", "mean return"]


def test_many_are_left_out_and_named(show):
    grid = {name: [2, 4] for name in FIELDS[:4]}
    grid |= {"learning_rate": [0.1, 0.2], "discount": [0.1, 0.2], "trace_decay": [0.1, 0.2]}
    grid |= {"clip_coefficient": [0.1, 0.2], "max_grad_norm": [0.1, 0.2]}
    recipes = dict(list(recipes_of(**grid).items())[::37])
    text, figures = show(recipes)
    axes = [note for note in figures["effects-4"]["layout"]["annotations"] if note["font"].get("weight")]
    assert len(axes) == MAX_AXES + 1
    assert "Left out, with less effect: " in text
    assert len(figures["maps-4"]["choices"]) == MAX_MAPS - 1


def test_a_single_varied_one_has_no_map_and_says_so(show):
    text, figures = show(recipes_of(discount=[0.9, 0.99]))
    assert set(figures) == {"effects-4"}
    assert "Only discount varies, so there is no map of two hyper-parameters." in text


@pytest.mark.parametrize(
    ("recipes", "evaluated", "words"),
    [
        (recipes_of(discount=[0.9]), 1, "The sweep has a single recipe: no hyper-parameter varies"),
        (recipes_of(discount=[0.9, 0.99]), 0, "No recipe of the sweep's 2 has been evaluated here"),
        (recipes_of(discount=[0.9, 0.99]), 1, "A single recipe of the sweep's 2 has been evaluated here"),
    ],
)
def test_where_nothing_can_be_compared_the_reason_is_given(show, recipes, evaluated, words):
    text, figures = show(recipes, evaluated=evaluated)
    assert words in text
    assert figures == {}


def test_recipes_of_other_sweeps_are_no_part_of_it(show):
    text, _ = show(recipes_of(discount=[0.9, 0.99], num_envs=[8, 16]), others=("ppo-lr=0.5-0123456789",))
    assert "4 recipes in all." in text
