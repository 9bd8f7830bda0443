from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rl_assets.defs.assets.policy_levels import describe_levels, in_levels
from rl_assets.resources.demand import CELLS_KEY, parent_of
from rl_assets.resources.event_log import Event


def asks(parents: dict[str, Any]) -> Event:
    """A sweep in which recipes start from others: hparam key -> (env key or None, hparam key)."""
    chains = {
        hparam: {"hparam": parent} | ({} if env is None else {"env": env}) for hparam, (env, parent) in parents.items()
    }
    metadata = {CELLS_KEY: {"envs": [], "hparams": [], "parents": chains}}
    return Event(
        asset="sweep_configs", partition="s", event_id=1, data_version="", metadata=metadata, entries={}, run_id="",
        timestamp=0.0,
    )  # fmt: skip


def keys_of(levels: list[dict[str, dict[str, Event]]]) -> list[dict[str, list[str]]]:
    return [{env: list(own) for env, own in level.items()} for level in levels]


def test_recipes_without_parents_are_one_level_in_their_order():
    sweep = asks({})
    cells = {"B": dict.fromkeys(["y", "x"], sweep), "A": dict.fromkeys(["z"], sweep)}
    assert keys_of(in_levels(cells)) == [{"B": ["y", "x"], "A": ["z"]}]
    assert in_levels({}) == []


def test_children_come_after_their_parents_however_the_run_lists_them():
    sweep = asks({"c": (None, "b"), "b": (None, "a"), "d": (None, "b")})
    cells = {"A": dict.fromkeys(["c", "d", "b", "a"], sweep)}
    levels = in_levels(cells)
    assert keys_of(levels) == [{"A": ["a"]}, {"A": ["b"]}, {"A": ["c", "d"]}]
    assert describe_levels(levels) == (
        "this run trains 3 levels, one after the other, each starting from the one before: "
        "1 recipe, then 1 recipe, then 2 recipes"
    )


def test_a_parent_in_another_environment_of_the_run_comes_first_too():
    sweep = asks({"child": ("B", "parent"), "grandchild": ("A", "child")})
    cells = {"A": dict.fromkeys(["child"], sweep), "B": dict.fromkeys(["parent", "grandchild"], sweep)}
    assert keys_of(in_levels(cells)) == [{"B": ["parent"]}, {"A": ["child"]}, {"B": ["grandchild"]}]


def test_a_parent_that_is_no_cell_of_the_run_delays_nothing():
    sweep = asks({"b": (None, "a"), "c": (None, "b")})
    assert keys_of(in_levels({"A": dict.fromkeys(["b"], sweep)})) == [{"A": ["b"]}]
    assert keys_of(in_levels({"A": dict.fromkeys(["c", "b"], sweep)})) == [{"A": ["b"]}, {"A": ["c"]}]


@pytest.mark.parametrize("length", [2_000])
def test_a_very_long_chain_is_cut_without_recursion(length):
    sweep = asks({str(number): (None, str(number - 1)) for number in range(1, length)})
    cells = {"A": dict.fromkeys([str(number) for number in reversed(range(length))], sweep)}
    assert [list(level["A"]) for level in in_levels(cells)] == [[str(number)] for number in range(length)]


@given(st.data())
def test_every_cell_stands_once_and_after_its_parent(data: st.DataObject):
    size = data.draw(st.integers(1, 12))
    parents = {
        str(number): (data.draw(st.sampled_from([None, "A", "B"])), str(data.draw(st.integers(0, number - 1))))
        for number in range(1, size)
        if data.draw(st.booleans())
    }
    sweep = asks(parents)
    order = data.draw(st.permutations([str(number) for number in range(size)]))
    cells = {env: dict.fromkeys([key for key in order if data.draw(st.booleans())], sweep) for env in "AB"}
    levels = in_levels(cells)
    places = {f"{env}|{key}": depth for depth, level in enumerate(levels) for env, own in level.items() for key in own}
    assert sorted(places) == sorted(f"{env}|{key}" for env, own in cells.items() for key in own)
    for cell, depth in places.items():
        parent = parent_of(sweep, *cell.split("|"))
        assert depth == (places[parent] + 1 if parent in places else 0)
