"""The ways to tell somebody: a log line, a POST, a Slack message, an SNS message."""

import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol
from urllib.parse import urlsplit

import boto3
import requests
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from rl_assets.alerts.alert import Alert
from rl_assets.config.alerts import LogReceiver, Receiver, SlackReceiver, SNSReceiver, WebhookReceiver
from rl_assets.errors import AlertNotDelivered

LOGGER = logging.getLogger("rl_assets.alerts")
MAX_SUBJECT = 100
"""Characters that SNS allows in a subject."""


class Notifier(Protocol):
    """Tells one receiver."""

    def send(self, alert: Alert) -> None:
        """Send an alert and return when it was accepted.

        Raises:
            AlertNotDelivered: nobody answered in time, or the answer was a refusal.
        """
        ...


class LogNotifier:
    """Writes a line to the log of this process, at a level that is shown without any set-up."""

    def send(self, alert: Alert) -> None:
        """Write the alert."""
        LOGGER.warning("%s: %s", alert.title, alert.sentence)


@dataclass(frozen=True, kw_only=True)
class WebhookNotifier:
    """Posts the alert as a JSON document."""

    url: str
    timeout_s: float

    def send(self, alert: Alert) -> None:
        """Post the alert; any answer from 200 to 299 counts as accepted."""
        _post(self.url, alert.to_json(), timeout_s=self.timeout_s)


@dataclass(frozen=True, kw_only=True)
class SlackNotifier:
    """Posts the alert to an incoming webhook of Slack."""

    url: str
    timeout_s: float

    def send(self, alert: Alert) -> None:
        """Post the alert as a message in Slack's markup."""
        _post(self.url, {"text": slack_text(alert)}, timeout_s=self.timeout_s)


@dataclass(frozen=True, kw_only=True)
class SNSNotifier:
    """Publishes the alert to a topic of Amazon SNS."""

    topic_arn: str
    timeout_s: float

    def send(self, alert: Alert) -> None:
        """Publish the alert as text, with its kind and environment as attributes to filter by."""
        limits = Config(connect_timeout=self.timeout_s, read_timeout=self.timeout_s, retries={"total_max_attempts": 1})
        attributes = {"kind": alert.kind, **({"env": alert.env} if alert.env else {})}
        try:
            client: Any = boto3.Session().client("sns", region_name=self.topic_arn.split(":")[3], config=limits)
            client.publish(
                TopicArn=self.topic_arn,
                Subject=alert.title.encode("ascii", "replace").decode()[:MAX_SUBJECT],
                Message=alert.text,
                MessageAttributes={
                    name: {"DataType": "String", "StringValue": value} for name, value in attributes.items()
                },
            )
        except (BotoCoreError, ClientError) as error:
            raise AlertNotDelivered(
                f"SNS did not take an alert for the topic '{self.topic_arn.rpartition(':')[2]}': {error}: check the "
                "topic and the credentials"
            ) from error


def build_notifier(receiver: Receiver, environ: Mapping[str, str]) -> Notifier:
    """The notifier of a receiver.

    Raises:
        InvalidConfig: its address is in an environment variable that is not set or holds none.
    """
    match receiver:
        case LogReceiver():
            return LogNotifier()
        case WebhookReceiver():
            return WebhookNotifier(url=receiver.address(environ), timeout_s=receiver.timeout_s)
        case SlackReceiver():
            return SlackNotifier(url=receiver.address(environ), timeout_s=receiver.timeout_s)
        case SNSReceiver():
            return SNSNotifier(topic_arn=receiver.topic(environ), timeout_s=receiver.timeout_s)


def slack_text(alert: Alert) -> str:
    """The alert in Slack's markup."""
    numbers = ", ".join(f"{_escaped(name)} {_escaped(str(value))}" for name, value in alert.numbers.items())
    links = " · ".join(f"<{address}|{_escaped(name)}>" for name, address in alert.links.items())
    lines = [f"*{_escaped(alert.title)}*", _escaped(alert.sentence), numbers, links]
    return "\n".join(line for line in lines if line)


def _post(url: str, document: Mapping[str, Any], *, timeout_s: float) -> None:
    """Post JSON; of the address only the host is ever told, as the rest may be a secret."""
    host = urlsplit(url).hostname
    headers = {"Content-Type": "application/json"}
    try:
        response = requests.post(
            url, data=json.dumps(document), headers=headers, timeout=timeout_s, allow_redirects=False
        )
    except requests.RequestException as error:
        reason = type(error).__name__
        raise AlertNotDelivered(
            f"'{host}' could not be reached ({reason}): check the address and the network; it is tried again"
        ) from None
    if not 200 <= response.status_code < 300:
        raise AlertNotDelivered(
            f"'{host}' answered {response.status_code} {response.reason}: expected 200 to 299; check the address and "
            "what the receiver accepts; it is tried again"
        )


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
