from dataclasses import replace
from typing import Any

import jsonschema
import pytest
from hypothesis import given, settings

from rl_assets.lineage.openlineage import run_events
from rl_assets.lineage.records import Materialization
from tests.lineage.openlineage_schema import SCHEMA
from tests.lineage.test_graph import ALICE, as_input, logs, made, unrecorded

RUN = "6081fb76-ef8e-42ae-a39e-5bf53b001c48"
VALIDATOR = jsonschema.Draft202012Validator(SCHEMA)


def described(event: Materialization, **facts: Any) -> Materialization:
    return replace(event, facts={"run_id": RUN, "timestamp": 1_700_000_000.5, **facts})


def export(*events: Materialization, log_id: str = "log") -> list[dict[str, Any]]:
    return list(run_events(events, log_id=log_id, package_version="0.1.0"))


DATA = made(1, "datasets", ALICE)


def test_a_materialization_is_a_run_of_its_own_below_the_run_that_made_it() -> None:
    policy = described(made(2, "trained_policies", "Pong-v5|a", DATA), **{"rl/commit": "c9791e8", "rl/seeds": [0, 1]})
    start, complete = export(policy)
    assert (start.pop("eventType"), complete.pop("eventType")) == ("START", "COMPLETE")
    assert start == complete
    assert complete["eventTime"] == "2023-11-14T22:13:20.500000+00:00"
    assert complete["job"]["name"] == "trained_policies"
    facets = complete["run"]["facets"]
    assert facets["parent"]["run"] == {"runId": RUN}
    told = {name: value for name, value in facets["rlassets_provenance"].items() if not name.startswith("_")}
    assert told == {"inputsAreRecorded": True, "commit": "c9791e8", "seeds": [0, 1]}


def test_inputs_and_outputs_are_named_with_their_data_versions() -> None:
    event = replace(made(2, "promoted_models", "Pong-v5"), inputs=(as_input(DATA), as_input(DATA, "evidence")))
    complete = export(described(event))[1]
    assert [(one["name"], one["facets"]["version"]["datasetVersion"]) for one in complete["inputs"]] == [
        (f"datasets/{ALICE}", "v1")
    ] * 2
    assert [one["inputFacets"]["rlassets_event"]["role"] for one in complete["inputs"]] == ["data", "evidence"]
    (output,) = complete["outputs"]
    assert (output["name"], output["facets"]["version"]["datasetVersion"]) == ("promoted_models/Pong-v5", "v2")


def test_the_same_log_gives_the_same_run_ids_and_another_log_others() -> None:
    one = described(DATA)
    ids = [event["run"]["runId"] for event in export(one)]
    assert ids == [event["run"]["runId"] for event in export(one)]
    assert len({*ids, export(described(made(2, "datasets", ALICE)))[0]["run"]["runId"]}) == 2
    assert export(one, log_id="other")[0]["run"]["runId"] not in ids


def test_what_nobody_recorded_is_told_from_what_read_nothing() -> None:
    recorded, unknown = export(described(DATA))[1], export(described(unrecorded(2, "trained_policies", "x")))[1]
    assert recorded["inputs"] == unknown["inputs"] == []
    told = [event["run"]["facets"]["rlassets_provenance"]["inputsAreRecorded"] for event in (recorded, unknown)]
    assert told == [True, False]


@pytest.mark.parametrize("run_id", ["", None, "no uuid"])
def test_an_event_without_a_run_has_no_parent(run_id: str | None) -> None:
    assert "parent" not in export(described(DATA, run_id=run_id))[0]["run"]["facets"]


@given(log=logs(roles=("data", "evidence")))
@settings(max_examples=100, deadline=None)
def test_every_event_follows_the_specification(log: list[Materialization]) -> None:
    for event in export(*(described(event) for event in log)):
        VALIDATOR.validate(event)


@pytest.mark.parametrize(
    "spoil",
    [
        lambda event: event.pop("schemaURL"),
        lambda event: event.update(eventTime="yesterday"),
        lambda event: event["run"].update(runId="7"),
        lambda event: event["outputs"][0]["facets"]["version"].pop("datasetVersion"),
        lambda event: event["run"]["facets"]["rlassets_provenance"].pop("_producer"),
        lambda event: event["run"]["facets"].update(client={"name": "x"}),
        lambda event: event["job"].pop("namespace"),
    ],
)
def test_the_schema_refuses_what_the_specification_does(spoil: Any) -> None:
    event = export(described(DATA))[1]
    VALIDATOR.validate(event)
    spoil(event)
    with pytest.raises(jsonschema.ValidationError):
        VALIDATOR.validate(event)
