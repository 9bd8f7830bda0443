"""The client register: the only place where clients and their projects have names."""

import fcntl
import json
import os
import re
import secrets
import unicodedata
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rl_assets.config.canonical import canonical_json
from rl_assets.datasets.spelling import find_name, letters_of, normalize_words
from rl_assets.errors import BadInput, CorruptObject, InvalidDataset, StoreUnavailable, UnknownClient, UnknownPartition

MAX_WORD_LENGTH = 200
_KEY = re.compile(r"c-[0-9a-f]{10}\.d[1-9][0-9]*")
_FILE_NAME = "clients.json"
_LOCK_NAME = "clients.lock"


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


class ClientRegister:
    """Clients, their random pseudonyms and their datasets, in one private file.

    Any number of processes may read and write at once. The file is readable by its owner only.

    Args:
        folder: created, private to this user, when something is first registered.
    """

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        self._folder = Path(folder).absolute()
        self._file = self._folder / _FILE_NAME

    def add_dataset(
        self,
        *,
        client_id: str,
        project: str,
        data_source: str,
        domain: str,
        path: str | os.PathLike[str] | None = None,
    ) -> str:
        """Register a dataset, and its client where it is new.

        The same four words always give the same key; a path given later replaces the one on record.

        Args:
            client_id: who owns the data; a registered client must be spelled as before.
            path: a file or folder; its existence is checked when it is read, not here.

        Returns:
            The partition key `<pseudonym>.d<number>`, which says nothing about the words.

        Raises:
            InvalidDataset: a word is missing, too long or unprintable, or the client is registered in another spelling.
            StoreUnavailable: the register cannot be written.
        """
        words = {
            "client_id": _checked_word(client_id, name="client_id"),
            "project": _checked_word(project, name="project"),
            "data_source": _checked_word(data_source, name="data_source"),
            "domain": _checked_word(domain, name="domain"),
        }
        if not letters_of(words["client_id"]):
            raise InvalidDataset("dataset field 'client_id': expected at least one letter or digit, got none: name it")
        location = None if path is None else _checked_path(path)
        with self._locked():
            record = self._load()
            pseudonym = _find_client(record, words["client_id"])
            if pseudonym is None:
                pseudonym = _new_pseudonym(record["clients"])
                record["clients"][pseudonym] = {"client_id": words["client_id"], "last_number": 0}
            key = _find_dataset(record, pseudonym, words)
            if key is None:
                client = record["clients"][pseudonym]
                client["last_number"] += 1
                key = f"{pseudonym}.d{client['last_number']}"
                record["datasets"][key] = words | {"path": location}
            elif location is not None:
                record["datasets"][key]["path"] = location
            self._save(record)
        return key

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
        words = self._load()["datasets"].get(key)
        if words is None:
            raise UnknownPartition(f"dataset '{key}' is not registered: register it with `rlctl dataset add`")
        return RegisteredDataset(key=key, pseudonym=key.split(".")[0], **words)

    def datasets_of(self, client_id: str) -> tuple[str, ...]:
        """Keys of all datasets of a client, in the order of registration.

        Raises:
            UnknownClient: no client of that name is registered.
        """
        pseudonym = self.pseudonym_of(client_id)
        keys = [key for key in self._load()["datasets"] if key.startswith(f"{pseudonym}.")]
        return tuple(sorted(keys, key=lambda key: int(key.rpartition(".d")[2])))

    def pseudonym_of(self, client_id: str) -> str:
        """Look up a client's pseudonym by name.

        Raises:
            UnknownClient: no client of that name is registered; a client in another spelling is suggested.
        """
        name = normalize_words(client_id)
        clients = self._load()["clients"]
        for pseudonym, client in clients.items():
            if client["client_id"] == name:
                return pseudonym
        similar = [c["client_id"] for c in clients.values() if letters_of(c["client_id"]) == letters_of(name)]
        advice = f"did you mean '{similar[0]}'?" if similar else "register one of its datasets with `rlctl dataset add`"
        raise UnknownClient(f"client '{name}' is not registered: {advice}")

    def client_of(self, pseudonym: str) -> str:
        """Look up a client's name by pseudonym.

        Raises:
            UnknownClient: no client has that pseudonym.
        """
        client = self._load()["clients"].get(pseudonym)
        if client is None:
            raise UnknownClient(f"pseudonym '{pseudonym}' is not registered: it belongs to another register")
        return client["client_id"]

    def names(self) -> tuple[str, ...]:
        """Names of all clients in alphabetical order."""
        return tuple(sorted(client["client_id"] for client in self._load()["clients"].values()))

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

    def _load(self) -> dict[str, dict[str, dict[str, Any]]]:
        with _refusals_explained(self._file):
            try:
                data = self._file.read_bytes()
            except FileNotFoundError:
                return {"clients": {}, "datasets": {}}
        try:
            record = json.loads(data)
            if set(record) != {"clients", "datasets"}:
                raise ValueError("expected exactly the fields clients and datasets")
        except (ValueError, TypeError) as error:
            raise CorruptObject(
                f"client register '{self._file}' is damaged ({type(error).__name__}): restore it from a backup"
            ) from error
        return record

    def _save(self, record: Mapping[str, Any]) -> None:
        """Replace the file at once; the lock is held, so nobody else writes the temporary one."""
        temporary = self._folder / f"{_FILE_NAME}.new"
        with _refusals_explained(self._file):
            temporary.unlink(missing_ok=True)
            with open(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
                file.write(canonical_json(record))
                file.flush()
                os.fsync(file.fileno())
            os.replace(temporary, self._file)

    @contextmanager
    def _locked(self) -> Iterator[None]:
        with _refusals_explained(self._file):
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            descriptor = os.open(self._folder / _LOCK_NAME, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)


def _checked_word(word: Any, *, name: str) -> str:
    text = normalize_words(word) if isinstance(word, str) else ""
    if not text:
        raise InvalidDataset(f"dataset field '{name}': expected a non-empty text, got {word!r}: fill it in")
    if len(text) > MAX_WORD_LENGTH:
        raise InvalidDataset(
            f"dataset field '{name}': expected at most {MAX_WORD_LENGTH} characters, got {len(text)}: shorten it"
        )
    if any(unicodedata.category(character) in {"Cc", "Cs"} for character in text):
        raise InvalidDataset(f"dataset field '{name}': holds a control character: remove it")
    return text


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


@contextmanager
def _refusals_explained(file: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise StoreUnavailable(
            f"client register '{file}': {error.strerror or error}: "
            "let this user read and write there, free some space, or choose another folder"
        ) from error
