"""When two spellings are one name, and when a text contains a name."""

import re
import unicodedata
from collections.abc import Iterable
from typing import Any

from rl_assets.errors import InvalidDataset

MAX_WORD_LENGTH = 200
_SHORT_NAME_LENGTH = 4


def normalize_words(text: str) -> str:
    """Compose unicode and reduce white space, so that what looks the same is stored the same."""
    return " ".join(unicodedata.normalize("NFC", text).split())


def checked_words(text: Any, *, name: str, max_length: int = MAX_WORD_LENGTH) -> str:
    """Take a text as a person gave it, normalized.

    Args:
        text: what was given.
        name: what to call it in the error.
        max_length: characters.

    Raises:
        InvalidDataset: it is empty, no text, too long or unprintable.
    """
    words = normalize_words(text) if isinstance(text, str) else ""
    if not words:
        raise InvalidDataset(f"dataset field '{name}': expected a non-empty text, got {text!r}: fill it in")
    if len(words) > max_length:
        raise InvalidDataset(
            f"dataset field '{name}': expected at most {max_length} characters, got {len(words)}: shorten it"
        )
    if any(unicodedata.category(character) in {"Cc", "Cs"} for character in words):
        raise InvalidDataset(f"dataset field '{name}': holds a control character: remove it")
    return words


def letters_of(text: str) -> str:
    """Reduce a text to its letters and digits, without case or accents: `ACME-Corp.` gives `acmecorp`."""
    return "".join(_words(text))


def find_name(text: str, names: Iterable[str]) -> str | None:
    """Find the first name that a text contains, whatever its case, accents and separators.

    Names of fewer than four plain letters are only found as whole words, as they would otherwise be found
    everywhere (`art` in `CartPole`); words also end where the case changes, as in `ibmSweep`, and before digits.

    Args:
        names: each with at least one letter or digit.
    """
    words = _words(text)
    squeezed = "".join(words)
    for name in names:
        letters = letters_of(name)
        if len(letters) < _SHORT_NAME_LENGTH and letters.isascii():
            if _is_run_of_words(letters, words):
                return name
        elif letters in squeezed:
            return name
    return None


def _words(text: str) -> list[str]:
    """Split at separators, at `aB` and between letters and digits; fold case and accents."""
    apart = re.sub(r"(?<=[^\W\d_])(?=\d)|(?<=\d)(?=[^\W\d_])", " ", unicodedata.normalize("NFKC", text))
    apart = "".join(
        f" {character}" if _starts_word(before, character, after) else character
        for before, character, after in zip(" " + apart, apart, apart[1:] + " ", strict=False)
    )
    plain = unicodedata.normalize("NFKD", apart).casefold()
    unaccented = "".join(character for character in plain if not unicodedata.combining(character))
    return "".join(character if character.isalnum() else " " for character in unaccented).split()


def _starts_word(before: str, character: str, after: str) -> bool:
    """Whether a capital starts a word, as `S` does in `ibmSweep` and in `IBMSweep`."""
    return character.isupper() and (before.islower() or (before.isupper() and after.islower()))


def _is_run_of_words(letters: str, words: list[str]) -> bool:
    for start in range(len(words)):
        run = ""
        for word in words[start:]:
            run += word
            if run == letters:
                return True
            if len(run) >= len(letters):
                break
    return False
