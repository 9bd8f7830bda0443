"""The tombstone of an order: what readers and writers of the store ask."""

from rl_assets.erasure.orders import Order
from rl_assets.erasure.plan import ErasurePlan
from rl_assets.store.tombstones import Erased, Tombstone


def tombstone_of(order: Order, plan: ErasurePlan) -> Tombstone:
    """The tombstone of an order over a plan, which may be larger than the one that was confirmed."""
    scope = plan.scope
    return Tombstone(
        order=order.order_id,
        at=order.ordered_at,
        clients=frozenset({scope.pseudonym} if scope.is_whole_client else ()),
        datasets=frozenset(scope.datasets if scope.kind != "subject" else ()),
        erased=tuple(
            Erased(
                asset=event.asset,
                partition=event.partition,
                event_id=event.event_id,
                data_version=event.data_version,
            )
            for event in plan.erased
        ),
    )
