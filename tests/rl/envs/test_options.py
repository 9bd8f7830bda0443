import pytest

from rl_assets.config.environment import EnvConfig
from rl_assets.errors import UnsupportedEnvironment
from rl_assets.rl.envs.options import MANAGED_OPTIONS, check_options

DEFAULTS = {
    "max_episode_steps": 500,
    "frame_skip": 5,
    "noise": 0.1,
    "is_hard": False,
    "reward_type": "dense",
    "start": (1, 1),
    "num_threads": 0,
    "task": "pong",
}


def check(**options):
    return check_options(EnvConfig(id="Ant-v4", options=options), defaults=DEFAULTS)


def test_right_options_pass_and_whole_numbers_become_floats_where_floats_are_wanted():
    checked = check(frame_skip=2, noise=1, is_hard=True, reward_type="dense")
    assert checked == {"frame_skip": 2, "noise": 1.0, "is_hard": True, "reward_type": "dense"}
    assert isinstance(checked["noise"], float)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"frame_skipp": 2}, "has no option 'frame_skipp': expected one of frame_skip, is_hard"),
        ({"frame_skip": 2.0}, "option 'frame_skip' is 2.0: expected a whole number"),
        ({"frame_skip": True}, "option 'frame_skip' is True: expected a whole number"),
        ({"frame_skip": 0}, "option 'frame_skip' is 0: expected a whole number >= 1"),
        ({"max_episode_steps": -5}, "option 'max_episode_steps' is -5: expected a whole number >= 1"),
        ({"max_episode_steps": 2**40}, "expected a whole number of 32 bits"),
        ({"noise": "much"}, "option 'noise' is 'much': expected a finite number"),
        ({"is_hard": 1}, "option 'is_hard' is 1: expected true or false"),
        ({"reward_type": 3}, "option 'reward_type' is 3: expected a plain name"),
        ({"reward_type": "../secret"}, "expected a plain name without a path"),
        ({"start": "1"}, "option 'start' takes a tuple: this version sets"),
    ],
)
def test_wrong_options_are_refused_by_name(options, words):
    with pytest.raises(UnsupportedEnvironment, match=f"env 'Ant-v4'.*{words}"):
        check(**options)


@pytest.mark.parametrize("name", sorted(MANAGED_OPTIONS))
def test_options_that_something_else_decides_are_refused(name):
    with pytest.raises(UnsupportedEnvironment, match=f"option '{name}' cannot be set: .*; remove it"):
        check(**{name: 1})
