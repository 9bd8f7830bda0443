import io
import json
import sqlite3
from pathlib import Path

import numpy as np
import pytest

from rl_assets.erasure import fingerprints
from rl_assets.erasure.fingerprints import WINDOW_BYTES, Fingerprint, Scanner, fingerprint

KEY = bytes(range(32))
BLOCK = 1 << 16


def noise(size: int, seed: int = 0) -> bytes:
    return np.random.default_rng(seed).bytes(size)


def windows_of(data: bytes, **more) -> list[bytes]:
    """The windows whose fingerprints are taken, found again in the very file."""
    places = Scanner(fingerprint(data, KEY, **more), KEY).scan(data)
    return [data[place : place + WINDOW_BYTES] for place in places]


def obvious_hash(window: bytes, multiplier: int) -> int:
    value = 0
    for byte in window:
        value = (value * multiplier + byte) % 2**64
    return value


def test_the_rolling_number_is_the_polynomial_that_it_says():
    polynomial = fingerprints._Polynomial(KEY)
    text = noise(300)
    multiplier = int(polynomial._ascending[1])
    assert multiplier % 2 == 1
    expected = [obvious_hash(text[place : place + 64], multiplier) for place in range(len(text) - 63)]
    assert polynomial.hashes(text).tolist() == expected


@pytest.mark.parametrize(
    "start", [0, 1, BLOCK - 64, BLOCK - 63, BLOCK - 32, BLOCK - 1, BLOCK, 2 * BLOCK - 10, 3 * BLOCK - 64]
)
def test_a_window_is_found_wherever_it_lies_in_a_file(tmp_path: Path, start: int):
    window = noise(64, seed=9)
    taken = fingerprint(window, KEY)
    assert len(taken) == 1
    ground = noise(3 * BLOCK, seed=1)
    file = tmp_path / "file"
    file.write_bytes(ground[:start] + window + ground[start + 64 :])
    assert Scanner(taken, KEY).scan(file) == (start,)
    assert Scanner(taken, KEY).scan(file.read_bytes()) == (start,)
    assert Scanner(taken, KEY).found_in(file) == taken


def test_every_window_of_a_file_is_found_in_a_copy_inside_another():
    data = noise(50_000)
    taken = fingerprint(data, KEY)
    assert len(taken) == 8
    places = Scanner(taken, KEY).scan(noise(70_001, seed=2) + data + noise(999, seed=3))
    assert len(places) == 8
    eighths = {(place - 70_001) * 8 // (len(data) - 63) for place in places}
    assert eighths == set(range(8))


def test_half_of_a_file_is_found_too():
    data = noise(50_000)
    assert 3 <= len(Scanner(fingerprint(data, KEY), KEY).scan(data[25_000:])) <= 5


def test_bytes_that_stay_in_the_pages_of_a_database_are_found(tmp_path: Path):
    data, file = noise(9_000), tmp_path / "database.db"
    database = sqlite3.connect(file)
    database.execute("PRAGMA secure_delete = OFF")
    database.execute("CREATE TABLE kept (name TEXT, body BLOB)")
    for number in range(50):
        database.execute("INSERT INTO kept VALUES (?, ?)", (f"row {number}", noise(300, seed=number)))
    database.execute("INSERT INTO kept VALUES ('erased', ?)", (data,))
    database.commit()
    scanner = Scanner(fingerprint(data, KEY), KEY)
    assert len(scanner.scan(file)) >= 6  # a window that two pages share is not whole in either
    database.execute("DELETE FROM kept WHERE name = 'erased'")
    database.commit()
    assert scanner.scan(file)
    database.execute("VACUUM")
    database.close()
    assert scanner.scan(file) == ()


def test_nothing_is_found_where_nothing_is():
    taken = frozenset().union(*(fingerprint(noise(5_000, seed=seed), KEY) for seed in range(500)))
    assert len(taken) == 4_000
    scanner = Scanner(taken, KEY)
    assert scanner.scan(noise(5_000_000, seed=1_000)) == ()
    assert scanner.scan(bytes(1_000_000)) == ()
    assert scanner.scan(b"".join(number.to_bytes(4, "little") for number in range(200_000))) == ()
    assert scanner.scan(b"") == scanner.scan(noise(63)) == ()
    assert Scanner(frozenset(), KEY).scan(noise(1_000)) == ()


def test_what_agrees_by_chance_in_the_rolling_number_is_no_hit():
    [taken] = fingerprint(noise(64), KEY)
    other = Fingerprint(rolling=taken.rolling, check=taken.check ^ 1)
    assert Scanner({other}, KEY).scan(noise(64)) == ()
    assert Scanner({other, taken}, KEY).scan(noise(64)) == (0,)


def test_another_key_gives_other_numbers_and_finds_nothing():
    data = noise(5_000)
    taken, other = fingerprint(data, KEY), fingerprint(data, KEY[::-1])
    assert {item.rolling for item in taken}.isdisjoint(item.rolling for item in other)
    assert {item.check for item in taken}.isdisjoint(item.check for item in other)
    assert Scanner(taken, KEY[::-1]).scan(data) == ()
    for use in (lambda: fingerprint(data, b"short"), lambda: Scanner(taken, b"short")):
        with pytest.raises(ValueError, match="at least 16 bytes, got 5"):
            use()


def test_a_fingerprint_is_written_as_text():
    for item in fingerprint(noise(5_000), KEY):
        assert Fingerprint.from_json(json.loads(json.dumps(item.to_json()))) == item
    for text in ("", "00", "g" * 32, "A" * 32):
        with pytest.raises(ValueError, match="32 hex digits"):
            Fingerprint.from_json(text)


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"", id="empty"),
        pytest.param(noise(63), id="short"),
        pytest.param(bytes(10_000), id="zeros"),
        pytest.param(b"ab" * 5_000, id="a run of equal pairs"),
        pytest.param(np.arange(3_000, dtype=np.int64).tobytes(), id="small whole numbers"),
        pytest.param(b"We hold these truths to be self-evident, and no others. " * 50, id="prose"),
        pytest.param(b"1234567890" * 100, id="the same digits again and again"),
        pytest.param(json.dumps([noise(32, seed).hex() for seed in range(50)]).encode(), id="hashes"),
    ],
)
def test_what_other_files_hold_too_is_never_taken(data: bytes):
    assert fingerprint(data, KEY) == frozenset()


def test_two_files_of_one_format_share_no_fingerprint():
    """The same names, shapes and headers, and other numbers."""

    def archive(seed: int) -> bytes:
        file, draw = io.BytesIO(), np.random.default_rng(seed)
        np.savez(file, observations=draw.normal(size=(200, 4)).astype(np.float32), rewards=draw.normal(size=200))
        return file.getvalue()

    def text(seed: int) -> bytes:
        returns = np.random.default_rng(seed).normal(size=60).tolist()
        return json.dumps({"algorithm": "ppo", "returns": returns, "manifest": "ab" * 32}).encode()

    for make in (archive, text):
        one, other = make(1), make(2)
        assert len(windows_of(one)) >= 6
        assert Scanner(fingerprint(one, KEY), KEY).scan(other) == ()


def test_what_every_page_embeds_is_left_out():
    program = noise(20_000, seed=5)
    page = b"<script>" + program + b"</script>" + noise(3_000, seed=6)
    assert any(window in program for window in windows_of(page))
    own = windows_of(page, common=program)
    assert own
    assert not any(window in program for window in own)
