"""Trying out the receivers of alerts."""

import os
import time
from collections.abc import Mapping

from rl_assets.alerts.alert import Alert
from rl_assets.alerts.notifiers import build_notifier
from rl_assets.api.installation import Installation
from rl_assets.config.alerts import read_alerts
from rl_assets.errors import AlertNotDelivered, BadInput, InvalidConfig


def try_receivers(installation: Installation, *, environ: Mapping[str, str] = os.environ) -> dict[str, str | None]:
    """Send one alert that says it is a test to every receiver of `alerts.yaml`.

    Args:
        installation: whose receivers.
        environ: where addresses may be.

    Returns:
        Receiver -> why it did not take the alert; None where it did.

    Raises:
        BadInput: there is no `alerts.yaml`.
        InvalidConfig: it is no list of receivers.
    """
    config = read_alerts(installation.home.alerts_file)
    if config is None:
        raise BadInput(
            f"there is no {installation.home.alerts_file}: expected a file that names receivers; "
            "docs/platform-engineer.md shows one"
        )
    answers: dict[str, str | None] = {}
    for name, receiver in config.receivers.items():
        alert = Alert(
            kind=receiver.kinds[0],
            env="",
            sentence=f"This is a test of receiver '{name}' by `rlctl alerts test`: nothing happened.",
            numbers={},
            links={"ui": config.ui_url} if config.ui_url else {},
            event_id=0,
            at=time.time(),
        )
        try:
            build_notifier(receiver, environ).send(alert)
            answers[name] = None
        except (AlertNotDelivered, InvalidConfig) as error:
            answers[name] = str(error)
    return answers
