"""Plans that were shown to somebody and wait to be confirmed."""

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self

from rl_assets.datasets.subjects import ErasedSubject
from rl_assets.erasure.ledger_files import locked, names_in, read_entry, sealed, write_once
from rl_assets.erasure.orders import OrderActor
from rl_assets.erasure.plan import ErasurePlan
from rl_assets.errors import ErasureRefused, UnknownPartition

FOLDER = "requests"
_FILE = re.compile(r"(p-[0-9a-f]{12})\.json")


@dataclass(frozen=True, kw_only=True)
class PlanRequest:
    """A plan, and who asked for it."""

    plan: ErasurePlan
    requested_by: OrderActor
    requested_at: str
    """ISO 8601 with a time zone."""
    subject: ErasedSubject | None = None
    """Who goes, by a digest, where it is one data subject."""

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
            raise ErasureRefused(
                f"request of an erasure: a field is missing, unknown or malformed ({error!r}): plan it again"
            ) from error


class PlanRequests:
    """The plans that were asked for, in the ledger's folder; who asked first counts.

    Args:
        folder: of the ledger.
    """

    def __init__(self, folder: Path) -> None:
        self._ledger, self._folder = folder, folder / FOLDER

    def keep(self, request: PlanRequest) -> PlanRequest:
        """Keep a request; the same plan asked for again is the request that stands.

        Raises:
            StoreUnavailable: the disk refused.
        """
        file = self._folder / f"{request.plan.plan_id}.json"
        with locked(self._ledger):
            write_once(file, sealed(request.to_json()), is_private=True)
        return PlanRequest.from_json(read_entry(file))

    def find(self, plan_id: str) -> PlanRequest:
        """The request of a plan.

        Raises:
            UnknownPartition: no plan of that id was ever made here.
            ErasureRefused: the request is not as it was written.
            CorruptObject: its file is damaged.
            StoreUnavailable: the disk refused.
        """
        file = self._folder / f"{plan_id}.json"
        if not _FILE.fullmatch(file.name) or not file.is_file():
            known = ", ".join(name.removesuffix(".json") for name in names_in(self._folder, _FILE)) or "none"
            raise UnknownPartition(
                f"plan '{plan_id}' was never made here: expected one of {known}; `rlctl erase --client NAME` makes one"
            )
        return PlanRequest.from_json(read_entry(file))
