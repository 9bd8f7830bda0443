"""One environment's part of a sweep's report: leaderboard, learning curves, speed, gates and champion."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

import numpy.typing as npt

from rl_assets.reports.figures import Figure, learning_curves, training_speeds
from rl_assets.reports.numbers import count_of, format_exact
from rl_assets.reports.page import notice, verdict_chip
from rl_assets.reports.recipe_styles import MUTED, RecipeStyle
from rl_assets.reports.seed_bands import SeedBand, seed_band
from rl_assets.reports.standings import plot_legend, standings_plot, standings_summary, standings_table, table_legend
from rl_assets.statistics.gates import GateDecision, Verdict, combine
from rl_assets.statistics.ranking import LeaderboardRow

MAX_MUTED_CURVES = 40
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
    recipes: Sequence[str]
    """Hparams that the sweep asked for, in its order."""
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
        _learning(results, styles, place=f"curves-{position}", figures=figures),
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


def _learning(results: EnvResults, styles: Mapping[str, RecipeStyle], *, place: str, figures: dict[str, Figure]) -> str:
    bands: dict[str, SeedBand] = {}
    partly: list[str] = []
    num_muted = left_out = 0
    for hparam in results.recipes:
        if styles[hparam].is_muted and num_muted == MAX_MUTED_CURVES:
            left_out += 1
            continue
        histories = results.curves.get(hparam, ())
        band = seed_band(histories)
        num_known = band.num_known if band is not None else 0
        if num_known < len(histories):
            partly.append(f"{styles[hparam].label} {num_known} of {count_of(len(histories), 'seed')}")
        if band is not None:
            bands[hparam] = band
            num_muted += styles[hparam].is_muted
    if not bands:
        text = "No learning curve yet: no training here has finished an episode and been recorded."
        return f'<div class="card"><h3>Learning curves</h3>{notice(text)}</div>'
    figures[place] = learning_curves(bands, styles)
    has_bands = any(band.num_known > 1 for hparam, band in bands.items() if not styles[hparam].is_muted)
    told = (
        "Line: mean over seeds, from where each has finished an episode; a seed that finishes no further one keeps its "
        "last value. Band: from the lowest to the highest seed."
        if has_bands
        else "One seed each, so no band."
    )
    if partly:
        more = f"; and {len(partly) - MAX_NAMED} more" if len(partly) > MAX_NAMED else ""
        drawn = "; ".join(partly[:MAX_NAMED]) + more
        told += f" Some seeds never finished an episode and have no value; drawn are: {drawn}."
    told += f" {count_of(left_out, 'further recipe is', 'further recipes are')} left out." if left_out else ""
    description = f"Learning curves of {count_of(len(bands), 'recipe')} in {results.env}"
    return (
        f'<div class="card"><h3>Learning curves</h3><p class="aside">{escape(told)}</p>{_keys(bands, styles)}'
        f"{_place(place, figures[place], description)}</div>"
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
        f"{_place(place, figures[place], f'Training steps per second in {results.env}')}</div>"
    )


def _gates(results: EnvResults, styles: Mapping[str, RecipeStyle]) -> str:
    items = "".join(_decision(decision) for decision in results.decisions)
    body = f'<ul class="gates">{items}</ul>' if items else notice(_why_not_judged(results))
    return f'<div class="card"><h3>Gates</h3>{body}{_champion(results.champion, styles)}</div>'


def _why_not_judged(results: EnvResults) -> str:
    asks = (
        "" if results.floor is None else f" The sweep asks for a mean return of at least {format_exact(results.floor)}."
    )
    return f"No gate has judged a candidate for {results.env} yet.{asks}"


def _decision(decision: GateDecision) -> str:
    evidence = " · ".join(f"{name.replace('_', ' ')} {format_exact(value)}" for name, value in decision.numbers.items())
    return (
        f"<li><span>{verdict_chip(decision.verdict)}</span>"
        f"<div><h3>{escape(decision.name.replace('_', ' '))}</h3>"
        f'<p class="why">{escape(_sentence(decision.reason))}</p>'
        f'<p class="evidence">{escape(evidence)}</p></div></li>'
    )


def _champion(champion: Mapping[str, Any] | None, styles: Mapping[str, RecipeStyle]) -> str:
    if champion is None:
        return '<p class="champion">There is no champion yet.</p>'
    hparam = str(champion["hparam"])
    words = f"seed {champion['member_seed']} of {styles[hparam].label if hparam in styles else hparam}"
    if champion.get("generation") is not None:
        words += f", generation {champion['generation']}"
    if champion.get("promoted_at"):
        words += f", promoted at {champion['promoted_at']}"
    reason = f" {_sentence(str(champion['reason']))}" if champion.get("reason") else ""
    version = (
        f'<p class="evidence">data version {escape(str(champion["data_version"]))}</p>'
        if champion.get("data_version")
        else ""
    )
    return f'<div class="champion"><p><strong>Champion:</strong> {escape(words)}.{escape(reason)}</p>{version}</div>'


def _sentence(text: str) -> str:
    """Give a reason a capital and a full stop."""
    text = text.strip()
    return text[:1].upper() + text[1:] + ("" if text.endswith((".", "!", "?")) or not text else ".")


def _keys(bands: Mapping[str, SeedBand], styles: Mapping[str, RecipeStyle]) -> str:
    """The legend: a button for each colour, which hides its recipes in all charts."""
    entries = {styles[hparam].color: styles[hparam].label for hparam in bands if not styles[hparam].is_muted}
    num_muted = sum(styles[hparam].is_muted for hparam in bands)
    if num_muted:
        entries[MUTED] = count_of(num_muted, "other recipe")
    buttons = "".join(
        f'<button type="button" data-series="{color}" aria-pressed="true" style="--c:var(--{color})">'
        f'<i class="swatch"></i>{escape(label)}</button>'
        for color, label in entries.items()
    )
    return f'<div class="keys">{buttons}</div>'


def _place(place: str, figure: Figure, description: str) -> str:
    """Where a chart will be drawn, at its final height so that the page does not jump."""
    height = figure["layout"]["height"]
    return (
        f'<div class="plot" id="{place}" style="height:{height}px" role="img" aria-label="{escape(description)}"></div>'
    )
