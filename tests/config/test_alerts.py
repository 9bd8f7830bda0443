from pathlib import Path

import pytest

from rl_assets.config.alerts import KINDS, AlertsConfig, SlackReceiver, SNSReceiver, WebhookReceiver, read_alerts
from rl_assets.config.yaml import parse_yaml
from rl_assets.errors import InvalidConfig

ARN = "arn:aws:sns:eu-central-1:123456789012:models"


def parse(text: str) -> AlertsConfig:
    return AlertsConfig.parse(parse_yaml(text, source="alerts.yaml"), source="alerts.yaml")


def test_without_a_file_there_are_no_receivers(tmp_path: Path):
    assert read_alerts(tmp_path / "alerts.yaml") is None


def test_receivers_are_told_of_everything_unless_they_say_what(tmp_path: Path):
    (tmp_path / "alerts.yaml").write_text(
        "receivers:\n  log: {to: log}\n  team: {to: slack, url_from: HOOK, kinds: [promoted, rolled_back]}\n"
    )
    config = read_alerts(tmp_path / "alerts.yaml")
    assert config is not None
    assert config.receivers["log"].kinds == KINDS
    assert config.receivers["team"].kinds == ("promoted", "rolled_back")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("receivers: {}", "field 'receivers'"),
        ("receivers: {a: {to: pigeon}}", "pigeon"),
        (
            "receivers: {a: {url: 'http://x'}}",
            "receiver 'a': field 'to': expected one of log, webhook, slack, sns, got a mapping",
        ),
        ("receivers: {a: 3}", "got a number"),
        ("receivers: [a]", "receivers"),
        ("receivers: {a: {to: log, kinds: [sneezed]}}", "sneezed"),
        ("receivers: {a: {to: log, kinds: []}}", "kinds"),
        ("receivers: {a: {to: log, volume: 3}}", "volume"),
        ("receivers: {a: {to: webhook}}", "either url or url_from"),
        ("receivers: {a: {to: slack, url: 'http://x', url_from: X}}", "either url or url_from"),
        ("receivers: {a: {to: webhook, url: 'ftp://x'}}", "url"),
        ("receivers: {a: {to: webhook, url: 'http://x', timeout_s: 0}}", "timeout_s"),
        ("receivers: {a: {to: sns}}", "either topic_arn or topic_arn_from"),
        ("receivers: {a: {to: sns, topic_arn: models}}", "topic_arn"),
        ("receivers: {a: {to: log}}\nui_url: here", "ui_url"),
    ],
)
def test_what_cannot_be_right_is_refused_by_name(text: str, words: str):
    with pytest.raises(InvalidConfig, match=r"^alerts\.yaml[:,] ") as refusal:
        parse(text)
    assert words in str(refusal.value)


def test_an_address_that_is_refused_is_not_repeated():
    with pytest.raises(InvalidConfig) as refusal:
        parse("receivers: {a: {to: slack, url: 'hooks.slack.com/T0/SECRET'}}")
    assert "SECRET" not in str(refusal.value)


def test_addresses_come_from_the_file_or_from_the_environment():
    environ = {"HOOK": "https://example.com/secret", "TOPIC": ARN}
    assert WebhookReceiver(to="webhook", url="http://here").address({}) == "http://here"
    assert SlackReceiver(to="slack", url_from="HOOK").address(environ) == "https://example.com/secret"
    assert SNSReceiver(to="sns", topic_arn=ARN).topic({}) == ARN
    assert SNSReceiver(to="sns", topic_arn_from="TOPIC").topic(environ) == ARN


def test_a_variable_that_is_missing_or_holds_something_else_is_named_and_not_repeated():
    with pytest.raises(InvalidConfig, match="environment variable 'HOOK' is not set"):
        SlackReceiver(to="slack", url_from="HOOK").address({})
    with pytest.raises(InvalidConfig, match="variable 'HOOK': expected an address") as refusal:
        SlackReceiver(to="slack", url_from="HOOK").address({"HOOK": "SECRET"})
    assert "SECRET" not in str(refusal.value)
    with pytest.raises(InvalidConfig, match="variable 'TOPIC': expected a topic such as arn:aws:sns"):
        SNSReceiver(to="sns", topic_arn_from="TOPIC").topic({"TOPIC": "models"})
