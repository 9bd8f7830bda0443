"""Alerts of a whole lifecycle: by the sensor, and by commands without a daemon."""

import logging
from typing import Any

import dagster as dg
import pytest
from dagster._core.definitions.partitions.context import partition_loading_context

from rl_assets import api
from rl_assets.api.installation import Installation
from rl_assets.defs.sensors.alerts_due import alerts_due
from rl_assets.errors import BadInput
from rl_assets.resources.configured import AlertsResource
from tests.alerts.conftest import HttpReceiver
from tests.alerts.conftest import receiver as receiver
from tests.defs.promotions import ENV, other_recipe
from tests.defs.tiny_sweeps import tiny_sweep


def write_alerts(installation: Installation, text: str) -> None:
    (installation.home.root / "alerts.yaml").write_text(text)


def tick(installation: Installation) -> str:
    context = dg.build_sensor_context(instance=installation.instance)
    alerts = AlertsResource(file=str(installation.home.alerts_file))
    with partition_loading_context(dynamic_partitions_store=installation.instance):
        return str(alerts_due(context, alerts=alerts).skip_message)


def test_a_sweep_and_what_people_do_after_it_are_told_without_a_daemon(
    rooted: Installation, receiver: HttpReceiver
) -> None:
    write_alerts(rooted, f"receivers: {{team: {{to: webhook, url: '{receiver.url}'}}}}")
    api.run_sweep(rooted, tiny_sweep())
    api.promote(rooted, ENV, other_recipe(rooted), reason="try it")
    api.rollback(rooted, ENV, reason="it was worse")
    assert [document["kind"] for document in receiver.documents] == ["promoted", "promoted", "rolled_back"]
    assert receiver.documents[2]["sentence"].endswith(": it was worse")
    assert "Acme" not in str(receiver.documents)
    assert tick(rooted) == "0 alerts sent to 1 receivers", "a daemon that starts now goes on from here"


def test_a_sweep_goes_on_where_alerts_are_misconfigured_and_the_sensor_says_so(rooted: Installation) -> None:
    write_alerts(rooted, "receivers: {team: {to: pigeon}}")
    assert api.run_sweep(rooted, tiny_sweep()).is_complete
    assert tick(rooted).startswith("nothing was sent, and nothing is lost: alerts.yaml, receiver 'team'")


def test_the_sensor_says_who_waits(rooted: Installation, monkeypatch: pytest.MonkeyPatch) -> None:
    assert tick(rooted) == "there is no alerts.yaml, so nobody is told"
    write_alerts(rooted, "receivers: {team: {to: slack, url_from: NO_SUCH_HOOK}, log: {to: log}}")
    tick(rooted)
    rooted.instance.report_runless_asset_event(
        dg.AssetMaterialization("gate_evaluations", partition=ENV, metadata={"rl/verdict": "fail", "reasons": "r"})
    )
    assert tick(rooted) == "1 alerts sent to 2 receivers; team could not be reached and will be told later"


def test_a_test_alert_reaches_every_receiver_and_says_what_it_is(
    rooted: Installation, receiver: HttpReceiver, caplog: pytest.LogCaptureFixture
) -> None:
    with pytest.raises(BadInput, match=r"there is no .*alerts\.yaml: expected a file that names receivers"):
        api.try_receivers(rooted)
    write_alerts(
        rooted,
        f"receivers:\n  web: {{to: webhook, url: '{receiver.url}'}}\n  log: {{to: log}}\n"
        "  team: {to: slack, url_from: HOOK}\n",
    )
    with caplog.at_level(logging.WARNING, logger="rl_assets.alerts"):
        answers: dict[str, Any] = api.try_receivers(rooted, environ={})
    assert (answers["web"], answers["log"]) == (None, None)
    assert "environment variable 'HOOK' is not set" in answers["team"]
    assert "nothing happened" in receiver.documents[0]["sentence"]
    assert "nothing happened" in caplog.text
