"""Pictures of what hyper-parameters did: parallel coordinates over all of them, and a map of any two."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

import numpy as np

from rl_assets.reports.axes import Axis, axis_over
from rl_assets.reports.figures import Figure, base_layout, short
from rl_assets.reports.hyperparameters import Hyperparameter
from rl_assets.reports.numbers import count_of, decimals_for, format_compact, format_number

NUM_SHADES = 9
"""Colours of the scale from the lowest to the highest mean return; `page.css` defines each for both schemes."""
MAX_CELLS = 400
MAX_TEXTS = 8
"""Columns of a map that has its numbers written into it; more would touch each other."""
_MIN_FILLED = 0.4
_FAN = 0.05
"""How far lines through one value are spread, as a share of the axis, so that they do not hide each other."""
_COLORSCALE = [[shade / (NUM_SHADES - 1), f"var(--scale-{shade})"] for shade in range(NUM_SHADES)]


@dataclass(frozen=True, kw_only=True)
class Results:
    """Mean returns of the recipes that were evaluated in one environment, at least two."""

    returns: Mapping[str, float]
    """Hparam -> mean return."""
    labels: Mapping[str, str]
    """Hparam -> its name in this report."""

    @property
    def decimals(self) -> int:
        """How many decimals all returns are shown with."""
        return decimals_for(self.returns.values())

    def shade(self, value: float) -> int:
        """Colour of a mean return on the scale between the lowest and the highest one."""
        low, high = min(self.returns.values()), max(self.returns.values())
        share = (value - low) / (high - low) if high > low else 1.0
        return min(NUM_SHADES - 1, int(share * NUM_SHADES))


def parallel_coordinates(parameters: Sequence[Hyperparameter], results: Results) -> Figure:
    """Draw each recipe as a line over its hyper-parameters to its mean return, coloured by that return.

    Axes stand side by side, and for narrow screens one below the other. Lines are SVG, not Plotly's `parcoords`: that
    needs WebGL and code made at run time, which the page's security policy forbids.
    """
    return _coordinates(parameters, results, is_narrow=False) | {
        "narrow": _coordinates(parameters, results, is_narrow=True)
    }


def hyperparameter_map(first: Hyperparameter, second: Hyperparameter, results: Results) -> Figure:
    """Draw mean returns over two hyper-parameters.

    A grid becomes tiles, each the mean over the recipes that share both values; combinations that nobody evaluated
    stay empty. Where values hardly repeat, as in a random search, each recipe is a dot at its place.
    """
    across, up = sorted((first, second), key=lambda parameter: (-len(parameter.levels), parameter.name))
    num_cells = len(across.levels) * len(up.levels)
    filled = {(across.level(hparam), up.level(hparam)) for hparam in results.returns}
    is_grid = num_cells <= MAX_CELLS and len(filled) >= _MIN_FILLED * num_cells
    draw = _tiles if is_grid else _dots
    return draw(across, up, results, is_narrow=False) | {"narrow": draw(across, up, results, is_narrow=True)}


def _coordinates(parameters: Sequence[Hyperparameter], results: Results, *, is_narrow: bool) -> Figure:
    axis = axis_over(results.returns.values(), margin=0.03)
    worst_first = sorted(results.returns, key=lambda hparam: (results.returns[hparam], hparam))
    lines = {hparam: [*_fanned(hparam, parameters, worst_first)] for hparam in worst_first}
    for hparam in worst_first:
        lines[hparam].append(axis.fraction(results.returns[hparam]))
    shades: dict[int, list[str]] = {}
    for hparam in worst_first[:-1]:
        shades.setdefault(results.shade(results.returns[hparam]), []).append(hparam)
    width = 2.0 if len(lines) <= 30 else 1.25 if len(lines) <= 80 else 0.8
    traces = [_lines(own, lines, results, shade, width, is_narrow=is_narrow) for shade, own in shades.items()]
    traces.append(_lines(worst_first[-1:], lines, results, NUM_SHADES - 1, 4.0, is_narrow=is_narrow))
    marks = [(parameter.name, parameter.ticks(min_gap=0.17 if is_narrow else 0.07)) for parameter in parameters]
    marks.append(("mean return", _return_ticks(axis, min_gap=0.17 if is_narrow else 0.07)))
    return {"data": traces, "layout": _coordinates_layout(marks, is_narrow=is_narrow)}


def _fanned(hparam: str, parameters: Sequence[Hyperparameter], order: Sequence[str]) -> list[float]:
    """Places on all axes, spread a little among those that share a value."""
    places: list[float] = []
    for parameter in parameters:
        sharing = [other for other in order if parameter.values[other] == parameter.values[hparam]]
        spread = min(_FAN, 0.4 / (len(parameter.levels) - 1)) if len(sharing) > 1 else 0.0
        shift = spread * (sharing.index(hparam) / (len(sharing) - 1) - 0.5) if spread else 0.0
        places.append(parameter.position(hparam) + shift)
    return places


def _lines(
    hparams: Sequence[str],
    lines: Mapping[str, Sequence[float]],
    results: Results,
    shade: int,
    width: float,
    *,
    is_narrow: bool,
) -> dict[str, Any]:
    """Recipes of one colour as one trace, with a gap between any two."""
    along: list[float | None] = []
    places: list[float | None] = []
    texts: list[str] = []
    for hparam in hparams:
        told = _told(hparam, results)
        along += [*range(len(lines[hparam])), None]
        places += [*(short(place) for place in lines[hparam]), None]
        texts += [told] * len(lines[hparam]) + [""]
    x, y = (places, [None if step is None else -step for step in along]) if is_narrow else (along, places)
    color = f"var(--scale-{shade})"
    return {
        "type": "scatter",
        "mode": "lines+markers",
        "x": x,
        "y": y,
        "text": texts,
        "hovertemplate": "%{text}<extra></extra>",
        "line": {"color": color, "width": width},
        "marker": {"color": color, "size": width + 3},
        "cliponaxis": False,
    }


def _coordinates_layout(marks: Sequence[tuple[str, Sequence[tuple[float, str]]]], *, is_narrow: bool) -> dict[str, Any]:
    last = len(marks) - 1
    layout = base_layout(height=56 + 84 * last if is_narrow else 380, x_title="", y_title="")
    layout["hovermode"] = "closest"
    layout["dragmode"] = False
    hidden = {"visible": False, "fixedrange": True}
    shapes, notes = [], []
    for place, (name, ticks) in enumerate(marks):
        ends = (
            {"x0": 0, "x1": 1, "y0": -place, "y1": -place}
            if is_narrow
            else {"x0": place, "x1": place, "y0": 0, "y1": 1}
        )
        shapes.append({"type": "line", **ends, "line": {"color": "var(--line-strong)", "width": 1.5}, "layer": "below"})
        notes.append(_axis_name(name, place, is_first=place == 0, is_last=place == last, is_narrow=is_narrow))
        side = "right" if place == last else "left"
        notes += [_axis_tick(text, at, place, side=side, is_narrow=is_narrow) for at, text in ticks]
    layout |= {"shapes": shapes, "annotations": notes}
    if is_narrow:
        layout["margin"] = {"l": 14, "r": 14, "t": 34, "b": 24}
        layout["xaxis"] = hidden | {"range": [-0.04, 1.04]}
        layout["yaxis"] = hidden | {"range": [-last - 0.05, 0.05]}
    else:
        layout["margin"] = {"l": 76, "r": 60, "t": 44, "b": 16}
        layout["xaxis"] = hidden | {"range": [0, last]}
        layout["yaxis"] = hidden | {"range": [-0.04, 1.04]}
    return layout


def _axis_name(name: str, place: int, *, is_first: bool, is_last: bool, is_narrow: bool) -> dict[str, Any]:
    font = {"size": 12.5, "color": "var(--ink)", "weight": 600}
    if is_narrow:
        spot = {"x": 0, "y": -place, "xanchor": "left", "yanchor": "bottom", "xshift": -6, "yshift": 7}
    else:
        anchor = "left" if is_first else "right" if is_last else "center"
        shift = -70 if is_first else 56 if is_last else 0
        spot = {"x": place, "y": 1.04, "xanchor": anchor, "yanchor": "bottom", "xshift": shift, "yshift": 8}
    return {"text": escape(name), "showarrow": False, "font": font, "bgcolor": "var(--card)/0.8", **spot}


def _axis_tick(text: str, at: float, place: int, *, side: str, is_narrow: bool) -> dict[str, Any]:
    font = {"size": 12, "color": "var(--ink-soft)"}
    spot = (
        {"x": at, "y": -place, "xanchor": "center", "yanchor": "top", "yshift": -5}
        if is_narrow
        else {"x": place, "y": at, "yanchor": "middle"}
        | ({"xanchor": "right", "xshift": -8} if side == "left" else {"xanchor": "left", "xshift": 8})
    )
    return {"text": escape(text), "showarrow": False, "font": font, "bgcolor": "var(--card)/0.8", **spot}


def _return_ticks(axis: Axis, *, min_gap: float) -> list[tuple[float, str]]:
    kept: list[tuple[float, str]] = []
    for tick in axis.ticks:
        place = axis.fraction(tick)
        if not kept or place - kept[-1][0] >= min_gap:
            kept.append((place, format_compact(tick)))
    return kept


def _tiles(across: Hyperparameter, up: Hyperparameter, results: Results, *, is_narrow: bool) -> Figure:
    cells: dict[tuple[int, int], list[float]] = {}
    for hparam, value in results.returns.items():
        cells.setdefault((up.level(hparam), across.level(hparam)), []).append(value)
    shape = (len(up.levels), len(across.levels))
    means = {cell: float(np.mean(values)) for cell, values in cells.items()}
    told = {
        cell: f"mean return {_spell(means[cell], results)}, {count_of(len(values), 'recipe')}"
        for cell, values in cells.items()
    }
    with_text = shape[1] <= (MAX_TEXTS // 2 if is_narrow else MAX_TEXTS)
    trace = {
        "type": "heatmap",
        "x": list(across.texts),
        "y": list(up.texts),
        "z": _table(shape, {cell: short(mean) for cell, mean in means.items()}, None),
        "text": _table(shape, {cell: _spell(mean, results) for cell, mean in means.items()}, ""),
        "customdata": _table(shape, told, ""),
        "hovertemplate": f"{escape(across.name)} %{{x}}, {escape(up.name)} %{{y}}<br>%{{customdata}}<extra></extra>",
        "hoverongaps": False,
        "xgap": 3,
        "ygap": 3,
        "colorscale": _COLORSCALE,
        "colorbar": _colorbar(is_narrow=is_narrow),
    } | ({"texttemplate": "%{text}", "textfont": {"size": 12.5, "weight": 600}} if with_text else {})
    layout = _map_layout(across, up, height=min(560, 150 + 46 * shape[0]), is_narrow=is_narrow)
    for name in ("xaxis", "yaxis"):
        layout[name] |= {"type": "category", "showgrid": False}
    return {"data": [trace], "layout": layout}


def _dots(across: Hyperparameter, up: Hyperparameter, results: Results, *, is_narrow: bool) -> Figure:
    hparams = list(results.returns)
    trace = {
        "type": "scatter",
        "mode": "markers",
        "x": [short(across.position(hparam)) for hparam in hparams],
        "y": [short(up.position(hparam)) for hparam in hparams],
        "text": [_told(hparam, results) for hparam in hparams],
        "hovertemplate": "%{text}<extra></extra>",
        "marker": {
            "color": [short(results.returns[hparam]) for hparam in hparams],
            "colorscale": _COLORSCALE,
            "size": 13,
            "line": {"color": "var(--card)", "width": 1},
            "colorbar": _colorbar(is_narrow=is_narrow),
        },
        "cliponaxis": False,
    }
    layout = _map_layout(across, up, height=420, is_narrow=is_narrow)
    for name, parameter, min_gap in (("xaxis", across, 0.2 if is_narrow else 0.08), ("yaxis", up, 0.08)):
        places, texts = zip(*parameter.ticks(min_gap=min_gap), strict=True)
        layout[name] |= {"range": [-0.05, 1.05], "tickvals": list(places), "ticktext": list(map(escape, texts))}
    return {"data": [trace], "layout": layout}


def _map_layout(across: Hyperparameter, up: Hyperparameter, *, height: int, is_narrow: bool) -> dict[str, Any]:
    layout = base_layout(height=height + 70 * is_narrow, x_title=across.name, y_title=up.name)
    layout["hovermode"] = "closest"
    layout["dragmode"] = False
    for name in ("xaxis", "yaxis"):
        layout[name]["fixedrange"] = True
        del layout[name]["nticks"]
    return layout


def _colorbar(*, is_narrow: bool) -> dict[str, Any]:
    font = {"size": 12, "color": "var(--ink-soft)"}
    bar = {"thickness": 12, "outlinewidth": 0, "tickfont": font, "nticks": 5, "exponentformat": "SI"}
    if is_narrow:
        return bar | {
            "orientation": "h", "x": 0.5, "xanchor": "center", "y": 1.02, "yanchor": "bottom",
            "title": {"text": "mean return", "font": font, "side": "top"},
        }  # fmt: skip
    return bar | {"title": {"text": "mean return", "font": font, "side": "top"}, "x": 1.01}


def _table(shape: tuple[int, int], cells: Mapping[tuple[int, int], Any], empty: Any) -> list[list[Any]]:
    return [[cells.get((row, column), empty) for column in range(shape[1])] for row in range(shape[0])]


def _told(hparam: str, results: Results) -> str:
    return f"{escape(results.labels[hparam])}<br>mean return {_spell(results.returns[hparam], results)}"


def _spell(value: float, results: Results) -> str:
    return format_number(value, decimals=results.decimals)
