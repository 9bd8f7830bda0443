"""Which tests were made during a champion's reign: each may err, and what all may err together is promised."""

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Self

from rl_assets.config.keys import check_key
from rl_assets.errors import CorruptObject
from rl_assets.store.numbered import NumberedEntries
from rl_assets.store.objects import ObjectStore

FOLDER = "gates"


@dataclass(frozen=True, kw_only=True)
class LedgerEntry:
    """One test of a reign; it holds hashes and numbers alone."""

    env: str
    reign: int
    """Generation of the champion that reigned; 0 before the first."""
    number: int
    """Of the test in its reign, from 1."""
    question: str
    """Hash over candidate, champion and gates."""
    claimed_at: str
    """ISO 8601 with a time zone."""

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """Read back what the ledger wrote.

        Raises:
            TypeError: a field is missing or unknown.
        """
        return cls(**data)


class AlphaLedger:
    """The tests of one reign in one environment, in the order in which they were claimed.

    A question has its number before its first episode is played, so a test that was killed half-way has spent its
    share, and is made with the same number when it is asked again.
    """

    def __init__(self, store: ObjectStore, env_key: str, *, reign: int) -> None:
        self.env_key, self.reign = check_key(env_key, kind="env"), reign
        self._entries = NumberedEntries(
            store.root / FOLDER / env_key / f"{reign:06d}", what=f"tests of '{env_key}' in reign {reign}"
        )

    def claim(self, question: str, *, claimed_at: str) -> LedgerEntry:
        """The question's entry, added where it has none yet.

        Raises:
            CorruptObject: the ledger is damaged.
            StoreUnavailable: the disk refused.
        """
        while True:
            entries = self.entries()
            for entry in entries:
                if entry.question == question:
                    return entry
            entry = LedgerEntry(
                env=self.env_key,
                reign=self.reign,
                number=len(entries) + 1,
                question=question,
                claimed_at=claimed_at,
            )
            if self._entries.append(entry.number, asdict(entry)):
                return entry

    def entries(self) -> tuple[LedgerEntry, ...]:
        """All tests so far, oldest first.

        Raises:
            CorruptObject: an entry is damaged or missing.
            StoreUnavailable: the disk refused.
        """
        try:
            return tuple(LedgerEntry.from_json(entry) for entry in self._entries.read())
        except TypeError as error:
            raise CorruptObject(f"{self._entries.what}: an entry is not of this form ({error})") from error

    def flaws(self) -> dict[str, CorruptObject]:
        """What is wrong with entries that are damaged or missing, by path below the store's root.

        Raises:
            StoreUnavailable: the disk refused.
        """
        _, flaws = self._entries.inspect()
        place = f"{FOLDER}/{self.env_key}/{self.reign:06d}"
        return {f"{place}/{self._entries.file_name(number)}": error for number, error in flaws.items()}


def list_ledgers(store: ObjectStore) -> Iterator[AlphaLedger]:
    """The ledgers of all environments and reigns, in order."""
    for env in store.folders(FOLDER):
        for reign in store.folders(f"{FOLDER}/{env}"):
            if reign.isdigit():
                yield AlphaLedger(store, env, reign=int(reign))
