"""Numbers as a person reads them: grouped digits, a true minus sign, and a dash for what is not known."""

import math
from collections.abc import Iterable

UNKNOWN = "–"
_PREFIXES = ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k"))
_PLAIN_FROM, _PLAIN_BELOW = 1e-3, 1e9


def decimals_for(values: Iterable[float | None]) -> int:
    """Choose how many decimals a column of numbers shows, so that all of it reads alike."""
    largest = max((abs(value) for value in values if value is not None and math.isfinite(value)), default=0.0)
    if largest < 10:
        return 3
    if largest < 1_000:
        return 2
    return 1 if largest < 100_000 else 0


def format_number(value: float | None, *, decimals: int) -> str:
    """Write a number with a fixed count of decimals; None and NaN become a dash."""
    if value is None or math.isnan(value):
        return UNKNOWN
    if math.isinf(value):
        return "∞" if value > 0 else "−∞"
    size = abs(value)
    if size >= _PLAIN_BELOW or (decimals and 0 < size < _PLAIN_FROM):
        return f"{value:.3g}".replace("-", "−").replace("e+", "e")
    text = f"{value:,.{decimals}f}"
    return text.replace("-", "−") if float(text.replace(",", "")) else text.lstrip("-")


def format_interval(low: float | None, high: float | None, *, decimals: int) -> str:
    """Write an interval; a dash where there is none."""
    if low is None or high is None:
        return UNKNOWN
    return f"{format_number(low, decimals=decimals)} … {format_number(high, decimals=decimals)}"


def format_share(value: float | None) -> str:
    """Write a share as whole percent; a dash for None. Only 0 and 1 themselves are written `0 %` and `100 %`."""
    if value is None:
        return UNKNOWN
    if 0 < value < 0.01:
        return "<1 %"
    return ">99 %" if 0.99 < value < 1 else f"{100 * value:.0f} %"


def format_compact(value: float) -> str:
    """Write a number for an axis: `100k`, `−0.5`, `2.5M`."""
    for size, prefix in _PREFIXES:
        if size <= abs(value) < 1e15:
            return f"{value / size:.4g}".replace("-", "−") + prefix
    return f"{value:.4g}".replace("-", "−").replace("e+", "e") if value else "0"


def format_exact(value: float | int) -> str:
    """Write a number among a decision's evidence: six significant digits at most, integers whole."""
    if isinstance(value, int):
        return f"{value:,}".replace("-", "−")
    return f"{value:.6g}".replace("-", "−").replace("e+", "e") if math.isfinite(value) else UNKNOWN


def count_of(number: int, noun: str, plural: str | None = None) -> str:
    """Write a count with its noun: `1 seed`, `1,200 episodes`."""
    return f"{number:,} {noun if number == 1 else plural or noun + 's'}"
