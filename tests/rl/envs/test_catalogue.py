import subprocess
import sys

import pytest

from rl_assets.config.environment import EnvConfig
from rl_assets.errors import UnknownEnvironment, UnsupportedEnvironment
from rl_assets.rl.envs.catalogue import describe_env, resolve_env_id
from rl_assets.rl.envs.spaces import BoxActions, DiscreteActions


@pytest.mark.parametrize(
    ("name", "env_id"),
    [
        ("CartPole-v1", "CartPole-v1"),
        ("CartPole-v0", "CartPole-v0"),
        ("cartpole", "CartPole-v1"),
        ("cartpole-v0", "CartPole-v0"),
        ("pong", "Pong-v5"),
        ("lunar_lander", "LunarLander-v3"),
        ("Mountain Car Continuous", "MountainCarContinuous-v0"),
        ("connect4", "ConnectFour-v1"),
        ("ocean-connect4", "ConnectFour-v1"),
        ("ocean-snake", "Snake-v1"),
        ("highway-v0", "highway-v0"),
        ("MetaWorld/Assembly-v3", "MetaWorld/Assembly-v3"),
    ],
)
def test_names_resolve_to_exact_ids(name, env_id):
    assert resolve_env_id(name) == env_id


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("CartPoole-v1", "CartPole-v1"),
        ("CartPole-v9", "CartPole-v1"),
        ("acrobat", "Acrobot-v1"),
        ("zzzzz", "list_all_envs"),
    ],
)
def test_unknown_names_are_refused_with_the_nearest(name, hint):
    with pytest.raises(UnknownEnvironment, match=f"env '{name}' is not known.*{hint}"):
        resolve_env_id(name)


def test_a_short_name_is_no_environment_to_describe():
    with pytest.raises(UnknownEnvironment, match="'cartpole' is not an exact id: write 'CartPole-v1'"):
        describe_env(EnvConfig(id="cartpole"))


def test_discrete_environments_are_described():
    spaces = describe_env(EnvConfig(id="CartPole-v1"))
    assert spaces.observation_shape == (4,)
    assert spaces.actions == DiscreteActions(n=2)
    assert (spaces.num_players, spaces.reward_threshold, spaces.max_episode_steps) == (1, 475.0, 500)


def test_continuous_environments_are_described():
    spaces = describe_env(EnvConfig(id="Pendulum-v1"))
    assert spaces.actions == BoxActions(low=(-2.0,), high=(2.0,))
    assert spaces.reward_threshold is None


def test_gymnasiums_threshold_goes_before_envpools():
    assert describe_env(EnvConfig(id="Hopper-v4")).reward_threshold == 3800.0


@pytest.mark.parametrize(
    "env_id",
    ["Acrobot-v1", "MountainCar-v0", "MountainCarContinuous-v0", "LunarLander-v3", "HalfCheetah-v4", "Ant-v4"],
)
def test_flat_environments_are_supported(env_id):
    assert len(describe_env(EnvConfig(id=env_id)).observation_shape) == 1


@pytest.mark.parametrize(
    ("env_id", "reason"),
    [
        ("ConnectFour-v1", "a game for 2 players"),
        ("TicTacToe-v1", "a game for 2 players"),
        ("Chess-v1", "a game for 2 players"),
        ("VizdoomCustom-v1", "cannot be loaded on this machine"),
    ],
)
def test_what_cannot_be_trained_in_is_refused_with_its_reason(env_id, reason):
    with pytest.raises(UnsupportedEnvironment, match=f"env '{env_id}' .*{reason}"):
        describe_env(EnvConfig(id=env_id))


def test_options_change_what_is_described():
    env = EnvConfig(id="Ant-v4", options={"exclude_current_positions_from_observation": False})
    spaces = describe_env(env)
    assert spaces.observation_shape == (29,)
    assert spaces.reward_threshold is None, "a threshold is published for the task without options only"


def test_describing_needs_no_torch():
    program = (
        "import sys; from rl_assets.config.environment import EnvConfig; "
        "from rl_assets.rl.envs.catalogue import describe_env; describe_env(EnvConfig(id='CartPole-v1')); "
        "sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
