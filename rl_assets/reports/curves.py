"""A learning curve as a picture of a few kilobytes, for places that show Markdown and run no scripts."""

import base64
from collections.abc import Mapping
from html import escape

import numpy.typing as npt

from rl_assets.reports.axes import Axis, axis_over
from rl_assets.reports.numbers import format_compact
from rl_assets.reports.seed_bands import Floats, known_points, thin_curve

MAX_CURVES = 24
_POINTS = 400
"""Points of all curves together, which keeps the picture below 8 kB."""
_COLORS = ("#2a78d6", "#e06a1f", "#16a06f", "#7a4fc4", "#d69a00", "#d94f86", "#1a8fa6", "#8a6242")
_GREY = "#a3a3a8"
_FONT = "system-ui,-apple-system,'Segoe UI',Roboto,'Liberation Sans',Arial,sans-serif"
_LEFT, _RIGHT, _TOP, _BOTTOM = 46, 14, 48, 24
_CHARACTER = 6.0
"""Width of a letter at the legend's size, in pixels."""


def learning_curve_svg(
    curves: Mapping[str, tuple[npt.ArrayLike, npt.ArrayLike]], *, title: str, width: int = 480, height: int = 220
) -> str:
    """Draw returns against environment steps.

    The picture is below 8 kB whatever it is given: long curves are thinned, and beyond `MAX_CURVES` the rest is
    counted in words. Values that are not known are bridged by a straight line.

    Args:
        curves: name of a member or a mean -> `[num_updates]` environment steps and `[num_updates]` returns, NaN where
            no episode has ended.
        title: plain text.
        width: in pixels.
        height: in pixels.

    Raises:
        ValueError: a curve's steps and values differ in length.
    """
    known = {name: known_points(steps, values) for name, (steps, values) in curves.items()}
    known = {name: points for name, points in known.items() if len(points[0])}
    drawn = dict(list(known.items())[:MAX_CURVES])
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" '
        f'font-family="{_FONT}" font-size="11">',
        f'<rect width="{width}" height="{height}" rx="6" fill="#fff"/>',
        f'<text x="14" y="21" font-size="13" font-weight="600" fill="#16161a">{_cut(title, int(width / 7.6))}</text>',
    ]
    if not drawn:
        parts.append(
            f'<text x="{width / 2:g}" y="{height / 2 + 8:g}" font-size="13" text-anchor="middle" fill="#6a6a70">'
            "no episode has ended yet</text>"
        )
        return "".join([*parts, "</svg>"])
    limit = max(8, min(120, _POINTS // len(drawn)))
    thinned = {name: thin_curve(*points, max_points=limit) for name, points in drawn.items()}
    across = axis_over([0.0, *(float(end) for x, _ in thinned.values() for end in (x.min(), x.max()))], num_ticks=4)
    up = axis_over([float(end) for _, y in thinned.values() for end in (y.min(), y.max())], num_ticks=4, margin=0.04)
    frame = _Frame(across=across, up=up, width=width, height=height)
    parts += [*frame.grid(), _legend(list(drawn), len(known) - len(drawn), width=width)]
    lines = [frame.curve(x, y, color=_color(at, len(drawn))) for at, (x, y) in enumerate(thinned.values())]
    return "".join([*parts, '<g fill="none" stroke-width="1.6" stroke-linejoin="round">', *lines, "</g></svg>"])


def as_data_uri(svg: str) -> str:
    """Pack a picture into an address that needs no file: `![curve](data:image/svg+xml;base64,...)`."""
    return f"data:image/svg+xml;base64,{base64.b64encode(svg.encode()).decode()}"


class _Frame:
    """Where the axes lie on the picture."""

    def __init__(self, *, across: Axis, up: Axis, width: int, height: int) -> None:
        self._across, self._up, self._width, self._height = across, up, width, height

    def grid(self) -> list[str]:
        lines = "".join(f"M{_LEFT} {self._y(tick)}H{self._width - _RIGHT}" for tick in self._up.ticks)
        left = "".join(
            f'<text x="{_LEFT - 7}" y="{self._y(tick) + 4:g}">{format_compact(tick)}</text>' for tick in self._up.ticks
        )
        below = "".join(
            f'<text x="{self._x(tick):g}" y="{self._height - 8}">{format_compact(tick)}</text>'
            for tick in self._across.ticks
        )
        return [
            f'<path d="{lines}" stroke="#e6e5e0"/>',
            f'<g fill="#85858c" text-anchor="end">{left}</g>',
            f'<g fill="#85858c" text-anchor="middle">{below}</g>',
        ]

    def curve(self, x: Floats, y: Floats, *, color: str) -> str:
        if len(x) == 1:
            return f'<circle cx="{self._x(x[0]):g}" cy="{self._y(y[0]):g}" r="3" fill="{color}"/>'
        points = " ".join(f"{self._x(a):g},{self._y(b):g}" for a, b in zip(x, y, strict=True))
        return f'<polyline points="{points}" stroke="{color}"/>'

    def _x(self, value: float) -> float:
        return round(_LEFT + (self._width - _LEFT - _RIGHT) * self._across.fraction(value), 1)

    def _y(self, value: float) -> float:
        return round(self._height - _BOTTOM - (self._height - _TOP - _BOTTOM) * self._up.fraction(value), 1)


def _legend(names: list[str], num_left_out: int, *, width: int) -> str:
    """Name the curves as far as one line holds them, and count the rest."""
    if len(names) > len(_COLORS):
        told = (
            f"the first {len(names)} of {len(names) + num_left_out} curves" if num_left_out else f"{len(names)} curves"
        )
        return f'<text x="14" y="39.5" fill="#55555c">{told}</text>'
    parts: list[str] = []
    x, shown = 14.0, 0
    for position, name in enumerate(names):
        text = name if len(name) <= 22 else name[:21] + "…"
        needed = 16 + _CHARACTER * len(text) + 12
        if x + needed > width - 50:
            break
        parts.append(
            f'<rect x="{x:g}" y="31" width="9" height="9" rx="2.5" fill="{_color(position, len(names))}"/>'
            f'<text x="{x + 14:g}" y="39.5" fill="#55555c">{escape(text)}</text>'
        )
        x, shown = x + needed, shown + 1
    if shown < len(names):
        parts.append(f'<text x="{x:g}" y="39.5" fill="#85858c">+{len(names) - shown}</text>')
    return "".join(parts)


def _color(position: int, number: int) -> str:
    return _COLORS[position] if number <= len(_COLORS) else _GREY


def _cut(text: str, length: int) -> str:
    return escape(text if len(text) <= length else text[: length - 1] + "…")
