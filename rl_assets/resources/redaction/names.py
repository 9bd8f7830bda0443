"""Names of partitions and clients, as they are found in texts that somebody wrote."""

import re
from collections.abc import Iterable

_BEFORE = r"(?<![A-Za-z0-9_+;-])(?<![A-Za-z0-9]\.)"
_AFTER = r"(?![A-Za-z0-9_=+;-]|\.[A-Za-z0-9])"
_TELLING = re.compile(r"[|=]|\.d\d|[0-9a-f]{8}")
_SET_OFF = (r"(?:(?<=['\"`(\[])|\A)", r"(?=['\"`)\\\]]|\Z)")
_REQUESTED = (r"(?:\A|[\s'\"(])[a-z]+/", r"(?=/|['\"\s\\]|\Z)")
"""As in `train/acme/CartPole-v1/7`, and not as in the path of a file."""


class Names:
    """A set of names that is looked for in texts.

    `stand_in` finds a name as a word. `are_meant_in` is for texts that need not concern the names at all: a name that
    could be any word, as that of a sweep, must then stand in quotes or brackets, in a request, or be the whole text.
    """

    def __init__(self, names: Iterable[str]) -> None:
        self.all = frozenset(name for name in names if name)
        telling = {name for name in self.all if _TELLING.search(name)}
        self._words = _pattern(self.all, _BEFORE, _AFTER)
        self._telling = _pattern(telling, _BEFORE, _AFTER)
        self._set_off = _pattern(self.all - telling, *_SET_OFF)
        self._requested = _pattern(self.all - telling, *_REQUESTED)

    def stand_in(self, text: str) -> bool:
        """Whether any of the names is a word of the text."""
        return self._words is not None and self._words.search(text) is not None

    def are_meant_in(self, text: str) -> bool:
        """Whether the text speaks of any of the names beyond doubt."""
        patterns = (self._telling, self._set_off, self._requested)
        return any(pattern is not None and pattern.search(text) is not None for pattern in patterns)


def _pattern(names: Iterable[str], before: str, after: str) -> re.Pattern[str] | None:
    longest_first = sorted(names, key=lambda name: (-len(name), name))
    if not longest_first:
        return None
    return re.compile(before + "(?:" + "|".join(re.escape(name) for name in longest_first) + ")" + after)
