from typing import Annotated, Any, Literal

import pytest
from pydantic import Field

from rl_assets.config.expectations import Wording, expectation, field_expectation
from rl_assets.config.strict import StrictModel


class Inner(StrictModel):
    a: int = 1
    b: str = ""


class Example(StrictModel):
    share: float = Field(default=0.5, gt=0, le=1)
    seed: Annotated[int, Field(ge=0)] | None = None
    worded: Annotated[str, Wording("a name")] = "x"


@pytest.mark.parametrize(
    ("annotation", "words"),
    [
        (bool, "true or false"),
        (int, "a whole number"),
        (float, "a number"),
        (str, "a text"),
        (Any, "a value"),
        (float | None, "a number"),
        (Literal["a"], "'a'"),
        (Literal["a", "b", "c"], "'a', 'b' or 'c'"),
        (Literal[False], "false"),
        (int | str, "a whole number or a text"),
        (Inner, "a mapping of a, b"),
        (str | Inner, "a text, or a mapping of a, b"),
        (dict[str, float], "a mapping of name to a number"),
        (tuple[int, ...], "a list, each a whole number"),
        (list[Any], "a list"),
        (Annotated[int, Field(ge=0, lt=2**31)], "a whole number from 0 to 2,147,483,647"),
        (Annotated[int, Field(gt=0)], "a whole number of at least 1"),
        (Annotated[float, Field(gt=0, lt=1)], "a number above 0 and below 1"),
        (Annotated[float, Field(ge=0)], "a number of at least 0"),
        (Annotated[float, Field(le=0.5)], "a number at most 0.5"),
        (Annotated[str, Field(min_length=1)], "a text of at least 1 character"),
        (Annotated[str, Field(min_length=1, max_length=200)], "a text of 1 to 200 characters"),
        (Annotated[tuple[Any, ...], Field(min_length=2)], "a list of at least 2 items"),
        (Annotated[str, Wording("a name")] | int, "a name or a whole number"),
    ],
)
def test_a_type_is_told_in_words(annotation, words):
    assert expectation(annotation) == words


def test_a_field_is_told_with_its_bounds():
    fields = Example.model_fields
    assert [field_expectation(field) for field in fields.values()] == [
        "a number above 0 and at most 1",
        "a whole number of at least 0",
        "a name",
    ]
