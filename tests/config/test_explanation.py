import datetime
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import Field

from rl_assets.config.experiment import read_experiment
from rl_assets.config.explanation import kind_of, shown
from rl_assets.config.strict import StrictModel
from rl_assets.config.sweep import SweepConfig
from rl_assets.config.yaml import parse_yaml
from rl_assets.errors import BadInput, InvalidConfig

PYDANTIC_PHRASES = re.compile(r"[Ii]nput should|valid (tuple|dictionary|integer|string)|after validation|instance of")
NAMES = st.sampled_from(
    [*SweepConfig.model_fields, "id", "options", "client_id", "learning_rate", "floor", "Foo", "str"]
)
DATA = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES | st.integers(), inner, max_size=4),
    max_leaves=12,
)


class Inner(StrictModel):
    name: str = Field(min_length=1)
    secret: str = Field(default="-", repr=False)


class Example(StrictModel):
    inner: Inner | str = "x"
    many: tuple[Inner, ...] = Field(default=(), strict=False, max_length=2)
    either: int | tuple[int, ...] = 1
    by_name: dict[str, float] = Field(default_factory=dict)
    plain: Inner | None = None


def lines_of(data) -> list[str]:
    with pytest.raises(InvalidConfig) as caught:
        Example.parse(data, source="t")
    return str(caught.value).splitlines()


@pytest.mark.parametrize(
    ("data", "line"),
    [
        ({"Foo": 1}, "unknown field 'Foo': expected one of by_name, either, inner, many, plain"),
        ({"str": 1}, "unknown field 'str': expected one of"),
        ({"Inner": 1}, "unknown field 'Inner': did you mean 'inner'? expected one of"),
        ({"a[b]": 1}, "unknown field 'a[b]': expected one of"),
        ({1: 1}, "unknown field '1': expected one of"),
        ({None: 1}, "unknown field 'None': expected one of"),
        ({"plain": {"Foo": 1, "name": "x"}}, "unknown field 'plain.Foo': expected one of name, secret"),
        ({"inner": {"nam": 1, "name": "x"}}, "unknown field 'inner.nam': did you mean 'name'? expected one of"),
        ({"inner": {}}, "field 'inner.name' is missing: add a text of at least 1 character"),
        ({"inner": {"name": ""}}, "field 'inner.name': expected a text of at least 1 character, got ''"),
        ({"many": [{"name": "x"}, {}]}, "field 'many.1.name' is missing: add a text of at least 1 character"),
        ({"many": [3]}, "field 'many.0': expected a mapping of name, secret, got a number"),
        ({"either": "x"}, "field 'either': expected a whole number, or a list, each a whole number, got 'x'"),
        ({"either": (1, "x")}, "field 'either.1': expected a whole number, got 'x'"),
        ({"either": None}, "got nothing: leave the line out for the default, or give a value"),
        ({"by_name": {"a": None}}, "field 'by_name.a': expected a number, got nothing: give a value"),
        ({"by_name": {1: 1.0}}, "field 'by_name.1': expected a text as name, got 1: put it in quotes"),
        ({"by_name": {"int": "x"}}, "field 'by_name.int': expected a number, got 'x'"),
        ({"many": "x"}, "got a text of 1 characters: write a list, in [brackets] or with one '- ' line for each"),
        ({"plain": {"name": 3}}, "field 'plain.name': expected a text of at least 1 character, got 3: put"),
    ],
)  # fmt: skip
def test_one_line_names_the_field_what_was_expected_and_what_came(data, line):
    (told,) = lines_of(data)
    assert told.startswith("t: ")
    assert line in told


def test_a_list_is_not_called_short_because_its_items_are_wrong():
    assert len(lines_of({"many": [{}, {}]})) == 2


def test_a_list_that_is_too_long_is_told_so():
    assert lines_of({"many": [{"name": "x"}] * 3})[0].startswith("t: field 'many': expected a list of 0 to 2 items")


@pytest.mark.parametrize("wrong", [7, ["Acme"], {"Acme": 1}, None, True, 1.5])
def test_a_private_value_is_never_repeated(wrong):
    (line,) = lines_of({"inner": {"name": "x", "secret": wrong}})
    assert "Acme" not in line
    assert "7" not in line
    assert kind_of(wrong) in line


@pytest.mark.parametrize("wrong", [["Acme"], 7])
def test_neither_is_what_stands_where_a_model_with_private_fields_belongs(wrong):
    (line,) = lines_of({"inner": wrong})
    assert "Acme" not in line
    assert "7" not in line


def test_a_small_file_that_means_a_very_large_value_is_refused_in_a_few_words():
    levels = "".join(f"a{level}: &a{level} [{', '.join([f'*a{level - 1}'] * 9)}]\n" for level in range(1, 12))
    bomb = parse_yaml(f"a0: &a0 [x, x, x]\n{levels}", source="t")["a11"]
    with pytest.raises(InvalidConfig) as caught:
        SweepConfig.parse({"name": "s", "envs": [bomb], "fixed": {"learning_rate": bomb}, "dataset": bomb}, source="t")
    assert len(str(caught.value)) < 2000


def test_a_value_that_holds_itself_is_refused():
    loop = parse_yaml("a: &a [*a]", source="t")["a"]
    assert lines_of({"either": loop})[0].startswith("t: field 'either")


@given(data=st.dictionaries(NAMES, DATA, max_size=6))
def test_any_sweep_is_read_or_refused_in_plain_words(data):
    base = {"name": "s", "envs": ["X"], "dataset": "c-0.d1"}
    try:
        SweepConfig.parse(base | data, source="t")
    except BadInput as error:
        assert_is_plain(str(error))


@given(data=st.dictionaries(st.sampled_from(["name", "env", "policy", "train", "dataset", "Foo"]), DATA, max_size=5))
def test_any_experiment_is_read_or_refused_in_plain_words(data):
    try:
        read_experiment(data, source="t")
    except BadInput as error:
        assert_is_plain(str(error))


def assert_is_plain(text: str) -> None:
    assert text
    for line in text.splitlines():
        assert line.startswith("t")
        assert not PYDANTIC_PHRASES.search(line)
        assert len(line) < 1000


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "nothing"),
        (True, "true"),
        (float("nan"), "nan"),
        (datetime.date(2020, 1, 2), "2020-01-02"),
        ((1, 2), "[1, 2]"),
        (list(range(100)), "[0, 1, 2, 3, 4, 5, ...]"),
        ("x" * 100, f"'{'x' * 27}...{'x' * 28}'"),
    ],
)
def test_values_are_repeated_as_yaml_writes_them_and_cut(value, text):
    assert shown(value) == text
