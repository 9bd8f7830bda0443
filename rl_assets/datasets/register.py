"""The client register: the only place where clients and their projects have names."""

import os
import re
import secrets
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rl_assets.datasets.contacts import Contacts
from rl_assets.datasets.holds import LegalHolds
from rl_assets.datasets.keyring import Keyring
from rl_assets.datasets.sealed import SealedFile
from rl_assets.datasets.spelling import checked_words, find_name, letters_of, normalize_words
from rl_assets.datasets.subjects import ErasedSubject
from rl_assets.datasets.terms import DatasetTerms
from rl_assets.errors import BadInput, InvalidDataset, UnknownClient, UnknownPartition

_KEY = re.compile(r"c-[0-9a-f]{10}\.d[1-9][0-9]*")
_PSEUDONYM = re.compile(r"c-[0-9a-f]{10}")
_FREE_TEXTS = ("purpose", "licence")


@dataclass(frozen=True, kw_only=True)
class RegisteredDataset:
    """What the register knows of one dataset; its `repr` shows the key alone, as it may end up in a log."""

    key: str
    pseudonym: str
    client_id: str = field(repr=False)
    project: str = field(repr=False)
    data_source: str = field(repr=False)
    domain: str = field(repr=False)
    path: str | None = field(repr=False)
    """Absolute path of the files; None for a declaration of work in a simulator only."""
    terms: DatasetTerms = field(default_factory=DatasetTerms, repr=False)
    """On what terms the data may be kept and used."""
    env: str | None = field(default=None, repr=False)
    """Id of the environment whose spaces its episodes fit; None where it was not said."""
    erased_subjects: tuple[ErasedSubject, ...] = field(default=(), repr=False)
    """Who was erased from it and must not come back."""


