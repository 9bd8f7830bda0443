import itertools
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rl_assets.config.canonical import config_hash
from rl_assets.config.sweep import MAX_CELLS, SweepConfig, expand_recipes
from rl_assets.config.sweep_plan import SweepPlan, plan_sweep
from rl_assets.config.yaml import parse_yaml
from rl_assets.errors import BadInput, InvalidConfig, InvalidPartitionKey

OPTIONS = st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text()
WORDS = {"client_id": "Acme Corp", "project": "robots", "data_source": "plant-3", "domain": "logistics"}
KEY = "c-0123456789.d1"


def document(**changes: Any) -> dict[str, Any]:
    return {"name": "s", "envs": ["CartPole-v1"], "dataset": dict(WORDS)} | changes


def sweep(**changes: Any) -> SweepConfig:
    return SweepConfig.parse(document(**changes), source="s.yaml")


def refusal(**changes: Any) -> str:
    with pytest.raises(BadInput) as caught:
        sweep(**changes)
    return str(caught.value)


def recipe_keys(**changes: Any) -> list[str]:
    return list(plan_sweep(sweep(**changes), dataset=KEY).recipes)


UNKNOWN_FIELDS = {
    "top": ({"foo": 1}, "unknown field 'foo': expected one of action_space, algorithm, dataset, envs,"),
    "capital": ({"Envs": 1}, "unknown field 'Envs': did you mean 'envs'?"),
    "hyper-parameter": (
        {"learning_rate": 1e-3},
        "unknown field 'learning_rate': it is a hyper-parameter: put it under fixed, or a list",
    ),
    "env": (
        {"envs": [{"id": "X", "seed": 1}]},
        "unknown field 'envs.0.seed': expected one of id, options",
    ),
    "network": (
        {"network": {"layers": 2}},
        "unknown field 'network.layers': expected one of activation, hidden_sizes",
    ),
    "dataset": (
        {"dataset": WORDS | {"client": "x"}},
        "unknown field 'dataset.client': did you mean 'client_id'? expected one of client_id,",
    ),
    "evaluation": (
        {"evaluation": {"episodes": 1}},
        "unknown field 'evaluation.episodes': did you mean 'num_episodes'? expected one of both_modes, deterministic, "
        "metrics, num_episodes, videos",
    ),
    "gates": (
        {"gates": {"min_reward": 1}},
        "unknown field 'gates.min_reward': expected one of beats_champion, confidence, floor, "
        "metrics, non_inferiority, num_episodes, plugins, promote_to, stability",
    ),
    "fixed": (
        {"fixed": {"learning-rate": 1e-3}},
        "field 'fixed': 'learning-rate' is no hyper-parameter: did you mean 'learning_rate'? expected one of",
    ),
    "grid": ({"grid": {"lr": [1e-3]}}, "field 'grid': 'lr' is no hyper-parameter: expected one of activation,"),
}


