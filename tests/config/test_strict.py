import math

import pytest
from pydantic import ValidationError

from rl_assets.config.strict import StrictModel
from rl_assets.errors import BadInput, InvalidConfig


class Example(StrictModel):
    count: int = 1
    """How many."""

    rate: float = 1.0


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (None, r"^f\.yaml: the document is empty"),
        ([1], r"^f\.yaml: expected a mapping of fields, got a list"),
        ("x", r"^f\.yaml: expected a mapping of fields, got a text of 1 characters"),
        (3, r"^f\.yaml: expected a mapping of fields, got a number"),
    ],
)
def test_a_document_that_is_no_mapping_is_refused(data, message):
    with pytest.raises(InvalidConfig, match=message):
        Example.parse(data, source="f.yaml")


@pytest.mark.parametrize("data", [{"count": "1"}, {"count": 1.0}, {"count": True}, {"rate": "1"}, {"rate": True}])
def test_no_type_is_converted(data):
    with pytest.raises(InvalidConfig):
        Example.parse(data, source="t")


def test_a_whole_number_is_a_number():
    assert Example.parse({"rate": 2}, source="t").rate == 2.0


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_numbers_are_finite(value):
    with pytest.raises(InvalidConfig, match="expected a finite number, got"):
        Example.parse({"rate": value}, source="t")


def test_every_wrong_field_has_its_line():
    with pytest.raises(InvalidConfig) as caught:
        Example.parse({"count": "x", "rate": "y", "other": 1}, source="t")
    assert str(caught.value).splitlines() == [
        "t: field 'count': expected a whole number, got 'x'",
        "t: field 'rate': expected a number, got 'y'",
        "t: unknown field 'other': expected one of count, rate",
    ]


def test_a_refusal_is_bad_input():
    with pytest.raises(BadInput):
        Example.parse({"count": None}, source="t")


def test_a_model_is_frozen_and_its_docstrings_describe_its_fields():
    with pytest.raises(ValidationError, match="frozen"):
        Example().count = 2  # pyright: ignore[reportAttributeAccessIssue]
    assert Example.model_fields["count"].description == "How many."


def test_a_wrong_default_is_found_where_it_stands():
    class Wrong(StrictModel):
        count: int = "x"  # pyright: ignore[reportAssignmentType]

    with pytest.raises(ValidationError, match="valid integer"):
        Wrong()
