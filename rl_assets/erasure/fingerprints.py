"""Fingerprints of erased bytes: who has them and their key finds a copy, and nobody can read anything from them."""

import hashlib
import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from io import BytesIO, FileIO
from itertools import pairwise
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

WINDOW_BYTES = 64
WINDOWS_PER_FILE = 8
_BLOCK_BYTES = 1 << 16
_CANDIDATES = 64
_MIN_DISTINCT = 40
"""Of 64 random bytes 57 differ on average, of 16 random floats about 47, of any text less than 36."""
_MIN_DIGITS = 28
_HEX_DIGITS = 24
_HEX_RUN = re.compile(rb"[0-9a-fA-F]{%d,}" % _HEX_DIGITS)

Hashes = NDArray[np.uint64]


@dataclass(frozen=True)
class Fingerprint:
    """One window of 64 bytes, as two keyed numbers that do not give it back."""

    rolling: int
    """A polynomial of the bytes modulo 2^64, which a scan computes at every place."""
    check: int
    """64 bits of a keyed BLAKE2b, computed only where the first agrees, so that no hit is by chance."""

    def to_json(self) -> str:
        """Thirty-two hex digits."""
        return f"{self.rolling:016x}{self.check:016x}"

    @classmethod
    def from_json(cls, text: str) -> "Fingerprint":
        """Read back what `to_json` wrote.

        Raises:
            ValueError: it is no such text.
        """
        if not re.fullmatch(r"[0-9a-f]{32}", text):
            raise ValueError("fingerprint: expected 32 hex digits")
        return cls(rolling=int(text[:16], 16), check=int(text[16:], 16))


def fingerprint(data: bytes, key: bytes, *, common: bytes = b"") -> frozenset[Fingerprint]:
    """Take the fingerprints of a few windows of a file, where its bytes are like no other file's.

    Of each eighth of the file it takes the window with the most different bytes, so that neither runs of equal bytes
    nor the fixed words of a format's header count. In text it takes windows full of digits, such as measured numbers,
    and leaves out what may be hashes, as those may lawfully stay on record. A file without such a window, as a short
    one, prose or small whole numbers, has none: look for its words with `Words`.

    Args:
        data: the file's bytes.
        key: at least 16 bytes; the same when scanning.
        common: what other files hold too, such as the program that every page embeds; nothing is taken from there.

    Raises:
        ValueError: the key is too short to keep a secret.
    """
    polynomial = _Polynomial(key)
    bounds = np.linspace(0, max(0, len(data) - WINDOW_BYTES + 1), WINDOWS_PER_FILE + 1).astype(int).tolist()
    windows = {_best_window(data, low, high, common=common) for low, high in pairwise(bounds)}
    return frozenset(polynomial.fingerprint(window) for window in windows if window is not None)


class Scanner:
    """Looks for the windows of fingerprints in files of any size and kind, in bounded memory.

    Args:
        fingerprints: those to find, at most some millions.
        key: that they were taken with.

    Raises:
        ValueError: the key is too short to keep a secret.
    """

    def __init__(self, fingerprints: Collection[Fingerprint], key: bytes) -> None:
        self._polynomial = _Polynomial(key)
        self._checks: dict[int, set[int]] = {}
        for item in fingerprints:
            self._checks.setdefault(item.rolling, set()).add(item.check)
        self._wanted = np.array(sorted(self._checks), dtype=np.uint64)
        bits = min(max(16, int(self._wanted.size).bit_length() + 5), 26)
        self._shift = np.uint64(64 - bits)
        self._maybe = np.zeros(1 << bits, dtype=bool)
        self._maybe[(self._wanted >> self._shift).astype(np.int64)] = True

    def scan(self, source: Path | bytes) -> tuple[int, ...]:
        """Find every place at which a window begins.

        Args:
            source: a file, read once from its beginning to its end, or bytes.

        Returns:
            Offsets in bytes, ascending.

        Raises:
            OSError: the file cannot be read.
        """
        return tuple(offset for offset, _ in self._hits(source))

    def found_in(self, source: Path | bytes) -> frozenset[Fingerprint]:
        """Which of the fingerprints a file holds, such as those that a file that stays shares with erased ones.

        Args:
            source: a file, read once from its beginning to its end, or bytes.

        Raises:
            OSError: the file cannot be read.
        """
        return frozenset(item for _, item in self._hits(source))

    def _hits(self, source: Path | bytes) -> Iterator[tuple[int, Fingerprint]]:
        if not self._checks:
            return
        if isinstance(source, bytes):
            yield from self._read(BytesIO(source))
            return
        with open(source, "rb", buffering=0) as file:
            yield from self._read(file)

    def _read(self, file: BinaryIO | FileIO) -> Iterator[tuple[int, Fingerprint]]:
        offset = 0
        tail = b""
        while block := file.read(_BLOCK_BYTES):
            text = tail + block
            if len(text) >= WINDOW_BYTES:
                yield from ((offset + place, item) for place, item in self._places(text))
            kept = min(len(text), WINDOW_BYTES - 1)
            offset += len(text) - kept
            tail = text[len(text) - kept :]

    def _places(self, text: bytes) -> Iterator[tuple[int, Fingerprint]]:
        hashes = self._polynomial.hashes(text)
        candidates = np.flatnonzero(self._maybe[(hashes >> self._shift).astype(np.int64)])
        there = np.minimum(np.searchsorted(self._wanted, hashes[candidates]), self._wanted.size - 1)
        for place in candidates[self._wanted[there] == hashes[candidates]]:
            rolling = int(hashes[place])
            check = self._polynomial.check(text[place : place + WINDOW_BYTES])
            if check in self._checks[rolling]:
                yield int(place), Fingerprint(rolling=rolling, check=check)


