"""Plans that were shown to somebody and wait to be confirmed."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self

from rl_assets.datasets.subjects import ErasedSubject
from rl_assets.erasure.orders import OrderActor
from rl_assets.erasure.plan import ErasurePlan
from rl_assets.erasure.private_documents import read_document, write_document
from rl_assets.errors import ErasureRefused, UnknownPartition

FOLDER = "requests"


@dataclass(frozen=True, kw_only=True)
class PlanRequest:
    """A plan, and who asked for it."""

    plan: ErasurePlan
    requested_by: OrderActor
    requested_at: str
    """ISO 8601 with a time zone."""
    subject: ErasedSubject | None = None
    """Who, where one data subject is to go."""

    def to_json(self) -> dict[str, Any]:
        """Plain data for the request's file."""
        return {
            "plan": self.plan.to_json(),
            "requested_by": asdict(self.requested_by),
            "requested_at": self.requested_at,
            "subject": None if self.subject is None else self.subject.to_json(),
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """Read back what `to_json` wrote.

        Raises:
            ErasureRefused: a field is missing, unknown or malformed.
        """
        try:
            return cls(
                plan=ErasurePlan.from_json(data["plan"]),
                requested_by=OrderActor(**data["requested_by"]),
                requested_at=data["requested_at"],
                subject=None if data["subject"] is None else ErasedSubject(**data["subject"]),
            )
        except (KeyError, TypeError) as error:
            raise ErasureRefused(f"request of an erasure: a field is missing or malformed ({error!r}): plan it again") from error
