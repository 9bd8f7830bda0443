import math
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rl_assets.config.yaml import MAX_DOCUMENT_BYTES, load_yaml, parse_yaml
from rl_assets.errors import InvalidConfig


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("3e-4", 0.0003),
        ("1e6", 1e6),
        ("1E3", 1000.0),
        ("200_000", 200_000),
        ("0o17", 15),
        ("012", 12),
        ("0x1F", 31),
        ("1:30", "1:30"),
        ("yes", "yes"),
        ("on", "on"),
        ("true", True),
        ("~", None),
        ("", None),
        ("'3e-4'", "3e-4"),
        (".inf", math.inf),
    ],
)
def test_scalars_are_read_as_yaml_1_2(text, value):
    read = parse_yaml(f"a: {text}", source="t")["a"]
    assert (read, type(read)) == (value, type(value))


def test_collections_are_plain():
    read = parse_yaml("a: [1, {b: 2}]\nc:\n  - x", source="t")
    assert read == {"a": [1, {"b": 2}], "c": ["x"]}
    assert type(read) is dict
    assert type(read["a"]) is list


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: 1\nb: 2\na: 3", r'^t: not valid YAML in line 3: found duplicate key "a"'),
        ("n:\n  a: 1\n  a: 1", r'in line 3: found duplicate key "a"'),
        ("{a: 1, a: 2}", r"duplicate key"),
        ("a: [1", r"in line 1: expected ',' or '\]'"),
        ("a: 1\n\tb: 2", r"in line 2: found character '\\t'"),
        ("a: *x", r"undefined alias 'x'"),
        ("--- 1\n--- 2", r"found another document"),
        ("a: !!python/object/apply:os.system [x]", r"could not determine a constructor for the tag"),
        ("a: !env HOME", r"could not determine a constructor"),
        ("a: 2020-99-99", r"month must be in 1\.\.12"),
        ("a: !!int x", r"invalid literal for int"),
        ("a: !!bool x", r"not valid YAML: 'x'"),
        ("a: " + "9" * 5000, r"5000 digits$"),
        ("[\n" * 1500, r"nested too deeply"),
        ("a: \x00", r"unacceptable character"),
    ],
)
def test_what_is_no_yaml_is_refused_with_its_line(text, message):
    with pytest.raises(InvalidConfig, match=message):
        parse_yaml(text, source="t")


@given(
    document=st.text(max_size=60)
    | st.text(alphabet="a1:-[]{}&*!|>'\"%,?#\n \t.e", max_size=40)
    | st.binary(max_size=60)
)
def test_anything_is_read_or_refused(document):
    assert refusal(document) is None or re.fullmatch(r"t: [^\n]{10,}", refusal(document))


def refusal(document: str | bytes) -> str | None:
    try:
        parse_yaml(document, source="t")
    except InvalidConfig as error:
        return str(error)
    return None


def test_the_refusal_of_a_repeated_key_repeats_no_value():
    assert refusal("client_id: Acme\nclient_id: Globex") == (
        't: not valid YAML in line 2: found duplicate key "client_id"'
    )


def test_a_byte_order_mark_is_no_part_of_the_text(tmp_path: Path):
    (tmp_path / "a.yaml").write_bytes(b"\xef\xbb\xbfa: 1")
    assert load_yaml(tmp_path / "a.yaml") == {"a": 1}


@pytest.mark.parametrize(
    ("content", "place"),
    [
        ("a: é".encode("latin-1"), "byte 0xe9 in line 1"),
        (b"\n\na: \xff", "byte 0xff in line 3"),
        ("a: 1".encode("utf-16"), "line 1"),
    ],
)
def test_what_is_not_utf8_is_refused_and_told_what_to_do(tmp_path: Path, content, place):
    (tmp_path / "a.yaml").write_bytes(content)
    with pytest.raises(InvalidConfig, match=rf"a\.yaml: not UTF-8 text \(.*{place}\): save it as UTF-8"):
        load_yaml(tmp_path / "a.yaml")


def test_a_huge_file_is_refused_before_it_is_parsed(tmp_path: Path):
    with (tmp_path / "a.yaml").open("wb") as file:
        file.truncate(20_000_000_000)
    with pytest.raises(InvalidConfig, match="expected at most 500,000 bytes, got more"):
        load_yaml(tmp_path / "a.yaml")


def test_a_text_is_bounded_as_a_file_is():
    with pytest.raises(InvalidConfig, match="expected at most 500,000 bytes"):
        parse_yaml("#" * (MAX_DOCUMENT_BYTES + 1), source="t")


@pytest.mark.parametrize(("name", "reason"), [("missing.yaml", "No such file"), ("", "Is a directory")])
def test_a_file_that_cannot_be_read_is_named(tmp_path: Path, name, reason):
    with pytest.raises(InvalidConfig, match=rf"cannot be read \({reason}.*\): give the path of a YAML file"):
        load_yaml(tmp_path / name)


def test_aliases_may_be_reused():
    assert parse_yaml("a: &x [1]\nb: *x\nc: &x 2\nd: *x", source="t") == {"a": [1], "b": [1], "c": 2, "d": 2}
