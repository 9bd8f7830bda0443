import dataclasses
import re

import pytest

from rl_assets.reports.page import html_page
from rl_assets.reports.recipe_styles import RecipeStyle, recipe_labels
from rl_assets.reports.standings import MAX_DRAWN, standings_plot, standings_summary, standings_table, table_legend
from rl_assets.statistics.ranking import CellEpisodes, rank_policies


def styles_of(rows):
    return {
        hparam: RecipeStyle(label=label, color="series-1")
        for hparam, label in recipe_labels([r.hparam for r in rows]).items()
    }


def summary(cells: dict[str, list[list[float]]]) -> str:
    rows = rank_policies({hparam: CellEpisodes(returns=seeds) for hparam, seeds in cells.items()})
    return standings_summary("Pong-v5", rows, styles_of(rows), confidence=0.95)


OF_ELEVEN = "a leads with a mean return of 11.00 (95 % interval −1.71 to 23.71, 2 training seeds)"
OF_TEN = "a leads with a mean return of 10.00 (95 % interval 9.02 to 10.98, 5 training seeds)"
TEN, ALMOST_TEN, ONE = ([[mean + step] for step in (-1, -0.5, 0, 0.5, 1)] for mean in (10.0, 9.9, 1.0))


@pytest.mark.parametrize(
    ("cells", "sentence"),
    [
        (
            {"a": [[1.0]]},
            "a is the only recipe in Pong-v5 with a mean return of 1.000 over 1 training seed, "
            "too few for an interval.",
        ),
        (
            {"a": [[10.0], [12.0]], "b": [[1.0]]},
            f"Of 2 recipes in Pong-v5, {OF_ELEVEN}; "
            "with fewer than 5 seeds, no other recipe can be told apart from it.",
        ),
        (
            {"a": TEN, "b": ALMOST_TEN},
            f"Of 2 recipes in Pong-v5, {OF_TEN}, but the other recipe cannot be told apart from it.",
        ),
        (
            {"a": TEN, "b": ALMOST_TEN, "c": [[1.0]]},
            f"Of 3 recipes in Pong-v5, {OF_TEN}, but no other recipe can be told apart from it.",
        ),
        (
            {"a": TEN, "b": ALMOST_TEN, "c": ONE},
            f"Of 3 recipes in Pong-v5, {OF_TEN}, but 1 of the 2 others cannot be told apart from it.",
        ),
        (
            {"a": TEN, "b": ONE},
            f"Of 2 recipes in Pong-v5, {OF_TEN}, and every other recipe is told apart from it.",
        ),
    ],
)
def test_the_sentence_says_who_leads_and_how_surely(cells, sentence):
    assert summary(cells) == sentence


def test_the_table_holds_every_number_of_every_row(parse, rows):
    table = parse(html_page(title="t", body=standings_table(rows, styles_of(rows)))).table
    assert table[0] == [
        "#",
        "recipe",
        "mean return",
        "interval",
        "beats best",
        "IQM",
        "worst seed",
        "CVaR 10 %",
        "mean length",
        "seeds",
        "episodes",
        "steps/s",
        "process s",
    ]
    # seed means 10, 12, 11, 14, 12: mean 11.8, std 1.4832, half width 2.7764 * 1.4832 / sqrt(5) = 1.8417
    assert table[1] == [
        "1",
        "lr=0.001 ppo-lr=0.001-aaaaaaaaaa",
        "11.80",
        "9.96 … 13.64",
        "–",
        "11.67",
        "10.00",
        "9.00",
        "11.8",
        "5",
        "10",
        "–",
        "–",
    ]
    assert table[2] == [
        "2",
        "lr=0.01 ppo-lr=0.01-bbbbbbbbbb unreplicated",
        "−6.00",
        "–",
        "0 %",
        "–",
        "−6.00",
        "−7.00",
        "–",
        "1",
        "2",
        "–",
        "–",
    ]


