"""What is to be erased: a client, some of its datasets, or one data subject inside them. Pseudonyms only."""

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, Literal, Self

from rl_assets.errors import ErasureRefused

ScopeKind = Literal["client", "datasets", "subject"]
_PSEUDONYM = re.compile(r"c-[0-9a-f]{10}")
_DIGEST = re.compile(r"[0-9a-f]{16,64}")


@dataclass(frozen=True, kw_only=True)
class ErasureScope:
    """Whose data an erasure is about.

    Raises:
        ErasureRefused: the pseudonym, a dataset's key or the digest has another form, a dataset is not the client's, or
            what is asked for contradicts itself.
    """

    pseudonym: str
    """Of the client that owns the data."""
    datasets: tuple[str, ...]
    """Partition keys of `datasets`, sorted; for a whole client all that it ever had."""
    is_whole_client: bool = False
    """Whether everything that the client owns or shares goes, whatever the records say."""
    subject_digest: str | None = None
    """Keyed digest of one data subject, whose episodes alone go; None where whole datasets go."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "datasets", tuple(sorted(set(self.datasets))))
        if not _PSEUDONYM.fullmatch(self.pseudonym):
            raise ErasureRefused(
                "scope of an erasure: the client is not given as a pseudonym (and is not repeated here, as it may be a "
                "name): expected c- and ten hex digits"
            )
        key = re.compile(re.escape(self.pseudonym) + r"\.d[1-9][0-9]*")
        if not all(key.fullmatch(dataset) for dataset in self.datasets):
            raise ErasureRefused(
                f"scope of an erasure: expected keys of datasets of client {self.pseudonym}, such as "
                f"{self.pseudonym}.d1; one is none of them (and is not repeated here): correct it"
            )
        if self.subject_digest is not None and not _DIGEST.fullmatch(self.subject_digest):
            raise ErasureRefused("scope of an erasure: the subject is not given as a digest of 16 to 64 hex digits")
        if self.is_whole_client and self.subject_digest is not None:
            raise ErasureRefused("scope of an erasure: expected a whole client or one data subject, got both: choose")
        if not self.is_whole_client and not self.datasets:
            raise ErasureRefused("scope of an erasure: no dataset is named: name one, or erase the whole client")

    @property
    def kind(self) -> ScopeKind:
        """Which of the three it is."""
        if self.subject_digest is not None:
            return "subject"
        return "client" if self.is_whole_client else "datasets"

    def describe(self) -> str:
        """Say in a few words what is to go, without any name."""
        number = len(self.datasets)
        if self.kind == "client":
            return f"all of client {self.pseudonym} ({number} dataset{'' if number == 1 else 's'})"
        datasets = f"dataset {self.datasets[0]}" if number == 1 else f"{number} datasets of client {self.pseudonym}"
        return datasets if self.kind == "datasets" else f"one data subject in {datasets}"

    def to_json(self) -> dict[str, Any]:
        """Plain data for a plan."""
        return asdict(self) | {"datasets": list(self.datasets)}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """Read back what `to_json` wrote.

        Raises:
            ErasureRefused: a field is missing, unknown or malformed.
        """
        expected = {field.name for field in fields(cls)}
        if set(data) != expected:
            raise ErasureRefused(f"scope of an erasure: expected the fields {sorted(expected)}, got {sorted(data)}")
        return cls(**{**data, "datasets": tuple(data["datasets"])})
