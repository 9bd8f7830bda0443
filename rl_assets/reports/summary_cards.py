"""The head of a sweep's report: for each environment who reigns, since when, and by how much it got better."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

from rl_assets.reports.gate_table import sentence
from rl_assets.reports.numbers import UNKNOWN, count_of, decimals_for, format_number
from rl_assets.reports.page import verdict_chip
from rl_assets.reports.recipe_styles import RecipeStyle
from rl_assets.statistics.gates import GateDecision, combine

MAX_CARDS = 12


@dataclass(frozen=True, kw_only=True)
class GateMeans:
    """What candidate and champion reached on the same fresh episodes, in the environment's reward units."""

    candidate: float
    """Mean return of the candidate."""
    champion: float | None
    """Mean return of the champion that reigned when the gates were asked; None where there was none."""
    is_promoted: bool
    """Whether the candidate of these gates reigns now."""

    @property
    def improvement(self) -> float | None:
        """Candidate minus champion; None where there was no champion."""
        return None if self.champion is None else self.candidate - self.champion


@dataclass(frozen=True, kw_only=True)
class EnvSummary:
    """What the card of one environment tells."""

    env: str
    link: str
    """Id of the environment's section."""
    num_evaluated: int
    """Recipes on its leaderboard."""
    decisions: Sequence[GateDecision]
    means: GateMeans | None
    """None where no gate was asked."""
    champion: Mapping[str, Any] | None


def summary_cards(summaries: Sequence[EnvSummary], styles: Mapping[str, RecipeStyle]) -> str:
    """Lay out a card for each environment, the first `MAX_CARDS` of them."""
    cards = "".join(_card(summary, styles) for summary in summaries[:MAX_CARDS])
    left = len(summaries) - MAX_CARDS
    more = f'<p class="aside">{count_of(left, "further environment")} below.</p>' if left > 0 else ""
    return f'<div class="summary">{cards}</div>{more}'


def _card(summary: EnvSummary, styles: Mapping[str, RecipeStyle]) -> str:
    verdict = combine(summary.decisions) if summary.decisions else None
    figure, unit = _headline(summary.means)
    tone = {"pass": "better", "fail": "worse"}.get(verdict or "", "plain") if figure[0] in "+−" else "plain"
    return (
        f'<article class="card"><header><a href="#{summary.link}">{escape(summary.env)}</a>{verdict_chip(verdict)}'
        f'</header><p class="headline {tone}">{figure}</p><p class="unit">{unit}</p>'
        f'<p class="told">{escape(_told(summary, styles))}</p></article>'
    )


def _headline(means: GateMeans | None) -> tuple[str, str]:
    """The one number of a card, and what it is."""
    if means is None:
        return UNKNOWN, "no candidate has met the gates"
    decimals = decimals_for([means.candidate, means.champion])
    if means.improvement is None:
        figure = format_number(means.candidate, decimals=decimals)
        return figure, "mean return on fresh episodes; there was no champion to beat"
    figure = format_number(means.improvement, decimals=decimals)
    sign = "+" if means.improvement > 0 else ""
    return f"{sign}{figure}", "mean return against the champion before it, on the same fresh episodes"


def _told(summary: EnvSummary, styles: Mapping[str, RecipeStyle]) -> str:
    champion, means = summary.champion, summary.means
    if champion is None:
        why = _why_not(summary.decisions) if summary.num_evaluated else "Nothing has been evaluated yet."
        return f"There is no champion. {why}"
    hparam = str(champion["hparam"])
    name = f"Seed {champion['member_seed']} of {styles[hparam].label if hparam in styles else hparam}"
    if means is None:
        return f"{name} is the champion. {_why_not(summary.decisions)}"
    if means.is_promoted:
        return f"{name} is the new champion{_against(means, 'after')}."
    return f"{name} stays the champion{_against(means, 'against')}. {_why_not(summary.decisions)}"


def _against(means: GateMeans, word: str) -> str:
    """The two means behind the headline, the reigning champion's first."""
    if means.champion is None:
        return ""
    decimals = decimals_for([means.candidate, means.champion])
    candidate, champion = (format_number(value, decimals=decimals) for value in (means.candidate, means.champion))
    return f", {candidate} {word} {champion}" if means.is_promoted else f", {champion} {word} {candidate}"


def _why_not(decisions: Sequence[GateDecision]) -> str:
    """What the first gate in the way said."""
    for verdict, word in (("fail", "failed"), ("hold", "held")):
        for decision in decisions:
            if decision.verdict == verdict:
                return sentence(f"{decision.name.replace('_', ' ')} {word}: {decision.reason}")
    return "The gates passed; the promotion is yet to come." if decisions else "No gate has judged a candidate yet."