@pytest.mark.parametrize("place", UNKNOWN_FIELDS)
def test_an_unknown_field_anywhere_is_named_with_those_that_exist(place):
    changes, told = UNKNOWN_FIELDS[place]
    assert f"s.yaml: {told}" in refusal(**changes)


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"name": 5}, "field 'name': expected a text of 1 to 100 letters, digits and . _ = + ; -, got 5: put"),
        ({"envs": "CartPole-v1"}, "field 'envs': expected a list of at least 1 item, each an environment id or {id"),
        ({"envs": []}, "field 'envs': expected a list of at least 1 item, each an environment id or {id"),
        ({"envs": None}, "got nothing: give a value"),
        ({"envs": {"id": "X"}}, "got {'id': 'X'}: write a list, in [brackets] or with one '- ' line for each"),
        ({"envs": [3]}, "field 'envs.0': expected an environment id or {id: ..., options: {...}}, got 3"),
        ({"envs": [""]}, "field 'envs.0.id': expected a text of at least 1 character, got ''"),
        ({"envs": [{"options": {}}]}, "field 'envs.0.id' is missing: add a text of at least 1 character"),
        ({"algorithm": "sac"}, "field 'algorithm': expected 'ppo' or 'bc', got 'sac'"),
        ({"network": [64]}, "field 'network': expected a mapping of hidden_sizes, activation, image_"),
        ({"fixed": [1]}, "field 'fixed': expected a mapping of hyper-parameter to value, got [1]"),
        ({"grid": [1]}, "field 'grid': expected a mapping of hyper-parameter to a list of values, got [1]"),
        ({"grid": {"learning_rate": 1e-3}}, "field 'grid.learning_rate': expected a list of at least 1 item, got 0.0"),
        ({"grid": {"learning_rate": []}}, "field 'grid.learning_rate': expected a list of at least 1 item, got []"),
        ({"total_timesteps": 1e6}, "expected a whole number from 1 to 100,000,000,000, got 1000000.0: write 1000000"),
        ({"total_timesteps": 0}, "field 'total_timesteps': expected a whole number from 1 to 100,000,000,000, got 0"),
        ({"segment_steps": -5}, "field 'segment_steps': expected a whole number from 1 to 100,000,000,000, got -5"),
        ({"action_space": "both"}, "field 'action_space': expected 'discrete' or 'continuous', got 'both'"),
        ({"seeds": "five"}, "field 'seeds': expected how many seeds, 1 to 100, or a list of seeds, each a whole"),
        ({"seeds": True}, "got true"),
        ({"seeds": 5.0}, "got 5.0: write 5"),
        ({"seeds": 0}, "field 'seeds': expected 1 to 100 seeds, got 0: try 5"),
        ({"seeds": -1}, "field 'seeds': expected 1 to 100 seeds, got -1"),
        ({"seeds": 101}, "field 'seeds': expected 1 to 100 seeds, got 101"),
        ({"seeds": []}, "field 'seeds': expected 1 to 100 seeds, got 0"),
        ({"seeds": [3, 1, 3]}, "field 'seeds': expected each seed once, got 3 twice: remove one"),
        ({"seeds": [1, -1]}, "field 'seeds.1': expected a whole number from 0 to 2,147,483,647, got -1"),
        ({"seeds": [2**31]}, "field 'seeds.0': expected a whole number from 0 to 2,147,483,647, got 2147483648"),
        ({"gates": {"floor": math.nan}}, "field 'gates.floor': expected a finite number, got nan"),
        ({"evaluation": {"num_episodes": 0}}, "field 'evaluation.num_episodes': expected a whole number from 1 to"),
    ],
)  # fmt: skip
def test_a_wrong_type_or_bound_is_named_with_what_was_expected(changes, told):
    assert told in refusal(**changes)


@pytest.mark.parametrize("place", ["fixed", "grid"])
@pytest.mark.parametrize(
    ("name", "value", "told"),
    [
        ("learning_rate", -1, "expected a number above 0 and at most 1, got -1: try 0.001"),
        ("learning_rate", 0, "expected a number above 0 and at most 1, got 0: try 0.001"),
        ("learning_rate", math.nan, "expected a finite number above 0 and at most 1, got nan: try 0.001"),
        ("learning_rate", math.inf, "expected a finite number above 0 and at most 1, got inf: try 0.001"),
        ("learning_rate", "3e-4", "expected a number above 0 and at most 1, got '3e-4': remove the quotes"),
        ("learning_rate", True, "expected a number above 0 and at most 1, got true"),
        ("num_envs", 0, "expected a whole number from 1 to 4096, got 0: try 8"),
        ("num_envs", True, "expected a whole number from 1 to 4096, got true"),
        ("num_envs", 8.0, "expected a whole number from 1 to 4096, got 8.0: write 8"),
        ("anneal_learning_rate", 1, "expected true or false, got 1"),
        ("activation", "gelu", "expected 'tanh' or 'relu', got 'gelu'"),
        ("total_timesteps", 0, "expected a whole number from 1 to 100,000,000,000, got 0: try 200000"),
    ],
)
def test_a_wrong_hyper_parameter_is_named_where_it_was_written(place, name, value, told):
    assert (
        refusal(**{place: {name: [value] if place == "grid" else value}}) == f"s.yaml: field '{place}.{name}': {told}"
    )


