import pytest
from hypothesis import given
from hypothesis import strategies as st

from rl_assets.datasets.spelling import find_name, letters_of, normalize_words


@pytest.mark.parametrize(
    "text",
    [
        "ACME Corp",
        "acme-corp",
        "acme_corp",
        "AcmeCorp",
        "acmecorp",
        "sweep.acme.corp.v2",
        "preACMECORPpost",
        "A-C-M-E corp",
        "ácme çorp",
        "ＡＣＭＥ　ｃｏｒｐ",
        "acme\u200bcorp",
        "acme\n corp",
        "acme=corp;lr=1",
    ],
)
def test_a_name_is_found_in_any_spelling(text: str):
    assert find_name(text, ["Acme Corp"]) == "Acme Corp"


@pytest.mark.parametrize("text", ["", "acme", "corp", "corp acme", "acne-corp", "acme-other-corp", "Pong-v5"])
def test_another_text_is_not_mistaken_for_the_name(text: str):
    assert find_name(text, ["Acme Corp"]) is None


@pytest.mark.parametrize("text", ["ibm", "IBM sweep", "sweep-ibm-2", "ibmSweep", "IBMSweep", "ibm2024", "i.b.m"])
def test_a_short_name_is_found_as_a_word(text: str):
    assert find_name(text, ["IBM"]) == "IBM"


@pytest.mark.parametrize(
    ("name", "text"), [("art", "CartPole-v1"), ("ppo", "opportunity"), ("x", "max-lr"), ("A1", "ppo-a12")]
)
def test_a_short_name_is_not_found_inside_other_words(name: str, text: str):
    assert find_name(text, [name]) is None


def test_a_short_name_of_letters_and_digits_is_found_as_a_word():
    assert find_name("sweep-a1-lr", ["A1"]) == "A1"


@pytest.mark.parametrize(
    ("name", "text"),
    [("華為", "訓練華為模型"), ("Müller", "muller-sweep"), ("Straße AG", "STRASSE-AG"), ("Łódź", "łódź-1")],
)
def test_names_of_other_scripts_are_found(name: str, text: str):
    assert find_name(text, [name]) == name


def test_one_of_several_names_is_enough():
    assert find_name("globex-acme-corp", ["Initech", "Acme Corp"]) == "Acme Corp"


def test_what_looks_the_same_is_stored_the_same():
    assert normalize_words("  Cafe\u0301 \t de\n Paris ") == "Caf\u00e9 de Paris"


@given(
    name=st.text("abcXYZ0189 -_éß", min_size=4, max_size=12).filter(lambda name: len(letters_of(name)) >= 4),
    before=st.text(max_size=5),
    after=st.text(max_size=5),
    separator=st.sampled_from(["", " ", "-", "_", ".", "--"]),
)
def test_no_case_separator_or_surrounding_hides_a_name(name: str, before: str, after: str, separator: str):
    assert find_name(f"{before}{name}{after}", [name]) == name
    assert find_name(separator.join(name.upper()), [name]) == name
    assert find_name(letters_of(name), [name]) == name
