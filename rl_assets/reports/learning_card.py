"""The card of one environment's learning curves, with a menu of what else its trainings measured."""

from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import Any

import numpy.typing as npt

from rl_assets.reports.figures import STEPS_TITLE, Figure, learning_curves
from rl_assets.reports.numbers import count_of
from rl_assets.reports.page import notice, place_chart, select_menu
from rl_assets.reports.recipe_styles import MUTED, RecipeStyle
from rl_assets.reports.seed_bands import SeedBand, seed_band

History = Mapping[str, npt.NDArray[Any]]
MAX_MUTED_CURVES = 40
MAX_NAMED = 8
SAMPLES_TITLE = "samples that each member learned from"
LOSS_TITLE = "negative log-likelihood of demonstrated actions, nats"
RETURN, LOSS = "mean_return", "negative_log_likelihood"
METRICS: Mapping[str, str] = {
    "validation_negative_log_likelihood": "the same on held-out episodes, nats",
    "accuracy": "share of actions that are the demonstrated ones",
    "squared_error": "squared error of actions, in halves of their range",
    "mean_length": "mean length of finished episodes, steps",
    "entropy": "entropy of the actions, nats",
    "value_loss": "value loss",
    "approximate_kl": "KL divergence of an update, nats",
    "gradient_norm": "norm of the gradient before clipping",
}
"""Columns of a history that the menu offers beside the return, or the loss of cloning -> what they are."""


def learning_card(
    curves: Mapping[str, Sequence[History]],
    recipes: Iterable[str],
    styles: Mapping[str, RecipeStyle],
    *,
    env: str,
    place: str,
    figures: dict[str, Figure],
) -> str:
    """Render the card and add its chart to `figures`; where no episode has ended yet, say so.

    Trainings that learn from a dataset play no episodes: their card shows how unlikely they find its actions.

    Args:
        curves: hparam -> per member, columns of `[num_updates]`, `mean_return` and those of `steps_of` among them.
        recipes: hparams in the order of drawing.
        styles: label and colour by hparam.
        env: the environment's key.
        place: id of the chart's place on the page.
        figures: place -> chart.
    """
    # Beside trainings that play episodes, clones have nothing that can be drawn on the same axes.
    acting = {hparam: own for hparam, own in curves.items() if not any(LOSS in history for history in own)}
    clones = not any(filter(None, (history for own in acting.values() for history in own)))
    curves = curves if clones else acting
    clones = clones and any(LOSS in history for own in curves.values() for history in own)
    titles = {"x_title": SAMPLES_TITLE, "y_title": LOSS_TITLE} if clones else {}
    bands: dict[str, SeedBand] = {}
    partly: list[str] = []
    num_muted = left_out = 0
    for hparam in recipes:
        if styles[hparam].is_muted and num_muted == MAX_MUTED_CURVES:
            left_out += 1
            continue
        histories = curves.get(hparam, ())
        band = seed_band(histories, LOSS if clones else RETURN)
        num_known = band.num_known if band is not None else 0
        if num_known < len(histories):
            partly.append(f"{styles[hparam].label} {num_known} of {count_of(len(histories), 'seed')}")
        if band is not None:
            bands[hparam] = band
            num_muted += styles[hparam].is_muted
    if not bands:
        text = "No learning curve yet: no training here has finished an episode and been recorded."
        return f'<div class="card"><h3>Learning curves</h3>{notice(text)}</div>'
    named = {hparam: curves[hparam] for hparam in bands if not styles[hparam].is_muted}
    others = _further_metrics(named, styles, x_title=SAMPLES_TITLE if clones else STEPS_TITLE)
    figures[place] = learning_curves(bands, styles, **titles) | ({"choices": list(others.values())} if others else {})
    has_bands = any(band.num_known > 1 for hparam, band in bands.items() if not styles[hparam].is_muted)
    line = (
        "mean over seeds."
        if clones
        else "mean over seeds, from where each has finished an episode; a seed that finishes no further one keeps its "
        "last value."
    )
    told = f"Line: {line} Band: from the lowest to the highest seed." if has_bands else "One seed each, so no band."
    if partly:
        more = f"; and {len(partly) - MAX_NAMED} more" if len(partly) > MAX_NAMED else ""
        drawn = "; ".join(partly[:MAX_NAMED]) + more
        told += f" Some seeds never finished an episode and have no value; drawn are: {drawn}."
    told += f" {count_of(left_out, 'further recipe is', 'further recipes are')} left out." if left_out else ""
    description = f"Learning curves of {count_of(len(bands), 'recipe')} in {env}"
    return (
        f'<div class="card"><h3>Learning curves</h3><p class="aside">{escape(told)}</p>'
        f"{_menu(place, others, first=LOSS if clones else RETURN)}"
        f"{_keys(bands, styles)}{place_chart(place, figures[place], description)}</div>"
    )


def _further_metrics(
    curves: Mapping[str, Sequence[History]], styles: Mapping[str, RecipeStyle], *, x_title: str
) -> dict[str, Figure]:
    """Name of a metric -> its chart, of the recipes with a colour of their own; those that every history has."""
    found: dict[str, Figure] = {}
    for column, about in METRICS.items():
        if not all(column in history for histories in curves.values() for history in histories if history):
            continue
        bands = {hparam: seed_band(histories, column) for hparam, histories in curves.items()}
        known = {hparam: band for hparam, band in bands.items() if band is not None}
        if known:
            found[column.replace("_", " ")] = learning_curves(known, styles, x_title=x_title, y_title=about)
    return found


def _menu(place: str, others: Mapping[str, Figure], *, first: str) -> str:
    return select_menu(place, [first.replace("_", " "), *others], label="Metric") if others else ""


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
