import pytest

from rl_assets.reports.gate_table import gate_table, sentence
from rl_assets.reports.page import html_page
from rl_assets.statistics.gates import GateDecision, hold


def test_a_row_has_verdict_gate_reason_and_whatever_numbers_came(parse):
    decisions = [
        GateDecision(
            name="any_name_at_all",
            verdict="fail",
            reason="the floor <475> is missed",
            numbers={"a_number": -1.5, "num_episodes": 1234, "unknown": float("nan")},
        ),
        hold("beats_champion", "there is none"),
    ]
    table = parse(html_page(title="t", body=gate_table(decisions))).table
    assert table == [
        ["verdict", "gate", "why", "numbers"],
        ["✕ fail", "any name at all", "The floor <475> is missed.", "a number −1.5 num episodes 1,234 unknown –"],
        ["– hold", "beats champion", "There is none.", "none"],
    ]


@pytest.mark.parametrize(
    ("text", "told"), [("so it is", "So it is."), (" Is it? ", "Is it?"), ("x.", "X."), ("", ""), ("ppo", "Ppo.")]
)
def test_a_reason_becomes_a_sentence(text, told):
    assert sentence(text) == told
