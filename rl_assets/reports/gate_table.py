"""What the gates said of a candidate: a row for each, with whatever numbers it gave."""

from collections.abc import Sequence
from html import escape

from rl_assets.reports.numbers import format_exact
from rl_assets.reports.page import verdict_chip
from rl_assets.statistics.gates import GateDecision


def gate_table(decisions: Sequence[GateDecision]) -> str:
    """Tabulate decisions in the order given; on a narrow screen each becomes a block of its own."""
    body = "".join(_row(decision) for decision in decisions)
    return (
        '<table class="gates"><thead><tr><th scope="col">verdict</th><th scope="col">gate</th>'
        f'<th scope="col">why</th><th scope="col">numbers</th></tr></thead><tbody>{body}</tbody></table>'
    )


def sentence(text: str) -> str:
    """Give a reason a capital and a full stop."""
    text = text.strip()
    return text[:1].upper() + text[1:] + ("" if text.endswith((".", "!", "?")) or not text else ".")


def _row(decision: GateDecision) -> str:
    numbers = "".join(
        f"<div><dt>{escape(_words(name))}</dt><dd>{escape(format_exact(value))}</dd></div>"
        for name, value in decision.numbers.items()
    )
    evidence = f'<dl class="evidence">{numbers}</dl>' if numbers else '<span class="none">none</span>'
    return (
        f'<tr><td>{verdict_chip(decision.verdict)}</td><th scope="row">{escape(_words(decision.name))}</th>'
        f'<td class="why">{escape(sentence(decision.reason))}</td><td class="numbers">{evidence}</td></tr>'
    )


def _words(name: str) -> str:
    return name.replace("_", " ")
