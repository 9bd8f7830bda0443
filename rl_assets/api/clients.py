"""What the client register knows of clients: contacts, legal holds, terms; and the key that it is encrypted with."""

from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

from rl_assets.api.datasets import list_datasets
from rl_assets.api.installation import Installation
from rl_assets.datasets.contacts import Contact
from rl_assets.datasets.holds import LegalHold
from rl_assets.resources.actors import Actor, os_user


def list_clients(installation: Installation) -> list[dict[str, Any]]:
    """Every client with pseudonym, name, number of datasets and whether a legal hold is in force."""
    register = installation.register
    return [
        {
            "pseudonym": (pseudonym := register.pseudonym_of(name)),
            "client_id": name,
            "num_datasets": len(register.datasets_of(name)),
            "num_holds": len(register.holds.in_force(pseudonym)),
        }
        for name in register.names()
    ]


def show_client(installation: Installation, client: str) -> dict[str, Any]:
    """All that the register knows of one client.

    Args:
        installation: where.
        client: name or pseudonym.

    Raises:
        UnknownClient: no client has it.
    """
    register = installation.register
    pseudonym = register.find_client(client)
    return {
        "pseudonym": pseudonym,
        "client_id": register.client_of(pseudonym),
        "contacts": [asdict(contact) for contact in register.contacts.of(pseudonym)],
        "holds": [asdict(hold) | {"is_in_force": hold.is_in_force} for hold in register.holds.of(pseudonym)],
        "datasets": [entry for entry in list_datasets(installation) if str(entry["dataset"]).startswith(pseudonym)],
    }


def place_hold(
    installation: Installation, client: str, *, reason: str, dataset: str | None = None, actor: Actor | None = None
) -> LegalHold:
    """Forbid the erasure of a client's data, or of one dataset, until the hold is released.

    Args:
        installation: where.
        client: name or pseudonym.
        reason: why; only the register keeps it.
        dataset: key of one dataset; None for all data of the client.
        actor: who asks; the user of this process by default.

    Raises:
        UnknownClient: no client has that name or pseudonym.
        HoldRefused: the reason is missing, or the dataset is not the client's.
    """
    register = installation.register
    return register.holds.place(
        register.find_client(client), reason=reason, by=_name(actor), now=datetime.now(UTC), dataset=dataset
    )


def release_hold(
    installation: Installation, client: str, number: int, *, reason: str, actor: Actor | None = None
) -> LegalHold:
    """Let a legal hold go; it stays on record with who released it, when and why.

    Args:
        installation: where.
        client: name or pseudonym.
        number: of the hold.
        reason: why; only the register keeps it.
        actor: who asks; the user of this process by default.

    Raises:
        UnknownClient: no client has that name or pseudonym.
        HoldRefused: the reason is missing, there is no such hold, or it was released before.
    """
    register = installation.register
    return register.holds.release(
        register.find_client(client), number, reason=reason, by=_name(actor), now=datetime.now(UTC)
    )


def add_contact(
    installation: Installation, client: str, *, name: str, address: str, role: str | None = None
) -> Contact:
    """Note whom to ask about a client's data.

    Raises:
        UnknownClient: no client has that name or pseudonym.
        InvalidDataset: a text is missing, too long or unprintable.
    """
    register = installation.register
    return register.contacts.add(register.find_client(client), name=name, address=address, role=role)


def remove_contact(installation: Installation, client: str, number: int) -> None:
    """Forget a contact.

    Raises:
        UnknownClient: no client has that name or pseudonym.
        InvalidDataset: it has no such contact.
    """
    register = installation.register
    register.contacts.remove(register.find_client(client), number)


def register_key(installation: Installation) -> dict[str, Any]:
    """Where the keys of the register come from, which one it needs, and whether it is there; never a key itself.

    Raises:
        RegisterLocked: the keys cannot be read, or are no keys.
        CorruptObject: the register is damaged.
    """
    sealed = installation.register.sealed
    keys, needed = [key.id for key in sealed.keyring.load()], sealed.key_id()
    return {"place": sealed.keyring.place, "keys": keys, "needed": needed, "opens": needed is None or needed in keys}


def rotate_register_key(installation: Installation) -> dict[str, Any]:
    """Encrypt the register with a new key; earlier ones stay in the file for backups that need them.

    Raises:
        RegisterLocked: the present key is missing, or the variable that gives the keys holds no new one.
    """
    installation.register.sealed.rotate()
    return register_key(installation)


def _name(actor: Actor | None) -> str:
    who = actor or os_user()
    return who.name if who.is_verified else f"{who.name} (claimed)"
