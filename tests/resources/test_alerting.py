"""What people are told of, from real events of an instance, to a receiver on this machine."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from rl_assets.errors import InvalidConfig
from rl_assets.resources.alert_events import AlertEvents
from rl_assets.resources.alerting import Alerting
from rl_assets.resources.event_log import ARTIFACT_KEY, EventLog
from tests.alerts.conftest import HttpReceiver
from tests.alerts.conftest import receiver as receiver

ENV = "CartPole-v1"
REIGN = {
    "hparam": "h",
    "member_seed": 3,
    "generation": 2,
    "actor": "gate_passed",
    "reason": "floor",
    "stage": "production",
}


@pytest.fixture
def instance(tmp_path: Path) -> Iterator[dg.DagsterInstance]:
    (tmp_path / "instance").mkdir()
    with dg.DagsterInstance.local_temp(str(tmp_path / "instance"), overrides={"telemetry": {"enabled": False}}) as made:
        yield made


def promoted(instance: dg.DagsterInstance, number: int, **metadata: Any) -> None:
    facts = REIGN | {"action": "promote", "rl/transition": number} | metadata
    instance.report_runless_asset_event(dg.AssetMaterialization("promoted_models", partition=ENV, metadata=facts))


def staged(instance: dg.DagsterInstance, number: int) -> None:
    facts = REIGN | {"action": "stage", "stage": "staging", "rl/transition": number, ARTIFACT_KEY: "x"}
    instance.report_runless_asset_event(dg.AssetObservation("promoted_models", partition=ENV, metadata=facts))


def judged(instance: dg.DagsterInstance, verdict: str, *, again: bool = False) -> None:
    facts = {
        "rl/verdict": verdict, "candidate": "h", "member_seed": 3, "candidate_mean_return": 12.5,
        "reasons": dg.MetadataValue.md("- **meets_floor** hold: too few\n- **beats_champion** pass: better"),
        "was_asked_before": again,
    }  # fmt: skip
    instance.report_runless_asset_event(dg.AssetMaterialization("gate_evaluations", partition=ENV, metadata=facts))


def fail_run(instance: dg.DagsterInstance, **tags: str) -> dg.DagsterRun:
    @dg.op
    def nothing() -> None: ...

    @dg.job
    def quiet() -> None:
        nothing()

    run = instance.create_run_for_job(quiet, tags=tags)
    instance.report_run_failed(run, "Acme Corporation's data is wrong")
    return run


def kinds(instance: dg.DagsterInstance, *, after: int = 0, ui_url: str | None = None) -> list[str]:
    events = AlertEvents(EventLog(instance), ui_url=ui_url)
    return [alert.kind for alert in events.between(after, events.newest())]


def test_each_change_hold_failure_and_failed_run_is_an_alert_in_order(instance: dg.DagsterInstance):
    assert kinds(instance) == []
    judged(instance, "hold")
    judged(instance, "pass")
    promoted(instance, 1)
    staged(instance, 2)
    fail_run(instance)
    judged(instance, "fail")
    promoted(instance, 3, action="roll_back")
    assert kinds(instance) == ["held", "promoted", "staged", "run_failed", "failed", "rolled_back"]


def test_what_is_recorded_again_is_told_once(instance: dg.DagsterInstance):
    judged(instance, "hold")
    judged(instance, "hold", again=True)
    promoted(instance, 1)
    promoted(instance, 1)
    assert kinds(instance) == ["held", "promoted"]
    newest = AlertEvents(EventLog(instance), ui_url=None).newest()
    promoted(instance, 1)
    assert kinds(instance, after=newest) == []


def test_an_alert_says_who_what_and_why_and_links_to_it(instance: dg.DagsterInstance):
    judged(instance, "hold")
    promoted(instance, 1)
    run = fail_run(instance, **{"rl/env": ENV, "rl/assets": "trained_policies"})
    events = AlertEvents(EventLog(instance), ui_url="https://dagster.example.com/")
    held, done, failed = events.between(0, events.newest())
    assert held.sentence == "h, member of seed 3: meets_floor hold: too few; beats_champion pass: better"
    assert held.numbers == {"candidate_mean_return": 12.5}
    assert done.sentence == "h, member of seed 3, is in production (generation 2); by gate_passed: floor"
    assert done.links["promoted_models"] == (
        "https://dagster.example.com/assets/promoted_models?view=partitions&partition=CartPole-v1"
    )
    assert failed.sentence.startswith(f"run {run.run_id[:8]} of trained_policies [{ENV}] failed")
    assert failed.links == {"run": f"https://dagster.example.com/runs/{run.run_id}"}
    assert "Acme" not in failed.text, "what an error says may name a client"


class Receivers:
    """An `alerts.yaml` whose receivers are one server, under several names."""

    def __init__(self, folder: Path, instance: dg.DagsterInstance, **urls: str) -> None:
        self.file = folder / "alerts.yaml"
        self.alerting = Alerting(self.file, instance=instance, environ={})
        self.write(**urls)

    def write(self, **urls: str) -> None:
        lines = [f"  {name}: {{to: webhook, url: '{url}', timeout_s: 1}}" for name, url in urls.items()]
        self.file.write_text("\n".join(["receivers:", *lines]))

    def tell(self) -> dict[str, int]:
        return {name: delivery.num_sent for name, delivery in self.alerting.tell().items()}


def test_the_first_look_begins_at_now_and_the_next_tells_what_came_since(
    instance: dg.DagsterInstance, tmp_path: Path, receiver: HttpReceiver
):
    promoted(instance, 1)
    team = Receivers(tmp_path, instance, team=receiver.url)
    assert team.tell() == {"team": 0}
    promoted(instance, 2)
    judged(instance, "fail")
    assert team.tell() == {"team": 2}
    assert team.tell() == {"team": 0}
    assert [document["kind"] for document in receiver.documents] == ["promoted", "failed"]


def test_what_happens_while_a_receiver_is_down_comes_later_once_and_others_do_not_wait(
    instance: dg.DagsterInstance, tmp_path: Path, receiver: HttpReceiver
):
    team = Receivers(tmp_path, instance, team=receiver.url, lost="http://127.0.0.1:9/")
    team.tell()
    promoted(instance, 1)
    receiver.status = 503
    deliveries = team.alerting.tell()
    assert {name: delivery.num_sent for name, delivery in deliveries.items()} == {"team": 0, "lost": 0}
    assert "answered 503" in str(deliveries["team"].failure)
    promoted(instance, 2)
    receiver.status = 200
    assert team.tell() == {"team": 2, "lost": 0}
    assert team.tell() == {"team": 0, "lost": 0}
    assert [document["event_id"] for document in receiver.documents] == sorted(
        {document["event_id"] for document in receiver.documents}
    )


def test_a_receiver_that_is_added_later_begins_then(
    instance: dg.DagsterInstance, tmp_path: Path, receiver: HttpReceiver
):
    team = Receivers(tmp_path, instance, old=receiver.url)
    team.tell()
    promoted(instance, 1)
    team.write(old=receiver.url, new=receiver.url)
    assert team.tell() == {"old": 1, "new": 0}
    promoted(instance, 2)
    assert team.tell() == {"old": 1, "new": 1}


def test_a_file_that_is_wrong_loses_nothing(instance: dg.DagsterInstance, tmp_path: Path, receiver: HttpReceiver):
    team = Receivers(tmp_path, instance, team=receiver.url)
    team.tell()
    promoted(instance, 1)
    right = team.file.read_text()
    team.file.write_text("receivers: {team: {to: pigeon}}")
    with pytest.raises(InvalidConfig, match="pigeon"):
        team.tell()
    team.file.write_text(right)
    assert team.tell() == {"team": 1}


def test_without_a_file_nobody_is_told(instance: dg.DagsterInstance, tmp_path: Path):
    assert Alerting(tmp_path / "alerts.yaml", instance=instance).tell() == {}
