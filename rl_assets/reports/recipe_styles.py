"""How a recipe is named and coloured: by what sets it apart, and alike in every picture of a page."""

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from rl_assets.config.recipe import Recipe, spell_field
from rl_assets.reports.hyperparameters import recipe_fields

NUM_COLORS = 8
"""More colours cannot be told apart; `page.css` defines each for the light and the dark scheme."""
MUTED = "series-muted"
_SEPARATOR = "\N{NO-BREAK SPACE}· "
_WORDS = re.compile(r"-(?=[A-Za-z_]+=)")
_HASH = re.compile(r"-([0-9a-f]{10})$")


@dataclass(frozen=True, kw_only=True)
class RecipeStyle:
    """One recipe's look."""

    label: str
    """Short name: what differs between the recipes shown together."""
    color: str
    """Name of a colour in `page.css`, without the leading dashes."""

    @property
    def is_muted(self) -> bool:
        """Whether the recipe shares the grey of those that are not singled out."""
        return self.color == MUTED


def recipe_styles(
    recipes: Mapping[str, Recipe], *, highlighted: Sequence[str] | None = None, others: Sequence[str] = ()
) -> dict[str, RecipeStyle]:
    """Give each recipe a label and a colour; equal arguments give equal looks.

    Args:
        recipes: hparam -> recipe, in the order in which they are listed; labels name the fields that differ.
        highlighted: those that may have a colour of their own when there are more than `NUM_COLORS`, most deserving
            first; the order of listing where it is not given.
        others: further hparams, never coloured, whose recipes are not at hand.
    """
    labels = _distinct(_differing_fields(recipes) | {hparam: _SEPARATOR.join(_words(hparam)) for hparam in others})
    chosen = set(list(dict.fromkeys(recipes if highlighted is None else highlighted))[:NUM_COLORS])
    colored = [hparam for hparam in recipes if len(recipes) <= NUM_COLORS or hparam in chosen]
    colors = {hparam: f"series-{position}" for position, hparam in enumerate(colored, start=1)}
    return {hparam: RecipeStyle(label=label, color=colors.get(hparam, MUTED)) for hparam, label in labels.items()}


def recipe_labels(hparams: Iterable[str]) -> dict[str, str]:
    """Shorten keys to what sets them apart: `ppo-lr=0.003-steps=50000-1f0c9a3b2e` becomes `lr=0.003`.

    Words stand in the order of the key. Where a key has no word of its own, all labels keep the shared ones. Labels are
    unique: where the readable words agree, the key's hash is added.
    """
    words = {hparam: _words(hparam) for hparam in hparams}
    shared = set.intersection(*(set(parts) for parts in words.values())) if len(words) > 1 else set()
    if any(shared.issuperset(parts) for parts in words.values()):
        shared = {word for word in shared if "=" not in word}
    return _distinct(
        {
            hparam: _SEPARATOR.join([part for part in parts if part not in shared] or parts)
            for hparam, parts in words.items()
        }
    )


def _differing_fields(recipes: Mapping[str, Recipe]) -> dict[str, str]:
    """Name the fields in which recipes differ; the words of the key where there is one recipe or no difference."""
    fields = {hparam: recipe_fields(recipe) for hparam, recipe in recipes.items()}
    names = dict.fromkeys(name for values in fields.values() for name in values)
    columns = {name: [values.get(name) for values in fields.values()] for name in names}
    varied = [_briefly(name, column) for name, column in columns.items() if len(set(map(repr, column))) > 1]
    spelled = zip(*varied, strict=True) if varied else map(_words, fields)
    return {hparam: _SEPARATOR.join(words) for hparam, words in zip(fields, spelled, strict=True)}


def _briefly(name: str, values: Sequence[object]) -> list[str]:
    """Spell a field's values, floats with three significant digits where that keeps all apart."""
    rounded = [float(f"{value:.3g}") if isinstance(value, float) else value for value in values]
    is_clear = len(set(map(repr, rounded))) == len(set(map(repr, values)))
    return [spell_field(name, value) for value in (rounded if is_clear else values)]


def _distinct(labels: Mapping[str, str]) -> dict[str, str]:
    uses = Counter(labels.values())
    return {
        hparam: label if uses[label] == 1 else f"{label}{_SEPARATOR}{_ending(hparam)}"
        for hparam, label in labels.items()
    }


def _words(hparam: str) -> list[str]:
    return _WORDS.split(_HASH.sub("", hparam))


def _ending(hparam: str) -> str:
    found = _HASH.search(hparam)
    return found.group(1) if found else hparam
