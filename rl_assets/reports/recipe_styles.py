"""How a recipe is named and coloured: by what sets it apart, and alike in every picture of a page."""

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

NUM_COLORS = 8
"""More colours cannot be told apart; `page.css` defines each for the light and the dark scheme."""
MUTED = "series-muted"
_WORDS = re.compile(r"-(?=[A-Za-z_]+=)")
_HASH = re.compile(r"-([0-9a-f]{10})$")


@dataclass(frozen=True, kw_only=True)
class RecipeStyle:
    """One recipe's look."""

    label: str
    """Short name: the words of the key that differ between the recipes shown together."""
    color: str
    """Name of a colour in `page.css`, without the leading dashes."""

    @property
    def is_muted(self) -> bool:
        """Whether the recipe shares the grey of those that are not singled out."""
        return self.color == MUTED


def recipe_styles(
    hparams: Sequence[str], *, highlighted: Sequence[str] | None = None, muted: Sequence[str] = ()
) -> dict[str, RecipeStyle]:
    """Give each recipe a label and a colour; equal arguments give equal looks.

    Args:
        hparams: keys in the order in which they are listed.
        highlighted: those that may have a colour of their own when there are more than `NUM_COLORS`, most deserving
            first; the order of listing where it is not given.
        muted: further keys, which never have a colour of their own and are named by all of their words.
    """
    labels = _distinct(_telling(hparams) | {hparam: _readable(hparam) for hparam in muted})
    chosen = set(list(dict.fromkeys(highlighted if highlighted is not None else hparams))[:NUM_COLORS])
    colored = hparams if len(hparams) <= NUM_COLORS else [hparam for hparam in hparams if hparam in chosen]
    colors = {hparam: f"series-{position}" for position, hparam in enumerate(colored, start=1)}
    return {hparam: RecipeStyle(label=label, color=colors.get(hparam, MUTED)) for hparam, label in labels.items()}


def recipe_labels(hparams: Iterable[str]) -> dict[str, str]:
    """Shorten keys to what sets them apart: `ppo-lr=0.003-steps=50000-1f0c9a3b2e` becomes `lr=0.003`.

    Labels are unique: where the readable words agree, a piece of the key's hash is added.
    """
    return _distinct(_telling(hparams))


def _telling(hparams: Iterable[str]) -> dict[str, str]:
    """The words of each key that not all of them share; all words where nothing else is left."""
    words = {hparam: _words(hparam) for hparam in hparams}
    shared = set.intersection(*(set(parts) for parts in words.values())) if len(words) > 1 else set()
    return {
        hparam: " · ".join([part for part in parts if part not in shared] or parts) for hparam, parts in words.items()
    }


def _distinct(labels: Mapping[str, str]) -> dict[str, str]:
    uses = Counter(labels.values())
    return {hparam: label if uses[label] == 1 else f"{label} · {_ending(hparam)}" for hparam, label in labels.items()}


def _words(hparam: str) -> list[str]:
    return _WORDS.split(_HASH.sub("", hparam))


def _readable(hparam: str) -> str:
    return " · ".join(_words(hparam))


def _ending(hparam: str) -> str:
    found = _HASH.search(hparam)
    return found.group(1) if found else hparam
