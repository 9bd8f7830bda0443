import pytest

from rl_assets.config.network import NetworkConfig
from rl_assets.errors import InvalidConfig


def test_a_list_of_widths_becomes_a_tuple():
    assert NetworkConfig.parse({"hidden_sizes": [32, 16]}, source="t").hidden_sizes == (32, 16)


@pytest.mark.parametrize(
    ("hidden_sizes", "message"),
    [
        (
            [],
            r"'hidden_sizes': expected a list of 1 to 8 items, each a .*, got \[\]: try \[64, 64\]$",
        ),
        ([1] * 9, r"'hidden_sizes': expected a list of 1 to 8 items"),
        (64, r"got 64: write a list"),
        ([64, 0], r"^t: field 'hidden_sizes\.1': expected a whole number from 1 to 4096, got 0: try 64$"),
        ([4097], r"'hidden_sizes\.0': expected a whole number from 1 to 4096, got 4097: try 64$"),
        (["64"], r"'hidden_sizes\.0': .*got '64': remove the quotes$"),
        ([64.0], r"got 64\.0: write 64$"),
        ([True], r"got true$"),
        ("64x64", r"got '64x64': write a list"),
    ],
)
def test_wrong_widths_are_refused_in_plain_words(hidden_sizes, message):
    with pytest.raises(InvalidConfig, match=message):
        NetworkConfig.parse({"hidden_sizes": hidden_sizes}, source="t")


def test_an_activation_that_does_not_exist_is_refused_with_those_that_do():
    with pytest.raises(InvalidConfig, match=r"^t: field 'activation': expected 'tanh' or 'relu', got 'gelu'$"):
        NetworkConfig.parse({"activation": "gelu"}, source="t")
