"""Looks for words, such as a client's name, in files of any kind and in the spellings in which programs write them."""

import html
import json
import unicodedata
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from io import BytesIO, FileIO
from pathlib import Path
from typing import BinaryIO
from urllib.parse import quote, quote_plus

import numpy as np
from numpy.typing import NDArray

MIN_LETTERS = 2
_WHOLE_BYTES = 4
"""Spellings of fewer bytes are only found as whole words, as they would otherwise be found everywhere."""
_AMID_TEXT_BYTES = 6
"""Spellings of fewer bytes are only found amid text: a gigabyte of weights holds any four letters several times."""
_NEIGHBOURS = 8
_TEXT = frozenset(b"\t\n\r") | frozenset(range(32, 127))
_LETTERS = frozenset(b"0123456789abcdefghijklmnopqrstuvwxyz")
_BLOCK_BYTES = 1 << 18
_SEPARATORS = ("-", "_", ".", "")


@dataclass(frozen=True, kw_only=True)
class WordHit:
    """A word that was found; it says which by its number alone, as it may end up in a log."""

    offset: int
    """In bytes from the beginning."""
    word: int
    """Place among the words that were looked for, from 0."""


class Words:
    """Finds words as UTF-8, UTF-16, Latin-1, JSON, HTML and percent-encoded text, whatever the case of their letters.

    A word of several parts is also found with `-`, `_`, `.` or nothing between them. A spelling of fewer than six bytes
    counts only where almost all of the eight bytes on either side are text, one of fewer than four only as a whole
    word. What is compressed, encrypted or in base64 is not found.

    Args:
        words: to look for; those of fewer than two letters or digits cannot be told apart and are left out.
    """

    def __init__(self, words: Sequence[str]) -> None:
        self.left_out = tuple(number for number, word in enumerate(words) if sum(map(str.isalnum, word)) < MIN_LETTERS)
        """Numbers of the words that are not looked for."""
        spelled: dict[bytes, int] = {}
        for number, word in enumerate(words):
            if number not in self.left_out:
                for spelling in _spellings(word):
                    spelled.setdefault(spelling, number)
        self._short = {text: number for text, number in spelled.items() if len(text) < _WHOLE_BYTES}
        self._tables = [
            _Table(4, {text: number for text, number in spelled.items() if _WHOLE_BYTES <= len(text) < 8}),
            _Table(8, {text: number for text, number in spelled.items() if len(text) >= 8}),
        ]
        self._longest = max(map(len, spelled), default=0)

    def scan(self, source: Path | bytes) -> tuple[WordHit, ...]:
        """Find every place at which a word begins.

        Args:
            source: a file, read once from its beginning to its end, or bytes.

        Raises:
            OSError: the file cannot be read.
        """
        if not self._longest:
            return ()
        if isinstance(source, bytes):
            return tuple(self._read(BytesIO(source)))
        with open(source, "rb", buffering=0) as file:
            return tuple(self._read(file))

    def _read(self, file: BinaryIO | FileIO) -> Iterator[WordHit]:
        """Blocks overlap by the longest spelling and its neighbours on both sides."""
        offset, before = 0, 0
        text = file.read(_BLOCK_BYTES).lower()
        while text:
            block = file.read(_BLOCK_BYTES).lower()
            end = max(before, len(text) - self._longest - _NEIGHBOURS) if block else len(text)
            for place, number in sorted(set(self._places(text))):
                if before <= place < end:
                    yield WordHit(offset=offset + place, word=number)
            if not block:
                return
            kept = max(0, end - _NEIGHBOURS)
            offset, before = offset + kept, end - kept
            text = text[kept:] + block

    def _places(self, text: bytes) -> Iterator[tuple[int, int]]:
        for word, number in self._short.items():
            place = text.find(word)
            while place >= 0:
                end = place + len(word)
                beside = text[max(0, place - 1) : place] + text[end : end + 1]
                if not any(byte in _LETTERS for byte in beside) and _is_amid_text(text, place, end):
                    yield place, number
                place = text.find(word, place + 1)
        for table in self._tables:
            for place, word, number in table.places(text):
                if len(word) >= _AMID_TEXT_BYTES or _is_amid_text(text, place, place + len(word)):
                    yield place, number


class _Table:
    """Spellings by their first four or eight bytes, which are looked up at every place at once."""

    def __init__(self, width: int, spelled: Mapping[bytes, int]) -> None:
        self._width = width
        self._kind = np.dtype(f"<u{width}")
        self._spelled: dict[int, list[tuple[bytes, int]]] = defaultdict(list)
        for text, number in spelled.items():
            self._spelled[int.from_bytes(text[:width], "little")].append((text, number))
        self._starts = np.array(sorted(self._spelled), dtype=self._kind)
        self._maybe = np.zeros(1 << 16, dtype=bool)
        self._maybe[_folded(self._starts)] = True

    def places(self, text: bytes) -> Iterator[tuple[int, bytes, int]]:
        """Place, spelling and number of every word in a text."""
        if not self._spelled or len(text) < self._width:
            return
        for shift in range(self._width):
            number = (len(text) - shift) // self._width
            starts = np.frombuffer(text, dtype=self._kind, count=number, offset=shift)
            candidates = np.flatnonzero(self._maybe[_folded(starts).astype(np.int64)])
            for index in candidates[np.isin(starts[candidates], self._starts)].tolist():
                place = index * self._width + shift
                for word, which in self._spelled[int(starts[index])]:
                    if text.startswith(word, place):
                        yield place, word, which


def _folded(starts: NDArray[np.unsignedinteger]) -> NDArray[np.unsignedinteger]:
    """Sixteen bits of each start: the upper ones of its product with an odd number."""
    kind = starts.dtype.type
    return (starts * kind(0x9E3779B97F4A7C15 >> (64 - 8 * starts.itemsize))) >> kind(8 * starts.itemsize - 16)


def _is_amid_text(text: bytes, start: int, end: int) -> bool:
    """Whether all but one of the neighbours on both sides are printable; the ends of a file are."""
    neighbours = text[max(0, start - _NEIGHBOURS) : start] + text[end : end + _NEIGHBOURS]
    return sum(byte not in _TEXT for byte in neighbours) <= 1


def _spellings(word: str) -> set[bytes]:
    """Every way to write a word, in lower-case ASCII letters."""
    words = " ".join(word.split())
    forms = {words, *(separator.join(words.split()) for separator in _SEPARATORS)}
    forms |= {form for text in forms for form in (text.lower(), text.upper(), text.title())}
    forms |= {unicodedata.normalize(kind, text) for text in forms for kind in ("NFC", "NFD")}
    found: set[bytes] = set()
    for text in forms:
        escaped = json.dumps(text)[1:-1]
        for spelling in (
            text,
            escaped,
            json.dumps(escaped)[1:-1],
            json.dumps(text, ensure_ascii=False)[1:-1],
            html.escape(text),
            quote(text),
            quote(text, safe=""),
            quote_plus(text),
        ):
            found.add(spelling.encode())
        found |= {text.encode("utf-16-le"), text.encode("utf-16-be")}
        if all(ord(character) < 256 for character in text):
            found.add(text.encode("latin-1"))
    return {spelling.lower() for spelling in found}
