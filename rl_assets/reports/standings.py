"""A leaderboard for the eye: the sentence, the picture of means and intervals, and the table with every number."""

from collections.abc import Mapping, Sequence
from html import escape

from rl_assets.reports.axes import Axis, standings_axis
from rl_assets.reports.numbers import (
    UNKNOWN,
    count_of,
    decimals_for,
    format_compact,
    format_interval,
    format_number,
    format_share,
)
from rl_assets.reports.page import badge, notice
from rl_assets.reports.recipe_styles import RecipeStyle
from rl_assets.statistics.ranking import REPLICATION_SEEDS, LeaderboardRow, metric_names

MAX_DRAWN = 40
"""Rows in the picture; the table has all."""
MAX_IN_FULL = 12
"""Rows of a table that stands on the page in full; a longer one scrolls by itself, below its head."""
_EDGE = 2.0
"""Percent of the picture's width left free at either side, so that dots at the ends are whole."""


def standings_summary(
    env: str, rows: Sequence[LeaderboardRow], styles: Mapping[str, RecipeStyle], *, confidence: float
) -> str:
    """Say in plain text which recipe leads and how sure that is; `rows` are ranked and not empty."""
    best, others = rows[0], rows[1:]
    decimals = decimals_for(row.mean_return for row in rows)
    name = styles[best.hparam].label
    start = (
        f"Of {count_of(len(rows), 'recipe')} in {env}, {name} leads"
        if others
        else f"{name} is the only recipe in {env}"
    )
    claim = f"{start} with a mean return of {format_number(best.mean_return, decimals=decimals)}"
    seeds = count_of(best.num_seeds, "training seed")
    if best.ci_low is None or best.ci_high is None:
        return f"{claim} over {seeds}, too few for an interval."
    low, high = (format_number(end, decimals=decimals) for end in (best.ci_low, best.ci_high))
    claim = f"{claim} ({confidence * 100:g} % interval {low} to {high}, {seeds})"
    if not others:
        return f"{claim}."
    if not best.is_replicated:
        return f"{claim}; with fewer than {REPLICATION_SEEDS} seeds, no other recipe can be told apart from it."
    tied = sum(row.may_be_best for row in others)
    if not tied:
        return f"{claim}, and every other recipe is told apart from it."
    if tied == len(others):
        none = "no other recipe can" if tied > 1 else "the other recipe cannot"
        return f"{claim}, but {none} be told apart from it."
    return f"{claim}, but {tied:,} of the {len(others):,} others cannot be told apart from it."


def standings_plot(
    rows: Sequence[LeaderboardRow], styles: Mapping[str, RecipeStyle], *, candidate: str | None = None
) -> str:
    """Draw each recipe's mean, interval and worst seed, best first, on one axis.

    It is text, grid and small SVGs with positions in percent: it needs no script and is as wide as the page.
    """
    drawn = rows[:MAX_DRAWN]
    axis = standings_axis(drawn)
    decimals = decimals_for(row.mean_return for row in rows)
    lines = "".join(
        _dot_row(row, styles[row.hparam], axis, decimals, is_strong=row.hparam == candidate) for row in drawn
    )
    ticks = "".join(
        f'<text x="{_x(axis, tick)}" y="15" text-anchor="middle">{format_compact(tick)}</text>' for tick in axis.ticks
    )
    rest = (
        ""
        if len(rows) == len(drawn)
        else notice(f"Drawn are the best {len(drawn)} of {len(rows):,}; the table has all.")
    )
    return (
        f'<div class="dots">{lines}<div class="dots-row dots-axis"><span></span>'
        f'<svg height="20" aria-hidden="true">{ticks}</svg><span></span></div></div>{rest}'
    )


def plot_legend(*, confidence: float) -> str:
    """Explain the picture's marks in plain text."""
    return (
        f"Dot: mean return over training seeds. Line: {confidence * 100:g} % interval over seeds (Student's t). "
        f"Short mark: the worst seed. A hollow dot has fewer than {REPLICATION_SEEDS} seeds."
    )


def table_legend(*, confidence: float) -> str:
    """Explain the table's columns and marks in plain text."""
    return (
        "Beats best: how likely one training scores higher than one of the first recipe. IQM: interquartile mean over "
        "seeds (from 4 seeds). CVaR 10 %: mean of the worst tenth of all episodes. Process s: seconds of one training "
        "process, not money. May be best: cannot be told apart from the first recipe; with "
        f"{confidence * 100:g} % confidence the truly best one is among these. Unreplicated: fewer than "
        f"{REPLICATION_SEEDS} seeds, so the rank may be luck, and no difference is claimed."
    )


