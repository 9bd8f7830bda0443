"""Plotly figures as plain data; colours are names of the stylesheet, which `charts.js` looks up."""

from collections.abc import Mapping
from html import escape
from typing import Any

import numpy.typing as npt

from rl_assets.reports.recipe_styles import RecipeStyle
from rl_assets.reports.seed_bands import SeedBand

Figure = dict[str, Any]
MAX_LABEL = 22
RETURN_TITLE = "mean return of finished episodes"
STEPS_TITLE = "environment steps of each member"


def learning_curves(
    bands: Mapping[str, SeedBand],
    styles: Mapping[str, RecipeStyle],
    *,
    x_title: str = STEPS_TITLE,
    y_title: str = RETURN_TITLE,
) -> Figure:
    """Draw each recipe's mean over seeds, with a band from the lowest to the highest seed.

    Recipes that share the muted colour are thin lines behind the others, without a band.
    """
    back = [hparam for hparam in bands if styles[hparam].is_muted]
    front = [hparam for hparam in bands if not styles[hparam].is_muted]
    traces: list[dict[str, Any]] = [_mean_line(bands[hparam], styles[hparam], width=1) for hparam in back]
    for hparam in front:
        if bands[hparam].num_known > 1:
            traces += _band_edges(bands[hparam], styles[hparam])
    traces += [_mean_line(bands[hparam], styles[hparam], width=2.25) for hparam in front]
    layout = base_layout(height=380, x_title=x_title, y_title=y_title)
    layout["hovermode"] = "x unified"
    layout["xaxis"] |= {"rangemode": "tozero", "hoverformat": ",.0f"}
    return {"data": traces, "layout": layout}


def training_speeds(speeds: Mapping[str, float], styles: Mapping[str, RecipeStyle]) -> Figure:
    """Draw each recipe's training steps per second as a bar, in the order given."""
    traces = [
        {
            "type": "bar",
            "orientation": "h",
            "name": escape(styles[hparam].label),
            "legendgroup": styles[hparam].color,
            "x": [short(speed)],
            "y": [position],
            "width": 0.62,
            "text": [f"{speed:,.0f}"],
            "textposition": "auto",
            "insidetextanchor": "end",
            "textangle": 0,
            "constraintext": "none",
            "hovertemplate": "%{x:,.0f} steps/s<extra>%{fullData.name}</extra>",
            "marker": {"color": f"var(--{styles[hparam].color})", "cornerradius": 3},
            "insidetextfont": {"color": "var(--card)", "size": 12},
            "outsidetextfont": {"color": "var(--ink-soft)", "size": 12},
        }
        for position, (hparam, speed) in enumerate(speeds.items())
    ]
    layout = base_layout(height=72 + 34 * len(speeds), x_title="training steps per second", y_title="")
    layout["hovermode"] = "closest"
    layout["xaxis"]["rangemode"] = "tozero"
    layout["yaxis"] |= {
        "autorange": "reversed",
        "showgrid": False,
        "tickvals": list(range(len(speeds))),
        "ticktext": [escape(_cut(styles[hparam].label)) for hparam in speeds],
    }
    return {"data": traces, "layout": layout}


def _mean_line(band: SeedBand, style: RecipeStyle, *, width: float) -> dict[str, Any]:
    line = {"color": f"var(--{style.color})", "width": width}
    mode = "lines" if len(band.steps) > 1 else "markers"
    trace = _trace(band.steps, band.mean, style) | {
        "mode": mode,
        "line": line,
        "marker": {"color": line["color"], "size": 8},
    }
    if style.is_muted:
        return trace | {"hoverinfo": "skip"}
    return trace | {"hovertemplate": "%{y:,.4~g}"}


def _band_edges(band: SeedBand, style: RecipeStyle) -> list[dict[str, Any]]:
    """The lower edge, and the upper one that fills down to it."""
    edge = {"mode": "lines", "line": {"width": 0}, "hoverinfo": "skip"}
    fill = {"fill": "tonexty", "fillcolor": f"var(--{style.color})/0.14"}
    return [_trace(band.steps, band.low, style) | edge, _trace(band.steps, band.high, style) | edge | fill]


def _trace(steps: npt.NDArray[Any], values: npt.NDArray[Any], style: RecipeStyle) -> dict[str, Any]:
    return {
        "type": "scatter",
        "name": escape(style.label),
        "legendgroup": style.color,
        "x": [short(value) for value in steps],
        "y": [short(value) for value in values],
    }


def base_layout(*, height: int, x_title: str, y_title: str) -> dict[str, Any]:
    """What all charts of a page share: fonts, grid, margins and labels; the height is in pixels."""
    axis = {
        "gridcolor": "var(--line)",
        "linecolor": "var(--line-strong)",
        "zeroline": False,
        "automargin": True,
        "tickfont": {"color": "var(--ink-faint)", "size": 12},
        "exponentformat": "SI",
        "nticks": 6,
    }
    font = {"size": 12.5, "color": "var(--ink-soft)"}
    return {
        "height": height,
        "margin": {"l": 8, "r": 12, "t": 30, "b": 48},
        "paper_bgcolor": "rgba(0,0,0,0)",
        "plot_bgcolor": "rgba(0,0,0,0)",
        "showlegend": False,
        "dragmode": "zoom",
        "font": {"color": "var(--ink)", "size": 13},
        "hoverlabel": {
            "bgcolor": "var(--card)",
            "bordercolor": "var(--line-strong)",
            "font": {"color": "var(--ink)", "size": 12.5},
            "namelength": -1,
        },
        "modebar": {"bgcolor": "rgba(0,0,0,0)", "color": "var(--ink-faint)", "activecolor": "var(--ink)"},
        "xaxis": axis | {"title": {"text": x_title, "font": font, "standoff": 10}},
        "yaxis": axis | {"title": {"text": y_title, "font": font, "standoff": 10}},
    }


def short(value: float) -> float:
    """Round to six significant digits: more cannot be seen, and they would be most of the page's own bytes."""
    return float(f"{value:.6g}")


def _cut(label: str) -> str:
    return label if len(label) <= MAX_LABEL else label[: MAX_LABEL - 1] + "…"
