import dataclasses

import pytest

from rl_assets.reports.page import html_page
from rl_assets.reports.recipe_styles import RecipeStyle
from rl_assets.reports.summary_cards import MAX_CARDS, EnvSummary, GateMeans, summary_cards
from rl_assets.statistics.gates import GateDecision, hold

STYLES = {"a": RecipeStyle(label="lr=0.1", color="series-1")}
PASS = GateDecision(name="meets_floor", verdict="pass", reason="it is met", numbers={})
FAIL = GateDecision(name="beats_champion", verdict="fail", reason="it is <worse>", numbers={})
REIGN = {"hparam": "a", "member_seed": 3}
BARE = EnvSummary(env="E-v1", link="env-1", num_evaluated=2, decisions=(), means=None, champion=None)


def means(candidate: float, champion: float | None, *, is_promoted: bool) -> GateMeans:
    return GateMeans(candidate=candidate, champion=champion, is_promoted=is_promoted)


@pytest.fixture
def show(parse):
    def render(**changes):
        page = html_page(title="t", body=summary_cards([dataclasses.replace(BARE, **changes)], STYLES))
        tones = [
            attributes["class"] for _, attributes in parse(page).elements if "headline" in str(attributes.get("class"))
        ]
        return " ".join(parse(page).text.split()), tones[0]

    return render


@pytest.mark.parametrize(
    ("changes", "words", "tone"),
    [
        (
            {"decisions": (PASS,), "champion": REIGN, "means": means(480.0, 450.5, is_promoted=True)},
            "✓ pass +29.50 mean return against the champion before it, on the same fresh episodes Seed 3 of lr=0.1 is "
            "the new champion, 480.00 after 450.50.",
            "headline better",
        ),
        (
            {"decisions": (PASS, FAIL), "champion": REIGN, "means": means(9.5, 10.0, is_promoted=False)},
            "✕ fail −0.50 mean return against the champion before it, on the same fresh episodes Seed 3 of lr=0.1 "
            "stays the champion, 10.00 against 9.50. Beats champion failed: it is <worse>.",
            "headline worse",
        ),
        (
            {
                "decisions": (hold("stability", "too few"),),
                "champion": REIGN,
                "means": means(9.5, 10.0, is_promoted=False),
            },
            "– hold −0.50",
            "headline plain",
        ),
        (
            {"decisions": (PASS,), "champion": REIGN, "means": means(480.0, None, is_promoted=True)},
            "480.00 mean return on fresh episodes; there was no champion to beat Seed 3 of lr=0.1 is the new champion.",
            "headline plain",
        ),
        (
            {"decisions": (PASS,), "means": means(480.0, None, is_promoted=False)},
            "There is no champion. The gates passed; the promotion is yet to come.",
            "headline plain",
        ),
        ({"champion": {"hparam": "z", "member_seed": 0}}, "Seed 0 of z is the champion. No gate has", "headline plain"),
        (
            {},
            "· not judged – no candidate has met the gates There is no champion. No gate has judged",
            "headline plain",
        ),
        ({"num_evaluated": 0}, "There is no champion. Nothing has been evaluated yet.", "headline plain"),
    ],
    ids=["promoted", "failed", "held", "first", "to be promoted", "of another sweep", "not judged", "not evaluated"],
)
def test_a_card_says_who_reigns_and_by_how_much_or_why_not(show, changes, words, tone):
    text, found = show(**changes)
    assert words in text
    assert found == tone


def test_equal_means_are_no_news(show):
    text, tone = show(decisions=(PASS,), champion=REIGN, means=means(5.0, 5.0, is_promoted=False))
    assert " 0.000 mean return" in text
    assert tone == "headline plain"


def test_many_environments_are_counted_beyond_the_first(parse):
    cards = [dataclasses.replace(BARE, env=f"E{n}", link=f"env-{n}") for n in range(MAX_CARDS + 2)]
    page = parse(html_page(title="t", body=summary_cards(cards, STYLES)))
    assert [value for value in page.addresses if value.startswith("#")] == [f"#env-{n}" for n in range(MAX_CARDS)]
    assert "2 further environments below." in page.text
