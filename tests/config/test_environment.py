import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rl_assets.config.environment import EnvConfig, env_key
from rl_assets.config.keys import check_key
from rl_assets.errors import InvalidConfig

VALUES = (
    st.booleans()
    | st.integers(-(2**40), 2**40)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=200)
)
ENVS = st.builds(
    EnvConfig,
    id=st.sampled_from(["CartPole-v1", "Pong-v5", "Å|,...", "x" * 200]) | st.text(min_size=1, max_size=200),
    options=st.dictionaries(st.sampled_from(["a", "b", "frame_skip", "a=1-b", "ü"]), VALUES, max_size=4),
)


def meaning(env: EnvConfig):
    """The task itself: whole numbers of either type are one value, truth values and texts are another."""
    return env.id, {name: (type(value) in {bool, str}, value) for name, value in env.options.items()}


def test_an_environment_without_options_is_named_by_its_id():
    assert env_key(EnvConfig(id="CartPole-v1")) == "CartPole-v1"


def test_options_are_named_in_alphabetical_order():
    env = EnvConfig(id="Pong-v5", options={"stack_num": 4, "frame_skip": 2, "noop_max": 1.5, "episodic_life": True})
    assert env_key(env) == "Pong-v5-episodic_life=true-frame_skip=2-noop_max=1.5-stack_num=4"


def test_the_order_of_options_never_changes_a_key():
    options = {"frame_skip": 2, "mode": "human", "title": "odd | text", "gravity": -9.81}
    keys = {env_key(EnvConfig(id="X-v1", options=dict(order))) for order in itertools.permutations(options.items())}
    assert len(keys) == 1


@given(env=ENVS)
def test_every_environment_has_a_valid_key(env: EnvConfig):
    assert check_key(env_key(env), kind="env") == env_key(env)


@given(first=ENVS, second=ENVS)
def test_two_tasks_never_share_a_key(first: EnvConfig, second: EnvConfig):
    assert (env_key(first) == env_key(second)) == (meaning(first) == meaning(second))


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ({"a": True}, {"a": "true"}),
        ({"a": 1}, {"a": "1"}),
        ({"a": "1-b=2"}, {"a": 1, "b": 2}),
        ({"a": "x y"}, {"a": "x_y"}),
        ({"a": "x" * 200}, {"a": "x" * 199}),
        ({"a": "x" * 200}, {"a": "x" * 199 + "y"}),
    ],
)
def test_options_that_look_alike_give_two_keys(first, second):
    assert env_key(EnvConfig(id="X-v1", options=first)) != env_key(EnvConfig(id="X-v1", options=second))


@pytest.mark.parametrize("rest", [{}, {"title": "a text with blanks"}])
def test_a_whole_number_is_one_value_whatever_its_type(rest):
    assert env_key(EnvConfig(id="X-v1", options={"a": 2, **rest})) == env_key(
        EnvConfig(id="X-v1", options={"a": 2.0, **rest})
    )


def test_a_key_that_had_to_be_cut_stays_readable_and_ends_in_a_hash():
    key = env_key(EnvConfig(id="Pong-v5", options={"rom": "../a b,c|d" * 20}))
    assert key.startswith("Pong-v5-rom=")
    assert len(key) <= 100
    assert "..." not in key


@pytest.mark.parametrize(
    ("value", "came"),
    [(None, "nothing"), ([1], r"\[1\]"), (float("nan"), "nan"), (float("inf"), "inf"), ({"a": 1}, r"\{'a': 1\}")],
)
def test_an_option_that_is_no_plain_value_is_refused(value, came):
    with pytest.raises(InvalidConfig, match=rf"^t: field 'options\.a': expected .* number.*, got {came}"):
        EnvConfig.parse({"id": "X", "options": {"a": value}}, source="t")


def test_types_of_options_are_kept():
    options = {"a": True, "b": 1, "c": 1.0, "d": "1"}
    kept = EnvConfig.model_validate_json(EnvConfig(id="X", options=options).model_dump_json()).options
    assert [(name, type(value)) for name, value in kept.items()] == [
        (name, type(value)) for name, value in options.items()
    ]
