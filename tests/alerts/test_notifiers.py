"""The ways to tell somebody, against a real HTTP server and moto's SNS."""

import json
import logging
import socket
from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from moto.server import ThreadedMotoServer

from rl_assets.alerts.notifiers import LogNotifier, SlackNotifier, SNSNotifier, WebhookNotifier, build_notifier
from rl_assets.config.alerts import AlertsConfig
from rl_assets.errors import AlertNotDelivered, InvalidConfig
from tests.alerts.conftest import HttpReceiver, alert


@pytest.fixture
def sns(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A topic, and a queue that gets what is published to it."""
    server = ThreadedMotoServer(port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    for name, value in {
        "AWS_ENDPOINT_URL": f"http://{host}:{port}", "AWS_ACCESS_KEY_ID": "x", "AWS_SECRET_ACCESS_KEY": "x",
    }.items():  # fmt: skip
        monkeypatch.setenv(name, value)
    yield boto3.client("sns", region_name="eu-central-1")
    server.stop()


def test_a_webhook_gets_the_alert_as_a_document(receiver: HttpReceiver):
    WebhookNotifier(url=receiver.url, timeout_s=5).send(alert())
    assert receiver.documents == [json.loads(json.dumps(alert().to_json()))]


def test_slack_gets_a_message_in_its_markup(receiver: HttpReceiver):
    SlackNotifier(url=receiver.url, timeout_s=5).send(alert(sentence="<b> & co"))
    assert receiver.documents == [
        {
            "text": "*CartPole-v1: promoted*\n&lt;b&gt; &amp; co\ngate_mean_return 487.5\n"
            "<https://dagster.example.com/runs/abc|run>"
        }
    ]


@pytest.mark.parametrize("kind", [WebhookNotifier, SlackNotifier])
@pytest.mark.parametrize("status", [302, 404, 500])
def test_a_refusal_is_told_without_the_secret_part_of_the_address(receiver: HttpReceiver, kind: Any, status: int):
    receiver.status = status
    with pytest.raises(AlertNotDelivered, match=f"'127.0.0.1' answered {status}") as refusal:
        kind(url=receiver.url, timeout_s=5).send(alert())
    assert "secret-token" not in str(refusal.value)


def test_a_receiver_that_is_down_or_silent_is_given_up_in_time(receiver: HttpReceiver):
    receiver.delay.clear()
    with pytest.raises(AlertNotDelivered, match="could not be reached") as silence:
        WebhookNotifier(url=receiver.url, timeout_s=0.2).send(alert())
    assert "secret-token" not in str(silence.value)
    assert silence.value.__suppress_context__, "a traceback would show the address"
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}/"
        with pytest.raises(AlertNotDelivered, match="could not be reached"):
            WebhookNotifier(url=url, timeout_s=1).send(alert())


def test_a_topic_gets_text_with_attributes_to_filter_by(sns: Any):
    topic = sns.create_topic(Name="models")["TopicArn"]
    sqs = boto3.client("sqs", region_name="eu-central-1")
    queue = sqs.create_queue(QueueName="inbox")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn)
    SNSNotifier(topic_arn=topic, timeout_s=5).send(alert(env="Übung-v1" * 20))
    (message,) = sqs.receive_message(QueueUrl=queue)["Messages"]
    body = json.loads(message["Body"])
    assert body["Message"] == alert(env="Übung-v1" * 20).text
    assert body["MessageAttributes"]["kind"]["Value"] == "promoted"
    assert len(body["Subject"]) == 100
    assert body["Subject"].startswith("?bung-v1")


def test_a_topic_that_is_not_there_is_told(sns: Any):
    arn = "arn:aws:sns:eu-central-1:123456789012:nowhere"
    with pytest.raises(AlertNotDelivered, match=r"SNS did not take an alert for the topic 'nowhere'.*check the topic"):
        SNSNotifier(topic_arn=arn, timeout_s=5).send(alert())


def test_a_log_line_tells_what_happened(caplog: pytest.LogCaptureFixture):
    with caplog.at_level(logging.WARNING, logger="rl_assets.alerts"):
        LogNotifier().send(alert())
    assert [record.getMessage() for record in caplog.records] == [f"CartPole-v1: promoted: {alert().sentence}"]


def test_each_receiver_has_its_notifier():
    config = AlertsConfig.parse(
        {
            "receivers": {
                "log": {"to": "log"},
                "web": {"to": "webhook", "url": "http://x", "timeout_s": 2.0},
                "team": {"to": "slack", "url_from": "HOOK"},
                "topic": {"to": "sns", "topic_arn": "arn:aws:sns:eu-central-1:123456789012:models"},
            }
        },
        source="t",
    )
    built = {name: build_notifier(item, {"HOOK": "https://h"}) for name, item in config.receivers.items()}
    assert isinstance(built["log"], LogNotifier)
    assert built["web"] == WebhookNotifier(url="http://x", timeout_s=2)
    assert built["team"] == SlackNotifier(url="https://h", timeout_s=5)
    assert built["topic"] == SNSNotifier(topic_arn="arn:aws:sns:eu-central-1:123456789012:models", timeout_s=5)
    with pytest.raises(InvalidConfig, match="variable 'HOOK' is not set"):
        build_notifier(config.receivers["team"], {})