def test_one_network_where_the_grid_wants_a_list_of_them_is_put_into_brackets():
    told = refusal(grid={"hidden_sizes": [64, 128]})
    assert "hidden_sizes: expected a list of networks, each a list of widths, got 64: write [[64, 128]]" in told


def test_a_width_inside_the_grid_is_named():
    told = refusal(grid={"hidden_sizes": [[64], [0]]})
    assert told == "s.yaml: field 'grid.hidden_sizes': expected a whole number from 1 to 4096, got 0: try 64"


def test_every_wrong_value_of_a_grid_is_named_once():
    told = refusal(grid={"learning_rate": [-1, 1e-3, math.nan], "num_steps": [0, 128]}).splitlines()
    assert sorted(told) == [
        "s.yaml: field 'grid.learning_rate': expected a finite number above 0 and at most 1, got nan: try 0.001",
        "s.yaml: field 'grid.learning_rate': expected a number above 0 and at most 1, got -1: try 0.001",
        "s.yaml: field 'grid.num_steps': expected a whole number from 1 to 65,536, got 0: try 128",
    ]


def test_very_many_wrong_values_are_cut():
    told = refusal(grid={"learning_rate": list(range(2, 300))}).splitlines()
    assert len(told) == 21
    assert told[-1] == "s.yaml: and 278 more"


def test_minibatches_that_do_not_divide_are_refused_with_their_combination():
    fixed = {"num_envs": 8, "num_steps": 128}
    told = "num_minibatches 3 does not divide the batch of 8 envs x 128 steps = 1024: choose a divisor"
    assert refusal(fixed=fixed | {"num_minibatches": 3}) == f"s.yaml: {told}"
    assert refusal(fixed=fixed, grid={"num_minibatches": [3, 4]}) == f"s.yaml (num_minibatches=3): {told}"


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        (
            {"fixed": {"discount": 0.9}, "grid": {"discount": [0.9]}},
            "s.yaml: 'discount' stands under both fixed and grid: keep one",
        ),
        (
            {"fixed": {"total_timesteps": 1000}, "total_timesteps": 2000},
            "s.yaml: 'total_timesteps' stands both as field 'total_timesteps' and under fixed: keep one",
        ),
        (
            {"network": {"hidden_sizes": [8]}, "grid": {"hidden_sizes": [[16], [32]]}},
            "s.yaml: 'hidden_sizes' stands both as field 'network.hidden_sizes' and under grid: keep one",
        ),
    ],
)
def test_a_value_that_is_said_twice_is_refused_rather_than_ignored(changes, told):
    assert refusal(**changes) == told


def test_a_grid_of_the_largest_size_is_taken_and_one_more_is_not():
    values = [number / 1e6 for number in range(1, MAX_CELLS + 2)]
    assert len(expand_recipes(sweep(grid={"learning_rate": values[:-1]}), dataset=KEY, source="s")) == MAX_CELLS
    assert refusal(grid={"learning_rate": values}) == (
        "s.yaml: field 'grid' spans 5001 combinations of env and recipe: expected at most 5000; "
        "split the sweep or drop values"
    )


def test_a_grid_far_too_large_is_refused_without_expanding_it():
    grid = {name: list(range(1, 200)) for name in ("num_envs", "num_steps", "update_epochs", "num_minibatches")}
    assert "spans 1568239201 combinations" in refusal(grid=grid)


def test_envs_count_in_the_size_of_a_sweep():
    envs = [{"id": "X", "options": {"a": number}} for number in range(51)]
    assert "spans 5100 combinations" in refusal(envs=envs, grid={"learning_rate": [n / 1000 for n in range(1, 101)]})


@pytest.mark.parametrize("values", [[1e-3, 0.001], [3e-4, 1e-3, 3.0e-4]], ids=["two spellings", "one apart"])
def test_a_value_that_stands_twice_in_the_grid_is_refused(values):
    told = refusal(grid={"learning_rate": values})
    assert told == f"s.yaml: field 'grid.learning_rate': expected each value once, got {values[-1]} twice: remove one"


def test_a_list_that_stands_twice_in_the_grid_is_refused():
    assert "got [64, 64] twice" in refusal(grid={"hidden_sizes": [[64, 64], (64, 64)]})