def standings_table(
    rows: Sequence[LeaderboardRow],
    styles: Mapping[str, RecipeStyle],
    *,
    candidate: Mapping[str, int | None] | None = None,
    others: frozenset[str] = frozenset(),
) -> str:
    """Tabulate every row with all of its numbers, in a box that scrolls by itself on a narrow screen.

    Args:
        rows: ranked.
        styles: label and colour by hparam.
        candidate: hparam that the gates look at -> the seed of its member.
        others: hparams to mark as asked for by another sweep.
    """
    decimals = decimals_for(value for row in rows for value in (row.mean_return, row.worst_seed_return))
    heads = ["mean return", "interval", "beats best", "IQM", "worst seed", "CVaR 10\N{NO-BREAK SPACE}%", "mean length"]
    heads += ["seeds", "episodes", "steps/s", "process\N{NO-BREAK SPACE}s"]
    metrics = metric_names(rows)
    heads += [escape(name.replace("_", " ")) for name in metrics]
    head = "".join(f'<th scope="col" class="num">{name}</th>' for name in heads)
    body: list[str] = []
    for row in rows:
        returns = (row.iqm, row.worst_seed_return, row.cvar10)
        cells = [
            f'<td class="num main">{format_number(row.mean_return, decimals=decimals)}</td>',
            _cell(format_interval(row.ci_low, row.ci_high, decimals=decimals)),
            _cell(format_share(row.probability_of_improvement)),
            *(_cell(format_number(value, decimals=decimals)) for value in returns),
            _cell(format_number(row.mean_length, decimals=1)),
            _cell(f"{row.num_seeds:,}"),
            _cell(f"{row.num_episodes:,}"),
            _cell(format_number(row.steps_per_s, decimals=0)),
            _cell(format_number(row.process_s, decimals=1)),
            *(_cell(format_number(row.metrics.get(name), decimals=3)) for name in metrics),
        ]
        notes = _notes(row, candidate=candidate or {}, is_other=row.hparam in others)
        name = _recipe_cell(row, styles[row.hparam], notes=notes)
        body.append(f'<tr><td class="num">{row.rank}</td>{name}{"".join(cells)}</tr>')
    return (
        f'<div class="scroll{" tall" if len(rows) > MAX_IN_FULL else ""}" tabindex="0" role="region" '
        'aria-label="Leaderboard table"><table><thead><tr>'
        f'<th scope="col" class="num">#</th><th scope="col">recipe</th>{head}</tr></thead>'
        f"<tbody>{''.join(body)}</tbody></table></div>"
    )


def _dot_row(row: LeaderboardRow, style: RecipeStyle, axis: Axis, decimals: int, *, is_strong: bool) -> str:
    marks = [f'<line class="grid" x1="{_x(axis, t)}" x2="{_x(axis, t)}" y1="-6" y2="40"/>' for t in axis.ticks]
    if row.ci_low is not None and row.ci_high is not None:
        marks.append(
            f'<line class="whisker" x1="{_x(axis, row.ci_low)}" x2="{_x(axis, row.ci_high)}" y1="17" y2="17"/>'
        )
        for end, tip in ((row.ci_low, "5,-5 0,0 5,5"), (row.ci_high, "-5,-5 0,0 -5,5")):
            if not axis.holds(end):
                points = f'<polyline class="beyond" points="{tip}" transform="translate(0 17)"/>'
                marks.append(f'<svg x="{_x(axis, end)}">{points}</svg>')
    worst = _x(axis, row.worst_seed_return)
    marks.append(f'<line class="worst" x1="{worst}" x2="{worst}" y1="11" y2="23"/>')
    hollow = "" if row.is_replicated else " hollow"
    marks.append(f'<circle class="mean{hollow}" cx="{_x(axis, row.mean_return)}" cy="17" r="6"/>')
    mean = format_number(row.mean_return, decimals=decimals)
    interval = format_interval(row.ci_low, row.ci_high, decimals=decimals)
    lowest = format_number(row.worst_seed_return, decimals=decimals)
    told = escape(f"{row.hparam}: mean {mean}, interval {interval}, worst seed {lowest}")
    return (
        f'<div class="dots-row" style="--c:var(--{style.color})">'
        f'<span class="dots-name{" strong" if is_strong else ""}"><i class="swatch"></i>{escape(style.label)}</span>'
        f'<svg height="34" role="img" aria-label="{told}"><title>{told}</title>{"".join(marks)}</svg>'
        f'<span class="dots-value">{mean}</span></div>'
    )


def _x(axis: Axis, value: float) -> str:
    return f"{_EDGE + (100 - 2 * _EDGE) * axis.fraction(value):.2f}%"


def _cell(text: str) -> str:
    return f'<td class="num">{text or UNKNOWN}</td>'


def _recipe_cell(row: LeaderboardRow, style: RecipeStyle, *, notes: str) -> str:
    return (
        f'<td class="recipe"><span class="name" style="--c:var(--{style.color})"><i class="swatch"></i>'
        f'{escape(style.label)}</span><span class="key">{escape(row.hparam)}</span>{notes}</td>'
    )


def _notes(row: LeaderboardRow, *, candidate: Mapping[str, int | None], is_other: bool) -> str:
    notes: list[str] = []
    if row.hparam in candidate:
        seed = candidate[row.hparam]
        notes.append(badge("candidate" if seed is None else f"candidate: seed {seed}", kind="accent"))
    if row.may_be_best and row.rank > 1 and row.is_replicated:
        notes.append(badge("may be best"))
    if not row.is_replicated:
        notes.append(badge("unreplicated", kind="hold"))
    if is_other:
        notes.append(badge("other sweep"))
    return "".join(notes)
