import json
import sqlite3
from pathlib import Path
from urllib.parse import quote, quote_plus

import numpy as np
import pytest

from rl_assets.erasure.words import WordHit, Words

NAME = "Ångström & Søns"
BLOCK = 1 << 18


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(NAME.encode(), id="utf-8"),
        pytest.param("A\u030angstro\u0308m & Søns".encode(), id="decomposed"),
        pytest.param(NAME.upper().encode(), id="capitals"),
        pytest.param(NAME.lower().encode(), id="small letters"),
        pytest.param(NAME.encode("utf-16-le"), id="utf-16 little"),
        pytest.param(NAME.encode("utf-16-be"), id="utf-16 big"),
        pytest.param(NAME.encode("latin-1"), id="latin-1"),
        pytest.param(json.dumps({"client": NAME}).encode(), id="json"),
        pytest.param(json.dumps(json.dumps({"client": NAME})).encode(), id="json in json"),
        pytest.param(b"<td>\xc3\x85ngstr\xc3\xb6m &amp; S\xc3\xb8ns</td>", id="html"),
        pytest.param(quote(NAME).encode(), id="percent"),
        pytest.param(quote_plus(NAME).lower().encode(), id="form"),
        pytest.param("ångström_&_søns".encode(), id="underscores"),
        pytest.param("runs/Ångström-&-Søns/1".encode(), id="a slug"),
    ],
)
def test_a_name_is_found_in_every_spelling(data: bytes):
    ground = np.random.default_rng(0).bytes(1_000)
    hits = Words(["someone else", NAME]).scan(ground + data + ground)
    assert {hit.word for hit in hits} == {1}
    assert all(1_000 <= hit.offset < 1_000 + len(data) for hit in hits)


@pytest.mark.parametrize("start", [0, BLOCK - 20, BLOCK - 9, BLOCK - 8, BLOCK - 1, BLOCK, 2 * BLOCK - 4, 3 * BLOCK - 9])
def test_a_word_is_found_once_wherever_it_lies(tmp_path: Path, start: int):
    file = tmp_path / "file"
    ground = b". " * (3 * BLOCK // 2)
    words = Words(["Acme Corp", "abc", "wxyz"])
    for number, text in enumerate((b"ACME corp", b"Abc", b"WXYZ")):
        file.write_bytes(ground[:start] + text + ground[start + len(text) :])
        assert words.scan(file) == (WordHit(offset=start, word=number),)
        assert words.scan(file.read_bytes()) == (WordHit(offset=start, word=number),)


def test_a_short_word_is_found_only_as_a_whole_word_amid_text():
    words = Words(["IBM"])
    assert [hit.offset for hit in words.scan(b"sold to IBM, ibm and (ibm) only")] == [8, 13, 22]
    assert words.scan(b"IBM") == (WordHit(offset=0, word=0),)
    assert words.scan(b"ibmsweep, 4ibm and quibmer are others") == ()
    assert words.scan(b"\x00\x01\x02IBM\x03\x04\x05") == ()


def test_random_bytes_hold_no_word():
    words = Words(["IBM", "Acme", "Acmes", "Acme Corp", NAME])
    assert words.scan(np.random.default_rng(1).bytes(20_000_000)) == ()


def test_words_in_the_pages_of_a_database_are_found(tmp_path: Path):
    file = tmp_path / "database.db"
    database = sqlite3.connect(file)
    database.execute("CREATE TABLE events (body TEXT)")
    database.execute("INSERT INTO events VALUES (?)", (json.dumps({"owner": NAME, "size": "x" * 5_000}),))
    database.commit()
    assert [hit.word for hit in Words([NAME]).scan(file)] == [0]
    database.execute("DELETE FROM events")
    database.commit()
    database.execute("VACUUM")
    database.close()
    assert Words([NAME]).scan(file) == ()


def test_a_hit_does_not_repeat_the_word():
    assert "acme" not in repr(Words(["Acme Corp"]).scan(b"acme corp")).lower()


def test_what_cannot_be_told_apart_is_left_out_and_told():
    words = Words(["", "x", "--", "7", "ab"])
    assert words.left_out == (0, 1, 2, 3)
    assert [hit.word for hit in words.scan(b"x -- 7 ab")] == [4]
    assert Words([]).scan(b"anything") == ()
    assert Words(["acme corp"]).scan(b"") == ()


def test_many_words_are_found_among_many():
    names = [f"Client Number {number} Ltd" for number in range(500)]
    text = " and ".join(names).encode()
    assert [hit.word for hit in Words(names).scan(text)] == list(range(500))
