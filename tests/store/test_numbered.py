import threading

import pytest

from rl_assets.errors import CorruptObject, StoreUnavailable
from rl_assets.store.numbered import NumberedEntries


@pytest.fixture
def entries(tmp_path):
    return NumberedEntries(tmp_path / "entries", what="things of 'X'")


def test_what_was_added_is_read_in_order(entries):
    assert entries.read() == ()
    for number in (1, 2, 3):
        assert entries.append(number, {"value": number})
    assert entries.read() == ({"value": 1}, {"value": 2}, {"value": 3})


def test_a_number_is_given_once_and_what_stands_stays(entries):
    assert entries.append(1, {"value": "first"})
    assert not entries.append(1, {"value": "second"})
    assert entries.read() == ({"value": "first"},)


def test_of_many_writers_each_number_has_one(entries):
    wins = []

    def write(writer):
        for number in range(1, 11):
            if entries.append(number, {"writer": writer}):
                wins.append(number)

    threads = [threading.Thread(target=write, args=(writer,)) for writer in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(wins) == list(range(1, 11))
    assert len(entries.read()) == 10


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (lambda path: path.write_bytes(path.read_bytes().replace(b'"value":2', b'"value":7')), "checksum"),
        (lambda path: path.write_bytes(b"{"), "is damaged"),
        (lambda path: path.unlink(), "entry 2 is missing"),
    ],
)
def test_damage_is_named_and_the_others_are_still_told(entries, damage, words):
    for number in (1, 2, 3):
        entries.append(number, {"value": number})
    damage(entries.folder / entries.file_name(2))
    with pytest.raises(CorruptObject, match=words):
        entries.read()
    whole, flaws = entries.inspect()
    assert whole == {1: {"value": 1}, 3: {"value": 3}}
    assert list(flaws) == [2]


def test_a_folder_that_is_a_file_is_refused_with_what_to_do(entries):
    entries.folder.write_text("in the way")
    with pytest.raises(StoreUnavailable, match="a file stands where a folder is needed"):
        entries.append(1, {})


def test_words_are_replaced_whole_and_the_entry_stays_what_it_was_for_the_others(tmp_path):
    entries = NumberedEntries(tmp_path / "entries", what="entries")
    for number in (1, 2, 3):
        assert entries.append(number, {"words": "many"})
    entries.replace(2, {"words": ""})
    assert entries.read() == ({"words": "many"}, {"words": ""}, {"words": "many"})
    assert not entries.append(2, {"words": "again"})
    assert sorted(path.name for path in (tmp_path / "entries").glob("*.json")) == [
        NumberedEntries.file_name(number) for number in (1, 2, 3)
    ]
