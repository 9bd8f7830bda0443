"""Datasets that may not be kept any longer: who they are, and what is done about them."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from rl_assets.erasure.orders import Order, OrderActor
from rl_assets.erasure.plan import ErasurePlan
from rl_assets.erasure.requests import PlanRequest
from rl_assets.resources.erasing.census import make_plan, wish_datasets
from rl_assets.resources.erasing.estate import Estate

RETENTION = "retention"
"""Plans the erasure of what has expired; a person confirms it, unless the roles let it."""


@dataclass(frozen=True, kw_only=True)
class Expired:
    """A dataset whose last day has passed."""

    dataset: str
    retain_until: str
    """ISO 8601 date."""
    is_held: bool
    """Whether a legal hold keeps it."""
    plan_id: str | None
    """Of the plan of its erasure; None where it is held."""


def expired_datasets(estate: Estate, *, now: datetime) -> tuple[Expired, ...]:
    """Every registered dataset whose last day has passed, in the order of its keys, without plans.

    Raises:
        StoreError: the register cannot be read.
    """
    register = estate.register
    entries = [register.dataset(key) for client in register.names() for key in register.datasets_of(client)]
    today = now.astimezone(UTC).date()
    return tuple(
        Expired(
            dataset=entry.key,
            retain_until=entry.terms.retain_until.isoformat(),
            is_held=bool(register.holds.in_force(entry.pseudonym, dataset=entry.key)),
            plan_id=None,
        )
        for entry in sorted(entries, key=lambda entry: entry.key)
        if entry.terms.retain_until is not None and entry.terms.is_expired(today=today)
    )


def plan_expired(estate: Estate, expired: Expired, *, now: datetime) -> ErasurePlan:
    """Plan the erasure of an expired dataset, so that a person can confirm it.

    Raises:
        BadInput: the dataset is not known any more.
        StoreError, LineageError: something cannot be read.
    """
    wish = wish_datasets(estate, [expired.dataset])
    plan = make_plan(estate, wish, include_possibly_affected=None)
    actor = OrderActor(name=RETENTION, is_verified=False)
    request = PlanRequest(plan=plan, requested_by=actor, requested_at=now.isoformat(timespec="seconds"))
    return estate.requests.keep(request).plan


def order_expired(estate: Estate, plan: ErasurePlan, *, now: datetime, on_event: Callable[[str], None]) -> Order | None:
    """Order the erasure of an expired dataset where the roles let retention do so and nothing is left to decide."""
    if not estate.roles.lets_retention_erase():
        return None
    if not plan.is_decided:
        on_event(f"plan {plan.plan_id} leaves open whether what is possibly affected goes: a person has to decide")
        return None
    actor = OrderActor(name=RETENTION, is_verified=False)
    return estate.ledger.open_order(
        plan, requested_by=actor, confirmed_by=None, ordered_at=now.isoformat(timespec="seconds")
    )
