import hashlib
import json
import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rl_assets.config.canonical import canonical_json, config_hash, short_number
from rl_assets.config.ppo import PPOConfig
from rl_assets.config.recipe import Recipe
from rl_assets.config.strict import StrictModel
from rl_assets.config.yaml import parse_yaml
from tests.config.recipe_strategies import recipes


class Settings(StrictModel):
    rate: float
    limit: float | None = None


class LaterSettings(StrictModel):
    extra: str | None = None
    rate: float
    limit: float | None = None
    nested: Settings | None = None


def shuffled(value, rng):
    if not isinstance(value, dict):
        return value
    items = [(key, shuffled(inner, rng)) for key, inner in value.items()]
    rng.shuffle(items)
    return dict(items)


def test_the_encoding_is_sorted_compact_utf8():
    assert canonical_json({"b": [1, 2.5, None], "a": {"z": True, "é": "ü"}}) == (
        '{"a":{"z":true,"é":"ü"},"b":[1,2.5,null]}'.encode()
    )


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_what_json_cannot_say_has_no_encoding(value):
    with pytest.raises(ValueError, match="not JSON compliant"):
        canonical_json({"a": [value]})


@given(recipe=recipes(), seed=st.integers(0, 1000))
def test_the_order_of_keys_never_changes_a_hash(recipe: Recipe, seed: int):
    again = Recipe.model_validate(shuffled(recipe.model_dump(), random.Random(seed)))
    assert config_hash(again) == config_hash(recipe)


@pytest.mark.parametrize(
    "spellings",
    [("3e-4", "0.0003", "3.0E-4", "0.3e-3", "+3e-04"), ("1", "1.0", "1e0", "10e-1"), ("0", "0.0", "-0.0", "0e5")],
)
def test_the_spelling_of_a_number_never_changes_a_hash(spellings):
    hashes = {config_hash(Settings.parse(parse_yaml(f"rate: {text}", source="t"), source="t")) for text in spellings}
    assert len(hashes) == 1


def test_an_optional_field_added_later_leaves_older_hashes_as_they_were():
    assert config_hash(LaterSettings(rate=0.5)) == config_hash(Settings(rate=0.5))
    assert config_hash(LaterSettings(rate=0.5, extra="x")) != config_hash(Settings(rate=0.5))


def test_an_optional_value_that_is_given_is_part_of_the_hash():
    assert config_hash(PPOConfig(target_kl=0.01)) != config_hash(PPOConfig())


def test_a_hash_is_the_sha256_of_the_typed_values_that_are_given():
    assert config_hash(Settings(rate=1)) == hashlib.sha256(b'{"rate":1.0}').hexdigest()


@given(value=st.integers() | st.floats(allow_nan=False, allow_infinity=False))
def test_a_short_number_reads_back_equal_and_holds_no_plus_sign(value):
    text = short_number(value)
    assert float(text) == float(value) if isinstance(value, float) else int(text) == value
    assert "+" not in text


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.0003, "0.0003"), (1e-5, "1e-05"), (64, "64"), (64.0, "64"), (-0.0, "0"), (1e22, "1e22")],
)
def test_numbers_are_written_shortly(value, text):
    assert short_number(value) == text


def test_a_short_number_is_no_json_of_another():
    assert json.loads(short_number(1e300)) == 1e300