def test_candidate_cost_and_origin_are_marked_in_the_table(parse, rows):
    best, last = (row.hparam for row in rows)
    known = [dataclasses.replace(rows[0], env_steps=5_000, steps_per_s=1234.5), rows[1]]
    body = standings_table(known, styles_of(rows), candidate={best: 3}, others=frozenset({last}))
    table = parse(html_page(title="t", body=body)).table
    assert table[0][-2:] == ["steps/s", "process s"]
    assert table[1][1].endswith("candidate: seed 3")
    assert table[1][-2:] == ["1,234", "4.1"]
    assert table[2][1].endswith("unreplicated other sweep")
    assert table[2][-2:] == ["–", "–"]


def test_metrics_follow_the_other_numbers_and_may_be_unknown(parse, rows):
    known = [dataclasses.replace(rows[0], metrics={"action_change": 0.25}), rows[1]]
    table = parse(html_page(title="t", body=standings_table(known, styles_of(rows)))).table
    assert [line[-1] for line in table] == ["action change", "0.250", "–"]


def test_ties_with_the_best_are_marked_where_they_rest_on_enough_seeds(parse):
    cells = {"a": TEN, "b": ALMOST_TEN, "c": ONE, "d": [[0.5]]}
    rows = rank_policies({hparam: CellEpisodes(returns=seeds) for hparam, seeds in cells.items()})
    table = parse(html_page(title="t", body=standings_table(rows, styles_of(rows)))).table
    notes = [cell.split(" ", 2)[2:] for cell in (row[1] for row in table[1:])]
    assert notes == [[], ["may be best"], [], ["unreplicated"]]
    # 9.9 on the same grid: 9.4 beats 9; 9.9 two; 10.4 three; 10.9 four of five
    assert [row[4] for row in table[1:]] == ["–", "40 %", "0 %", "0 %"]


def test_dots_stand_where_the_numbers_are(parse, rows):
    page = parse(html_page(title="t", body=standings_plot(rows, styles_of(rows))))
    dots = [attributes for tag, attributes in page.elements if tag == "circle"]
    first, second = (float(str(dot["cx"]).rstrip("%")) for dot in dots)
    assert 0 <= second < first <= 100
    assert [dot["class"] for dot in dots] == ["mean", "mean hollow"]
    (whisker,) = [attributes for tag, attributes in page.elements if attributes.get("class") == "whisker"]
    low, high = (float(str(whisker[end]).rstrip("%")) for end in ("x1", "x2"))
    assert low < first < high
    assert (low + high) / 2 == pytest.approx(first, abs=0.02)


def test_an_interval_beyond_the_picture_ends_in_an_arrow():
    rows = rank_policies(
        {
            "a": CellEpisodes(returns=[[100], [101], [102], [103], [104]]),
            "b": CellEpisodes(returns=[[90], [91], [92], [93], [94]]),
            "c": CellEpisodes(returns=[[80], [104]]),
        }
    )
    assert standings_plot(rows, styles_of(rows)).count('class="beyond"') == 2
    assert standings_plot(rows[:2], styles_of(rows)).count('class="beyond"') == 0


def test_a_long_leaderboard_is_drawn_in_part_and_says_so():
    rows = rank_policies({f"r{n}": CellEpisodes(returns=[[float(n)]]) for n in range(MAX_DRAWN + 5)})
    plot = standings_plot(rows, styles_of(rows))
    assert len(re.findall("<circle", plot)) == MAX_DRAWN
    assert f"the best {MAX_DRAWN} of {MAX_DRAWN + 5}" in plot
    assert standings_table(rows, styles_of(rows)).count("<tr>") == MAX_DRAWN + 6


def test_every_mark_and_every_heading_that_needs_it_is_explained():
    text = table_legend(confidence=0.9)
    for word in ("Beats best:", "IQM:", "CVaR 10 %:", "Process s:", "May be best:", "Unreplicated:"):
        assert word in text
    assert "with 90 % confidence" in text
