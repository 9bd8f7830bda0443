import dataclasses
import os
import signal

import numpy as np
import pytest

from rl_assets.config.environment import EnvConfig
from rl_assets.config.evaluation import EvaluationConfig
from rl_assets.errors import EnvironmentFault, MemberDiverged
from rl_assets.rl import training
from rl_assets.rl.envs.pool import EnvironmentPool
from rl_assets.rl.metrics import ActionChange
from rl_assets.rl.outcomes import MemberFailure, TrainedMember
from rl_assets.rl.plan import num_updates
from rl_assets.rl.training import plan_training, train

CARTPOLE = EnvConfig(id="CartPole-v1")
EVALUATION = EvaluationConfig(num_episodes=5)


def two_processes(plan):
    """The same plan with one chunk for each recipe, in two processes, which so little work would not get."""
    members = {member.hparam: [] for member in plan.members}
    for index, member in enumerate(plan.members):
        members[member.hparam].append(index)
    chunks = tuple(
        training.Chunk(group=0, members=tuple(own), start=0, stop=num_updates(plan.members[own[0]].recipe))
        for own in members.values()
    )
    return dataclasses.replace(plan, chunks=chunks, num_processes=2)


def bytes_of(outcomes):
    return {
        (outcome.hparam, member.seed): {
            name: array.tobytes()
            for arrays in (member.tensors, member.optimizer_state, member.history, arrays_of(member.episodes))
            for name, array in arrays.items()
        }
        for outcome in outcomes
        for member in outcome.members
    }


def arrays_of(episodes):
    """All of an evaluation but its wall times, which no two trainings share."""
    arrays = {name: value for name, value in vars(episodes).items() if isinstance(value, np.ndarray)}
    assert arrays.pop("wall_times_s").shape == arrays["returns"].shape
    return arrays


@pytest.fixture
def members(make_member):
    return [make_member(seed, learning_rate=rate) for rate in (1e-3, 3e-3) for seed in (0, 1)]


@pytest.fixture
def endless(make_member):
    """A member whose training takes hours."""
    return dataclasses.replace(make_member(total_timesteps=10**9), hparam="endless")


def test_chunks_and_processes_do_not_change_bytes(members):
    plan = plan_training(CARTPOLE, members)
    together = list(train(plan, evaluation=EVALUATION))
    apart = list(train(two_processes(plan), evaluation=EVALUATION))
    assert len(together) == len(apart) == 2
    assert bytes_of(together) == bytes_of(apart)


def test_recipes_come_with_their_members_in_order_and_evaluated(members):
    for outcome in train(plan_training(CARTPOLE, members), evaluation=EVALUATION):
        assert [member.seed for member in outcome.members] == [0, 1]
        for member in outcome.members:
            assert isinstance(member, TrainedMember)
            assert len(member.episodes.returns) == 5
            assert member.population_size == 4
            assert member.steps_per_s > 0


def test_evaluation_may_be_left_out(make_member):
    (outcome,) = train(plan_training(CARTPOLE, [make_member(0)]))
    assert outcome.members[0].episodes is None


def test_progress_ends_at_everything(members):
    reports = []
    list(train(plan_training(CARTPOLE, members), on_progress=reports.append))
    last = reports[-1]
    assert (last.members_done, last.recipes_done, last.env_steps_done) == (4, 2, last.env_steps_total)
    assert last.seconds_left == 0
    assert reports[0].members_done == 0
    assert any(report.mean_return is not None for report in reports)
    done = [report.env_steps_done for report in reports]
    assert done == sorted(done)


def test_a_member_that_diverges_fails_alone(members, monkeypatch):
    real = EnvironmentPool.step

    def step(self, actions):
        batch = real(self, actions)
        batch.rewards[:4] = np.nan
        return batch

    monkeypatch.setattr(EnvironmentPool, "step", step)
    outcomes = list(train(plan_training(CARTPOLE, members)))
    failed = [member for outcome in outcomes for member in outcome.members if isinstance(member, MemberFailure)]
    assert [(failure.seed, type(failure.error)) for failure in failed] == [(0, MemberDiverged)]


def test_a_member_whose_evaluation_fails_fails_alone(members, monkeypatch):
    from rl_assets.rl import trials

    real = trials.evaluate

    def evaluate(*, seeds, **arguments):
        if any(own[0] == trials.selection_seeds(CARTPOLE, member_seed=1, num_episodes=5)[0] for own in seeds):
            raise EnvironmentFault("seed 1 got a return that is not finite")
        return real(seeds=seeds, **arguments)

    monkeypatch.setattr(trials, "evaluate", evaluate)
    for outcome in train(plan_training(CARTPOLE, members), evaluation=EVALUATION):
        assert [type(member) for member in outcome.members] == [TrainedMember, MemberFailure]


def test_a_metric_that_fails_leaves_the_training_without_episodes(members, monkeypatch):
    class Broken(ActionChange):
        def finish(self, ended):
            return super().finish(ended) * np.nan

    monkeypatch.setattr("rl_assets.rl.metrics.BUILT_IN", {"broken": Broken})
    for name in ("broken", "not_installed"):
        config = EvaluationConfig(num_episodes=2, metrics=(name,))
        for outcome in train(plan_training(CARTPOLE, members, num_processes=1), evaluation=config):
            for member in outcome.members:
                assert isinstance(member, TrainedMember)
                assert member.episodes is None


def test_a_worker_that_is_killed_again_and_again_is_its_members_failure_and_the_others_finish(
    members, endless, started
):
    plan = two_processes(plan_training(CARTPOLE, [endless, *members]))
    outcomes, incidents = {}, []
    killed = set()

    def kill_whoever_trains_endlessly(progress):
        worker = started[0] if len(started) < 3 else started[-1]
        if worker.pid not in killed:
            killed.add(worker.pid)
            os.kill(worker.pid, signal.SIGKILL)

    for outcome in train(plan, on_progress=kill_whoever_trains_endlessly, on_incident=incidents.append):
        outcomes[outcome.hparam] = outcome.members
    (failure,) = outcomes["endless"]
    assert isinstance(failure.error, EnvironmentFault)
    assert (
        "was killed by SIGKILL; its 1 members were started 2 times again in vain and have to be trained again"
        in str(failure.error)
    )
    assert [incident[-15:] for incident in incidents] == ["restart 1 of 2)", "restart 2 of 2)"]
    others = [member for hparam, own in outcomes.items() if hparam != "endless" for member in own]
    assert len(others) == 4
    assert all(isinstance(member, TrainedMember) for member in others)


def test_closing_the_iterator_ends_all_processes(members, endless, started):
    plan = two_processes(plan_training(CARTPOLE, [endless, members[0]]))
    outcomes = train(plan)
    assert next(outcomes).hparam == members[0].hparam
    outcomes.close()
    assert len(started) == 2
    for child in started:
        with pytest.raises(ProcessLookupError):
            os.kill(child.pid, 0)


def test_an_interrupt_ends_all_processes(members, started):
    def interrupt(progress):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        list(train(two_processes(plan_training(CARTPOLE, members)), on_progress=interrupt))
    for child in started:
        with pytest.raises(ProcessLookupError):
            os.kill(child.pid, 0)
