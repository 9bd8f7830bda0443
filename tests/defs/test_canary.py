"""A client's words go through the whole lifecycle and are found nowhere but, encrypted, in the client register."""

import base64
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest

from rl_assets import api
from rl_assets.api.datasets import materialize_dataset
from rl_assets.api.drive import drive
from rl_assets.api.installation import Installation
from rl_assets.errors import InvalidDataset, StoreError
from tests.datasets.episode_files import columns_of, npz
from tests.defs.tiny_sweeps import tiny_sweep

WORDS = {
    "client_id": "Quxworth-Zq7 Läborätories",
    "project": "Zebrafish-Kv3 balance",
    "data_source": "Hangar-Pw9 rig",
    "domain": "Walrus-Jy2 motion",
}
FREE_TEXTS = {"purpose": "Ostrich-Gm4 gait study", "licence": "Narwhal-Bx8 agreement"}
FILE_NAME, CONTACT, REASON = "Pelican-Td5 take", "Marmot-Fc6 Smith", "Axolotl-Hn1 case"
CANARIES = [*WORDS.values(), *FREE_TEXTS.values(), FILE_NAME, CONTACT, REASON]


def spellings(text: str) -> set[bytes]:
    """The ways in which a text may end up in a file: as it is, for URLs, in JSON, in base64 at any offset."""
    found: set[bytes] = set()
    first = text.split()[0]
    for word in {text, first, text.replace(" ", "_"), text.replace(" ", "-"), first.replace("-", "")}:
        for cased in {word, word.lower(), word.upper()}:
            raw = cased.encode()
            found |= {
                raw,
                quote(cased).encode(),
                cased.encode("unicode_escape"),
                cased.encode("utf-16-le"),
                raw.hex().encode(),
            }
            found |= {base64.b64encode(b"x" * lead + raw)[(lead * 8 + 5) // 6 : -4] for lead in range(3)}
    return {spelling for spelling in found if len(spelling) >= 6}


def haystacks(folder: Path) -> Iterator[tuple[str, bytes]]:
    """Every file and every name below a folder; SQLite's write-ahead logs are files of their own."""
    for path in folder.rglob("*"):
        name = str(path.relative_to(folder))
        yield name, name.encode()
        if path.is_file():
            data = path.read_bytes()
            yield name, data
            yield name, data.lower()


def holders(folder: Path, canaries: list[str]) -> set[str]:
    needles = {spelling for canary in canaries for spelling in spellings(canary)}
    return {name for name, data in haystacks(folder) if any(needle in data for needle in needles)}


def register_client(installation: Installation, recordings: Path) -> str:
    recordings.mkdir(parents=True)
    (recordings / f"{FILE_NAME}.npz").write_bytes(npz(**columns_of((3, 5))))
    (recordings / f"notes.{FILE_NAME.split()[0]}").write_bytes(b"nothing to see")
    event = api.add_dataset(installation, **WORDS, **FREE_TEXTS, path=recordings, env="cartpole",
                            lawful_basis="contract", retention=90)  # fmt: skip
    api.place_hold(installation, WORDS["client_id"], reason=REASON)
    api.add_contact(installation, WORDS["client_id"], name=CONTACT, address="someone@example.org", role=CONTACT)
    return event.partition


def test_a_clients_words_are_nowhere_after_the_whole_lifecycle(installation: Installation, tmp_path: Path) -> None:
    key = register_client(installation, tmp_path / "given" / FILE_NAME)
    outcome = api.run_sweep(installation, tiny_sweep(dataset=key), on_event=print)
    assert outcome.verdicts == {"CartPole-v1": "pass"}
    api.run_sweep(installation, tiny_sweep("declared", dataset=WORDS, seeds=1))
    with pytest.raises(InvalidDataset):
        api.add_dataset(installation, **WORDS, path=tmp_path / "given", env="Pendulum-v1")
    list(drive(installation))
    for place in ("state", "instance"):
        assert len(list((tmp_path / place).rglob("*"))) > 10, "there is something to search"
        assert holders(tmp_path / place, CANARIES) == set()
    shown = api.show_client(installation, key.partition(".")[0])
    assert (shown["client_id"], shown["contacts"][0]["name"], shown["holds"][0]["reason"]) == (
        WORDS["client_id"], CONTACT, REASON,
    )  # fmt: skip
    assert [entry["purpose"] for entry in shown["datasets"]] == [FREE_TEXTS["purpose"]]


def test_the_reason_for_a_dataset_that_went_bad_is_not_logged(installation: Installation, tmp_path: Path) -> None:
    recordings = tmp_path / "given" / FILE_NAME
    key = register_client(installation, recordings)
    (recordings / f"{FILE_NAME}.npz").write_bytes(npz(**{CONTACT: columns_of()["rewards"]}))
    with pytest.raises(StoreError, match=f"dataset '{key}' could not be materialized: .*it is not logged here"):
        materialize_dataset(installation, key)
    assert holders(tmp_path / "instance", CANARIES) == set()


@pytest.mark.parametrize("spelled", ["as it is", "lower", "upper", "url", "base64", "in a file's name", "in SQLite"])
def test_the_search_would_find_a_word_that_leaked(tmp_path: Path, spelled: str) -> None:
    word = WORDS["client_id"]
    place = tmp_path / "leak"
    place.mkdir()
    if spelled == "in a file's name":
        (place / word).touch()
    elif spelled == "in SQLite":
        connection = sqlite3.connect(place / "runs.db")
        connection.execute("CREATE TABLE events (body TEXT)")
        connection.execute("INSERT INTO events VALUES (?)", ['{"text": "' + word + '"}'])
        connection.commit()
        connection.close()
    else:
        leaked = {"as it is": word, "lower": word.lower(), "upper": word.upper(), "url": quote(word),
                  "base64": base64.b64encode(f"x{word}y".encode()).decode()}[spelled]  # fmt: skip
        (place / "log").write_text(f"… {leaked} …")
    assert len(holders(place, CANARIES)) == 1
