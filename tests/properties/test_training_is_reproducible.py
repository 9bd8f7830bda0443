"""What must hold of every training: same seed, same bytes; a member of a population is its solo run."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rl_assets.config.environment import EnvConfig
from rl_assets.config.network import NetworkConfig
from rl_assets.config.ppo import PPOConfig
from rl_assets.config.recipe import Recipe, hparam_key
from rl_assets.rl.backend import BACKEND_VARIABLE
from rl_assets.rl.envs.catalogue import describe_env
from rl_assets.rl.outcomes import TrainedMember
from rl_assets.rl.plan import Member
from rl_assets.rl.population import train_population
from rl_assets.store.checkpoints import decode_checkpoint, encode_checkpoint

ENVS = [
    "CartPole-v1",
    "Acrobot-v1",
    "Pendulum-v1",
    "MountainCarContinuous-v0",
    "LunarLander-v3",
    "HalfCheetah-v4",
    "FrozenLake-v1",
    "Parking-v0",
    "Maze-v0",
    "Tetris-v0",
    "Connector-v2",
]
"""Vectors, labels and mappings of arrays; one choice, several choices and floats; with and without masks."""

CASES = [(env_id, "fused") for env_id in ENVS] + [
    (env_id, "torch") for env_id in ("CartPole-v1", "HalfCheetah-v4", "Connector-v2")
]


@st.composite
def populations(draw):
    """Members that may train together: one shape, and all else as it comes."""
    num_envs, num_steps = draw(st.sampled_from([1, 3, 8, 32])), draw(st.sampled_from([4, 7, 16]))
    batch = num_envs * num_steps
    shape = {
        "num_envs": num_envs,
        "num_steps": num_steps,
        "num_minibatches": draw(st.sampled_from([d for d in (1, 2, 3, 4) if batch % d == 0])),
        "update_epochs": draw(st.integers(1, 2)),
        "clip_value_loss": draw(st.booleans()),
        "normalize_advantages": draw(st.booleans()),
        "normalize_observations": draw(st.booleans()),
        "normalize_rewards": draw(st.booleans()),
        "squash_actions": draw(st.booleans()),
    }
    network = NetworkConfig(
        hidden_sizes=draw(st.lists(st.sampled_from([1, 5, 16, 33, 64]), min_size=1, max_size=3).map(tuple)),
        activation=draw(st.sampled_from(["tanh", "relu"])),
    )
    members = []
    for seed in range(draw(st.integers(2, 6))):
        algorithm = PPOConfig(
            learning_rate=draw(st.floats(1e-5, 1e-2)),
            anneal_learning_rate=draw(st.booleans()),
            discount=draw(st.floats(0.8, 1.0)),
            trace_decay=draw(st.floats(0.0, 1.0)),
            clip_coefficient=draw(st.floats(0.05, 0.5)),
            entropy_coefficient=draw(st.floats(0.0, 0.1)),
            value_coefficient=draw(st.floats(0.1, 1.0)),
            max_grad_norm=draw(st.floats(0.1, 10.0)),
            target_kl=draw(st.none() | st.floats(1e-4, 1e-2)),
            adam_epsilon=draw(st.sampled_from([1e-5, 1e-8])),
            **shape,
        )
        recipe = Recipe(
            algorithm=algorithm, network=network, total_timesteps=5 * batch, segment_steps=2 * batch, dataset="c-1.d1"
        )
        members.append(Member(recipe=recipe, hparam=hparam_key(recipe), seed=seed))
    return members


def train(env_id, members, backend="fused", *, starts=None, on_segment=None):
    env = EnvConfig(id=env_id)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(BACKEND_VARIABLE, backend)
        return train_population(
            env=env,
            spaces=describe_env(env),
            members=members,
            starts=starts,
            on_update=lambda report: None,
            on_segment=on_segment,
        )


def bytes_of(result):
    assert isinstance(result, TrainedMember), result
    best = result.best.tensors if result.best else {}
    parts = (result.tensors, result.optimizer_state, result.history, best)
    facts = (result.env_steps, result.best and (result.best.update, result.best.mean_return))
    return facts, [(name, array.tobytes()) for arrays in parts for name, array in sorted(arrays.items())]


@pytest.mark.parametrize(("env_id", "backend"), CASES)
@settings(max_examples=4, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(members=populations(), data=st.data())
def test_a_member_equals_its_solo_run_whoever_trains_beside_it(env_id, backend, members, data):
    together = train(env_id, members, backend)
    index = data.draw(st.integers(0, len(members) - 1))
    (alone,) = train(env_id, [members[index]], backend)
    assert bytes_of(together[index]) == bytes_of(alone)


@pytest.mark.parametrize("env_id", ["Pong-v5", "CarRacing-v3"])
@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_a_member_that_sees_images_equals_its_solo_run(env_id, precision):
    network = NetworkConfig(image_features=32, image_precision=precision)
    algorithm = PPOConfig(num_envs=2, num_steps=8, num_minibatches=2, update_epochs=2)
    recipe = Recipe(algorithm=algorithm, network=network, total_timesteps=32, segment_steps=16, dataset="c-1.d1")
    members = [Member(recipe=recipe, hparam=hparam_key(recipe), seed=seed) for seed in range(3)]
    segments = []
    together = train(env_id, members, on_segment=lambda population: segments.append(population.checkpoints()))
    again = train(env_id, members)
    kept = decode_checkpoint(encode_checkpoint(segments[0][1]), source="a checkpoint")
    (rest,) = train(env_id, [members[1]], starts=[kept])
    assert (kept.update, bytes_of(rest)) == (1, bytes_of(together[1]))
    (alone,) = train(env_id, [members[1]])
    assert bytes_of(together[1]) == bytes_of(again[1]) == bytes_of(alone)
    assert bytes_of(together[0])[1] != bytes_of(together[1])[1]


@pytest.mark.parametrize(("env_id", "backend"), CASES)
@settings(max_examples=1, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(members=populations())
def test_the_same_seeds_train_the_same_bytes_twice(env_id, backend, members):
    assert [bytes_of(result) for result in train(env_id, members, backend)] == [
        bytes_of(result) for result in train(env_id, members, backend)
    ]


@pytest.mark.parametrize(("env_id", "backend"), CASES)
@settings(max_examples=4, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(members=populations(), data=st.data())
def test_going_on_from_any_checkpoint_trains_the_same_bytes(env_id, backend, members, data):
    segments = []
    whole = train(env_id, members, backend, on_segment=lambda population: segments.append(population.checkpoints()))
    assert [{checkpoint.update for checkpoint in segment.values()} for segment in segments] == [{2}, {4}, {5}]
    segment = data.draw(st.sampled_from(segments))
    chosen = data.draw(st.lists(st.sampled_from(range(len(members))), min_size=1, unique=True))
    kept = [decode_checkpoint(encode_checkpoint(segment[index]), source="a checkpoint") for index in chosen]
    rest = train(env_id, [members[index] for index in chosen], backend, starts=kept)
    assert [bytes_of(result) for result in rest] == [bytes_of(whole[index]) for index in chosen]


@settings(max_examples=4, deadline=None)
@given(members=populations())
def test_another_seed_trains_other_bytes(members):
    first = members[0]
    other = Member(recipe=first.recipe, hparam=first.hparam, seed=first.seed + 1)
    one, two = train("CartPole-v1", [first, other])
    assert bytes_of(one) != bytes_of(two)
