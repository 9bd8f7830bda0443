"""What the UI asks is answered after a redaction, by Dagster's own server."""

import json
import warnings

import pytest
from dagster._core.workspace.context import WorkspaceProcessContext
from dagster._core.workspace.load_target import PythonFileTarget
from dagster_graphql.test.utils import execute_dagster_graphql

from rl_assets.resources.redaction.redact import redact
from tests.conftest import PROJECT
from tests.resources.redaction.conftest import Worlds
from tests.resources.redaction.worlds import GONE

QUESTIONS = {
    "runs": """{runsOrError {... on Runs {results {runId status tags {key value} stats {__typename}
        eventConnection {events {__typename ... on MessageEvent {message}}}}}}}""",
    "assets": """{assetNodes {assetKey {path} partitionStats {numMaterialized numFailed}
        assetMaterializations(limit: 9) {partition}}}""",
    "backfills": """{partitionBackfillsOrError {... on PartitionBackfills {results {id status numPartitions
        assetBackfillData {rootTargetedPartitions {partitionKeys}}}}}}""",
}


@pytest.mark.slow
def test_the_pages_of_runs_assets_and_backfills_show_what_is_left(
    worlds: Worlds, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = worlds.world
    with worlds.copy() as installation:
        monkeypatch.setenv("RL_ASSETS_HOME", str(installation.home.state))
        redact(installation.instance, world.doomed(installation))
        target = PythonFileTarget(str(PROJECT / "definitions.py"), None, str(PROJECT), "rl_assets")
        with (
            warnings.catch_warnings(action="ignore"),
            WorkspaceProcessContext(installation.instance, target) as process,
        ):
            context = process.create_request_context()
            answers = {name: execute_dagster_graphql(context, question) for name, question in QUESTIONS.items()}
        process._grpc_server_registry.wait_for_processes()
    assert [answer.errors for answer in answers.values()] == [None] * 3
    for word in (GONE, world.acme_cell, world.acme_dataset):
        assert word not in json.dumps([answer.data for answer in answers.values()])
    runs = answers["runs"].data["runsOrError"]["results"]
    assert set(world.shared_runs) < {run["runId"] for run in runs}
    assert all(run["eventConnection"]["events"] for run in runs)
    made = {node["assetKey"]["path"][0]: node for node in answers["assets"].data["assetNodes"]}
    assert made["trained_policies"]["partitionStats"] == {"numMaterialized": 1, "numFailed": 0}
    assert {one["partition"] for one in made["policy_evaluations"]["assetMaterializations"]} == {world.globex_cell}
    assert made["eval_leaderboards"]["partitionStats"] == {"numMaterialized": 0, "numFailed": 0}
    backfills = answers["backfills"].data["partitionBackfillsOrError"]["results"]
    assert {(backfill["id"], backfill["numPartitions"]) for backfill in backfills} == {("bf-both", 1), ("bf-globex", 1)}
