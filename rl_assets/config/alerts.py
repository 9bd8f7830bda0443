"""Who is told of what: `alerts.yaml` in the project folder, reviewed like code; secrets stay in the environment."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Self, get_args

from pydantic import Field, model_validator

from rl_assets.config.expectations import Wording
from rl_assets.config.explanation import kind_of
from rl_assets.config.strict import StrictModel
from rl_assets.config.yaml import load_yaml
from rl_assets.errors import InvalidConfig

AlertKind = Literal["promoted", "staged", "rolled_back", "vacated", "held", "failed", "run_failed"]
KINDS: tuple[AlertKind, ...] = get_args(AlertKind)

_ADDRESS = "an address that begins with http:// or https://"
_TOPIC = "arn:aws:sns:eu-central-1:123456789012:models"


class _Receiver(StrictModel):
    kinds: tuple[AlertKind, ...] = Field(default=KINDS, min_length=1, strict=False)
    """What it is told of; all by default."""


class LogReceiver(_Receiver):
    """The log of the process that looks for alerts: the daemon, or `rlctl`."""

    to: Literal["log"]
    """Names the receiver's type."""


class _Addressed(_Receiver):
    url: Annotated[str | None, Wording(_ADDRESS)] = Field(default=None, repr=False, pattern="^https?://.+")
    """Address, where it is no secret."""

    url_from: str | None = Field(default=None, min_length=1)
    """Environment variable that holds the address."""

    timeout_s: float = Field(default=5, gt=0, le=20)
    """Seconds to wait for an answer; without one the alert is sent again later."""

    @model_validator(mode="after")
    def _has_one_address(self) -> Self:
        if (self.url is None) == (self.url_from is None):
            raise ValueError("expected either url or url_from: give the address, or the variable that holds it")
        return self

    def address(self, environ: Mapping[str, str]) -> str:
        """Where to send.

        Raises:
            InvalidConfig: the variable is not set, or holds no address.
        """
        address = self.url or _from_environment(self.url_from or "", environ)
        if not address.startswith(("http://", "https://")):
            raise InvalidConfig(f"alerts.yaml: variable '{self.url_from}': expected an address that begins with http")
        return address


class WebhookReceiver(_Addressed):
    """An address that takes each alert as a JSON document by POST."""

    to: Literal["webhook"]
    """Names the receiver's type."""


class SlackReceiver(_Addressed):
    """A Slack channel, by its incoming webhook."""

    to: Literal["slack"]
    """Names the receiver's type."""


class SNSReceiver(_Receiver):
    """A topic of Amazon SNS; credentials are found as boto3 finds them."""

    to: Literal["sns"]
    """Names the receiver's type."""

    topic_arn: Annotated[str | None, Wording(f"a topic such as {_TOPIC}")] = Field(
        default=None, pattern="^arn:[^:]+:sns:[^:]+:[^:]+:.+$"
    )
    """The topic."""

    topic_arn_from: str | None = Field(default=None, min_length=1)
    """Environment variable that holds the topic."""

    timeout_s: float = Field(default=5, gt=0, le=20)
    """Seconds to wait for an answer; without one the alert is sent again later."""

    @model_validator(mode="after")
    def _has_one_topic(self) -> Self:
        if (self.topic_arn is None) == (self.topic_arn_from is None):
            raise ValueError(
                "expected either topic_arn or topic_arn_from: give the topic, or the variable that holds it"
            )
        return self

    def topic(self, environ: Mapping[str, str]) -> str:
        """Where to publish.

        Raises:
            InvalidConfig: the variable is not set, or holds no topic.
        """
        topic = self.topic_arn or _from_environment(self.topic_arn_from or "", environ)
        if topic.count(":") < 5:
            raise InvalidConfig(f"alerts.yaml: variable '{self.topic_arn_from}': expected a topic such as {_TOPIC}")
        return topic


_TYPES: dict[str, type[StrictModel]] = {
    "log": LogReceiver,
    "webhook": WebhookReceiver,
    "slack": SlackReceiver,
    "sns": SNSReceiver,
}
Receiver = Annotated[LogReceiver | WebhookReceiver | SlackReceiver | SNSReceiver, Field(discriminator="to")]


class AlertsConfig(StrictModel):
    """The receivers of alerts."""

    receivers: Annotated[dict[str, Receiver], Wording("names of receivers, each with its type and address")] = Field(
        min_length=1
    )
    """Name -> where to and what; the name keeps its place in what is still to be sent."""

    ui_url: Annotated[str | None, Wording(_ADDRESS)] = Field(default=None, pattern="^https?://.+")
    """Address of the Dagster UI, so that alerts can link to it."""

    @classmethod
    def parse(cls, data: Any, *, source: str) -> Self:
        """Validate plain data, each receiver as the type that it names, so that what is wrong is told of that one.

        Raises:
            InvalidConfig: names every wrong field of the first wrong receiver.
        """
        if isinstance(data, dict) and isinstance(data.get("receivers"), dict):
            named = data["receivers"].items()
            receivers = {name: _parse_receiver(raw, f"{source}, receiver '{name}'") for name, raw in named}
            data = {**data, "receivers": receivers}
        return super().parse(data, source=source)


def read_alerts(file: Path) -> AlertsConfig | None:
    """Read the receivers; None where there is no such file.

    Raises:
        InvalidConfig: the file is no list of receivers.
    """
    return AlertsConfig.parse(load_yaml(file), source=file.name) if file.exists() else None


def _parse_receiver(raw: Any, source: str) -> StrictModel:
    to = raw.get("to") if isinstance(raw, dict) else None
    if not isinstance(to, str) or to not in _TYPES:
        got = f"'{to}'" if isinstance(to, str) else kind_of(raw if to is None else to)
        raise InvalidConfig(f"{source}: field 'to': expected one of {', '.join(_TYPES)}, got {got}")
    return _TYPES[to].parse(raw, source=source)


def _from_environment(name: str, environ: Mapping[str, str]) -> str:
    value = environ.get(name)
    if not value:
        raise InvalidConfig(
            f"alerts.yaml: environment variable '{name}' is not set: set it where the daemon and rlctl run"
        )
    return value
