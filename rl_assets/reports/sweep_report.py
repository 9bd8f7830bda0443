"""The report of one sweep: what was asked for, what came of it in each environment, and what the gates said."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

import numpy as np
import numpy.typing as npt
from plotly.offline import get_plotlyjs

from rl_assets.config.sweep_plan import SweepPlan
from rl_assets.reports.env_section import EnvResults, env_section, verdict_of
from rl_assets.reports.figures import Figure
from rl_assets.reports.numbers import UNKNOWN, count_of, decimals_for, format_interval, format_number
from rl_assets.reports.page import facts_list, html_page, masthead, page_file, verdict_chip
from rl_assets.reports.recipe_styles import RecipeStyle, recipe_styles
from rl_assets.reports.summary_cards import EnvSummary, GateMeans, summary_cards
from rl_assets.statistics.gates import GateDecision
from rl_assets.statistics.ranking import LeaderboardRow

History = Mapping[str, npt.NDArray[Any]]


@dataclass(frozen=True, kw_only=True)
class SweepReport:
    """All that a sweep's report shows; an environment or recipe that is missing somewhere has nothing there yet."""

    sweep: str
    """Partition key of the sweep."""
    plan: SweepPlan
    leaderboards: Mapping[str, Sequence[LeaderboardRow]]
    """Env -> ranked rows, best first; recipes of other sweeps are marked."""
    curves: Mapping[str, Mapping[str, Sequence[History]]]
    """Env -> hparam -> per member, columns `env_steps` and `mean_return` of `[num_updates]`, NaN where unknown."""
    speeds: Mapping[str, Mapping[str, float | None]]
    """Env -> hparam -> training steps per second."""
    decisions: Mapping[str, Sequence[GateDecision]]
    """Env -> the gates' decisions on its candidate, in the order asked."""
    champions: Mapping[str, Mapping[str, Any] | None]
    """Env -> the reigning champion's `hparam`, `member_seed`, `data_version`, `promoted_at`, `reason`, `generation`."""
    gate_means: Mapping[str, GateMeans | None]
    """Env -> what candidate and champion reached on the gates' episodes; None or missing where no gate was asked."""
    lineage: Mapping[str, str]
    """Facts for the head of the page, such as dataset key, data version and commit."""
    confidence: float = 0.95
    """Of the intervals in the rows."""


def sweep_report(report: SweepReport) -> bytes:
    """Render a sweep's report as one HTML file with plotly.js inside; equal reports give equal bytes.

    Raises:
        ValueError: a member's history has columns of different lengths.
    """
    styles = _styles(report)
    figures: dict[str, Figure] = {}
    sections = [
        env_section(_results(report, env), styles, position=position, figures=figures)
        for position, env in enumerate(report.plan.envs, start=1)
    ]
    parts = [
        masthead(kind="Sweep report", title=report.sweep, summary=_summary(report)),
        summary_cards([_env_summary(report, env) for env in report.plan.envs], styles),
        f'<section class="card">{facts_list(report.lineage)}</section>' if report.lineage else "",
        _overview(report, styles),
        *sections,
        "<footer>The unit of a leaderboard is the training seed; its episodes rank recipes and never decide a "
        "promotion. Gates ask again on fresh episodes. "
        "This file needs no network.</footer>",
    ]
    scripts = [get_plotlyjs(), page_file("charts.js")] if figures else []
    data = {"figures": json.dumps(figures, sort_keys=True, allow_nan=False, separators=(",", ":"))} if figures else {}
    return html_page(title=f"Sweep report: {report.sweep}", body="\n".join(parts), scripts=scripts, data=data)


def _results(report: SweepReport, env: str) -> EnvResults:
    return EnvResults(
        env=env,
        rows=tuple(report.leaderboards.get(env, ())),
        curves=report.curves.get(env, {}),
        speeds=report.speeds.get(env, {}),
        decisions=tuple(report.decisions.get(env, ())),
        champion=report.champions.get(env),
        recipes=report.plan.recipes,
        floor=report.plan.gates.floor_of(env),
        confidence=report.confidence,
    )


def _env_summary(report: SweepReport, env: str) -> EnvSummary:
    return EnvSummary(
        env=env,
        link=f"env-{list(report.plan.envs).index(env) + 1}",
        num_evaluated=len(report.leaderboards.get(env, ())),
        decisions=report.decisions.get(env, ()),
        means=report.gate_means.get(env),
        champion=report.champions.get(env),
    )


