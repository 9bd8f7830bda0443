"""Which words of a log stay."""

from typing import Any

import pytest

from rl_assets.resources.redaction.documents import ERASED
from rl_assets.resources.redaction.names import Names
from rl_assets.resources.redaction.speech import Speech

ACME, GLOBEX = "CartPole-v1|ppo-aaaaaaaaaa", "CartPole-v1|ppo-bbbbbbbbbb"
SHARED = Speech(Names({ACME, "ppo-aaaaaaaaaa"}), [GLOBEX, "ppo-bbbbbbbbbb"], is_shared=True)
OTHERS = Speech(Names({ACME, "ppo-aaaaaaaaaa"}), [], is_shared=False)


@pytest.mark.parametrize(
    ("said", "is_users", "left"),
    [
        (f"{ACME}: lost", True, ERASED),
        (f"{GLOBEX}: fine", True, f"{GLOBEX}: fine"),
        (f"{GLOBEX} beats {ACME}", True, ERASED),
        ("CartPole-v1: 128 of 256 steps, mean return 21.5", True, ERASED),
        ("Executing steps in process (pid: 7)", False, "Executing steps in process (pid: 7)"),
        (f"Executing {ACME}", False, ERASED),
        (f"2 failed:\n- {ACME}: 3.5\n- {GLOBEX}: 4.5", True, f"{ERASED}\n- {GLOBEX}: 4.5"),
        ("ppo-bbbbbbbbbb was stopped", True, "ppo-bbbbbbbbbb was stopped"),
        ("", True, ""),
        (ERASED, True, ERASED),
        (f"{ERASED}\n- {GLOBEX}: 4.5", True, f"{ERASED}\n- {GLOBEX}: 4.5"),
    ],
)
def test_a_shared_log_keeps_the_lines_of_others(said: str, is_users: bool, left: str) -> None:
    assert SHARED.clean_text(said, is_users=is_users) == left
    assert SHARED.clean_text(left, is_users=is_users) == left, "a second time changes nothing"


def test_a_log_of_others_loses_only_lines_that_speak_of_the_erased() -> None:
    said = f"mean return 3.5\nbetter than {ACME}\nof 8"
    assert OTHERS.clean_text(said, is_users=True) == f"mean return 3.5\n{ERASED}\nof 8"


def error(message: str, cause: dict[str, Any] | None = None) -> dict[str, Any]:
    return {"__class__": "SerializableErrorInfo", "message": message, "stack": ["File a\n"], "cls_name": "E",
            "cause": cause, "context": None}  # fmt: skip


def failure(description: str, failed: dict[str, str]) -> dict[str, Any]:
    data = {"__class__": "JsonMetadataEntryData", "data": failed}
    entry = {"__class__": "EventMetadataEntry", "label": "failed_partitions", "description": None, "entry_data": data}
    return {"__class__": "UserFailureData", "label": "x", "description": description, "metadata_entries": [entry]}


def event(kind: str, data: dict[str, Any]) -> dict[str, Any]:
    inner = {"__class__": "DagsterEvent", "event_type_value": kind, "event_specific_data": data, "message": "failed",
             "logging_tags": {}, "step_key": "policies"}  # fmt: skip
    return {"__class__": "EventLogEntry", "dagster_event": inner, "user_message": "failed", "message": "",
            "error_info": None}  # fmt: skip


def test_an_error_of_the_whole_population_goes_down_to_its_causes() -> None:
    data = {
        "__class__": "StepFailureData",
        "error": error("outer", error("loss is 3.5 of all")),
        "user_failure_data": None,
    }
    left = SHARED.clean_event(event("STEP_FAILURE", data))["dagster_event"]["event_specific_data"]["error"]
    assert (left["message"], left["stack"], left["cause"]["message"]) == (ERASED, [], ERASED)
    assert left["cls_name"] == "E"


def test_a_failure_keeps_what_it_says_of_others() -> None:
    data = {"__class__": "StepFailureData", "error": None,
            "user_failure_data": failure(f"2:\n- {ACME}: a\n- {GLOBEX}: b", {ACME: "a", GLOBEX: "b"})}  # fmt: skip
    left = SHARED.clean_event(event("STEP_FAILURE", data))["dagster_event"]["event_specific_data"]["user_failure_data"]
    assert left["description"] == f"{ERASED}\n- {GLOBEX}: b"
    assert left["metadata_entries"][0]["entry_data"]["data"] == {GLOBEX: "b"}


@pytest.mark.parametrize("kind", ["ASSET_MATERIALIZATION", "ASSET_OBSERVATION", "ASSET_CHECK_EVALUATION"])
def test_what_was_made_is_never_edited(kind: str) -> None:
    entry = event(kind, {"asset_key": {"path": ["trained_policies"]}, "note": f"better than {ACME}"})
    assert SHARED.clean_event(entry) is entry


def test_a_plan_over_several_partitions_loses_those_that_are_gone() -> None:
    subset = {"__class__": "DefaultPartitionsSubset", "subset": {"__set__": [ACME, GLOBEX]}}
    left = SHARED.clean_event(event("ASSET_CHECK_EVALUATION_PLANNED", {"partitions_subset": subset}))
    assert left["dagster_event"]["event_specific_data"]["partitions_subset"]["subset"] == {"__set__": [GLOBEX]}


def test_the_copy_of_an_outputs_metadata_goes_from_a_shared_run_and_loses_names_elsewhere() -> None:
    entries = [
        {"__class__": "EventMetadataEntry", "label": "best", "entry_data": {"__class__": "X", "text": text}}
        for text in (ACME, "3.5")
    ]
    entry = event("STEP_OUTPUT", {"__class__": "StepOutputData", "metadata_entries": entries})
    shared = SHARED.clean_event(entry)["dagster_event"]["event_specific_data"]
    assert shared == {"__class__": "StepOutputData", "metadata_entries": []}
    others = OTHERS.clean_event(entry)["dagster_event"]["event_specific_data"]["metadata_entries"]
    assert [one["entry_data"]["text"] for one in others] == [ERASED, "3.5"]
