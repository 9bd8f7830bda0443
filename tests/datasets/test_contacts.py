from pathlib import Path

import pytest

from rl_assets.datasets.register import ClientRegister
from rl_assets.errors import InvalidDataset, UnknownClient


@pytest.fixture
def register(tmp_path: Path) -> ClientRegister:
    return ClientRegister(tmp_path / "register")


@pytest.fixture
def client(register: ClientRegister) -> str:
    return register.add_dataset(client_id="ACME", project="p", data_source="s", domain="d").partition(".")[0]


def test_contacts_keep_their_numbers_and_no_number_comes_twice(register, client: str):
    first = register.contacts.add(client, name="Ann", address="ann@acme.example", role="officer")
    second = register.contacts.add(client, name="Bob", address="+1 555 0100")
    assert register.contacts.of(client) == (first, second)
    register.contacts.remove(client, 2)
    assert register.contacts.add(client, name="Cid", address="cid@acme.example").number == 3
    assert "ann" not in repr(first).lower()


def test_the_same_contact_again_replaces_the_role_alone(register, client: str):
    register.contacts.add(client, name="Ann", address="ann@acme.example")
    register.contacts.add(client, name=" Ann ", address="ann@acme.example", role="officer")
    (contact,) = register.contacts.of(client)
    assert (contact.number, contact.role) == (1, "officer")


def test_what_is_missing_or_unknown_is_refused(register, client: str):
    with pytest.raises(InvalidDataset, match="'contact address'"):
        register.contacts.add(client, name="Ann", address="")
    with pytest.raises(InvalidDataset, match="has no contact 1"):
        register.contacts.remove(client, 1)
    with pytest.raises(UnknownClient):
        register.contacts.add("c-0000000000", name="Ann", address="a")