class _Polynomial:
    """The keyed hash of all windows of a text: `sum of byte j times m^(63 - j)` modulo 2^64 for an odd m.

    With `p` the sums of `byte i times m^-i`, a window's hash is `m^(start + 63) (p[start + 64] - p[start])`: two
    products with tables and one running sum for all windows, as an odd m has an inverse.
    """

    def __init__(self, key: bytes) -> None:
        if len(key) < 16:
            raise ValueError(f"key of fingerprints: expected at least 16 bytes, got {len(key)}")
        derived = hashlib.blake2b(key, digest_size=40, person=b"fingerprint").digest()
        multiplier = int.from_bytes(derived[:8], "big") | 1
        self._check_key = derived[8:]
        size = _BLOCK_BYTES + 2 * WINDOW_BYTES
        self._ascending = _powers(multiplier, size)
        self._descending = _powers(pow(multiplier, -1, 1 << 64), size)

    def hashes(self, text: bytes) -> Hashes:
        """Hash of the window at each place; the text is at most a block and a window long."""
        weighted = np.zeros(len(text) + 1, dtype=np.uint64)
        np.multiply(np.frombuffer(text, dtype=np.uint8), self._descending[: len(text)], out=weighted[1:])
        sums = np.cumsum(weighted, dtype=np.uint64)
        number = len(text) - WINDOW_BYTES + 1
        difference = sums[WINDOW_BYTES:] - sums[:number]
        difference *= self._ascending[WINDOW_BYTES - 1 : WINDOW_BYTES - 1 + number]
        return difference

    def check(self, window: bytes) -> int:
        return int.from_bytes(hashlib.blake2b(window, digest_size=8, key=self._check_key).digest(), "big")

    def fingerprint(self, window: bytes) -> Fingerprint:
        return Fingerprint(rolling=int(self.hashes(window)[0]), check=self.check(window))


def _powers(base: int, number: int) -> Hashes:
    """`base^0`, `base^1`, ... modulo 2^64."""
    factors = np.full(number, base, dtype=np.uint64)
    factors[0] = 1
    return np.cumprod(factors, dtype=np.uint64)


def _best_window(data: bytes, low: int, high: int, *, common: bytes) -> bytes | None:
    """The window that begins in [low, high) and is least like any other file's; None where none is good enough."""
    if low >= high:
        return None
    places = np.unique(np.linspace(low, high - 1, _CANDIDATES).astype(int)).tolist()
    for place in sorted(places, key=lambda place: (-_score(data, place), place)):
        window = data[place : place + WINDOW_BYTES]
        if not _score(data, place):
            return None
        if window not in common:
            return window
    return None


def _score(data: bytes, place: int) -> int:
    """How telling the window at a place is; 0 where it is not."""
    window = data[place : place + WINDOW_BYTES]
    distinct = len(set(window))
    if distinct >= _MIN_DISTINCT:
        return distinct
    digits = sum(ord("0") <= byte <= ord("9") for byte in window)
    if digits < _MIN_DIGITS or len(set(pairwise(window))) < _MIN_DISTINCT:
        return 0
    around = data[max(0, place - _HEX_DIGITS) : place + WINDOW_BYTES + _HEX_DIGITS]
    return 0 if _HEX_RUN.search(around) else digits // 2
