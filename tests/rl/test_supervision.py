"""Workers that die or hang in the middle of a training."""

import dataclasses
import os
import signal
import threading

import numpy as np
import pytest

from rl_assets.config.environment import EnvConfig
from rl_assets.config.evaluation import EvaluationConfig
from rl_assets.errors import StoreUnavailable
from rl_assets.rl.envs.pool import EnvironmentPool
from rl_assets.rl.outcomes import MemberFailure, TrainedMember
from rl_assets.rl.plan import plan_training
from rl_assets.rl.training import train
from tests.rl.kept import Kept

CARTPOLE = EnvConfig(id="CartPole-v1")
EVALUATION = EvaluationConfig(num_episodes=3)
LONG = {"total_timesteps": 12_800, "segment_steps": 1_280}


@pytest.fixture
def members(make_member):
    return [make_member(seed, learning_rate=rate, **LONG) for rate in (1e-3, 3e-3) for seed in (0, 1)]


def in_processes(plan):
    """The same plan in two processes, which so little work would not get."""
    (whole,) = plan.chunks
    half = len(plan.members) // 2
    parts = (tuple(range(half)), tuple(range(half, 2 * half)))
    return dataclasses.replace(
        plan, chunks=tuple(dataclasses.replace(whole, members=part) for part in parts), num_processes=2
    )


def arrays_of(episodes):
    """All of an evaluation but its wall times, which no two trainings share."""
    arrays = {name: value for name, value in vars(episodes).items() if isinstance(value, np.ndarray)}
    assert arrays.pop("wall_times_s").shape == arrays["returns"].shape
    return arrays


def bytes_of(outcomes):
    found = {}
    for outcome in outcomes:
        for member in outcome.members:
            assert isinstance(member, TrainedMember), member
            parts = (member.tensors, member.optimizer_state, member.history, arrays_of(member.episodes))
            found[outcome.hparam, member.seed] = {
                name: np.asarray(array).tobytes() for arrays in parts for name, array in arrays.items()
            }
    return found


@pytest.mark.parametrize("fault", [signal.SIGKILL, signal.SIGSTOP])
def test_what_a_worker_that_dies_or_hangs_was_training_ends_with_the_same_bytes(members, started, fault):
    expected = bytes_of(train(plan_training(CARTPOLE, members), evaluation=EVALUATION))
    hurt, incidents = [], []

    class Hurting(Kept):
        def save(self, member, checkpoint):
            super().save(member, checkpoint)
            if not hurt and member.label == members[0].label:
                hurt.append(started[0].pid)
                os.kill(started[0].pid, fault)

    outcomes = list(
        train(
            in_processes(plan_training(CARTPOLE, members)),
            evaluation=EVALUATION,
            checkpoints=Hurting(),
            heartbeat_s=1.0,
            on_incident=incidents.append,
        )
    )
    assert bytes_of(outcomes) == expected
    assert len(started) == 3
    (incident,) = incidents
    how = "was killed by SIGKILL" if fault == signal.SIGKILL else "hangs: it has said nothing for "
    assert f"process {hurt[0]} {how}" in incident
    assert "its 2 members go on after update " in incident
    assert "in a new process (restart 1 of 2)" in incident
    assert sorted(len(outcome.incidents) for outcome in outcomes) == [0, 1]


def test_a_pool_that_hangs_in_this_process_is_left_behind_and_replaced(members, started, monkeypatch):
    plan = plan_training(CARTPOLE, members[:1])
    expected = bytes_of(train(plan, evaluation=EVALUATION))
    real, steps, released = EnvironmentPool.step, [], threading.Event()

    def step(self, actions):
        steps.append(1)
        if len(steps) == 1_000:
            released.wait()
        return real(self, actions)

    monkeypatch.setattr(EnvironmentPool, "step", step)
    incidents = []
    outcomes = list(train(plan, evaluation=EVALUATION, heartbeat_s=0.5, on_incident=incidents.append))
    released.set()
    assert bytes_of(outcomes) == expected
    assert len(started) == 1
    assert "thread of this process hangs: it has said nothing for " in incidents[0]
    assert "its 1 members go on after update 60 in a new process" in incidents[0]


def test_a_checkpoint_that_cannot_be_kept_ends_no_training(members):
    class Full(Kept):
        def save(self, member, checkpoint):
            raise StoreUnavailable("cannot keep checkpoint: No space left on device: free some space")

    incidents = []
    (outcome,) = train(
        plan_training(CARTPOLE, members[:1]),
        evaluation=EVALUATION,
        checkpoints=Full(),
        on_incident=incidents.append,
    )
    assert bytes_of([outcome]) == bytes_of(train(plan_training(CARTPOLE, members[:1]), evaluation=EVALUATION))
    assert len(incidents) == 10
    assert incidents[0].startswith(f"'{members[0].label}' has no checkpoint of update 20: cannot keep checkpoint")
    assert outcome.incidents == tuple(incidents)


def test_an_error_that_is_nobodys_fault_is_raised_as_it_is(members, monkeypatch):
    def step(self, actions):
        raise ZeroDivisionError("a mistake of ours")

    monkeypatch.setattr(EnvironmentPool, "step", step)
    with pytest.raises(ZeroDivisionError, match="a mistake of ours"):
        list(train(plan_training(CARTPOLE, members)))


def test_members_go_on_where_their_checkpoints_left_them(members):
    kept, resumed = Kept(), Kept()
    expected = bytes_of(train(plan_training(CARTPOLE, members), evaluation=EVALUATION, checkpoints=kept))
    for label in [member.label for member in members]:
        assert [checkpoint.update for name, checkpoint in kept.saved if name == label] == list(range(20, 201, 20))
    starts = {0: 60, 1: 60, 2: 140, 3: 200}
    for index, update in starts.items():
        resumed.saved += [
            (label, checkpoint)
            for label, checkpoint in kept.saved
            if (label, checkpoint.update) == (members[index].label, update)
        ]
    plan = plan_training(CARTPOLE, members, starts=starts)
    assert plan.env_steps == 64 * (140 + 140 + 60 + 0)
    assert plan.num_resumed == 4
    assert bytes_of(train(plan, evaluation=EVALUATION, checkpoints=resumed)) == expected


def test_a_checkpoint_that_vanished_after_planning_is_its_members_failure_alone(members):
    kept = Kept()
    list(train(plan_training(CARTPOLE, members), checkpoints=kept))
    kept.saved = [(label, checkpoint) for label, checkpoint in kept.saved if label != members[1].label]
    plan = plan_training(CARTPOLE, members, starts=dict.fromkeys(range(4), 200))
    outcomes = {outcome.hparam: outcome.members for outcome in train(plan, checkpoints=kept)}
    first = outcomes[members[0].hparam]
    assert isinstance(first[0], TrainedMember)
    assert isinstance(first[1], MemberFailure)
    assert f"member '{members[1].label}' was to go on from update 200, but its checkpoint can no longer be read" in str(
        first[1].error
    )
    assert all(isinstance(member, TrainedMember) for member in outcomes[members[2].hparam])
