import numpy as np
import pytest

from rl_assets.reports.learning_card import MAX_MUTED_CURVES, learning_card
from rl_assets.reports.page import html_page
from rl_assets.reports.recipe_styles import MUTED, RecipeStyle

STYLES = {"a": RecipeStyle(label="lr=0.1", color="series-1"), "b": RecipeStyle(label="lr=0.2", color=MUTED)}


def history(**columns):
    return {"env_steps": np.array([1, 2]), "mean_return": np.array([3.0, 4.0])} | columns


@pytest.fixture
def show(parse):
    def render(curves, styles=STYLES):
        figures = {}
        card = learning_card(curves, list(styles), styles, env="E-v1", place="curves-1", figures=figures)
        return parse(html_page(title="t", body=card)), figures

    return render


def test_what_every_training_measured_can_be_chosen(show):
    both = {"entropy": np.array([0.7, 0.6]), "value_loss": np.array([9.0, 8.0])}
    page, figures = show({"a": [history(**both), history(**both)], "b": [history(**both)]})
    assert "Metric mean return entropy value loss" in " ".join(page.text.split())
    (entropy, value_loss) = figures["curves-1"]["choices"]
    assert entropy["layout"]["yaxis"]["title"]["text"] == "entropy of the actions, nats"
    assert {trace["name"] for trace in value_loss["data"]} == {"lr=0.1"}, "recipes without a colour are left out"


def test_a_metric_that_a_training_lacks_is_not_offered(show):
    page, figures = show({"a": [history(entropy=np.array([0.7, 0.6])), history()]})
    assert "choices" not in figures["curves-1"]
    assert "Metric" not in page.text


def test_a_metric_without_any_known_value_is_not_offered(show):
    _, figures = show({"a": [history(mean_length=np.array([np.nan, np.nan]))]})
    assert "choices" not in figures["curves-1"]


def test_too_many_curves_are_left_out_and_counted(show):
    names = [f"r{n}" for n in range(MAX_MUTED_CURVES + 3)]
    styles = {name: RecipeStyle(label=name, color=MUTED) for name in names}
    page, figures = show({name: [history()] for name in names}, styles)
    assert len(figures["curves-1"]["data"]) == MAX_MUTED_CURVES
    assert "3 further recipes are left out." in page.text
    assert f"{MAX_MUTED_CURVES} other recipes" in page.text


def test_trainings_without_episodes_show_their_loss_over_the_samples(show):
    clone = {
        "env_steps": np.array([0, 0]),
        "mean_return": np.array([np.nan, np.nan]),
        "samples": np.array([64, 128]),
        "negative_log_likelihood": np.array([0.7, 0.4]),
        "accuracy": np.array([0.5, 0.9]),
    }
    page, figures = show({"a": [clone, clone]})
    layout = figures["curves-1"]["layout"]
    assert layout["xaxis"]["title"]["text"] == "samples that each member learned from"
    assert layout["yaxis"]["title"]["text"] == "negative log-likelihood of demonstrated actions, nats"
    line = figures["curves-1"]["data"][-1]
    assert (list(line["x"]), list(line["y"])) == ([64, 128], [0.7, 0.4])
    assert "Metric negative log likelihood accuracy" in " ".join(page.text.split())
    assert "episode" not in page.text
    (accuracy,) = figures["curves-1"]["choices"]
    assert accuracy["layout"]["xaxis"]["title"]["text"] == "samples that each member learned from"
