"""What a training may take of this machine's memory."""

import math

import pytest

from rl_assets.config.environment import EnvConfig
from rl_assets.config.network import NetworkConfig
from rl_assets.config.ppo import PPOConfig
from rl_assets.config.recipe import Recipe, hparam_key
from rl_assets.errors import NotEnoughMemory
from rl_assets.rl import plan as planning
from rl_assets.rl.memory import available_memory
from rl_assets.rl.outcomes import MemberFailure, TrainedMember
from rl_assets.rl.plan import Member, plan_training
from rl_assets.rl.training import train
from tests.rl.demonstrators import cloning_member

GIGABYTE = 10**9


def write(root, name, text):
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def member(seed=0, *, hidden_sizes=(8,), **algorithm):
    recipe = Recipe(
        algorithm=PPOConfig(**({"num_envs": 4, "num_steps": 16} | algorithm)),
        network=NetworkConfig(hidden_sizes=hidden_sizes),
        total_timesteps=64,
        dataset="c-1.d1",
    )
    return Member(recipe=recipe, hparam=hparam_key(recipe), seed=seed)


def test_this_machine_tells_what_it_has():
    free = available_memory()
    assert free is not None
    assert free > 100e6


def test_a_container_has_what_its_limit_leaves(tmp_path):
    write(tmp_path, "proc/meminfo", "MemTotal: 16000000 kB\nMemAvailable: 8000000 kB\n")
    assert available_memory(tmp_path) == 8_000_000 * 1024
    write(tmp_path, "sys/fs/cgroup/memory.max", "max\n")
    write(tmp_path, "sys/fs/cgroup/memory.current", "5\n")
    assert available_memory(tmp_path) == 8_000_000 * 1024, "no limit"
    write(tmp_path, "sys/fs/cgroup/memory.max", f"{3 * GIGABYTE}\n")
    write(tmp_path, "sys/fs/cgroup/memory.current", f"{GIGABYTE}\n")
    assert available_memory(tmp_path) == 2 * GIGABYTE


def test_a_system_that_does_not_tell_limits_nothing(tmp_path, monkeypatch):
    assert available_memory(tmp_path) is None
    monkeypatch.setattr(planning, "available_memory", lambda: None)
    assert not plan_training(EnvConfig(id="CartPole-v1"), [member()]).oversized


def test_who_does_not_fit_fails_by_name_and_the_others_finish(monkeypatch):
    small, large = member(0), member(0, num_envs=4096, num_steps=16_384, num_minibatches=1)
    monkeypatch.setattr(planning, "available_memory", lambda: GIGABYTE)
    plan = plan_training(EnvConfig(id="CartPole-v1"), [large, small])
    outcomes = {outcome.hparam: outcome.members[0] for outcome in train(plan)}
    failure = outcomes[large.hparam]
    assert isinstance(failure, MemberFailure)
    assert isinstance(failure.error, NotEnoughMemory)
    assert failure.error.needed > GIGABYTE
    assert f"member '{large.label}' needs about" in str(failure.error)
    assert "lower num_envs or num_steps" in str(failure.error)
    assert isinstance(outcomes[small.hparam], TrainedMember)


@pytest.mark.parametrize("room", [1, 2, 3])
def test_populations_are_cut_until_they_fit(room, monkeypatch):
    members = [member(seed, hidden_sizes=(512, 512)) for seed in range(6)]
    alone = plan_training(EnvConfig(id="CartPole-v1"), members[:1]).memory_bytes
    free = math.ceil(alone * (room + 0.5) / planning.MEMORY_SHARE)
    monkeypatch.setattr(planning, "available_memory", lambda: free)
    plan = plan_training(EnvConfig(id="CartPole-v1"), members)
    assert sorted(index for chunk in plan.chunks for index in chunk.members) == list(range(6))
    assert max(len(chunk.members) for chunk in plan.chunks) == room
    assert plan.memory_bytes <= free


def test_a_dataset_is_counted_for_every_process_that_holds_it(monkeypatch):
    members = [cloning_member(seed, total_timesteps=10**6) for seed in range(4)]
    env = EnvConfig(id="CartPole-v1")
    alone = plan_training(env, members, num_processes=2)
    assert (alone.num_processes, alone.oversized) == (2, {})
    monkeypatch.setattr(planning, "available_memory", lambda: GIGABYTE)
    shared = plan_training(env, members, num_processes=2, data_bytes=GIGABYTE // 2)
    assert shared.num_processes == 1, "two copies would not fit"
    assert shared.memory_bytes > GIGABYTE // 2
    too_large = plan_training(env, members, num_processes=2, data_bytes=GIGABYTE)
    assert sorted(too_large.oversized) == [0, 1, 2, 3]
    assert isinstance(too_large.oversized[0], NotEnoughMemory)
