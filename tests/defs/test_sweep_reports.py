"""What a sweep's report gathers from the graph."""

from typing import Any

import dagster as dg
import pytest

from rl_assets import api
from rl_assets.api.installation import Installation
from rl_assets.api.sweeps import launch_sweep
from rl_assets.defs.assets.sweep_reports import gather_report
from rl_assets.defs.partitions import ENVS
from rl_assets.reports.summary_cards import GateMeans
from rl_assets.reports.sweep_report import SweepReport, sweep_report
from rl_assets.resources.inputs import Inputs
from rl_assets.statistics.gates import GateDecision
from rl_assets.store.objects import ObjectStore
from tests.defs.tiny_sweeps import tiny_sweep

ENV = "CartPole-v1"
DECISION = GateDecision(name="any_gate", verdict="pass", reason="so it is", numbers={"any_number": 1.5})
MEANS = {"candidate_mean_return": 480.0, "champion_mean_return": 450.0}


def inputs_of(installation: Installation) -> Inputs:
    return Inputs(log=installation.log, store=ObjectStore(installation.home.store_url))


def publish(installation: Installation, asset: str, facts: dict[str, Any], metadata: dict[str, Any]) -> str:
    """Log an artifact as if its asset had made it; returns its data version."""
    with inputs_of(installation).for_output(asset, ENV) as scope:
        made = scope.publish(kind="made_up", files={}, facts=facts, config_hash="made up", metadata=metadata)
    installation.instance.report_runless_asset_event(made.as_event(ENVS))
    return made.data_version


def judge(installation: Installation, means: dict[str, float]) -> str:
    return publish(installation, "gate_evaluations", {"decisions": [DECISION.to_json()], "mean_returns": means}, {})


def promote(installation: Installation, verdict: str) -> None:
    facts = {"hparam": "ppo-x", "member_seed": 2, "verdict": verdict}
    publish(installation, "promoted_models", facts, {"generation": 7})


def gather(installation: Installation) -> SweepReport:
    inputs = inputs_of(installation)
    with inputs.for_output("sweep_reports", "tiny") as scope:
        return gather_report(scope, sweep="tiny", inputs=inputs)


@pytest.fixture
def launched(installation: Installation) -> Installation:
    launch_sweep(installation, tiny_sweep())
    return installation


def test_a_report_tells_by_how_much_the_champion_got_better(launched: Installation) -> None:
    promote(launched, verdict=judge(launched, MEANS))
    report = gather(launched)
    assert report.gate_means == {ENV: GateMeans(candidate=480.0, champion=450.0, is_promoted=True)}
    page = sweep_report(report).decode()
    assert "+30.00" in page
    assert "Seed 2 of ppo-x is the new champion, 480.00 after 450.00." in page
    assert "any number" in page


def test_a_candidate_that_another_verdict_passed_over_is_not_the_champion(launched: Installation) -> None:
    promote(launched, verdict="another one")
    judge(launched, MEANS)
    assert gather(launched).gate_means == {ENV: GateMeans(candidate=480.0, champion=450.0, is_promoted=False)}


def test_the_first_candidate_has_nobody_to_be_compared_with(launched: Installation) -> None:
    judge(launched, {"candidate_mean_return": 480.0})
    assert gather(launched).gate_means == {ENV: GateMeans(candidate=480.0, champion=None, is_promoted=False)}


def test_where_no_gate_was_asked_there_is_no_headline(launched: Installation) -> None:
    report = gather(launched)
    assert report.gate_means == {ENV: None}
    assert report.decisions == {ENV: []}


def test_the_report_of_a_whole_sweep_has_its_charts_and_its_card(installation: Installation) -> None:
    api.run_sweep(installation, tiny_sweep())
    event = installation.log.latest("sweep_reports", "tiny")
    assert event is not None
    page = inputs_of(installation)
    with page.for_output("test", "x") as scope:
        html = scope.open(event).artifact.read("report.html").decode()
    for part in (
        'class="headline',
        'id="effects-1"',
        'id="curves-1"',
        'id="speeds-1"',
        'class="gates"',
        "new champion",
    ):
        assert part in html
    assert isinstance(event.entries["page"], dg.MetadataValue)
