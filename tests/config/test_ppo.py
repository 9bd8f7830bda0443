import math

import pytest
from pydantic import ValidationError

from rl_assets.config.ppo import PPOConfig
from rl_assets.errors import InvalidConfig

BOUNDED = {name: field for name, field in PPOConfig.model_fields.items() if field.metadata}


def test_the_defaults_are_valid():
    assert PPOConfig().batch_size == PPOConfig().num_envs * PPOConfig().num_steps


@pytest.mark.parametrize("name", sorted(BOUNDED))
@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, -1, 1e30, True, "1", [1]], ids=repr)
def test_no_number_may_be_negative_endless_or_of_another_type(name, value):
    with pytest.raises(InvalidConfig, match=rf"^t: field '{name}': expected a (whole |finite )?number .*, got"):
        PPOConfig.parse({name: value}, source="t")


@pytest.mark.parametrize("name", [name for name, field in PPOConfig.model_fields.items() if field.annotation is bool])
@pytest.mark.parametrize("value", [0, 1, "true", None])
def test_a_switch_takes_true_and_false_alone(name, value):
    with pytest.raises(InvalidConfig, match=rf"^t: field '{name}': expected true or false, got"):
        PPOConfig.parse({name: value}, source="t")


def test_every_number_has_a_bound_on_both_sides():
    open_ended = [
        name
        for name, field in BOUNDED.items()
        if not any(hasattr(bound, "le") or hasattr(bound, "lt") for bound in field.metadata)
        or not any(hasattr(bound, "ge") or hasattr(bound, "gt") for bound in field.metadata)
    ]
    assert open_ended == []
    assert {field.annotation for name, field in PPOConfig.model_fields.items() if name not in BOUNDED} <= {
        bool,
        PPOConfig.model_fields["name"].annotation,
    }


def test_every_field_says_what_it_means():
    assert [name for name, field in PPOConfig.model_fields.items() if not field.description] == []


@pytest.mark.parametrize(("num_envs", "num_steps", "num_minibatches"), [(8, 128, 3), (1, 1, 2), (5, 7, 4)])
def test_minibatches_that_do_not_divide_are_refused_with_the_sum(num_envs, num_steps, num_minibatches):
    with pytest.raises(
        ValidationError, match=rf"num_minibatches {num_minibatches} does not divide .* = {num_envs * num_steps}"
    ):
        PPOConfig(num_envs=num_envs, num_steps=num_steps, num_minibatches=num_minibatches)


def test_a_configuration_cannot_be_changed():
    with pytest.raises(ValidationError, match="frozen"):
        PPOConfig().learning_rate = 0.1  # pyright: ignore[reportAttributeAccessIssue]
