import pytest

from rl_assets.config.network import NetworkConfig
from rl_assets.config.ppo import PPOConfig
from rl_assets.config.recipe import Recipe
from rl_assets.reports.hyperparameters import Hyperparameter, by_effect, hyperparameter, varied_hyperparameters


def axis(*values) -> Hyperparameter:
    found = hyperparameter("field", {f"r{place}": value for place, value in enumerate(values)})
    assert found is not None
    return found


def positions(found: Hyperparameter) -> list[float]:
    return [round(found.position(hparam), 3) for hparam in found.values]


def test_only_what_differs_is_found_and_kinds_follow_from_the_values():
    recipes = {
        f"r{place}": Recipe(
            dataset="d",
            algorithm=PPOConfig(learning_rate=rate, num_envs=envs, clip_value_loss=clips, target_kl=limit),
            network=NetworkConfig(hidden_sizes=sizes),
        )
        for place, (rate, envs, clips, limit, sizes) in enumerate(
            [(1e-4, 8, True, None, (64, 64)), (1e-2, 16, False, 0.02, (256,)), (1e-3, 8, True, None, (64, 64))]
        )
    }
    found = {parameter.name: parameter for parameter in varied_hyperparameters(recipes)}
    assert {name: parameter.kind for name, parameter in found.items()} == {
        "learning_rate": "log",
        "num_envs": "linear",
        "clip_value_loss": "category",
        "target_kl": "category",
        "hidden_sizes": "category",
    }
    assert found["learning_rate"].levels == (1e-4, 1e-3, 1e-2)
    assert found["clip_value_loss"].levels == (False, True)
    assert found["hidden_sizes"].texts == ("64x64", "256")
    assert found["target_kl"].texts == ("null", "0.02")


def test_nothing_varies_among_equal_recipes_and_none():
    assert varied_hyperparameters({"a": Recipe(dataset="d"), "b": Recipe(dataset="d")}) == ()
    assert varied_hyperparameters({}) == ()


def test_values_that_are_spread_stand_on_a_logarithmic_axis():
    assert positions(axis(10, 1000, 100)) == [0.0, 1.0, 0.5]
    assert positions(axis(10, 30, 20)) == [0.0, 1.0, 0.5]
    assert [axis(1, last).kind for last in (7, 8)] == ["linear", "log"]
    assert axis(0, 100).kind == "linear", "there is no logarithm of 0"


def test_categories_are_evenly_apart_in_the_order_of_the_recipes():
    assert positions(axis("relu", "tanh", "elu", "tanh")) == [0.0, 0.5, 1.0, 0.5]


def test_few_values_are_all_marked_unless_they_would_touch():
    found = axis(1, 2, 10, 20)
    assert [text for _, text in found.ticks(min_gap=0.01)] == ["1", "2", "10", "20"]
    assert [text for _, text in found.ticks(min_gap=0.3)] == ["1", "10"]


@pytest.mark.parametrize(
    ("values", "texts"),
    [
        ([float(n) for n in range(10, 20)], ["10", "12", "14", "16", "18"]),
        ([10.0 ** (n / 4) for n in range(-8, 9)], ["0.01", "0.1", "1", "10", "100"]),
        ([1.1 * 1.3**n for n in range(9)], ["1.1", "8.97"]),
    ],
    ids=["linear", "log", "log within one power"],
)
def test_many_values_have_round_marks_inside_their_range(values, texts):
    assert [text for _, text in axis(*values).ticks(min_gap=0.01)] == texts


def test_numbers_are_short_as_long_as_they_stay_apart():
    assert axis(0.00123456, 0.5, 0.123456).texts == ("0.00123", "0.123", "0.5")
    assert axis(0.1234561, 0.1234562).texts == ("0.1234561", "0.1234562")


def test_what_decides_the_return_comes_first():
    recipes = {
        f"{rate}-{envs}": Recipe(dataset="d", algorithm=PPOConfig(learning_rate=rate, num_envs=envs))
        for rate in (1e-3, 1e-2)
        for envs in (8, 16, 32)
    }
    weak = {key: recipe.algorithm.learning_rate * 1e-3 + recipe.algorithm.num_envs for key, recipe in recipes.items()}
    strong = {key: recipe.algorithm.learning_rate * 1e6 + recipe.algorithm.num_envs for key, recipe in recipes.items()}
    parameters = varied_hyperparameters(recipes)
    assert [parameter.name for parameter in by_effect(parameters, weak)] == ["num_envs", "learning_rate"]
    assert [parameter.name for parameter in by_effect(parameters, strong)] == ["learning_rate", "num_envs"]
    equal = dict.fromkeys(recipes, 1.0)
    assert by_effect(parameters, equal) == parameters, "with nothing to explain, the order stays"


def test_a_level_for_each_recipe_explains_no_more_than_a_straight_line():
    recipes = {
        f"{place}": Recipe(dataset="d", algorithm=PPOConfig(discount=0.9 + place / 1000, num_envs=(8, 16)[place > 4]))
        for place in range(10)
    }
    returns = {key: 100.0 * (int(key) > 4) + (7 * int(key)) % 5 for key in recipes}
    first, _ = by_effect(varied_hyperparameters(recipes), returns)
    assert first.name == "num_envs"
