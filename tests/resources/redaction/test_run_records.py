"""A run is remembered as one that was asked for the work of others."""

import json

from rl_assets.resources.redaction.documents import ERASED
from rl_assets.resources.redaction.names import Names
from rl_assets.resources.redaction.run_records import clean_tags

A, B, C = (f"CartPole-v1|ppo-{letter * 10}" for letter in "abc")
NAMES = Names({B, "ppo-bbbbbbbbbb", "acme"})
START, END = "dagster/asset_partition_range_start", "dagster/asset_partition_range_end"


def test_the_exact_cells_lose_the_erased_and_envs_that_are_left_empty() -> None:
    cells = {"CartPole-v1": ["ppo-aaaaaaaaaa", "ppo-bbbbbbbbbb"], "Pong-v5": ["ppo-bbbbbbbbbb"]}
    left = clean_tags({"rl/cells": json.dumps(cells)}, NAMES, [A])
    assert json.loads(left["rl/cells"]) == {"CartPole-v1": ["ppo-aaaaaaaaaa"]}


def test_a_range_shrinks_to_what_is_left_of_it() -> None:
    assert clean_tags({START: A, END: B}, NAMES, [A, "ppo-aaaaaaaaaa"]) == {START: A, END: A}
    assert clean_tags({START: B, END: C}, NAMES, [A, C]) == {START: A, END: C}
    assert clean_tags({START: B, END: B}, NAMES, []) == {}


def test_a_range_with_a_hole_inside_stays() -> None:
    assert clean_tags({START: A, END: C}, NAMES, [A, C]) == {START: A, END: C}


def test_other_tags_keep_their_keys_and_those_of_the_program_stay() -> None:
    tags = {"rl/sweep": "acme", "rl/request": "train/acme/CartPole-v1/7", "rl/assets": "acme", "note": "mine"}
    assert clean_tags(tags, NAMES, []) == {
        "rl/sweep": ERASED,
        "rl/request": ERASED,
        "rl/assets": "acme",
        "note": "mine",
    }


def test_a_single_partition_that_is_erased_is_not_asked_for_any_more() -> None:
    assert clean_tags({"dagster/partition": B, "rl/env": "CartPole-v1"}, NAMES, []) == {"rl/env": "CartPole-v1"}
