"""The card that shows what a sweep's hyper-parameters did in one environment."""

import itertools
import math
from collections.abc import Mapping, Sequence
from html import escape

from rl_assets.config.recipe import Recipe
from rl_assets.reports.effect_figures import Results, hyperparameter_map, parallel_coordinates
from rl_assets.reports.figures import Figure
from rl_assets.reports.hyperparameters import Hyperparameter, by_effect, varied_hyperparameters
from rl_assets.reports.numbers import count_of
from rl_assets.reports.page import notice, place_chart, select_menu
from rl_assets.reports.recipe_styles import RecipeStyle
from rl_assets.statistics.ranking import LeaderboardRow

MAX_AXES = 8
MAX_LINES = 300
MAX_MAPS = 15


def effect_card(
    rows: Sequence[LeaderboardRow],
    recipes: Mapping[str, Recipe],
    styles: Mapping[str, RecipeStyle],
    *,
    env: str,
    position: int,
    figures: dict[str, Figure],
) -> str:
    """Render the card and add its charts to `figures`; where there is nothing to compare, say why.

    Args:
        rows: the environment's leaderboard; recipes that the sweep did not ask for are left out.
        recipes: hparam -> recipe, of the whole sweep.
        styles: labels by hparam.
        env: the environment's key.
        position: the environment's place on the page.
        figures: place on the page -> chart.
    """
    returns = {row.hparam: row.mean_return for row in rows if row.hparam in recipes and math.isfinite(row.mean_return)}
    evaluated = {hparam: recipe for hparam, recipe in recipes.items() if hparam in returns}
    parameters = varied_hyperparameters(evaluated)
    if not parameters:
        return _card(notice(_why_nothing_varies(len(evaluated), recipes)))
    strongest = by_effect(parameters, returns)
    shown = dict(list(returns.items())[:MAX_LINES])
    results = Results(returns=returns, labels={hparam: styles[hparam].label for hparam in returns})
    lines, maps = f"effects-{position}", f"maps-{position}"
    axes = strongest[:MAX_AXES][::-1]
    figures[lines] = parallel_coordinates(axes, Results(returns=shown, labels=results.labels))
    parts = [
        f'<p class="aside">{escape(_lines_legend(axes, strongest, num_shown=len(shown), num_all=len(returns)))}</p>',
        place_chart(lines, figures[lines], f"Hyper-parameters and mean return of {len(shown)} recipes in {env}"),
    ]
    pairs = list(itertools.combinations(strongest, 2))[:MAX_MAPS]
    if not pairs:
        only = f"Only {parameters[0].name} varies, so there is no map of two hyper-parameters."
        return _card(*parts, notice(only))
    first, *others = [hyperparameter_map(one, other, results) for one, other in pairs]
    figures[maps] = first | ({"choices": others} if others else {})
    return _card(*parts) + _card(
        f'<p class="aside">{escape(_map_legend(parameters, evaluated, [first, *others]))}</p>',
        select_menu(maps, [f"{one.name} × {other.name}" for one, other in pairs], label="Show") if others else "",
        place_chart(maps, first, f"Mean return over two hyper-parameters in {env}"),
        title="Mean return over two hyper-parameters",
    )


def _why_nothing_varies(num_evaluated: int, recipes: Mapping[str, Recipe]) -> str:
    if len(recipes) == 1:
        return "The sweep has a single recipe: no hyper-parameter varies, so there is no effect to show."
    if num_evaluated < 2:
        return (
            f"{'No recipe' if not num_evaluated else 'A single recipe'} of the sweep's "
            f"{len(recipes):,} has been evaluated here: effects show from two on."
        )
    return "No hyper-parameter varies among the recipes that were evaluated here."


def _lines_legend(
    axes: Sequence[Hyperparameter], parameters: Sequence[Hyperparameter], *, num_shown: int, num_all: int
) -> str:
    told = "A line is a recipe, from its hyper-parameters to its mean return, and the colour is that return again"
    told += "; the best one is thick."
    if len(axes) > 1:
        told += " Beside the return stands what most of the differences go with."
    if any(parameter.kind == "log" for parameter in axes):
        logarithmic = ", ".join(parameter.name for parameter in axes if parameter.kind == "log")
        told += f" Logarithmic: {logarithmic}."
    left_out = ", ".join(parameter.name for parameter in parameters[len(axes) :])
    told += f" Left out, with less effect: {left_out}." if left_out else ""
    return told + (f" Drawn are the best {num_shown:,} of {num_all:,} recipes." if num_shown < num_all else "")


def _map_legend(parameters: Sequence[Hyperparameter], evaluated: Mapping[str, Recipe], maps: Sequence[Figure]) -> str:
    kinds = {figure["data"][0]["type"] for figure in maps}
    shared = "the mean over the recipes that share both values, whatever else they vary"
    tiles = f"A tile is {shared if len(parameters) > 2 else 'a recipe'}; an empty one was not evaluated."
    dots = "A dot is a recipe." if kinds == {"scatter"} else "Where values hardly repeat, a dot is a recipe."
    told = " ".join(([tiles] if "heatmap" in kinds else []) + ([dots] if "scatter" in kinds else []))
    return f"{told} {count_of(len(evaluated), 'recipe')} in all."


def _card(*parts: str, title: str = "What the hyper-parameters did") -> str:
    return f'<div class="card"><h3>{title}</h3>{"".join(parts)}</div>'