class ClientRegister:
    """Clients, their random pseudonyms, their datasets, contacts and legal holds, in one private encrypted file.

    Any number of processes may read and write at once.

    Args:
        folder: created, private to this user, when something is first registered.
        keyring: opens the file; the user's own by default.
    """

    def __init__(self, folder: str | os.PathLike[str], *, keyring: Keyring | None = None) -> None:
        self._sealed = SealedFile(Path(folder).absolute(), keyring=keyring or Keyring.from_environment())

    @property
    def sealed(self) -> SealedFile:
        """The encrypted file, for those who care for its key."""
        return self._sealed

    @property
    def contacts(self) -> Contacts:
        """Whom to ask about a client's data."""
        return Contacts(self._sealed)

    @property
    def holds(self) -> LegalHolds:
        """What must not be erased, and on whose word."""
        return LegalHolds(self._sealed)

    def add_dataset(
        self,
        *,
        client_id: str,
        project: str,
        data_source: str,
        domain: str,
        path: str | os.PathLike[str] | None = None,
        terms: DatasetTerms | None = None,
        env: str | None = None,
    ) -> str:
        """Register a dataset, and its client where it is new.

        The same four words always give the same key; a path, an env or terms given later replace those on record.

        Args:
            client_id: who owns the data; a registered client must be spelled as before.
            path: a file or folder; its existence is checked when it is read, not here.
            terms: what is None in them stays as it is on record.
            env: exact id of the environment whose spaces the episodes fit.

        Returns:
            The partition key `<pseudonym>.d<number>`, which says nothing about the words.

        Raises:
            InvalidDataset: a word is missing, too long or unprintable, or the client is registered in another spelling.
            StoreUnavailable: the register cannot be written.
        """
        words = {
            "client_id": checked_words(client_id, name="client_id"),
            "project": checked_words(project, name="project"),
            "data_source": checked_words(data_source, name="data_source"),
            "domain": checked_words(domain, name="domain"),
        }
        if not letters_of(words["client_id"]):
            raise InvalidDataset("dataset field 'client_id': expected at least one letter or digit, got none: name it")
        if _PSEUDONYM.fullmatch(words["client_id"]):
            raise InvalidDataset("dataset field 'client_id': reads like a pseudonym: expected the client's own name")
        location = None if path is None else _checked_path(path)
        with self._sealed.changed() as record:
            pseudonym = _find_client(record, words["client_id"])
            if pseudonym is None:
                pseudonym = _new_pseudonym(record["clients"])
                record["clients"][pseudonym] = {"client_id": words["client_id"], "last_number": 0}
            key = _find_dataset(record, pseudonym, words)
            if key is None:
                client = record["clients"][pseudonym]
                client["last_number"] += 1
                key = f"{pseudonym}.d{client['last_number']}"
                record["datasets"][key] = words | {"path": None}
            entry = record["datasets"][key]
            entry["path"] = location or entry["path"]
            entry["env"] = env or entry.get("env")
            entry["terms"] = DatasetTerms.from_json(entry.get("terms", {})).updated(terms or DatasetTerms()).to_json()
        return key

    def find_dataset(self, *, client_id: str, project: str, data_source: str, domain: str) -> str | None:
        """Key of the dataset that has these four words; None where there is none."""
        words = {"client_id": client_id, "project": project, "data_source": data_source, "domain": domain}
        words = {name: normalize_words(word) for name, word in words.items()}
        record = self._sealed.read()
        return next((key for key, known in record["datasets"].items() if words.items() <= known.items()), None)

    def dataset(self, key: str) -> RegisteredDataset:
        """Look up a dataset by its key.

        Raises:
            UnknownPartition: no dataset has that key.
        """
        if not _KEY.fullmatch(key):
            raise UnknownPartition(
                "field 'dataset' is no dataset key (and is not repeated here, as it may be a client's name): expected "
                "one such as c-0123456789.d1; `rlctl dataset list` shows them"
            )
        entry = self._sealed.read()["datasets"].get(key)
        if entry is None:
            raise UnknownPartition(f"dataset '{key}' is not registered: register it with `rlctl dataset add`")
        known: dict[str, Any] = entry | {
            "terms": DatasetTerms.from_json(entry.get("terms", {})),
            "erased_subjects": tuple(ErasedSubject(**erased) for erased in entry.get("erased_subjects", ())),
        }
        return RegisteredDataset(key=key, pseudonym=key.split(".")[0], **known)

    def erase_subject(self, keys: Iterable[str], subject: ErasedSubject) -> None:
        """Keep a subject out of datasets from their next materialization on; noting it again changes nothing.

        Args:
            keys: of the datasets; one that is not registered any more is passed over.
            subject: who, as a digest.
        """
        with self._sealed.changed() as record:
            for key in keys:
                entries = record["datasets"].get(key, {}).setdefault("erased_subjects", [])
                if subject.to_json() not in entries:
                    entries.append(subject.to_json())

    def forget_datasets(self, keys: Iterable[str]) -> None:
        """Remove what is known of datasets; their numbers are never given again while the client is registered."""
        with self._sealed.changed() as record:
            for key in keys:
                record["datasets"].pop(key, None)

    def forget_client(self, pseudonym: str) -> None:
        """Remove all that is known of a client: names, contacts, holds and datasets."""
        with self._sealed.changed() as record:
            record["clients"].pop(pseudonym, None)
            for key in [key for key in record["datasets"] if key.startswith(f"{pseudonym}.")]:
                del record["datasets"][key]

    def words_of(self, pseudonym: str, *, datasets: Collection[str] | None = None) -> frozenset[str]:
        """The texts that would give a client away, or some of its datasets alone: what must be found nowhere else.

        Projects, sources and domains are none of them: others use the same words.

        Args:
            pseudonym: the client; nothing is known of one that was forgotten.
            datasets: their keys; None: all, with the client's name and contacts.
        """
        record = self._sealed.read()
        found: set[str] = set()
        for key, entry in record["datasets"].items():
            if key.startswith(f"{pseudonym}.") and (datasets is None or key in datasets):
                found |= {entry.get("path") or "", *(entry.get("terms", {}).get(name) or "" for name in _FREE_TEXTS)}
        client = record["clients"].get(pseudonym)
        if datasets is None and client is not None:
            found.add(client["client_id"])
            found |= {contact[name] for contact in client.get("contacts", ()) for name in ("name", "address")}
        return frozenset(text for text in found if text)

    def datasets_of(self, client_id: str) -> tuple[str, ...]:
        """Keys of all datasets of a client, in the order of registration.

        Raises:
            UnknownClient: no client of that name is registered.
        """
        pseudonym = self.pseudonym_of(client_id)
        keys = [key for key in self._sealed.read()["datasets"] if key.startswith(f"{pseudonym}.")]
        return tuple(sorted(keys, key=lambda key: int(key.rpartition(".d")[2])))

    def pseudonym_of(self, client_id: str) -> str:
        """Look up a client's pseudonym by name.

        Raises:
            UnknownClient: no client of that name is registered; a client in another spelling is suggested.
        """
        name = normalize_words(client_id)
        clients = self._sealed.read()["clients"]
        for pseudonym, client in clients.items():
            if client["client_id"] == name:
                return pseudonym
        similar = [c["client_id"] for c in clients.values() if letters_of(c["client_id"]) == letters_of(name)]
        advice = f"did you mean '{similar[0]}'?" if similar else "register one of its datasets with `rlctl dataset add`"
        raise UnknownClient(f"client '{name}' is not registered: {advice}")

    def find_client(self, name_or_pseudonym: str) -> str:
        """Look up a client's pseudonym by either; a name that reads like a pseudonym is taken for a pseudonym.

        Raises:
            UnknownClient: no client has it.
        """
        if _PSEUDONYM.fullmatch(name_or_pseudonym):
            self.client_of(name_or_pseudonym)
            return name_or_pseudonym
        return self.pseudonym_of(name_or_pseudonym)

    def client_of(self, pseudonym: str) -> str:
        """Look up a client's name by pseudonym.

        Raises:
            UnknownClient: no client has that pseudonym.
        """
        client = self._sealed.read()["clients"].get(pseudonym)
        if client is None:
            raise UnknownClient(f"pseudonym '{pseudonym}' is not registered: it belongs to another register")
        return client["client_id"]

    def names(self) -> tuple[str, ...]:
        """Names of all clients in alphabetical order."""
        return tuple(sorted(client["client_id"] for client in self._sealed.read()["clients"].values()))

    def refuse_client_names(self, text: str, *, field: str) -> None:
        """Refuse a text that contains a registered client's name, whatever its case, accents and separators.

        Args:
            text: what is about to become a key, a tag or a log line.
            field: what to call it in the error.

        Raises:
            BadInput: it contains one; the error repeats neither the text nor the name, as it may be logged.
        """
        found = find_name(text, self.names())
        if found is not None:
            raise BadInput(
                f"{field}: contains the name of client '{self.pseudonym_of(found)}': "
                "expected a text without clients' names, as it is shown in keys and logs; choose another"
            )


