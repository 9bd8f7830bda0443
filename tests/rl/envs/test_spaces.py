import json
import math

import numpy as np
import pytest

from rl_assets.config.environment import EnvConfig
from rl_assets.errors import UnsupportedEnvironment
from rl_assets.rl.envs.catalogue import describe_env
from rl_assets.rl.envs.spaces import (
    BoxActions,
    DiscreteActions,
    EnvSpaces,
    MultiDiscreteActions,
    ObservationPart,
    actions_from_json,
    actions_to_json,
    decode_actions,
    encode_actions,
    flatten_observations,
)


def describe(env_id):
    return describe_env(EnvConfig(id=env_id))


@pytest.mark.parametrize(
    "actions",
    [
        DiscreteActions(n=3),
        MultiDiscreteActions(ns=(2, 5)),
        BoxActions(low=(-1.0, -math.inf), high=(0.5, math.inf)),
    ],
    ids=lambda a: a.label,
)
def test_action_spaces_survive_json(actions):
    assert actions_from_json(json.loads(json.dumps(actions_to_json(actions)))) == actions


@pytest.mark.parametrize("env_id", ["CartPole-v1", "Pong-v5", "Tetris-v0", "Play2048-v1", "HopperHop-v1", "Taxi-v3"])
def test_spaces_survive_json(env_id):
    spaces = describe(env_id)
    assert EnvSpaces.from_json(json.loads(json.dumps(spaces.to_json()))) == spaces


@pytest.mark.parametrize(
    ("env_id", "observation_shape", "actions"),
    [
        ("CartPole-v1", (4,), DiscreteActions(n=2)),
        ("FrozenLake-v1", (16,), DiscreteActions(n=4)),  # a label, one-hot
        ("HopperHop-v1", (15,), BoxActions(low=(-1.0,) * 4, high=(1.0,) * 4)),  # three arrays side by side
        ("Pong-v5", (4, 84, 84), DiscreteActions(n=6)),
        ("CarRacing-v3", (96, 96, 3), BoxActions(low=(-1.0, 0.0, 0.0), high=(1.0, 1.0, 1.0))),
        ("Connector-v2", (151,), MultiDiscreteActions(ns=(5,) * 10)),
        ("Tetris-v0", (516,), DiscreteActions(n=40)),  # rotation and column, allowed together or not at all
        ("SearchAndRescue-v0", (1174,), BoxActions(low=(-1.0,) * 4, high=(1.0,) * 4)),  # a table of floats
        ("MiniGrid-Empty-5x5-v0", (247,), DiscreteActions(n=7)),  # a label, a small picture, a text
    ],
)
def test_what_a_policy_sees_and_does(env_id, observation_shape, actions):
    spaces = describe(env_id)
    assert spaces.observation_shape == observation_shape
    assert spaces.actions == actions
    assert spaces.observation_dtype == ("uint8" if len(observation_shape) == 3 else "float32")


@pytest.mark.parametrize("env_id", ["Tetris-v0", "Maze-v0", "Connector-v2", "Play2048-v1", "FlatPack-v0"])
def test_masks_are_found_and_are_no_observation(env_id):
    spaces = describe(env_id)
    assert spaces.mask is not None
    assert all(part.path[-1:] != ("action_mask",) for part in spaces.parts)


def test_several_players_are_refused():
    with pytest.raises(UnsupportedEnvironment, match="2 players"):
        describe("ConnectFour-v1")


def test_parts_become_one_flat_vector_in_order():
    parts = (
        ObservationPart(path=("speed",), shape=(2,), options=0, scale=1.0),
        ObservationPart(path=("place", "room"), shape=(), options=3, scale=1.0),
        ObservationPart(path=("picture",), shape=(1, 2), options=0, scale=1 / 255),
    )
    observations = {
        "picture": np.array([[[0, 255]], [[51, 102]]], np.uint8),
        "place": {"room": np.array([2, 0])},
        "speed": np.array([[0.5, -1.0], [3.0, 4.0]]),
    }
    flat = flatten_observations(parts, observations)
    assert flat.dtype == np.float32
    np.testing.assert_allclose(flat, [[0.5, -1, 0, 0, 1, 0, 1], [3, 4, 1, 0, 0, 0.2, 0.4]], rtol=1e-6)


@pytest.mark.parametrize("env_id", ["CartPole-v1", "Parking-v0", "Maze-v0", "Connector-v2", "Tetris-v0", "Pendulum-v1"])
def test_actions_that_an_environment_was_told_are_read_back_as_they_were_chosen(env_id):
    spaces = describe_env(EnvConfig(id=env_id))
    rng = np.random.default_rng(0)
    if isinstance(spaces.actions, BoxActions):
        chosen = rng.uniform(spaces.actions.low, spaces.actions.high, (50, spaces.actions.size)).astype(np.float32)
    else:
        ns = (spaces.actions.n,) if isinstance(spaces.actions, DiscreteActions) else spaces.actions.ns
        chosen = rng.integers(ns, size=(50, len(ns)))
    told = encode_actions(spaces, chosen[:, 0] if isinstance(spaces.actions, DiscreteActions) else chosen)
    assert told.shape == (50, *spaces.encoding.shape)
    assert decode_actions(spaces, told).tolist() == chosen.tolist()
