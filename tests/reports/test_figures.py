import json
import re

import numpy as np
import plotly.graph_objects as go
import pytest

from rl_assets.reports.figures import learning_curves, training_speeds
from rl_assets.reports.page import page_file
from rl_assets.reports.recipe_styles import RecipeStyle
from rl_assets.reports.seed_bands import seed_band

STYLES = {
    "a": RecipeStyle(label="lr=0.1 <b>", color="series-1"),
    "b": RecipeStyle(label="lr=0.2", color="series-2"),
    "c": RecipeStyle(label="lr=0.3", color="series-muted"),
}


def band_of(*seeds):
    steps = np.arange(1, len(seeds[0]) + 1) * 10
    band = seed_band([{"env_steps": steps, "mean_return": np.array(seed, float)} for seed in seeds])
    assert band is not None
    return band


@pytest.fixture
def curves():
    return learning_curves({"a": band_of([1, 2], [3, 4]), "b": band_of([5, 6]), "c": band_of([0, 1], [1, 2])}, STYLES)


def painted(figure):
    """The figure as `charts.js` hands it over, with every colour's name looked up."""
    return json.loads(re.sub(r'"var\(--[a-z0-9-]+\)(/[0-9.]+)?"', '"#123456"', json.dumps(figure, allow_nan=False)))


def test_plotly_accepts_the_figures(curves):
    for figure in (curves, training_speeds({"a": 10.5, "c": 3.0}, STYLES)):
        go.Figure(painted(figure))


def test_every_colour_is_one_of_the_stylesheet(curves):
    names = re.findall(r"var\(--([a-z0-9-]+)\)", json.dumps([curves, training_speeds({"a": 10.5}, STYLES)]))
    assert names
    assert all(f"--{name}: #" in page_file("page.css") for name in names)


def test_a_recipe_with_seeds_has_a_band_and_one_without_has_a_line(curves):
    traces = curves["data"]
    assert [trace["legendgroup"] for trace in traces] == [
        "series-muted",
        "series-1",
        "series-1",
        "series-1",
        "series-2",
    ]
    _, low, high, mean, single = traces
    assert (low["y"], high["y"], mean["y"], single["y"]) == ([1, 2], [3, 4], [2, 3], [5, 6])
    assert high["fill"] == "tonexty"
    assert high["fillcolor"] == "var(--series-1)/0.14"
    assert mean["name"] == "lr=0.1 &lt;b&gt;"


def test_a_single_point_is_a_marker():
    (trace,) = learning_curves({"b": band_of([5])}, STYLES)["data"]
    assert trace["mode"] == "markers"


def test_a_bar_shows_each_speed_in_the_order_given():
    figure = training_speeds({"b": 1234.5, "a": 99.0}, STYLES)
    assert [(trace["x"], trace["y"], trace["text"]) for trace in figure["data"]] == [
        ([1234.5], [0], ["1,234"]),
        ([99.0], [1], ["99"]),
    ]
    assert figure["layout"]["yaxis"]["ticktext"] == ["lr=0.2", "lr=0.1 &lt;b&gt;"]
