"""Questions about lineage on a real installation: one sweep of two recipes, asked in every direction."""

import json
from pathlib import Path
from typing import Any

import dagster as dg
import jsonschema
import pytest

from rl_assets import api
from rl_assets.api.installation import Installation
from rl_assets.api.lineage_pages import backward_page, client_page, diff_page, forward_page
from rl_assets.errors import BadInput, StoreUnavailable, UnknownPartition
from rl_assets.resources.event_log import ARTIFACT_KEY, INPUTS_KEY
from tests.defs.tiny_sweeps import ACME, tiny_sweep
from tests.lineage.openlineage_schema import SCHEMA

ENV = "CartPole-v1"
MODEL = f"promoted_models:{ENV}"
CANARY = {name: f"canary-{name}-Zq7" for name in ("client_id", "project", "data_source", "domain")}


def make(installation: Installation, asset: str, partition: str, *reads: tuple[str, str]) -> int:
    """Log a materialization by hand that says what it read; its data version is a new one."""
    inputs = []
    number = sum(1 for _ in installation.log.history(asset))
    for read_asset, read_partition in reads:
        event = installation.log.latest(read_asset, read_partition)
        assert event is not None
        inputs.append(
            {
                "asset": event.asset,
                "partition": event.partition,
                "event_id": event.event_id,
                "data_version": event.data_version,
                "role": "data",
            }
        )
    installation.instance.report_runless_asset_event(
        dg.AssetMaterialization(
            asset,
            partition=partition,
            metadata={INPUTS_KEY: dg.MetadataValue.json(inputs)},
            tags={"dagster/data_version": f"v{number}-{partition}"},
        )
    )
    return installation.log.latest_ids(asset)[partition]


def test_every_question_about_a_sweep_has_its_answer(installation: Installation, tmp_path: Path) -> None:
    api.run_sweep(installation, tiny_sweep(dataset=CANARY))
    lineage = api.Lineage(installation)
    (key,) = installation.register.datasets_of(CANARY["client_id"])
    policies = {event.partition: event.event_id for event in installation.log.newest("trained_policies").values()}

    backward = lineage.backward(MODEL)
    assert backward["is_complete"]
    assert [step["asset"] for step in backward["steps"]][::6] == ["promoted_models", "datasets"]
    assert all(step["commit"] and step["config_hash"] and step["run_id"] for step in backward["steps"])
    (trained,) = [step for step in backward["steps"] if step["asset"] == "trained_policies"]
    assert trained["seeds"] == [0, 1]
    (dataset,) = [step for step in backward["steps"] if step["asset"] == "datasets"]
    assert (dataset["partition"], len(dataset["files"]), len(dataset["files"][0]["sha256"])) == (key, 1, 64)

    forward = lineage.forward(f"datasets:{key}")
    assert [item["partition"] for item in forward["promoted"]] == [ENV]
    assert list(forward)[:2] == ["of", "promoted"]
    client = lineage.of_client(CANARY["client_id"])
    assert forward["materializations"] == client["materializations"] == api.client_lineage(
        installation, CANARY["client_id"]
    )["materializations"]  # fmt: skip
    assert {item["event_id"] for item in forward["materializations"]} >= {*policies.values()}

    one, other = (policies[partition] for partition in sorted(policies))
    diff = lineage.compare(str(one), str(other))
    assert diff["recipe"] == {"algorithm.learning_rate": [0.001, 0.003]}
    assert [item["event_id"] for item in diff["first"]["alone"]] == [one]
    assert diff["first"]["clients"] == [key.partition(".")[0]]
    assert diff["is_complete"]
    assert lineage.compare(MODEL, MODEL)["recipe"] == {}

    file = tmp_path / "events.jsonl"
    assert lineage.export(file) == 2 * len(lineage.graph.events) == 20
    events = [json.loads(line) for line in file.read_text().splitlines()]
    for event in events:
        jsonschema.validate(event, SCHEMA)
    assert {event["job"]["name"] for event in events} == {event.asset for event in lineage.graph.events}

    for name, page in {
        "client": client_page(lineage, key.partition(".")[0], client),
        "forward": forward_page(lineage, forward),
        "backward": backward_page(lineage, backward),
        "diff": diff_page(lineage, diff),
    }.items():
        (tmp_path / f"{name}.html").write_bytes(page)
        assert page.count(b'data-node="') == {"client": 9, "forward": 9, "backward": 7, "diff": 4}[name]
    named = [path for path in tmp_path.rglob("*") if path.is_file() and b"zq7" in path.read_bytes().lower()]
    assert named == [], "names stand in the register alone, and there encrypted"


