"""One environment's part of a sweep's report: leaderboard, learning curves, speed, gates and champion."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

import numpy.typing as npt

from rl_assets.config.recipe import Recipe
from rl_assets.reports.effect_card import effect_card
from rl_assets.reports.figures import Figure, training_speeds
from rl_assets.reports.gate_table import gate_table, sentence
from rl_assets.reports.learning_card import learning_card
from rl_assets.reports.numbers import count_of, format_exact
from rl_assets.reports.page import notice, place_chart, verdict_chip
from rl_assets.reports.recipe_styles import RecipeStyle
from rl_assets.reports.standings import plot_legend, standings_plot, standings_summary, standings_table, table_legend
from rl_assets.statistics.gates import GateDecision, Verdict, combine
from rl_assets.statistics.ranking import LeaderboardRow

MAX_SPEED_BARS = 24
MAX_NAMED = 8


@dataclass(frozen=True, kw_only=True)
class EnvResults:
    """What came of one environment; fields as in `SweepReport`, for this environment alone."""

    env: str
    rows: Sequence[LeaderboardRow]
    curves: Mapping[str, Sequence[Mapping[str, npt.NDArray[Any]]]]
    speeds: Mapping[str, float | None]
    decisions: Sequence[GateDecision]
    champion: Mapping[str, Any] | None
    recipes: Mapping[str, Recipe]
    """Hparam -> recipe that the sweep asked for, in its order."""
    floor: float | None
    """The mean return that the sweep's YAML asks for; None where it leaves it open."""
    confidence: float


def verdict_of(decisions: Sequence[GateDecision]) -> Verdict | None:
    """Sum up the gates' decisions; None where no gate has been asked."""
    return combine(decisions) if decisions else None


def env_section(
    results: EnvResults, styles: Mapping[str, RecipeStyle], *, position: int, figures: dict[str, Figure]
) -> str:
    """Render an environment's section and add its charts to `figures`, under the ids of their places on the page."""
    parts = [
        f'<section class="env" id="env-{position}"><header><h2>{escape(results.env)}</h2>'
        f"{verdict_chip(verdict_of(results.decisions))}</header>",
        _leaderboard(results, styles),
        effect_card(results.rows, results.recipes, styles, env=results.env, position=position, figures=figures),
        learning_card(
            results.curves, results.recipes, styles, env=results.env, place=f"curves-{position}", figures=figures
        ),
        _speed(results, styles, place=f"speeds-{position}", figures=figures),
        _gates(results, styles),
        "</section>",
    ]
    return "\n".join(part for part in parts if part)


def _leaderboard(results: EnvResults, styles: Mapping[str, RecipeStyle]) -> str:
    evaluated = {row.hparam for row in results.rows}
    missing = [hparam for hparam in results.recipes if hparam not in evaluated]
    if not results.rows:
        return notice(
            f"No evaluations yet in {results.env}, so there is no leaderboard: "
            f"the sweep asks for {count_of(len(results.recipes), 'recipe')}."
        )
    names = ", ".join(styles[hparam].label for hparam in missing[:MAX_NAMED])
    more = f" and {len(missing) - MAX_NAMED} more" if len(missing) > MAX_NAMED else ""
    summary = standings_summary(results.env, results.rows, styles, confidence=results.confidence)
    return "\n".join(
        [
            f'<p class="lead">{escape(summary)}</p>',
            notice(f"Not evaluated: {names}{more}.") if missing else "",
            '<div class="card"><h3>Mean return by recipe</h3>',
            f'<p class="aside">{escape(plot_legend(confidence=results.confidence))}</p>',
            standings_plot(results.rows, styles),
            "</div>",
            '<div class="card"><h3>Leaderboard</h3>',
            f'<p class="aside">{escape(table_legend(confidence=results.confidence))}</p>',
            standings_table(results.rows, styles, others=frozenset(evaluated - set(results.recipes))),
            "</div>",
        ]
    )


def _speed(results: EnvResults, styles: Mapping[str, RecipeStyle], *, place: str, figures: dict[str, Figure]) -> str:
    speeds = {hparam: results.speeds.get(hparam) for hparam in results.recipes}
    known = {hparam: speed for hparam, speed in speeds.items() if speed is not None and math.isfinite(speed)}
    if not known:
        return ""
    ordered = sorted(known, key=lambda hparam: styles[hparam].is_muted)[:MAX_SPEED_BARS]
    figures[place] = training_speeds({hparam: known[hparam] for hparam in ordered}, styles)
    told = (
        f'<p class="aside">{len(ordered)} of {len(known)} recipes; the table has all.</p>'
        if len(ordered) < len(known)
        else ""
    )
    return (
        f'<div class="card"><h3>Training speed</h3>{told}'
        f"{place_chart(place, figures[place], f'Training steps per second in {results.env}')}</div>"
    )


def _gates(results: EnvResults, styles: Mapping[str, RecipeStyle]) -> str:
    body = gate_table(results.decisions) if results.decisions else notice(_why_not_judged(results))
    return f'<div class="card"><h3>Gates</h3>{body}{_champion(results.champion, styles)}</div>'


def _why_not_judged(results: EnvResults) -> str:
    asks = (
        "" if results.floor is None else f" The sweep asks for a mean return of at least {format_exact(results.floor)}."
    )
    return f"No gate has judged a candidate for {results.env} yet.{asks}"


def _champion(champion: Mapping[str, Any] | None, styles: Mapping[str, RecipeStyle]) -> str:
    if champion is None:
        return '<p class="champion">There is no champion yet.</p>'
    hparam = str(champion["hparam"])
    words = f"seed {champion['member_seed']} of {styles[hparam].label if hparam in styles else hparam}"
    if champion.get("generation") is not None:
        words += f", generation {champion['generation']}"
    if champion.get("promoted_at"):
        words += f", promoted at {champion['promoted_at']}"
    reason = f" {sentence(str(champion['reason']))}" if champion.get("reason") else ""
    version = (
        f'<p class="evidence">data version {escape(str(champion["data_version"]))}</p>'
        if champion.get("data_version")
        else ""
    )
    return f'<div class="champion"><p><strong>Champion:</strong> {escape(words)}.{escape(reason)}</p>{version}</div>'
