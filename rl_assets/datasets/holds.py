"""Legal holds: what must not be erased, who said so, when and why, and who let it go again."""

from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime

from rl_assets.datasets.contacts import client_record
from rl_assets.datasets.sealed import SealedFile
from rl_assets.datasets.spelling import checked_words
from rl_assets.errors import HoldRefused, InvalidDataset

MAX_REASON_LENGTH = 1000


@dataclass(frozen=True, kw_only=True)
class LegalHold:
    """A hold on all data of a client, or on one dataset; entries are never removed. The `repr` shows no free text."""

    number: int
    """Counts from 1 within the client."""
    dataset: str | None
    """Key of the dataset that is held; None where all data of the client is."""
    placed_at: str
    """ISO 8601, UTC."""
    placed_by: str
    reason: str = field(repr=False)
    released_at: str | None = None
    released_by: str | None = None
    release_reason: str | None = field(default=None, repr=False)

    @property
    def is_in_force(self) -> bool:
        """Whether nobody has released it."""
        return self.released_at is None


class LegalHolds:
    """The holds on all clients' data, kept in the client register alone."""

    def __init__(self, sealed: SealedFile) -> None:
        self._sealed = sealed

    def of(self, pseudonym: str) -> tuple[LegalHold, ...]:
        """All holds that a client's data ever had, oldest first.

        Raises:
            UnknownClient: no client has that pseudonym.
        """
        client = client_record(self._sealed.read(), pseudonym)
        return tuple(LegalHold(**entry) for entry in client.get("holds", []))

    def in_force(self, pseudonym: str, *, dataset: str | None = None) -> tuple[LegalHold, ...]:
        """The holds that forbid an erasure now.

        Args:
            pseudonym: the client.
            dataset: the key of a dataset whose erasure is asked for; None where all data of the client shall go, which
                a hold on any of its datasets forbids.

        Raises:
            UnknownClient: no client has that pseudonym.
        """
        return tuple(
            hold
            for hold in self.of(pseudonym)
            if hold.is_in_force and (dataset is None or hold.dataset in {None, dataset})
        )

    def place(self, pseudonym: str, *, reason: str, by: str, now: datetime, dataset: str | None = None) -> LegalHold:
        """Forbid the erasure of a client's data, or of one of its datasets.

        Args:
            pseudonym: the client.
            reason: why, such as the case's number; free text that stays in the register.
            by: who.
            now: with its time zone.
            dataset: key of one dataset; None for all data that the client has or will have.

        Raises:
            UnknownClient: no client has that pseudonym.
            HoldRefused: the reason is missing, or the dataset is not the client's.
        """
        reason = _checked_reason(reason, doing="placing")
        with self._sealed.changed() as record:
            client = client_record(record, pseudonym)
            if dataset is not None and (dataset not in record["datasets"] or dataset.split(".")[0] != pseudonym):
                known = ", ".join(key for key in record["datasets"] if key.startswith(f"{pseudonym}.")) or "none"
                raise HoldRefused(
                    f"legal hold on client '{pseudonym}': expected one of its datasets, {known}, got '{dataset}': name "
                    "one of them, or none to hold all"
                )
            entries = client.setdefault("holds", [])
            hold = LegalHold(
                number=len(entries) + 1, dataset=dataset, placed_at=_spelled(now), placed_by=by, reason=reason
            )
            entries.append(asdict(hold))
        return hold

    def release(self, pseudonym: str, number: int, *, reason: str, by: str, now: datetime) -> LegalHold:
        """Let a hold go; what it was stays on record.

        Raises:
            UnknownClient: no client has that pseudonym.
            HoldRefused: the reason is missing, there is no such hold, or it was released before.
        """
        reason = _checked_reason(reason, doing="releasing")
        with self._sealed.changed() as record:
            entries = client_record(record, pseudonym).get("holds", [])
            entry = next((entry for entry in entries if entry["number"] == number), None)
            if entry is None:
                known = ", ".join(str(entry["number"]) for entry in entries) or "none"
                raise HoldRefused(
                    f"client '{pseudonym}' has no legal hold {number}: expected one of {known}; "
                    f"`rlctl client show {pseudonym}` lists them"
                )
            if entry["released_at"] is not None:
                raise HoldRefused(
                    f"legal hold {number} on client '{pseudonym}' was released by {entry['released_by']} at "
                    f"{entry['released_at']}: nothing is left to release"
                )
            entry |= {"released_at": _spelled(now), "released_by": by, "release_reason": reason}
            return LegalHold(**entry)


def _checked_reason(reason: str, *, doing: str) -> str:
    try:
        return checked_words(reason, name="reason", max_length=MAX_REASON_LENGTH)
    except InvalidDataset as error:
        raise HoldRefused(f"{doing} a legal hold: {str(error).removeprefix('dataset ')}") from error


def _spelled(now: datetime) -> str:
    return now.astimezone(UTC).isoformat(timespec="seconds")
