import re
import stat
import threading
from pathlib import Path

import pytest

from rl_assets.erasure.ledger_files import locked, names_in, read_entry, sealed, write_once
from rl_assets.errors import CorruptObject, StoreUnavailable


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_an_entry_is_read_as_it_was_written(tmp_path: Path):
    file = tmp_path / "orders" / "one.json"
    assert write_once(file, sealed({"a": [1, "ä"]}), is_private=True)
    assert read_entry(file) == {"a": [1, "ä"]}
    assert (mode(file), mode(file.parent)) == (0o600, 0o700)


def test_what_is_written_stands(tmp_path: Path):
    file = tmp_path / "one.json"
    assert write_once(file, b"first", is_private=False)
    assert not write_once(file, b"second", is_private=False)
    assert file.read_bytes() == b"first"


def test_any_change_of_an_entry_is_noticed(tmp_path: Path):
    file = tmp_path / "one.json"
    whole = sealed({"step": "bytes"})
    for place in range(len(whole)):
        file.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
        with pytest.raises(CorruptObject, match=r"one\.json' in the ledger of erasures is damaged"):
            read_entry(file)
    for content in (b"", b"[]", whole[:-1], whole + b" "):
        file.write_bytes(content)
        with pytest.raises(CorruptObject):
            read_entry(file)


def test_only_files_of_the_ledgers_own_are_listed(tmp_path: Path):
    for name in ("b.json", "a.json", "a.json.bak", ".lock"):
        (tmp_path / name).touch()
    assert names_in(tmp_path, re.compile(r"[a-z]\.json")) == ["a.json", "b.json"]
    assert names_in(tmp_path / "nowhere", re.compile(r".*")) == []


def test_one_at_a_time_changes_the_ledger(tmp_path: Path):
    numbers: list[int] = []

    def append_many() -> None:
        for _ in range(50):
            with locked(tmp_path / "ledger"):
                numbers.append(len(numbers))

    threads = [threading.Thread(target=append_many) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert numbers == list(range(200))


def test_a_folder_that_cannot_be_is_told(tmp_path: Path):
    (tmp_path / "file").touch()
    with pytest.raises(StoreUnavailable, match="open the ledger of erasures"), locked(tmp_path / "file"):
        pass