@pytest.mark.parametrize(
    ("envs", "named"),
    [
        (["CartPole-v1", "CartPole-v1"], "CartPole-v1"),
        ([{"id": "X", "options": {"a": 1, "b": 2}}, {"id": "X", "options": {"b": 2.0, "a": 1}}], "X-a=1-b=2"),
    ],
)
def test_an_environment_that_is_named_twice_is_refused(envs, named):
    assert (
        refusal(envs=envs) == f"s.yaml: field 'envs': expected each environment once, got '{named}' twice: remove one"
    )


def test_environments_that_turn_out_equal_later_are_refused_by_the_plan():
    two_names = sweep(envs=["pong", "Pong-v5"])
    exact = two_names.model_copy(update={"envs": (two_names.envs[1], two_names.envs[1])})
    with pytest.raises(InvalidConfig, match="field 'envs': expected each environment once, got 'Pong-v5' twice"):
        plan_sweep(exact, dataset=KEY)


@pytest.mark.parametrize("word", sorted(WORDS))
def test_a_dataset_needs_each_of_its_four_words(word):
    rest = {name: text for name, text in WORDS.items() if name != word}
    assert refusal(dataset=rest) == f"s.yaml: field 'dataset.{word}' is missing: add a text of 1 to 200 characters"


@pytest.mark.parametrize("word", sorted(WORDS))
@pytest.mark.parametrize(
    ("value", "came"),
    [
        ("", "expected a text of 1 to 200 characters, got an empty text"),
        (" \t", "expected a text, got only blanks: fill it in"),
        ("x" * 201, "expected a text of 1 to 200 characters, got a text of 201 characters"),
        (77, "expected a text of 1 to 200 characters, got a number: put it in quotes"),
        (None, "expected a text of 1 to 200 characters, got nothing: give a value"),
        (["Acme"], "expected a text of 1 to 200 characters, got a list"),
    ],
    ids=["empty", "blank", "long", "number", "null", "list"],
)
def test_a_wrong_word_of_a_dataset_is_named_and_never_repeated(word, value, came):
    assert refusal(dataset=WORDS | {word: value}) == f"s.yaml: field 'dataset.{word}': {came}"


def test_a_sweep_without_a_dataset_is_refused():
    with pytest.raises(InvalidConfig) as caught:
        SweepConfig.parse({"name": "s", "envs": ["X"]}, source="s.yaml")
    assert str(caught.value) == (
        "s.yaml: field 'dataset' is missing: add the key of a registered dataset, or a mapping of client_id, project, "
        "data_source, domain"
    )


@pytest.mark.parametrize(
    "changes",
    [{"dataset": ["Acme Corp"]}, {"foo": 1}, {"fixed": {"num_minibatches": 3}}, {"envs": []}, {"name": "a b"}],
)
def test_no_refusal_repeats_a_clients_name(changes):
    assert "Acme" not in refusal(**changes)


def test_the_repr_of_a_declaration_holds_no_name():
    assert "Acme" not in repr(sweep())


@pytest.mark.parametrize("name", ["a|b", "a,b", "a...b", "a b", "", "x" * 200, "naïve"])
def test_a_name_that_is_no_partition_key_is_refused_with_file_and_field(name):
    with pytest.raises(InvalidPartitionKey, match=r"^s\.yaml: field 'name': sweep key"):
        sweep(name=name)


def test_three_envs_and_two_learning_rates_are_exactly_six_cells():
    plan = plan_sweep(
        sweep(envs=["CartPole-v1", "Acrobot-v1", "MountainCar-v0"], grid={"learning_rate": [1e-3, 3e-4]}), dataset=KEY
    )
    assert len(set(itertools.product(plan.envs, plan.recipes))) == 6
    assert list(plan.envs) == ["CartPole-v1", "Acrobot-v1", "MountainCar-v0"]
    assert [recipe.algorithm.learning_rate for recipe in plan.recipes.values()] == [1e-3, 3e-4]
    assert plan.num_members == 6 * 5


