"""Telling every receiver what it was not told yet: at least once, in order, and none waits for another."""

from collections.abc import Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from rl_assets.alerts.alert import Alert
from rl_assets.alerts.notifiers import Notifier
from rl_assets.config.alerts import AlertKind
from rl_assets.errors import AlertNotDelivered, InvalidConfig

MAX_AT_ONCE = 50
"""Alerts that a receiver is sent in one go; the rest follows in the next."""


@dataclass(frozen=True, kw_only=True)
class Subscription:
    """A receiver and what it wants to be told of."""

    notifier: Notifier | InvalidConfig
    """What cannot be built, such as for want of a variable, waits like what cannot be reached."""
    kinds: Collection[AlertKind]


@dataclass(frozen=True, kw_only=True)
class Delivery:
    """How far one receiver got."""

    position: int
    """Id of the last event that it is done with."""
    num_sent: int
    failure: str | None
    """Why it got no further; None where it has everything."""


def deliver(
    alerts: Sequence[Alert], subscriptions: Mapping[str, Subscription], positions: Mapping[str, int], *, newest: int
) -> dict[str, Delivery]:
    """Send each receiver the alerts after its position.

    Args:
        alerts: in order of their events.
        subscriptions: by the receiver's name.
        positions: receiver -> id of the last event that it is done with.
        newest: id of the last event that was looked at.

    Returns:
        How far each receiver got.
    """
    if not subscriptions:
        return {}
    with ThreadPoolExecutor(max_workers=len(subscriptions)) as threads:
        done = {
            name: threads.submit(_deliver_to, subscription, alerts, positions[name], newest)
            for name, subscription in subscriptions.items()
        }
    return {name: future.result() for name, future in done.items()}


def _deliver_to(subscription: Subscription, alerts: Sequence[Alert], position: int, newest: int) -> Delivery:
    wanted = [alert for alert in alerts if alert.event_id > position and alert.kind in subscription.kinds]
    if wanted and isinstance(subscription.notifier, InvalidConfig):
        return Delivery(position=position, num_sent=0, failure=str(subscription.notifier))
    num_sent = 0
    for alert in wanted[:MAX_AT_ONCE]:
        assert not isinstance(subscription.notifier, InvalidConfig)
        try:
            subscription.notifier.send(alert)
        except AlertNotDelivered as error:
            return Delivery(position=position, num_sent=num_sent, failure=str(error))
        position, num_sent = alert.event_id, num_sent + 1
    if num_sent < len(wanted):
        return Delivery(position=position, num_sent=num_sent, failure=None)
    return Delivery(position=max(position, newest), num_sent=num_sent, failure=None)
