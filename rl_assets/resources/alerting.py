"""Looking for what happened since each receiver was last told, and telling it."""

import json
import os
from collections.abc import Mapping
from pathlib import Path

import dagster as dg

from rl_assets.alerts.delivery import Delivery, Subscription, deliver
from rl_assets.alerts.notifiers import Notifier, build_notifier
from rl_assets.config.alerts import Receiver, read_alerts
from rl_assets.errors import InvalidConfig
from rl_assets.resources.alert_events import AlertEvents
from rl_assets.resources.event_log import EventLog

CURSOR = "rl_assets/alerts"
"""Where an instance keeps how far each receiver is, for daemons and commands alike: they take turns."""


class Alerting:
    """The receivers of one installation, and how far each is told.

    Args:
        file: `alerts.yaml`; it need not be there.
        instance: whose events are told.
        environ: where addresses may be.
    """

    def __init__(self, file: Path, *, instance: dg.DagsterInstance, environ: Mapping[str, str] = os.environ) -> None:
        self._file = file
        self._instance = instance
        self._environ = environ

    def tell(self) -> dict[str, Delivery]:
        """Send every receiver what it was not told yet; a new receiver begins with what happens from now on.

        Returns:
            Receiver -> how far it got; empty where there is no file.

        Raises:
            InvalidConfig: the file is no list of receivers; nothing was sent, and nothing is lost.
        """
        config = read_alerts(self._file)
        if config is None:
            return {}
        kept = self._positions()
        events = AlertEvents(EventLog(self._instance), ui_url=config.ui_url)
        newest = events.newest()
        positions = {name: min(kept.get(name, newest), newest) for name in config.receivers}
        alerts = events.between(min(positions.values()), newest) if min(positions.values()) < newest else ()
        subscriptions = {
            name: Subscription(notifier=self._notifier(receiver), kinds=receiver.kinds)
            for name, receiver in config.receivers.items()
        }
        deliveries = deliver(alerts, subscriptions, positions, newest=newest)
        reached = {name: delivery.position for name, delivery in deliveries.items()}
        if reached != kept:
            self._instance.daemon_cursor_storage.set_cursor_values({CURSOR: json.dumps(reached)})
        return deliveries

    def _positions(self) -> dict[str, int]:
        stored = self._instance.daemon_cursor_storage.get_cursor_values({CURSOR}).get(CURSOR)
        return json.loads(stored) if stored else {}

    def _notifier(self, receiver: Receiver) -> Notifier | InvalidConfig:
        try:
            return build_notifier(receiver, self._environ)
        except InvalidConfig as error:
            return error
