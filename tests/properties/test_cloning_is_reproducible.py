"""What must hold of every training, held of those that learn from a dataset: bytes depend on nobody else."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rl_assets.config.environment import EnvConfig
from rl_assets.rl.envs.catalogue import describe_env
from rl_assets.rl.outcomes import TrainedMember
from rl_assets.rl.population import train_population
from rl_assets.store.checkpoints import decode_checkpoint, encode_checkpoint
from tests.rl.demonstrators import cloning_member, made_up

ENVS = ["CartPole-v1", "HalfCheetah-v4", "Parking-v0", "Maze-v0", "Connector-v2"]
"""One choice, several choices and floats; environments with masks too, which datasets do not hold."""

SETTINGS = {
    "learning_rate": 2e-2,
    "anneal_learning_rate": False,
    "batch_size": 6,
    "steps_per_update": 3,
    "validation_share": 0.5,
    "discount": 0.5,
    "value_coefficient": 2.0,
    "max_grad_norm": 0.01,
    "normalize_observations": True,
    "normalize_rewards": False,
    "squash_actions": True,
    "adam_epsilon": 1e-2,
}


@st.composite
def populations(draw):
    """Members that may train together: one shape, and all else as it comes."""
    batch, steps = draw(st.sampled_from([1, 7, 33])), draw(st.integers(1, 3))
    shape = {
        "batch_size": batch,
        "steps_per_update": steps,
        "total_timesteps": 5 * batch * steps,
        "segment_steps": 2 * batch * steps,
        "validation_share": draw(st.sampled_from([0.0, 0.2, 0.5])),
        "normalize_observations": draw(st.booleans()),
        "normalize_rewards": draw(st.booleans()),
        "squash_actions": draw(st.booleans()),
        "hidden_sizes": draw(st.lists(st.sampled_from([1, 5, 16, 33]), min_size=1, max_size=3).map(tuple)),
        "activation": draw(st.sampled_from(["tanh", "relu"])),
    }
    return [
        cloning_member(
            seed,
            learning_rate=draw(st.floats(1e-5, 1e-2)),
            anneal_learning_rate=draw(st.booleans()),
            discount=draw(st.floats(0.8, 1.0)),
            value_coefficient=draw(st.floats(0.0, 1.0)),
            max_grad_norm=draw(st.floats(0.1, 10.0)),
            adam_epsilon=draw(st.sampled_from([1e-5, 1e-8])),
            **shape,
        )
        for seed in range(draw(st.integers(2, 6)))
    ]


def train(env_id, members, *, starts=None, on_segment=None):
    spaces = describe_env(EnvConfig(id=env_id))
    return train_population(
        env=EnvConfig(id=env_id),
        spaces=spaces,
        members=members,
        demonstrations=made_up(spaces),
        starts=starts,
        on_update=lambda report: None,
        on_segment=on_segment,
    )


def bytes_of(result):
    assert isinstance(result, TrainedMember), result
    parts = (result.tensors, result.optimizer_state, result.history)
    return [(name, array.tobytes()) for arrays in parts for name, array in sorted(arrays.items())]


@pytest.mark.parametrize("env_id", ENVS)
@settings(max_examples=6, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(members=populations(), data=st.data())
def test_a_member_equals_its_solo_run_whoever_learns_beside_it(env_id, members, data):
    together = train(env_id, members)
    index = data.draw(st.integers(0, len(members) - 1))
    (alone,) = train(env_id, [members[index]])
    assert bytes_of(together[index]) == bytes_of(alone)


@pytest.mark.parametrize("env_id", ENVS)
@settings(max_examples=4, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(members=populations(), segment=st.integers(0, 1))
def test_a_training_that_goes_on_from_a_checkpoint_ends_with_the_same_bytes(env_id, members, segment):
    segments = []
    whole = train(env_id, members, on_segment=lambda population: segments.append(population.checkpoints()))
    kept = [decode_checkpoint(encode_checkpoint(one), source="a checkpoint") for one in segments[segment].values()]
    rest = train(env_id, members, starts=kept)
    assert [bytes_of(result) for result in rest] == [bytes_of(result) for result in whole]


def test_members_that_see_images_equal_their_solo_runs_and_go_on_to_the_same_bytes():
    members = [cloning_member(seed, total_timesteps=48, segment_steps=16, image_features=16) for seed in range(3)]
    segments = []
    together = train("CarRacing-v3", members, on_segment=lambda population: segments.append(population.checkpoints()))
    (alone,) = train("CarRacing-v3", [members[1]])
    (rest,) = train("CarRacing-v3", [members[1]], starts=[segments[0][1]])
    assert bytes_of(together[1]) == bytes_of(alone) == bytes_of(rest)
    assert bytes_of(together[0]) != bytes_of(together[1])


@pytest.mark.parametrize("name", SETTINGS)
def test_every_hyper_parameter_changes_what_is_learned(name):
    (plain,) = train("Pendulum-v1", [cloning_member(total_timesteps=96)])
    (changed,) = train("Pendulum-v1", [cloning_member(total_timesteps=96, **{name: SETTINGS[name]})])
    assert bytes_of(plain) != bytes_of(changed)
    assert isinstance(plain, TrainedMember)
    assert isinstance(changed, TrainedMember)
    assert any(plain.tensors[key].tobytes() != changed.tensors[key].tobytes() for key in plain.tensors)