def _styles(report: SweepReport) -> dict[str, RecipeStyle]:
    """One look for each recipe of the sweep, and muted ones for those that other sweeps brought to its leaderboards."""
    recipes = list(report.plan.recipes)
    ranks: dict[str, list[int]] = {hparam: [] for hparam in recipes}
    strangers: dict[str, None] = {}
    for env in report.plan.envs:
        for row in report.leaderboards.get(env, ()):
            if row.hparam in ranks:
                ranks[row.hparam].append(row.rank)
            else:
                strangers[row.hparam] = None
    best_first = sorted(recipes, key=lambda hparam: float(np.mean(ranks[hparam])) if ranks[hparam] else float("inf"))
    return recipe_styles(report.plan.recipes, highlighted=best_first, others=sorted(strangers))


def _summary(report: SweepReport) -> str:
    plan = report.plan
    asked = (
        f"{count_of(len(plan.envs), 'environment')} × {count_of(len(plan.recipes), 'recipe')} × "
        f"{count_of(len(plan.seeds), 'seed')}: {count_of(plan.num_members, 'training')}."
    )
    evaluated = [env for env in plan.envs if report.leaderboards.get(env)]
    verdicts = [verdict_of(report.decisions.get(env, ())) for env in evaluated]
    told = {"pass": "passed its gates", "hold": "was held", "fail": "failed its gates", None: "was not judged"}
    plural = {"pass": "passed their gates", "hold": "were held", "fail": "failed their gates", None: "were not judged"}
    counts = {verdict: verdicts.count(verdict) for verdict in told}
    parts = [
        f"{count} {told[verdict] if count == 1 else plural[verdict]}" for verdict, count in counts.items() if count
    ]
    if not evaluated:
        return f"{asked} No environment has been evaluated yet."
    have = "has" if len(evaluated) == 1 else "have"
    state = (
        f"{len(evaluated)} of {len(plan.envs)} environments {have}" if len(evaluated) < len(plan.envs) else "All have"
    )
    if len(plan.envs) == 1:
        return f"{asked} Its candidate {told[verdicts[0]] if verdicts[0] else 'has not been judged yet'}."
    return f"{asked} {state} been evaluated; of the candidates {_joined(parts)}."


def _joined(parts: Sequence[str]) -> str:
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"


def _overview(report: SweepReport, styles: Mapping[str, RecipeStyle]) -> str:
    """One line for each environment, linked to its section; left out where there is only one."""
    if len(report.plan.envs) == 1:
        return ""
    rows: list[str] = []
    for position, env in enumerate(report.plan.envs, start=1):
        ranked = report.leaderboards.get(env, ())
        best, mean, interval = "no evaluations yet", UNKNOWN, UNKNOWN
        if ranked:
            decimals = decimals_for(row.mean_return for row in ranked)
            best = styles[ranked[0].hparam].label
            mean = format_number(ranked[0].mean_return, decimals=decimals)
            interval = format_interval(ranked[0].ci_low, ranked[0].ci_high, decimals=decimals)
        champion = report.champions.get(env)
        reign = f"seed {champion['member_seed']} of {_name(champion['hparam'], styles)}" if champion else UNKNOWN
        rows.append(
            f'<tr><td><a href="#env-{position}">{escape(env)}</a></td><td class="wrap">{escape(best)}</td>'
            f'<td class="num main">{mean}</td><td class="num">{interval}</td>'
            f"<td>{verdict_chip(verdict_of(report.decisions.get(env, ())))}</td>"
            f'<td class="wrap">{escape(reign)}</td></tr>'
        )
    return (
        '<section class="card"><h3>Environments</h3><div class="scroll" tabindex="0" role="region" '
        'aria-label="Environments"><table><thead><tr><th scope="col">environment</th><th scope="col">best recipe</th>'
        '<th scope="col" class="num">mean return</th><th scope="col" class="num">interval</th>'
        '<th scope="col">gates</th><th scope="col">champion</th></tr></thead>'
        f"<tbody>{''.join(rows)}</tbody></table></div></section>"
    )


def _name(hparam: str, styles: Mapping[str, RecipeStyle]) -> str:
    return styles[hparam].label if hparam in styles else hparam
