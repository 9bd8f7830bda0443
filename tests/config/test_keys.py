import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from rl_assets.config.keys import HASH_LENGTH, MAX_KEY_LENGTH, check_key, fit_key, short_hash
from rl_assets.errors import BadInput, InvalidPartitionKey


@pytest.mark.parametrize(
    "key", ["a", "CartPole-v1", "ppo-lr=0.003-1f0c9a3b2e", "c-0123.d3", "a+b;c_d", "x" * 100, "a..b"]
)
def test_what_dagster_carries_is_returned_as_it_is(key):
    assert check_key(key, kind="sweep") == key


@pytest.mark.parametrize(
    ("key", "reason"),
    [
        ("a|b", r"sweep key 'a\|b' holds '\|': expected only letters, digits and \. _ = \+ ; -"),
        ("a,b", r"holds ',': expected only"),
        ("a...b", r"holds '\.\.\.', which Dagster reads as a range: remove the dots"),
        ("a....", r"holds '\.\.\.'"),
        ("a b", r"holds ' ': expected only"),
        ("", r"sweep key is empty: expected 1 to 100 characters"),
        ("x" * 200, r"has 200 characters: expected at most 100; choose a shorter name"),
        ("x" * 101, r"has 101 characters"),
        ("naïve", r"holds 'ï'"),
        ("日本", r"holds '日', '本'"),
        ("a\nb", r"sweep key 'a\\nb' holds '\\n'"),
        ("a\n", r"holds '\\n'"),
        ("a/b", r"holds '/'"),
        ("../b", r"holds '/'"),
        ("a\x1b[31m", r"'a\\x1b\[31m' holds '\\x1b', '\['"),
        ("a:b*c", r"holds '\*', ':'"),
        ("\u0661", "holds"),
    ],
)
def test_what_would_be_misread_is_refused_with_the_reason(key, reason):
    with pytest.raises(InvalidPartitionKey, match=reason):
        check_key(key, kind="sweep")


def test_a_refused_key_is_bad_input_and_named_by_its_kind():
    with pytest.raises(BadInput, match=r"^hparam key"):
        check_key("a b", kind="hparam")


def test_a_long_wrong_key_is_not_repeated_in_full():
    with pytest.raises(InvalidPartitionKey) as caught:
        check_key("s" * 5000, kind="env")
    assert len(str(caught.value)) < 200


@given(readable=st.text(max_size=300), is_ambiguous=st.booleans())
@example(readable=".", is_ambiguous=False)
@example(readable="..", is_ambiguous=False)
def test_any_text_fits(readable, is_ambiguous):
    key = fit_key(readable, identity=[readable.encode("utf-8", "replace").hex()], is_ambiguous=is_ambiguous)
    assert check_key(key, kind="env") == key


def test_a_valid_name_is_kept_and_an_ambiguous_one_ends_in_a_hash():
    assert fit_key("Pong-v5", identity=1) == "Pong-v5"
    assert fit_key("Pong-v5", identity=1, is_ambiguous=True) == f"Pong-v5-{short_hash(1)}"


def test_names_that_are_cut_alike_differ_by_their_identity():
    keys = {fit_key("x" * 200, identity=number) for number in range(50)}
    assert len(keys) == 50
    assert {len(key) for key in keys} == {MAX_KEY_LENGTH}


def test_a_short_hash_depends_on_the_value_alone():
    assert short_hash({"a": 1, "b": 2}) == short_hash({"b": 2, "a": 1})
    assert len(short_hash({})) == HASH_LENGTH
