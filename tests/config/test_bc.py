import math

import pytest

from rl_assets.config.bc import BCConfig
from rl_assets.errors import InvalidConfig

BOUNDED = {name: field for name, field in BCConfig.model_fields.items() if field.metadata}


def test_an_update_is_a_number_of_whole_batches():
    assert BCConfig(batch_size=10, steps_per_update=3).samples_per_update == 30


@pytest.mark.parametrize("name", sorted(BOUNDED))
@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, -1, 1e30, True, "1", [1]], ids=repr)
def test_no_number_may_be_negative_endless_or_of_another_type(name, value):
    with pytest.raises(InvalidConfig, match=rf"^t: field '{name}': expected a (whole |finite )?number .*, got"):
        BCConfig.parse({name: value}, source="t")


@pytest.mark.parametrize("name", [name for name, field in BCConfig.model_fields.items() if field.annotation is bool])
@pytest.mark.parametrize("value", [0, 1, "true", None])
def test_a_switch_takes_true_and_false_alone(name, value):
    with pytest.raises(InvalidConfig, match=rf"^t: field '{name}': expected true or false, got"):
        BCConfig.parse({name: value}, source="t")
