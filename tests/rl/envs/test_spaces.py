import math

import pytest

from rl_assets.rl.envs.spaces import BoxActions, DiscreteActions, EnvSpaces, actions_from_json, actions_to_json


@pytest.mark.parametrize(
    "actions", [DiscreteActions(n=3), BoxActions(low=(-1.0, -math.inf), high=(0.5, math.inf))], ids=lambda a: a.label
)
def test_action_spaces_survive_json(actions):
    assert actions_from_json(actions_to_json(actions)) == actions


def test_spaces_survive_json():
    spaces = EnvSpaces(
        observation_shape=(4,),
        observation_dtype="float32",
        actions=DiscreteActions(n=2),
        num_players=1,
        reward_threshold=None,
        max_episode_steps=500,
    )
    assert EnvSpaces.from_json(spaces.to_json()) == spaces
