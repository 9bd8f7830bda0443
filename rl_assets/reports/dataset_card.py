"""A small picture of how a dataset's returns and lengths are distributed; no step and no frame of it is shown."""

from collections.abc import Sequence
from html import escape

import numpy as np
import numpy.typing as npt

from rl_assets.reports.axes import axis_over
from rl_assets.reports.numbers import format_compact

MAX_BARS = 24
_PANEL_WIDTH, _HEIGHT, _LEFT, _RIGHT, _TOP, _BOTTOM = 300, 190, 44, 14, 40, 28
_FONT = "system-ui, sans-serif"


def distributions_svg(panels: Sequence[tuple[str, npt.NDArray[np.generic]]]) -> str:
    """Draw one histogram beside another.

    Args:
        panels: title and `[num_episodes]` numbers of each; those that are not finite are left out, and said so.

    Returns:
        An SVG document of a few kilobytes, however many numbers there are.
    """
    width = _PANEL_WIDTH * len(panels)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {_HEIGHT}" width="{width}" height="{_HEIGHT}" '
        f'font-family="{_FONT}" font-size="11">',
        f'<rect width="{width}" height="{_HEIGHT}" rx="6" fill="#fff"/>',
    ]
    for number, (title, values) in enumerate(panels):
        parts.append(f'<g transform="translate({number * _PANEL_WIDTH} 0)">')
        parts += [*_panel(title, values), "</g>"]
    return "".join([*parts, "</svg>"])


def _panel(title: str, values: npt.NDArray[np.generic]) -> list[str]:
    known = values[np.isfinite(values)].astype(np.float64)
    left_out = len(values) - len(known)
    heading = title + (f" ({left_out} not finite)" if left_out else "")
    parts = [f'<text x="14" y="21" font-size="13" font-weight="600" fill="#16161a">{escape(heading)}</text>']
    if not len(known):
        return [*parts, f'<text x="{_PANEL_WIDTH / 2:g}" y="100" text-anchor="middle" fill="#6a6a70">no numbers</text>']
    across = axis_over(known, num_ticks=4)
    num_bars = int(min(MAX_BARS, max(1, np.ceil(np.sqrt(len(known))))))
    counts, edges = np.histogram(known, bins=num_bars, range=(across.low, across.high))
    up = axis_over([0.0, float(counts.max())], num_ticks=3)
    span, rise = _PANEL_WIDTH - _LEFT - _RIGHT, _HEIGHT - _TOP - _BOTTOM
    floor = _HEIGHT - _BOTTOM
    for tick in up.ticks:
        y = floor - rise * up.fraction(tick)
        parts.append(f'<path d="M{_LEFT} {y:.1f}h{span}" stroke="#e6e5e0"/>')
        parts.append(
            f'<text x="{_LEFT - 6}" y="{y + 4:.1f}" text-anchor="end" fill="#85858c">{format_compact(tick)}</text>'
        )
    for count, low, high in zip(counts, edges[:-1], edges[1:], strict=True):
        x, end = (_LEFT + span * across.fraction(edge) for edge in (low, high))
        tall = rise * up.fraction(float(count))
        if count:
            parts.append(
                f'<rect x="{x:.1f}" y="{floor - tall:.1f}" width="{max(end - x - 1, 1):.1f}" height="{tall:.1f}" '
                'fill="#3b6fd4"/>'
            )
    for tick in across.ticks:
        x = _LEFT + span * across.fraction(tick)
        parts.append(
            f'<text x="{x:.1f}" y="{_HEIGHT - 9}" text-anchor="middle" fill="#85858c">{format_compact(tick)}</text>'
        )
    return parts
