"""On what terms a client's data may be kept and used."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from datetime import date, timedelta
from enum import StrEnum
from typing import Any

from rl_assets.datasets.spelling import checked_words
from rl_assets.errors import InvalidDataset

MAX_PURPOSE_LENGTH = 1000
MAX_RETENTION_DAYS = 36_525
_DAYS = re.compile(r"([0-9]{1,9})(?: ?(?:d|days?))?")


class LawfulBasis(StrEnum):
    """Why the data may be processed: the six of Article 6(1) of the GDPR, or that it is about no person."""

    CONSENT = "consent"
    CONTRACT = "contract"
    LEGAL_OBLIGATION = "legal_obligation"
    VITAL_INTERESTS = "vital_interests"
    PUBLIC_TASK = "public_task"
    LEGITIMATE_INTERESTS = "legitimate_interests"
    NOT_PERSONAL = "not_personal"


@dataclass(frozen=True, kw_only=True)
class DatasetTerms:
    """What was agreed on a dataset; what nobody said is None. Its `repr` shows no free text."""

    lawful_basis: LawfulBasis | None = None
    retain_until: date | None = None
    """The last day on which the data may be kept."""
    purpose: str | None = field(default=None, repr=False)
    """What the data was given for, in the client's words."""
    licence: str | None = field(default=None, repr=False)
    """Under which licence or contract, in the client's words."""

    def updated(self, newer: "DatasetTerms") -> "DatasetTerms":
        """These terms with all that the newer ones say."""
        said = {each.name: getattr(newer, each.name) for each in fields(newer)}
        return DatasetTerms(**{name: value or getattr(self, name) for name, value in said.items()})

    def is_expired(self, *, today: date) -> bool:
        """Whether the last day on which the data may be kept has passed."""
        return self.retain_until is not None and today > self.retain_until

    def to_json(self) -> dict[str, str | None]:
        """Plain data that `from_json` reads back."""
        return {
            "lawful_basis": self.lawful_basis and self.lawful_basis.value,
            "retain_until": self.retain_until and self.retain_until.isoformat(),
            "purpose": self.purpose,
            "licence": self.licence,
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> "DatasetTerms":
        """Rebuild from `to_json`; a register of an earlier version says nothing."""
        basis, until = data.get("lawful_basis"), data.get("retain_until")
        return cls(
            lawful_basis=basis and LawfulBasis(basis),
            retain_until=until and date.fromisoformat(until),
            purpose=data.get("purpose"),
            licence=data.get("licence"),
        )


def read_terms(
    *,
    lawful_basis: str | None = None,
    purpose: str | None = None,
    retention: str | int | date | None = None,
    licence: str | None = None,
    today: date,
) -> DatasetTerms:
    """Read the terms as a person gives them.

    Args:
        lawful_basis: one of `LawfulBasis`.
        purpose: free text.
        retention: days from today (`90`, `90d`, `90 days`), or the last day as `2027-12-31`.
        licence: free text.
        today: the day from which days are counted.

    Raises:
        InvalidDataset: names the field, what was expected and what came.
    """
    return DatasetTerms(
        lawful_basis=None if lawful_basis is None else _read_basis(lawful_basis),
        retain_until=None if retention is None else _read_retention(retention, today=today),
        purpose=None if purpose is None else checked_words(purpose, name="purpose", max_length=MAX_PURPOSE_LENGTH),
        licence=None if licence is None else checked_words(licence, name="licence"),
    )


def _read_basis(text: str) -> LawfulBasis:
    name = text.strip().lower().replace("-", "_").replace(" ", "_")
    if name not in set(LawfulBasis):
        raise InvalidDataset(
            f"dataset field 'lawful_basis': expected one of {', '.join(LawfulBasis)}, got '{text}': choose one"
        )
    return LawfulBasis(name)


def _read_retention(retention: str | int | date, *, today: date) -> date:
    expected = "expected days such as 90, or the last day such as 2027-12-31"
    if isinstance(retention, date):
        until = retention
    else:
        text = str(retention).strip().lower()
        days = _DAYS.fullmatch(text)
        try:
            if days is not None and int(days[1]) > MAX_RETENTION_DAYS:
                raise InvalidDataset(
                    f"dataset field 'retention': expected at most {MAX_RETENTION_DAYS} days, got '{text}': name fewer"
                )
            until = today + timedelta(days=int(days[1])) if days is not None else date.fromisoformat(text)
        except (ValueError, OverflowError) as error:
            raise InvalidDataset(f"dataset field 'retention': {expected}, got '{text}': correct it") from error
    if until <= today:
        raise InvalidDataset(
            f"dataset field 'retention': {expected}, got '{retention}', which is over on {today}: expected a later day"
        )
    return until
