"""Whom to ask about a client's data."""

from dataclasses import asdict, dataclass, field
from typing import Any

from rl_assets.datasets.sealed import Record, SealedFile
from rl_assets.datasets.spelling import checked_words
from rl_assets.errors import InvalidDataset, UnknownClient


@dataclass(frozen=True, kw_only=True)
class Contact:
    """A person at a client; the `repr` shows the number alone, as it may end up in a log."""

    number: int
    """Counts from 1 within the client and is never given twice."""
    name: str = field(repr=False)
    address: str = field(repr=False)
    """How to reach them: an e-mail address, a telephone number."""
    role: str | None = field(default=None, repr=False)
    """What they are at the client, such as data protection officer."""


class Contacts:
    """The contacts of all clients, kept in the client register alone."""

    def __init__(self, sealed: SealedFile) -> None:
        self._sealed = sealed

    def of(self, pseudonym: str) -> tuple[Contact, ...]:
        """A client's contacts in the order in which they were added.

        Raises:
            UnknownClient: no client has that pseudonym.
        """
        client = client_record(self._sealed.read(), pseudonym)
        return tuple(Contact(**entry) for entry in client.get("contacts", []))

    def add(self, pseudonym: str, *, name: str, address: str, role: str | None = None) -> Contact:
        """Add a contact; one with the same name and address is replaced and keeps its number.

        Raises:
            UnknownClient: no client has that pseudonym.
            InvalidDataset: a text is missing, too long or unprintable.
        """
        name = checked_words(name, name="contact name")
        address = checked_words(address, name="contact address")
        role = None if role is None else checked_words(role, name="contact role")
        with self._sealed.changed() as record:
            client = client_record(record, pseudonym)
            entries = client.setdefault("contacts", [])
            same = [entry for entry in entries if (entry["name"], entry["address"]) == (name, address)]
            if same:
                same[0]["role"] = role
                return Contact(**same[0])
            client["last_contact"] = client.get("last_contact", 0) + 1
            contact = Contact(number=client["last_contact"], name=name, address=address, role=role)
            entries.append(asdict(contact))
        return contact

    def remove(self, pseudonym: str, number: int) -> None:
        """Forget a contact.

        Raises:
            UnknownClient: no client has that pseudonym.
            InvalidDataset: it has no such contact.
        """
        with self._sealed.changed() as record:
            client = client_record(record, pseudonym)
            kept = [entry for entry in client.get("contacts", []) if entry["number"] != number]
            if len(kept) == len(client.get("contacts", [])):
                known = ", ".join(str(entry["number"]) for entry in kept) or "none"
                raise InvalidDataset(
                    f"client '{pseudonym}' has no contact {number}: expected one of its numbers, {known}; "
                    f"`rlctl client show {pseudonym}` lists them"
                )
            client["contacts"] = kept


def client_record(record: Record, pseudonym: str) -> dict[str, Any]:
    """What the register holds of one client.

    Raises:
        UnknownClient: no client has that pseudonym.
    """
    client = record["clients"].get(pseudonym)
    if client is None:
        raise UnknownClient(f"pseudonym '{pseudonym}' is not registered: it belongs to another register")
    return client
