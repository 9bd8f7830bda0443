import json

import pytest

from rl_assets.errors import LineageError
from rl_assets.lineage.records import InputRecord, Materialization

READ = InputRecord(asset="datasets", partition="c-00000000aa.d1", event_id=1, data_version="v1")
MADE = Materialization(
    asset="trained_policies",
    partition="CartPole-v1|ppo-0123456789",
    event_id=2,
    data_version="v2",
    inputs=(READ,),
    facts={"seeds": [0, 1], "commit": "abc"},
)


@pytest.mark.parametrize("inputs", [(READ,), (), None])
def test_a_materialization_survives_json(inputs):
    record = Materialization(asset="a", partition=None, event_id=3, data_version="v", inputs=inputs, facts={"x": 1})
    assert Materialization.from_json(json.loads(json.dumps(record.to_json()))) == record


def test_reading_nothing_and_recording_nothing_are_two_things():
    nothing, unrecorded = (
        Materialization(asset="a", partition=None, event_id=3, data_version="v", inputs=inputs) for inputs in ((), None)
    )
    assert nothing.to_json()["inputs"] == []
    assert unrecorded.to_json()["inputs"] is None
    assert nothing != unrecorded


@pytest.mark.parametrize("role", ["data", "evidence"])
def test_an_input_survives_json(role):
    record = InputRecord(asset="a", partition=None, event_id=1, data_version="v", role=role)
    assert InputRecord.from_json(json.loads(json.dumps(record.to_json()))) == record


def test_an_input_is_data_unless_somebody_says_otherwise():
    assert READ.role == "data"


def test_the_identity_of_an_input_is_the_summary_of_what_was_read():
    source = Materialization(
        asset="datasets", partition="c-00000000aa.d1", event_id=1, data_version="v1", inputs=(), facts={"x": 1}
    )
    assert READ.identity() == source.summary()


@pytest.mark.parametrize("role", ["", "Data", None, "decision"])
def test_a_role_that_is_neither_data_nor_evidence_is_refused(role):
    with pytest.raises(LineageError, match=f"role {role!r} is neither data nor evidence"):
        InputRecord.from_json(READ.to_json() | {"role": role})


def test_a_summary_is_what_queries_list():
    assert MADE.summary() == {
        "asset": "trained_policies",
        "partition": "CartPole-v1|ppo-0123456789",
        "event_id": 2,
        "data_version": "v2",
    }


@pytest.mark.parametrize(
    "change", [{"event_id": "2"}, {"event_id": True}, {"asset": None}, {"partition": 3}, {"data_version": None}]
)
def test_a_field_of_the_wrong_type_is_refused(change):
    with pytest.raises(LineageError, match="was not written by this package"):
        InputRecord.from_json(READ.to_json() | change)
    with pytest.raises(LineageError, match="was not written by this package"):
        Materialization.from_json(MADE.to_json() | change)


@pytest.mark.parametrize("data", [{}, READ.to_json() | {"colour": "blue"}, [], None, "text"])
def test_missing_and_unknown_fields_are_refused(data):
    with pytest.raises(LineageError, match="expected exactly the fields asset, data_version, event_id"):
        InputRecord.from_json(data)


@pytest.mark.parametrize("inputs", ["text", {}, [READ.to_json() | {"event_id": None}], [None]])
def test_inputs_that_are_no_records_are_refused(inputs):
    with pytest.raises(LineageError):
        Materialization.from_json(MADE.to_json() | {"inputs": inputs})
