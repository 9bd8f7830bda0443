import json
import re

import plotly.graph_objects as go
import pytest

from rl_assets.config.ppo import PPOConfig
from rl_assets.config.recipe import Recipe
from rl_assets.reports.effect_figures import NUM_SHADES, Results, hyperparameter_map, parallel_coordinates
from rl_assets.reports.hyperparameters import varied_hyperparameters
from rl_assets.reports.page import page_file

GRID = {(rate, envs): rate * 1e4 + envs for rate in (1e-3, 1e-2) for envs in (8, 16, 32)}
"""(learning rate, number of environments) -> mean return."""


def results_of(returns):
    recipes = {
        f"{rate}/{envs}": Recipe(dataset="d", algorithm=PPOConfig(learning_rate=rate, num_envs=envs))
        for rate, envs in returns
    }
    by_name = {f"{rate}/{envs}": value for (rate, envs), value in returns.items()}
    return varied_hyperparameters(recipes), Results(returns=by_name, labels={name: f"<{name}>" for name in by_name})


def painted(figure):
    """The figure as `charts.js` hands it over, with every colour's name looked up."""
    return json.loads(re.sub(r'"var\(--[a-z0-9-]+\)(/[0-9.]+)?"', '"#123456"', json.dumps(figure, allow_nan=False)))


def lines_of(figure):
    """Each line as its places along and across, the recipe that it is named after first."""
    found = {}
    for trace in figure["data"]:
        for x, y, text in zip(trace["x"], trace["y"], trace["text"], strict=True):
            if x is not None:
                found.setdefault(text.split("<br>")[0], []).append((x, y))
    return found


@pytest.mark.parametrize("draw", [parallel_coordinates, lambda both, results: hyperparameter_map(*both, results)])
def test_plotly_accepts_the_figures_in_both_shapes(draw):
    figure = draw(*results_of(GRID))
    narrow = figure.pop("narrow")
    assert go.Figure(painted(figure)).layout != go.Figure(painted(narrow)).layout


def test_every_colour_is_in_the_stylesheet():
    css = page_file("page.css")
    parameters, results = results_of(GRID)
    drawn = json.dumps([parallel_coordinates(parameters, results), hyperparameter_map(*parameters, results)])
    names = set(re.findall(r"var\(--([a-z0-9-]+)\)", drawn))
    assert {f"scale-{shade}" for shade in range(NUM_SHADES)} <= names
    assert all(css.count(f"--{name}:") == 2 for name in names), "once for light, once for dark"


def test_a_line_goes_from_the_values_of_a_recipe_to_its_return():
    parameters, results = results_of({(1e-3, 8): 0.0, (1e-2, 16): 100.0})
    figure = parallel_coordinates(parameters, results)
    lines = lines_of(figure)
    assert [x for x, _ in lines["&lt;0.01/16&gt;"]] == [0, 1, 2]
    assert [y for _, y in lines["&lt;0.01/16&gt;"]][:2] == [1.0, 1.0]
    assert lines["&lt;0.01/16&gt;"][2][1] > 0.9
    assert lines["&lt;0.001/8&gt;"][2][1] < 0.1
    turned = lines_of(figure["narrow"])["&lt;0.01/16&gt;"]
    assert [(y, -x) for x, y in lines["&lt;0.01/16&gt;"]] == turned


def test_lines_through_one_value_are_spread_and_stay_nearest_to_it():
    parameters, results = results_of(GRID)
    places = [line[0][1] for name, line in lines_of(parallel_coordinates(parameters, results)).items() if "/" in name]
    assert len(set(places)) == len(places)
    assert all(min(abs(place), abs(place - 1)) < 0.05 for place in places)


def test_colours_follow_the_return_and_the_best_line_is_thick():
    traces = parallel_coordinates(*results_of(GRID))["data"]
    assert traces[0]["line"]["color"] == "var(--scale-0)"
    assert traces[-1]["line"] == {"color": f"var(--scale-{NUM_SHADES - 1})", "width": 4.0}
    assert "0.01/32" in traces[-1]["text"][0]


def test_recipes_that_returned_the_same_are_drawn():
    figure = parallel_coordinates(*results_of(dict.fromkeys(GRID, 5.0)))
    assert len(lines_of(figure)) == len(GRID)


def test_a_tile_is_the_mean_of_its_recipes_and_a_hole_stays_empty():
    returns = {(rate, envs): value for (rate, envs), value in GRID.items() if (rate, envs) != (1e-2, 16)}
    parameters, results = results_of(returns)
    trace = hyperparameter_map(*parameters, results)["data"][0]
    assert (trace["x"], trace["y"]) == (["8", "16", "32"], ["0.001", "0.01"]), "the axis with more values lies"
    assert trace["z"] == [[18.0, 26.0, 42.0], [108.0, None, 132.0]]
    assert trace["text"][1] == ["108.00", "", "132.00"]
    assert trace["hoverongaps"] is False


def test_what_else_varies_is_averaged():
    recipes = {
        f"{rate}{envs}{steps}": Recipe(
            dataset="d", algorithm=PPOConfig(learning_rate=rate, num_envs=envs, num_steps=steps)
        )
        for rate in (1e-3, 1e-2)
        for envs in (8, 16)
        for steps in (64, 128)
    }
    returns = {name: float(recipe.algorithm.num_steps) for name, recipe in recipes.items()}
    rate, envs, _ = varied_hyperparameters(recipes)
    trace = hyperparameter_map(rate, envs, Results(returns=returns, labels=returns and dict.fromkeys(returns, "")))
    assert trace["data"][0]["z"] == [[96.0, 96.0], [96.0, 96.0]]
    assert trace["data"][0]["customdata"][0][0] == "mean return 96.00, 2 recipes"


def test_where_values_hardly_repeat_recipes_are_dots_at_their_places():
    returns = {(10.0 ** -(1 + n / 4), 8 * 2**n): float(n) for n in range(9)}
    parameters, results = results_of(returns)
    trace = hyperparameter_map(*parameters, results)["data"][0]
    assert trace["type"] == "scatter"
    assert sorted(trace["x"]) == pytest.approx([n / 8 for n in range(9)], abs=1e-5)
    assert trace["y"] == pytest.approx([1 - x for x in trace["x"]], abs=1e-5)
    assert trace["marker"]["color"] == list(returns.values())
