"""A name is found where it is meant, and not in what only looks like it."""

import pytest

from rl_assets.resources.redaction.names import Names

CELL = "CartPole-v1|ppo-lr=0.001-68063affa2"
NAMES = Names({CELL, "ppo-lr=0.001-68063affa2", "c-17e1582ef7.d1", "acme"})


@pytest.mark.parametrize(
    "text",
    [
        f"{CELL}: the pool died",
        "- ppo-lr=0.001-68063affa2: slow",
        '{"CartPole-v1": ["ppo-lr=0.001-68063affa2"]}',
        "datasets[c-17e1582ef7.d1]",
        "It read c-17e1582ef7.d1.",
        "sweep acme was asked for",
        "train/acme/CartPole-v1/7",
    ],
)
def test_a_name_is_found_as_a_word(text: str) -> None:
    assert NAMES.stand_in(text)


@pytest.mark.parametrize(
    "text",
    [
        "c-17e1582ef7.d10",
        "c-17e1582ef7.d2",
        "ppo-lr=0.001-68063affa2f",
        "acme-2 and acme.old and pacme",
        "acme_corporation",
        "CartPole-v1: 128 of 256 steps",
        "",
    ],
)
def test_a_longer_name_is_another(text: str) -> None:
    assert not NAMES.stand_in(text)
    assert not NAMES.are_meant_in(text)


@pytest.mark.parametrize(
    "text", ["acme", "sweep 'acme'", "sweep_reports[acme]", "report/acme/15", '{"rl/sweep": "acme"}']
)
def test_a_plain_word_is_meant_where_it_is_set_off(text: str) -> None:
    assert NAMES.are_meant_in(text)


@pytest.mark.parametrize("text", ["to acme of skill", "acme: a peak", 'File "/usr/acme/x.py"'])
def test_a_plain_word_in_a_sentence_may_be_a_word(text: str) -> None:
    assert NAMES.stand_in(text)
    assert not NAMES.are_meant_in(text)


def test_a_generated_key_is_always_meant() -> None:
    assert NAMES.are_meant_in("to train ppo-lr=0.001-68063affa2 again")


def test_no_names_are_found_nowhere() -> None:
    assert not Names([]).stand_in("anything")
    assert not Names([""]).are_meant_in("")
