"""The page of one environment's leaderboard: all recipes with their intervals, and the member the gates look at."""

import json
from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from rl_assets.reports.numbers import count_of, decimals_for, format_number, format_share
from rl_assets.reports.page import html_page, masthead
from rl_assets.reports.recipe_styles import MUTED, RecipeStyle, recipe_labels
from rl_assets.reports.standings import plot_legend, standings_plot, standings_summary, standings_table, table_legend
from rl_assets.statistics.comparisons import unseen_failure_rate
from rl_assets.statistics.coverage import COVERAGE_CONFIDENCE, SCORES, known_coverage
from rl_assets.statistics.ranking import LeaderboardRow


def leaderboard_page(
    env: str, rows: Sequence[LeaderboardRow], *, candidate: Mapping[str, Any], confidence: float = 0.95
) -> bytes:
    """Render an environment's leaderboard as one HTML file without scripts.

    Args:
        env: the environment's key.
        rows: ranked, best first, at least one.
        candidate: what the gates look at: `hparam`, `member_seed`, `selection_mean_return` and `policy`, JSON.
        confidence: of the rows' intervals.

    Raises:
        ValueError: there are no rows.
    """
    if not rows:
        raise ValueError(f"leaderboard of '{env}' has no rows: expected at least one evaluated recipe")
    chosen = candidate["hparam"]
    leaders = {row.hparam for row in rows if row.may_be_best}
    styles = {
        hparam: RecipeStyle(label=label, color="series-1" if hparam in leaders else MUTED)
        for hparam, label in recipe_labels(row.hparam for row in rows).items()
    }
    blue = " Blue: may be the best recipe." if len(rows) > 1 else ""
    parts = [
        masthead(kind="Leaderboard", title=env, summary=standings_summary(env, rows, styles, confidence=confidence)),
        '<section class="card"><h3>Mean return by recipe</h3>',
        f'<p class="aside">{escape(plot_legend(confidence=confidence))}{blue}</p>',
        standings_plot(rows, styles, candidate=chosen),
        "</section>",
        _candidate_card(candidate, rows, styles),
        '<section class="card"><h3>All numbers</h3>',
        standings_table(rows, styles, candidate={chosen: candidate["member_seed"]}),
        "</section>",
        f"<footer>{_reading(rows, confidence=confidence)}</footer>",
    ]
    return html_page(title=f"Leaderboard: {env}", body="\n".join(parts))


def _candidate_card(
    candidate: Mapping[str, Any], rows: Sequence[LeaderboardRow], styles: Mapping[str, RecipeStyle]
) -> str:
    decimals = decimals_for(row.mean_return for row in rows)
    style = styles.get(candidate["hparam"])
    name = style.label if style else candidate["hparam"]
    mean = format_number(candidate["selection_mean_return"], decimals=decimals)
    sentence = (
        f"The member with training seed {candidate['member_seed']} of {name}, with a mean return of {mean} on its "
        "selection episodes. Choosing the best flatters it, so the gates ask again on fresh episodes."
    )
    policy = json.dumps(candidate["policy"], indent=2, sort_keys=True, ensure_ascii=False)
    return (
        f'<section class="card"><h3>Candidate for promotion</h3><p>{escape(sentence)}</p>'
        f"<details><summary>Policy</summary><pre>{escape(policy)}</pre></details></section>"
    )


def _reading(rows: Sequence[LeaderboardRow], *, confidence: float) -> str:
    """What each number means and how far it is to be trusted."""
    episodes = count_of(sum(row.num_episodes for row in rows), "evaluation episode")
    parts = [
        f"{episodes} in all. The unit is the training seed: a seed's score is its mean over its episodes, a "
        "recipe's the mean over its seeds.",
        table_legend(confidence=confidence),
    ]
    seeds = rows[0].num_seeds
    if seeds >= 2 and confidence == COVERAGE_CONFIDENCE:
        known = known_coverage(seeds)
        shares = [f"{format_share(share)} where {SCORES[name].about}" for name, share in known.items()]
        parts.append(
            f"How often such an interval over {count_of(seeds, 'seed')} holds the true mean, by simulation: "
            f"{', '.join(shares)}."
        )
    unseen = format_share(unseen_failure_rate(seeds, confidence=confidence))
    parts.append(f"A failure that strikes up to {unseen} of trainings may not show in {count_of(seeds, 'seed')}.")
    return "".join(f"<p>{escape(part)}</p>" for part in parts)
