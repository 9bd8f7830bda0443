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
        (
            {"metrics": {"length": {}}},
            r"neither floor nor ceiling is given: give at least one, or leave the metric out",
        ),
        ({"metrics": {"length": {"floor": math.nan}}}, r"'metrics\.length\.floor': expected a finite number, got nan"),
        ({"stability": {}}, r"'stability\.least_return'"),
        ({"stability": {"least_return": 1, "max_share": 0}}, r"'stability\.max_share': expected a number above 0"),
        ({"non_inferiority": {"margin": 0}}, r"expected a number above 0, got 0: state how much worse is acceptable"),
        ({"non_inferiority": {"margin": {"A": -1}}}, r"expected a number above 0, got -1"),
        ({"non_inferiority": {"margin": 1, "cost": "time"}}, r"expected 'env_steps' or 'num_parameters', got 'time'"),
        ({"promote_to": "prod"}, r"^t: field 'promote_to': expected 'production' or 'staging', got 'prod'$"),
        ({"beats_champion": "no"}, r"expected true or false, got 'no'$"),
        ({"floors": 1}, r"^t: unknown field 'floors': did you mean 'floor'\? expected one of beats_champion, "),
    ],
)
def test_wrong_gates_are_refused_in_plain_words(gates, message):
    with pytest.raises(InvalidConfig, match=message):
        GatesConfig.parse(gates, source="t")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"metrics": "action_change"}, r"'metrics'.*got 'action_change'"),
        ({"metrics": ["calm", "calm"]}, r"^t: metrics names 'calm' twice: name each once$"),
        ({"metrics": ["Of Course"]}, r"'metrics\.0'.*got 'Of Course'"),
        ({"metrics": ["m" * 64]}, r"'metrics\.0'"),
        ({"videos": "yes"}, r"'videos': expected true or false, got 'yes'"),
        ({"both_modes": 1}, r"'both_modes': expected true or false, got 1"),
    ],
)
def test_a_wrong_evaluation_is_refused_in_plain_words(changes, message):
    with pytest.raises(InvalidConfig, match=message):
        EvaluationConfig.parse(changes, source="t")


def test_whether_episodes_are_filmed_is_no_part_of_what_is_played():
    plain = EvaluationConfig()
    assert plain.of_episodes == EvaluationConfig(videos=True).of_episodes
    for changes in ({"both_modes": True}, {"metrics": ("calm",)}, {"deterministic": False}, {"num_episodes": 3}):
        assert plain.of_episodes != EvaluationConfig(**changes).of_episodes
    assert set(plain.of_episodes) == set(EvaluationConfig.model_fields) - {"videos"}


@pytest.mark.parametrize("num_episodes", [0, -1, 100_001, 1.0, True])
def test_a_wrong_number_of_episodes_is_refused(num_episodes):
    with pytest.raises(InvalidConfig, match=r"'num_episodes': expected a whole number from 1 to 100,000, got"):
        EvaluationConfig.parse({"num_episodes": num_episodes}, source="t")


@pytest.mark.parametrize(
    ("floor", "expected"), [(None, None), (5, 5.0), (-1.5, -1.5), ({"A": 3}, 3.0), ({"B": 3}, None)]
)
def test_a_floor_holds_for_all_or_for_the_env_it_names(floor, expected):
    assert GatesConfig.parse({"floor": floor}, source="t").floor_of("A") == expected


def test_every_number_by_environment_gets_its_exact_key():
    gates = GatesConfig.parse(
        {
            "floor": {"cartpole": 1},
            "metrics": {"length": {"ceiling": {"cartpole": 2}}, "cvar10": {"floor": 3}},
            "stability": {"least_return": {"cartpole": 4}},
            "non_inferiority": {"margin": {"cartpole": 5}},
        },
        source="t",
    ).with_env_keys({"cartpole": "CartPole-v1"})
    assert gates.model_dump(include={"floor", "metrics", "stability", "non_inferiority"}) == {
        "floor": {"CartPole-v1": 1.0},
        "metrics": {
            "length": {"floor": None, "ceiling": {"CartPole-v1": 2.0}},
            "cvar10": {"floor": 3.0, "ceiling": None},
        },
        "stability": {"least_return": {"CartPole-v1": 4.0}, "max_share": 0.05},
        "non_inferiority": {"margin": {"CartPole-v1": 5.0}, "cost": "env_steps", "min_saving": 0.2},
    }


@pytest.mark.parametrize(
    ("gates", "field"),
    [
        ({"floor": {"X": 1}}, "floor"),
        ({"metrics": {"length": {"floor": {"X": 1}}}}, "metrics.length.floor"),
        ({"stability": {"least_return": {"X": 1}}}, "stability.least_return"),
        ({"non_inferiority": {"margin": {"X": 1}}}, "non_inferiority.margin"),
    ],
)
def test_a_number_for_another_environment_is_found_with_its_field(gates, field):
    with pytest.raises(KeyError) as caught:
        GatesConfig.parse(gates, source="t").with_env_keys({"A": "A"})
    assert caught.value.args == (field, "X")