def _checked_path(path: str | os.PathLike[str]) -> str:
    text = os.fspath(path)
    if not text.strip() or "\0" in text:
        raise InvalidDataset(f"dataset field 'path': expected a file or folder, got {text!r}: name one or leave it out")
    return str(Path(text).absolute())


def _find_client(record: Mapping[str, Any], client_id: str) -> str | None:
    """The client's pseudonym; one whose name differs only in spelling is neither merged with it nor kept apart."""
    for pseudonym, client in record["clients"].items():
        if client["client_id"] == client_id:
            return pseudonym
    for pseudonym, client in record["clients"].items():
        if letters_of(client["client_id"]) == letters_of(client_id):
            raise InvalidDataset(
                f"dataset field 'client_id': differs only in spelling from client '{pseudonym}', "
                f"'{client['client_id']}': use that spelling, or a name that cannot be mistaken for it"
            )
    return None


def _find_dataset(record: Mapping[str, Any], pseudonym: str, words: Mapping[str, str]) -> str | None:
    for key, known in record["datasets"].items():
        if key.startswith(f"{pseudonym}.") and all(known[name] == word for name, word in words.items()):
            return key
    return None


def _new_pseudonym(taken: Mapping[str, Any]) -> str:
    while True:
        pseudonym = f"c-{secrets.token_hex(5)}"
        if pseudonym not in taken:
            return pseudonym
