"""One confirmed erasure: what was ordered, by whom, and the key of its digests."""

import re
import secrets
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any, Self

from rl_assets.datasets.subjects import ErasedSubject
from rl_assets.erasure.digests import DIGEST_KEY_BYTES
from rl_assets.erasure.plan import ErasurePlan
from rl_assets.errors import ErasureRefused

_ORDER_ID = re.compile(r"e-[0-9a-f]{10}")


@dataclass(frozen=True, kw_only=True)
class OrderActor:
    """Somebody who had a part in an order."""

    name: str
    is_verified: bool
    """Whether somebody vouched for the name; otherwise it is only claimed."""
    role: str = ""
    """The role under which they acted."""


@dataclass(frozen=True, kw_only=True)
class Order:
    """What was ordered; it is kept for as long as backups may have to be erased again.

    Raises:
        ErasureRefused: the id, the time or the key has another form, or the plan was undecided.
    """

    order_id: str
    plan: ErasurePlan
    """As it was confirmed."""
    requested_by: OrderActor
    confirmed_by: OrderActor | None
    """The second actor; None where none was asked for."""
    ordered_at: str
    """ISO 8601 with a time zone."""
    digest_key: bytes = field(repr=False)
    """32 random bytes, the key of the certificate's digests."""
    subject: ErasedSubject | None = None
    """Who goes, by a digest, where the scope is one data subject."""
    replays: str | None = None
    """The order that is carried out once more, over a restored backup."""
    adds_to: str | None = None
    """The order that this one completes with what was found later."""

    def __post_init__(self) -> None:
        for order_id in (self.order_id, self.replays, self.adds_to):
            if order_id is not None and not _ORDER_ID.fullmatch(order_id):
                raise ErasureRefused(f"order '{order_id}': expected e- and ten hex digits; `rlctl erase` lists orders")
        if datetime.fromisoformat(self.ordered_at).tzinfo is None:
            raise ErasureRefused(f"order '{self.order_id}': ordered_at {self.ordered_at!r} lacks a time zone: add one")
        if len(self.digest_key) != DIGEST_KEY_BYTES:
            raise ErasureRefused(f"order '{self.order_id}': expected a digest key of {DIGEST_KEY_BYTES} bytes")
        if not self.plan.is_decided:
            raise ErasureRefused(
                f"order '{self.order_id}': its plan leaves open whether what is possibly affected goes"
            )

    @property
    def has_second_actor(self) -> bool:
        """Whether somebody else than who asked confirmed it."""
        return self.confirmed_by is not None and self.confirmed_by.name != self.requested_by.name

    def to_json(self) -> dict[str, Any]:
        """Plain data for the ledger, secrets included."""
        return {
            "order_id": self.order_id,
            "plan": self.plan.to_json(),
            "requested_by": asdict(self.requested_by),
            "confirmed_by": None if self.confirmed_by is None else asdict(self.confirmed_by),
            "ordered_at": self.ordered_at,
            "digest_key": self.digest_key.hex(),
            "subject": None if self.subject is None else self.subject.to_json(),
            "replays": self.replays,
            "adds_to": self.adds_to,
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """Read back what `to_json` wrote.

        Raises:
            ErasureRefused: a field is missing, unknown or malformed, or the plan was altered.
        """
        try:
            second = data["confirmed_by"]
            return cls(
                **{
                    **data,
                    "plan": ErasurePlan.from_json(data["plan"]),
                    "requested_by": OrderActor(**data["requested_by"]),
                    "confirmed_by": None if second is None else OrderActor(**second),
                    "digest_key": bytes.fromhex(data["digest_key"]),
                    "subject": None if data["subject"] is None else ErasedSubject(**data["subject"]),
                }
            )
        except (KeyError, TypeError, ValueError) as error:
            raise ErasureRefused(
                f"order of an erasure: a field is missing, unknown or malformed ({error!r})"
            ) from error


def draw_order_id() -> str:
    """Draw an id that no order has."""
    return f"e-{secrets.token_hex(5)}"
