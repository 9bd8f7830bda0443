import math

import pytest

from rl_assets.config.evaluation import EvaluationConfig, GatesConfig
from rl_assets.errors import InvalidConfig


@pytest.mark.parametrize(
    ("gates", "message"),
    [
        ({"floor": math.nan}, r"^t: field 'floor': expected a finite number, got nan$"),
        ({"floor": {"CartPole-v1": math.nan}}, r"^t: field 'floor\.CartPole-v1': expected a finite number, got nan$"),
        ({"floor": -math.inf}, r"^t: field 'floor': expected a finite number, got -inf$"),
        ({"floor": "high"}, r"^t: field 'floor': expected a number, or a mapping of env to number, got 'high'$"),
        ({"floor": True}, r"got true$"),
        ({"floor": [1]}, r"got \[1\]$"),
        ({"floor": {}}, r"^t: floor names no env: give a number, a mapping of env to number, or leave it out$"),
        ({"floor": {"X": "1"}}, r"^t: field 'floor\.X': expected a number, got '1': remove the quotes$"),
        (
            {"confidence": 0.5},
            r"^t: field 'confidence': expected a number above 0\.5 and below 1, got 0\.5: try 0\.95$",
        ),
        ({"confidence": 1}, r"got 1: try 0\.95$"),
        ({"num_episodes": 1}, r"expected a whole number from 2 to 100,000, got 1: try 100$"),
        ({"promote_to": "prod"}, r"^t: field 'promote_to': expected 'production' or 'staging', got 'prod'$"),
        ({"beats_champion": "no"}, r"expected true or false, got 'no'$"),
        ({"floors": 1}, r"^t: unknown field 'floors': did you mean 'floor'\? expected one of beats_champion, "),
    ],
)
def test_wrong_gates_are_refused_in_plain_words(gates, message):
    with pytest.raises(InvalidConfig, match=message):
        GatesConfig.parse(gates, source="t")


@pytest.mark.parametrize("num_episodes", [0, -1, 100_001, 1.0, True])
def test_a_wrong_number_of_episodes_is_refused(num_episodes):
    with pytest.raises(InvalidConfig, match=r"'num_episodes': expected a whole number from 1 to 100,000, got"):
        EvaluationConfig.parse({"num_episodes": num_episodes}, source="t")


@pytest.mark.parametrize(
    ("floor", "expected"), [(None, None), (5, 5.0), (-1.5, -1.5), ({"A": 3}, 3.0), ({"B": 3}, None)]
)
def test_a_floor_holds_for_all_or_for_the_env_it_names(floor, expected):
    assert GatesConfig.parse({"floor": floor}, source="t").floor_of("A") == expected
