"""A restored backup brings erased data back: the ledger, which lies outside backups, is replayed over it."""

from collections.abc import Callable
from datetime import UTC, datetime

from rl_assets.datasets.subjects import ErasedSubject
from rl_assets.erasure.ledger import FINISHED, Ledger
from rl_assets.erasure.orders import Order, OrderActor
from rl_assets.erasure.plan import ErasurePlan
from rl_assets.errors import UnknownClient, UnknownPartition
from rl_assets.resources.erasing.census import Wish, make_plan
from rl_assets.resources.erasing.estate import Estate
from rl_assets.resources.erasing.tombs import tombstone_of
from rl_assets.resources.home import Home
from rl_assets.store.objects import ObjectStore

REPLAY = "replay of the ledger"
"""Acts where an order is carried out once more; nobody has to confirm what was confirmed."""


def entomb_again(home: Home) -> tuple[str, ...]:
    """Set the tombstones that the store has lost, so that nothing is read before the orders are carried out again.

    Needs no Dagster instance and costs next to nothing: it is done whenever the installation is loaded or opened.

    Returns:
        Ids of the orders whose tombstone was lost.

    Raises:
        StoreError: the ledger or the store cannot be read or written.
    """
    ledger = Ledger(home.erasures_folder)
    if not ledger.folder.is_dir() or "://" in home.store_url:
        return ()
    tombstones = ObjectStore(home.store_url).tombstones
    known = {tombstone.order for tombstone in tombstones.all()}
    lost = [order for order in ledger.orders() if order.order_id not in known]
    for order in lost:
        tombstones.write(tombstone_of(order, final_plan(ledger, order)))
    return tuple(order.order_id for order in lost)


def final_plan(ledger: Ledger, order: Order) -> ErasurePlan:
    """What an order took: its plan, with what was added under quarantine."""
    made_again = ledger.journal(order.order_id).get("plan_again")
    return order.plan if made_again is None else ErasurePlan.from_json(made_again.result["plan"])


def due_orders(estate: Estate, *, on_event: Callable[[str], None] = lambda _: None) -> tuple[Order, ...]:
    """Orders that are to be carried out now, each replaying one that something came back of; ask again after them.

    One is planned at a time, as what one takes is not there for the next.

    Raises:
        StoreError, LineageError: something cannot be read.
    """
    begun = tuple(order for order in estate.ledger.unfinished() if order.replays is not None)
    if begun:
        return begun
    for order in estate.ledger.orders():
        is_finished = FINISHED in estate.ledger.journal(order.order_id)
        if not is_finished or order.replays is not None or not _came_back(estate, order):
            continue
        on_event(f"data that order {order.order_id} erased is back, from a backup: erasing it again")
        wish = Wish(scope=order.plan.scope, subject=order.subject)
        plan = make_plan(estate, wish, include_possibly_affected=bool(order.plan.include_possibly_affected))
        again = estate.ledger.open_order(
            plan,
            requested_by=OrderActor(name=REPLAY, is_verified=False),
            confirmed_by=None,
            ordered_at=datetime.now(UTC).isoformat(timespec="seconds"),
            subject=order.subject,
            replays=order.order_id,
        )
        return (again,)
    return ()


def _came_back(estate: Estate, order: Order) -> bool:
    """Whether the event log or the register knows again what an order took from them."""
    plan = final_plan(estate.ledger, order)
    erased = {event.event_id: event.data_version for event in plan.erased if event.asset == "datasets"}
    if any(erased.get(event.event_id) == event.data_version for event in estate.log.by_id("datasets", list(erased))):
        return True
    scope, register = plan.scope, estate.register
    if scope.kind == "subject":
        return any(_is_forgotten(estate, key, order.subject) for key in scope.datasets)
    if scope.kind == "client":
        try:
            register.find_client(scope.pseudonym)
        except UnknownClient:
            return False
        return True
    return any(_is_registered(estate, key) for key in scope.datasets)


def _is_registered(estate: Estate, key: str) -> bool:
    try:
        estate.register.dataset(key)
    except UnknownPartition:
        return False
    return True


def _is_forgotten(estate: Estate, key: str, subject: ErasedSubject | None) -> bool:
    """Whether the register has forgotten that a subject must stay out of a dataset."""
    return _is_registered(estate, key) and subject not in estate.register.dataset(key).erased_subjects
