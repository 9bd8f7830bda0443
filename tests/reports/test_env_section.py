import dataclasses

import pytest

from rl_assets.config.recipe import Recipe
from rl_assets.reports.env_section import EnvResults, env_section, verdict_of
from rl_assets.reports.page import html_page
from rl_assets.reports.recipe_styles import RecipeStyle
from rl_assets.statistics.gates import GateDecision, hold

STYLES = {"a": RecipeStyle(label="lr=0.1", color="series-1"), "b": RecipeStyle(label="lr=0.2", color="series-2")}
EMPTY = EnvResults(
    env="E-v1",
    rows=(),
    curves={},
    speeds={},
    decisions=(),
    champion=None,
    recipes={"a": Recipe(dataset="d"), "b": Recipe(dataset="d")},
    floor=None,
    confidence=0.95,
)


@pytest.fixture
def show(parse):
    def render(**changes):
        figures = {}
        section = env_section(dataclasses.replace(EMPTY, **changes), STYLES, position=7, figures=figures)
        return parse(html_page(title="t", body=section)), figures

    return render


def test_what_is_missing_is_said_plainly(show):
    page, figures = show(floor=475.0)
    assert "No evaluations yet in E-v1, so there is no leaderboard: the sweep asks for 2 recipes." in page.text
    assert "No learning curve yet" in page.text
    assert "No gate has judged a candidate for E-v1 yet. The sweep asks for a mean return of at least 475." in page.text
    assert "There is no champion yet." in page.text
    assert "not judged" in page.text
    assert figures == {}


def test_decisions_are_told_with_verdict_reason_and_numbers(show):
    decision = GateDecision(
        name="meets_floor",
        verdict="fail",
        reason="the floor <475> is missed",
        numbers={"mean": -1.5, "num_episodes": 100},
    )
    page, _ = show(decisions=(decision, hold("beats_champion", "there is none")))
    text = " ".join(page.text.split())
    assert "✕ fail meets floor The floor <475> is missed. mean −1.5 num episodes 100" in text
    assert "– hold beats champion There is none." in text
    assert "No gate has judged" not in text


def test_the_champion_is_named_with_its_version_and_reason(show):
    champion = {"hparam": "b", "member_seed": 4, "data_version": "ab12", "promoted_at": "2026-01-02T03:04:05+00:00"}
    page, _ = show(champion=champion | {"reason": "all gates passed", "generation": 2})
    assert "seed 4 of lr=0.2, generation 2, promoted at 2026-01-02T03:04:05+00:00. All gates passed." in page.text
    assert "data version ab12" in page.text


def test_a_champion_of_another_sweep_goes_by_its_key(show):
    page, _ = show(champion={"hparam": "ppo-x", "member_seed": 0, "data_version": None, "reason": None})
    assert "seed 0 of ppo-x." in page.text
    assert "None" not in page.text


def test_charts_have_their_places_and_sizes(show):
    page, figures = show(curves={"a": [{"env_steps": [1, 2], "mean_return": [3.0, 4.0]}]}, speeds={"a": 5.0, "b": None})
    places = {
        attributes["id"]: attributes["style"] for _, attributes in page.elements if attributes.get("class") == "plot"
    }
    assert set(figures) == set(places) == {"curves-7", "speeds-7"}
    assert places["curves-7"] == f"height:{figures['curves-7']['layout']['height']}px"
    assert len(figures["speeds-7"]["data"]) == 1
    assert "One seed each, so no band." in page.text


def test_seeds_that_never_finished_an_episode_are_counted_beside_the_curves(show):
    known = {"env_steps": [1, 2], "mean_return": [3.0, 4.0]}
    stuck = {"env_steps": [1, 2], "mean_return": [float("nan")] * 2}
    page, figures = show(curves={"a": [known, stuck, known], "b": [stuck, stuck]})
    text = " ".join(page.text.split())
    assert "never finished an episode and have no value; drawn are: lr=0.1 2 of 3 seeds; lr=0.2 0 of 2 seeds." in text
    assert {trace["name"] for trace in figures["curves-7"]["data"]} == {"lr=0.1"}


def test_where_every_seed_finished_an_episode_nothing_is_said_of_stuck_ones(show):
    known = {"env_steps": [1, 2], "mean_return": [3.0, 4.0]}
    page, _ = show(curves={"a": [known, known]})
    assert "never finished" not in page.text


def test_a_verdict_needs_a_decision():
    assert verdict_of([]) is None
    assert verdict_of([hold("a", "b")]) == "hold"
