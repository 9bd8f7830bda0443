import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rl_assets.config.environment import EnvConfig
from rl_assets.errors import InvalidConfig, UnsupportedEnvironment
from rl_assets.rl.plan import MAX_CHUNK_MEMBERS, _cut, num_updates, plan_training, updates_per_segment

CARTPOLE = EnvConfig(id="CartPole-v1")
LARGE = 200_000


def sizes(plan):
    return sorted(len(chunk.members) for chunk in plan.chunks)


def test_members_that_differ_in_tensors_only_train_together(make_member):
    members = [make_member(0, learning_rate=rate, entropy_coefficient=rate, discount=1 - rate) for rate in (1e-3, 1e-2)]
    plan = plan_training(CARTPOLE, members)
    assert plan.num_groups == 1
    assert plan.chunks[0].members == (0, 1)


@pytest.mark.parametrize(
    "change",
    [
        {"num_steps": 32},
        {"update_epochs": 7},
        {"num_minibatches": 4},
        {"clip_value_loss": False},
        {"normalize_rewards": False},
        {"hidden_sizes": (9,)},
        {"total_timesteps": 512},
        {"segment_steps": 64},
    ],
    ids=str,
)
def test_members_that_differ_in_shape_or_control_flow_train_apart(make_member, change):
    plan = plan_training(CARTPOLE, [make_member(0), make_member(0, **change), make_member(1)])
    assert plan.num_groups == 2
    assert sizes(plan) == [1, 2]


def test_whole_recipes_fill_chunks(make_member):
    members = [
        make_member(seed, learning_rate=rate, total_timesteps=LARGE)
        for rate in (1e-3, 2e-3, 3e-3, 4e-3)
        for seed in range(5)
    ]
    plan = plan_training(CARTPOLE, members, num_processes=2)
    assert plan.num_processes == 2
    assert [len({members[index].hparam for index in chunk.members}) for chunk in plan.chunks] == [1, 1, 1, 1]


def test_one_recipe_is_cut_where_that_keeps_processes_busy(make_member):
    members = [make_member(seed, total_timesteps=LARGE) for seed in range(5)]
    assert sizes(plan_training(CARTPOLE, members, num_processes=2)) == [2, 3]
    assert sizes(plan_training(CARTPOLE, members, num_processes=1)) == [5]


def test_little_work_stays_in_this_process(make_member):
    plan = plan_training(CARTPOLE, [make_member(seed) for seed in range(4)], num_processes=2)
    assert plan.num_processes == 1
    assert sizes(plan) == [4]


def test_expensive_chunks_come_first(make_member):
    members = [make_member(0, total_timesteps=steps) for steps in (256, 1024, 512)]
    assert [chunk.members for chunk in plan_training(CARTPOLE, members).chunks] == [(1,), (2,), (0,)]


@given(st.lists(st.integers(1, 12), min_size=1, max_size=12), st.integers(1, 4))
def test_every_member_stands_in_exactly_one_chunk_of_limited_size(recipe_sizes, processes):
    hparams = [f"recipe-{number}" for number, size in enumerate(recipe_sizes) for _ in range(size)]
    chunks = _cut(range(len(hparams)), hparams, processes=processes, room=MAX_CHUNK_MEMBERS)
    assert sorted(index for chunk in chunks for index in chunk) == list(range(len(hparams)))
    assert max(map(len, chunks)) <= MAX_CHUNK_MEMBERS


def test_budgets_are_counted_in_whole_updates(make_member):
    recipe = make_member(0, total_timesteps=65, segment_steps=200).recipe
    assert num_updates(recipe) == 2
    assert updates_per_segment(recipe) == 3
    assert updates_per_segment(make_member(0, segment_steps=1).recipe) == 1


def test_the_summary_says_what_will_happen(make_member):
    summary = plan_training(CARTPOLE, [make_member(seed) for seed in range(3)]).summary()
    assert summary["chunks"] == [3]
    assert summary["env_steps"] == 3 * 256
    assert summary["memory_mb"] > 0


def test_the_same_member_twice_is_refused(make_member):
    with pytest.raises(InvalidConfig, match="is asked for twice"):
        plan_training(CARTPOLE, [make_member(0), make_member(0)])


def test_nobody_to_train_is_refused():
    with pytest.raises(InvalidConfig, match="no members to train"):
        plan_training(CARTPOLE, [])


def test_no_processes_are_refused(make_member):
    with pytest.raises(InvalidConfig, match="num_processes is 0"):
        plan_training(CARTPOLE, [make_member(0)], num_processes=0)


def test_environments_that_cannot_be_trained_in_are_refused_here(make_member):
    with pytest.raises(UnsupportedEnvironment, match="2 players"):
        plan_training(EnvConfig(id="ConnectFour-v1"), [make_member(0)])


def test_plans_are_values(make_member):
    plan = plan_training(CARTPOLE, [make_member(0)])
    assert dataclasses.replace(plan) == plan


@pytest.mark.parametrize(
    ("env_id", "num_processes", "threads"), [("CartPole-v1", 4, 1), ("HalfCheetah-v4", 4, 4), ("HalfCheetah-v4", 1, 1)]
)
def test_cores_without_a_process_step_dear_environments(make_member, env_id, num_processes, threads):
    plan = plan_training(EnvConfig(id=env_id), [make_member()], num_processes=num_processes)
    assert (plan.num_processes, plan.env_threads) == (1, threads)


def test_an_estimate_grows_with_the_work(make_member):
    short, long = (plan_training(CARTPOLE, [make_member(total_timesteps=steps)]).seconds for steps in (10_000, 100_000))
    assert 5 * short < long < 15 * short