def test_what_is_gone_from_the_log_is_missing_in_a_trace_and_told(installation: Installation) -> None:
    data = make(installation, "datasets", "c-0123456789.d1")
    make(installation, "trained_policies", "e|a", ("datasets", "c-0123456789.d1"))
    model = make(installation, "promoted_models", "e", ("trained_policies", "e|a"))
    assert api.Lineage(installation).backward("promoted_models:e")["is_complete"]
    installation.instance.wipe_assets([dg.AssetKey("trained_policies")])
    lineage = api.Lineage(installation)
    answer = lineage.backward("promoted_models:e")
    assert "1 of trained_policies" in lineage.news.warnings()[0]
    assert not answer["is_complete"]
    assert [record["asset"] for record in answer["missing"]] == ["trained_policies"]
    page = backward_page(lineage, answer)
    assert b"was read and is gone from the event log" in page
    assert b'class="node missing"' in page
    forward = lineage.forward(str(data))
    assert [item["event_id"] for item in forward["possibly_affected"]] == [model]
    diff = lineage.compare(str(model), str(data))
    assert not diff["is_complete"]
    assert diff["recipe"] is None
    assert b"more may be shared" in diff_page(lineage, diff)


def test_a_partition_is_followed_through_all_its_events_and_an_event_alone(installation: Installation) -> None:
    for partition in ("e|a", "e|b"):
        make(installation, "datasets", "c-0123456789.d1")
        make(installation, "trained_policies", partition, ("datasets", "c-0123456789.d1"))
    events = [event.event_id for event in installation.log.history("datasets")]
    lineage = api.Lineage(installation)

    def policies(reference: str) -> list[str]:
        listed = lineage.forward(reference)["materializations"]
        return [item["partition"] for item in listed if item["asset"] == "trained_policies"]

    assert policies("datasets:c-0123456789.d1") == ["e|a", "e|b"]
    assert policies(f"datasets:c-0123456789.d1@{events[0]}") == policies(str(events[0])) == ["e|a"]
    assert policies(str(events[1])) == ["e|b"]
    assert lineage.compare("trained_policies:e|a", "trained_policies:e|b")["other_versions"][0]["asset"] == "datasets"


def test_an_event_that_names_no_artifact_of_ours_is_traced_all_the_same(installation: Installation) -> None:
    installation.instance.report_runless_asset_event(
        dg.AssetMaterialization(
            "datasets", partition="d", metadata={ARTIFACT_KEY: dg.MetadataValue.json({"namespace": "of nobody"})}
        )
    )
    (step,) = api.Lineage(installation).backward("datasets:d")["steps"]
    assert (step["files"], step["commit"], step["inputs"]) == (None, None, None)


def test_files_of_a_dataset_that_the_store_lost_are_unknown_not_none(
    installation: Installation, tmp_path: Path
) -> None:
    (tmp_path / "a.csv").write_bytes(b"one")
    key = api.add_dataset(installation, **ACME, path=tmp_path / "a.csv").partition
    (step,) = api.Lineage(installation).backward(f"datasets:{key}")["steps"]
    assert [file["size_bytes"] for file in step["files"]] == [3]
    for path in (Path(installation.home.store_url) / "objects").rglob("*"):
        if path.is_file():
            path.unlink()
    (step,) = api.Lineage(installation).backward(f"datasets:{key}")["steps"]
    assert step["files"] is None


@pytest.mark.parametrize(
    ("ask", "error"),
    [
        (lambda lineage: lineage.forward("datasets:nowhere"), UnknownPartition),
        (lambda lineage: lineage.forward("5"), UnknownPartition),
        (lambda lineage: lineage.backward("nonsense"), BadInput),
        (lambda lineage: lineage.compare("1", "datasets"), BadInput),
        (lambda lineage: lineage.export(Path("/nowhere/events.jsonl")), StoreUnavailable),
    ],
)
def test_questions_without_an_answer_are_refused(installation: Installation, ask: Any, error: type[Exception]) -> None:
    with pytest.raises(error):
        ask(api.Lineage(installation))
