import dataclasses
import inspect
import re

import pytest

from rl_assets.reports.leaderboard_page import leaderboard_page
from rl_assets.reports.sweep_report import SweepReport
from rl_assets.statistics.ranking import CellEpisodes, rank_policies


@pytest.fixture
def candidate(rows):
    return {
        "hparam": rows[0].hparam,
        "member_seed": 3,
        "selection_mean_return": 14.0,
        "policy": {"network": {"activation": "tanh"}},
    }


def test_the_page_names_env_rows_and_candidate(parse, rows, candidate):
    page = parse(leaderboard_page("CartPole-v1", rows, candidate=candidate))
    assert ("html", {"lang": "en"}) in page.elements
    assert "Leaderboard: CartPole-v1" in page.text
    assert "Of 2 recipes in CartPole-v1, lr=0.001 leads with a mean return of 11.80" in page.text
    assert [row[0] for row in page.table[1:]] == ["1", "2"]
    assert page.table[1][1] == "lr=0.001 ppo-lr=0.001-aaaaaaaaaa candidate: seed 3"
    assert "training seed 3 of lr=0.001, with a mean return of 14.00" in page.text
    assert '"activation": "tanh"' in page.text


def test_the_page_needs_no_script_and_no_network(parse, rows, candidate):
    data = leaderboard_page("CartPole-v1", rows, candidate=candidate)
    page = parse(data)
    assert page.scripts == []
    assert page.addresses == ["data:,"]
    assert b"http:" not in data
    assert b"https:" not in data
    assert len(data) < 40_000


def test_names_are_escaped(parse, rows, candidate):
    nasty = "<img src=x onerror=alert(1)>"
    renamed = [dataclasses.replace(rows[0], hparam=nasty), rows[1]]
    policy = {"policy": nasty, "hparam": nasty}
    page = parse(leaderboard_page(nasty, renamed, candidate=candidate | policy))
    assert not [tag for tag, _ in page.elements if tag == "img"]
    assert page.text.count(nasty) >= 4


def test_the_page_says_how_far_its_numbers_are_to_be_trusted(parse, rows, candidate):
    text = " ".join(parse(leaderboard_page("CartPole-v1", rows, candidate=candidate)).text.split())
    assert (
        "How often such an interval over 5 seeds holds the true mean, by simulation: 95 % where seeds scatter "
        "normally, 88 % where they tail off downward"
    ) in text
    assert "41 % where a tenth of them fails." in text
    assert "A failure that strikes up to 45 % of trainings may not show in 5 seeds." in text
    assert "with 95 % confidence the truly best one is among these" in text


def test_no_coverage_is_claimed_for_what_was_not_simulated(parse, rows, candidate):
    for ranked, confidence in ((rows, 0.9), (rows[1:], 0.95)):
        page = parse(leaderboard_page("E", ranked, candidate=candidate, confidence=confidence))
        assert "by simulation" not in page.text


def test_recipes_that_may_be_best_have_the_colour_of_the_first(candidate, rows):
    spread = [[-1.0], [-0.5], [0.0], [0.5], [1.0]]
    cells = {"a": 10.0, "b": 9.9, "c": 1.0}
    ranked = rank_policies(
        {name: CellEpisodes(returns=[[mean + step] for (step,) in spread]) for name, mean in cells.items()}
    )
    page = leaderboard_page("E", ranked, candidate=candidate | {"hparam": "a"}).decode()
    colors = re.findall(r'class="dots-row" style="--c:var\(--([\w-]+)\)"', page)
    assert colors == ["series-1", "series-1", "series-muted"]
    assert "Blue: may be the best recipe." in page
    alone = leaderboard_page("E", ranked[:1], candidate=candidate | {"hparam": "a"}).decode()
    assert "Blue:" not in alone


def test_equal_input_gives_equal_bytes(rows, candidate):
    assert leaderboard_page("E", rows, candidate=candidate) == leaderboard_page("E", rows, candidate=candidate)


def test_a_leaderboard_without_rows_is_refused(candidate):
    with pytest.raises(ValueError, match="leaderboard of 'CartPole-v1' has no rows"):
        leaderboard_page("CartPole-v1", [], candidate=candidate)


def test_intervals_are_described_by_the_confidence_they_are_computed_with():
    ranked = inspect.signature(rank_policies).parameters["confidence"].default
    assert inspect.signature(leaderboard_page).parameters["confidence"].default == ranked
    assert {field.name: field.default for field in dataclasses.fields(SweepReport)}["confidence"] == ranked