def test_the_grid_is_a_product_in_alphabetical_order():
    recipes = expand_recipes(sweep(grid={"update_epochs": [1, 2], "discount": [0.9, 0.99]}), dataset=KEY, source="s")
    assert [(recipe.algorithm.discount, recipe.algorithm.update_epochs) for recipe in recipes] == [
        (0.9, 1),
        (0.9, 2),
        (0.99, 1),
        (0.99, 2),
    ]


def test_one_recipe_has_one_key_whichever_sweep_asks_for_it():
    alone = recipe_keys(name="alone", fixed={"learning_rate": 1e-3, "discount": 0.9})
    many = recipe_keys(name="many", grid={"learning_rate": [1e-2, 0.001], "discount": [0.5, 0.9]}, seeds=[7, 9])
    top = recipe_keys(fixed={"discount": 0.9, "learning_rate": 1e-3, "total_timesteps": 200_000}, envs=["X", "Y"])
    assert len(alone) == 1
    assert alone[0] in many
    assert alone == top


def test_the_same_value_written_in_three_places_gives_one_key():
    assert (
        recipe_keys(network={"hidden_sizes": [32]}, total_timesteps=5000)
        == recipe_keys(fixed={"hidden_sizes": [32], "total_timesteps": 5000})
        == recipe_keys(grid={"hidden_sizes": [[32]], "total_timesteps": [5000]})
    )


def test_recipes_for_two_datasets_have_two_keys():
    assert set(plan_sweep(sweep(), dataset=KEY).recipes).isdisjoint(
        plan_sweep(sweep(), dataset="c-0123456789.d2").recipes
    )


def test_neither_order_nor_spelling_in_the_file_changes_a_plan():
    first = "name: s\nenvs: [CartPole-v1]\ngrid: {learning_rate: [3e-4], discount: [0.9]}\ndataset: c-0.d1\n"
    second = (
        "dataset: c-0.d1\ngrid:\n  discount: [9.0e-1]\n  learning_rate: [0.0003]\nenvs:\n- {id: CartPole-v1}\nname: s"
    )
    plans = [
        plan_sweep(SweepConfig.parse(parse_yaml(text, source="t"), source="t"), dataset=KEY) for text in (first, second)
    ]
    assert plans[0] == plans[1]
    assert config_hash(plans[0]) == config_hash(plans[1])


@pytest.mark.parametrize(("seeds", "expected"), [(3, (0, 1, 2)), (1, (0,)), ([7, 5], (7, 5)), ([0], (0,))])
def test_seeds_are_a_count_or_a_list(seeds, expected):
    assert sweep(seeds=seeds).seed_list == expected


@given(
    rates=st.lists(st.floats(1e-9, 1), min_size=1, max_size=3, unique=True),
    options=st.dictionaries(st.sampled_from("abc"), OPTIONS),
    floor=st.none() | st.floats(-1e9, 1e9) | st.dictionaries(st.text(), st.floats(-1e9, 1e9), min_size=1),
    seeds=st.integers(1, 100) | st.lists(st.integers(0, 2**31 - 1), min_size=1, max_size=5, unique=True),
)  # fmt: skip
def test_a_plan_survives_json(rates, options, floor, seeds):
    plan = plan_sweep(
        sweep(
            envs=["X", {"id": "Y", "options": options}],
            grid={"learning_rate": rates},
            gates={"floor": floor},
            seeds=seeds,
        ),
        dataset=KEY,
    )
    again = SweepPlan.model_validate_json(plan.model_dump_json())
    assert again == plan
    assert config_hash(again) == config_hash(plan)
    assert [type(value) for value in again.envs[list(plan.envs)[1]].options.values()] == [
        type(value) for value in options.values()
    ]


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"grid": {"hidden_sizes": [[8], [16]], "total_timesteps": [1000, 2000]}},
        {"network": {"hidden_sizes": [8]}, "total_timesteps": 1000, "seeds": [3]},
        {"gates": {"floor": {"CartPole-v1": 1}}, "dataset": KEY},
    ],
)
def test_a_sweep_that_was_written_out_in_full_reads_back_equal(changes):
    config = sweep(**changes)
    assert SweepConfig.parse(config.model_dump(mode="json"), source="again") == config
