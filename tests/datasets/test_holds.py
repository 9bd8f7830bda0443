from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest

from rl_assets.datasets.register import ClientRegister
from rl_assets.errors import HoldRefused, UnknownClient

NOW = datetime(2026, 2, 3, 4, 5, 6, tzinfo=UTC)
WORDS = {"client_id": "ACME Corp", "data_source": "plant 3", "domain": "logistics"}


@pytest.fixture
def register(tmp_path: Path) -> ClientRegister:
    register = ClientRegister(tmp_path / "register")
    register.add_dataset(**WORDS, project="one")
    register.add_dataset(**WORDS, project="two")
    return register


@pytest.fixture
def client(register: ClientRegister) -> str:
    return register.pseudonym_of("ACME Corp")


def test_a_hold_stays_on_record_after_its_release(register, client: str):
    placed = register.holds.place(client, reason="case 7", by="ann", now=NOW)
    assert register.holds.in_force(client) == (placed,)
    later = (NOW + timedelta(days=1)).astimezone(timezone(timedelta(hours=5)))
    released = register.holds.release(client, 1, reason="settled", by="bob", now=later)
    assert register.holds.in_force(client) == ()
    assert register.holds.of(client) == (released,)
    assert (released.placed_at, released.placed_by, released.reason) == ("2026-02-03T04:05:06+00:00", "ann", "case 7")
    assert (released.released_at, released.released_by) == ("2026-02-04T04:05:06+00:00", "bob")
    assert "case 7" not in repr(released)


def test_a_hold_on_one_dataset_forbids_to_erase_it_and_the_client_but_not_the_others(register, client: str):
    hold = register.holds.place(client, reason="case 7", by="ann", now=NOW, dataset=f"{client}.d1")
    assert register.holds.in_force(client, dataset=f"{client}.d1") == (hold,)
    assert register.holds.in_force(client, dataset=f"{client}.d2") == ()
    assert register.holds.in_force(client) == (hold,)


def test_a_hold_on_a_client_covers_datasets_that_come_later(register, client: str):
    hold = register.holds.place(client, reason="case 7", by="ann", now=NOW)
    key = register.add_dataset(**WORDS, project="three")
    assert register.holds.in_force(client, dataset=key) == (hold,)


def test_what_cannot_be_held_or_released_is_refused_and_changes_nothing(register, client: str):
    with pytest.raises(HoldRefused, match="placing a legal hold: field 'reason': expected a non-empty text"):
        register.holds.place(client, reason=" ", by="ann", now=NOW)
    with pytest.raises(HoldRefused, match=rf"one of its datasets, {client}\.d1, {client}\.d2, got 'c-0000000000\.d1'"):
        register.holds.place(client, reason="r", by="ann", now=NOW, dataset="c-0000000000.d1")
    with pytest.raises(UnknownClient):
        register.holds.place("c-0000000000", reason="r", by="ann", now=NOW)
    with pytest.raises(HoldRefused, match="has no legal hold 1: expected one of none"):
        register.holds.release(client, 1, reason="r", by="ann", now=NOW)
    register.holds.place(client, reason="r", by="ann", now=NOW)
    with pytest.raises(HoldRefused, match="releasing a legal hold"):
        register.holds.release(client, 1, reason="", by="ann", now=NOW)
    assert len(register.holds.in_force(client)) == 1
    register.holds.release(client, 1, reason="r", by="ann", now=NOW)
    with pytest.raises(HoldRefused, match="was released by ann"):
        register.holds.release(client, 1, reason="r", by="bob", now=NOW)
