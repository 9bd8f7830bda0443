import dataclasses

import numpy as np
import pytest

from rl_assets.config.environment import EnvConfig
from rl_assets.config.halving import HalvingConfig
from rl_assets.rl.checkpoints import Checkpoint
from rl_assets.rl.envs.catalogue import describe_env
from rl_assets.rl.halving import Contender, rung_update, score_at, stops_at, train_by_halves
from rl_assets.rl.outcomes import MemberFailure, TrainedMember
from rl_assets.rl.plan import num_updates, plan_training
from rl_assets.rl.training import train
from tests.rl.kept import Kept

CARTPOLE = EnvConfig(id="CartPole-v1")
BUDGET = {"total_timesteps": 12_800, "segment_steps": 1_280}
RATES = (1e-5, 3e-3, 1e-4, 1e-2)


@pytest.fixture
def contenders(make_member):
    found = {}
    for rate in RATES:
        members = tuple(make_member(seed, learning_rate=rate, **BUDGET) for seed in (0, 1))
        found[members[0].hparam] = Contender(recipe=members[0].recipe, members=members)
    return found


def race(contenders, kept, rungs=(2_560, 6_400), *, breaks_after=None):
    """Outcomes by recipe, and the steps that each plan was made for."""
    steps = []

    def run(plan):
        steps.append(plan.env_steps)
        if breaks_after is not None and len(steps) > breaks_after:
            raise KeyboardInterrupt
        return train(plan, checkpoints=kept)

    outcomes = train_by_halves(
        CARTPOLE,
        contenders,
        HalvingConfig(rungs=rungs),
        spaces=describe_env(CARTPOLE),
        num_processes=1,
        checkpoints=kept,
        run=run,
    )
    return {outcome.hparam: outcome for outcome in outcomes}, steps


def bytes_of(member):
    assert isinstance(member, TrainedMember)
    parts = (member.tensors, member.optimizer_state, member.history)
    return [(name, array.tobytes()) for arrays in parts for name, array in sorted(arrays.items())]


def test_half_of_the_recipes_stop_at_each_rung_and_the_winner_is_as_without_halving(contenders):
    outcomes, steps = race(contenders, Kept())
    stops = {hparam: outcome.stop for hparam, outcome in outcomes.items() if outcome.stop is not None}
    assert sorted(stop.rung for stop in stops.values()) == [1, 1, 2]
    assert steps == [4 * 2 * 2_560, 2 * 2 * 3_840, 1 * 2 * 6_400]
    (winner,) = set(outcomes) - set(stops)
    members = contenders[winner].members
    (alone,) = train(plan_training(CARTPOLE, members))
    assert [bytes_of(member) for member in outcomes[winner].members] == [bytes_of(member) for member in alone.members]
    for stop in stops.values():
        assert stop.score < stop.bar
        assert f"place {stop.rank} of {4 if stop.rung == 1 else 2}" in stop.reason


def test_recipes_that_do_not_learn_are_the_ones_that_stop(contenders):
    outcomes, _ = race(contenders, Kept())
    slow = next(hparam for hparam, contender in contenders.items() if contender.recipe.algorithm.learning_rate == 1e-5)
    assert outcomes[slow].stop.rung == 1


@pytest.mark.parametrize("breaks_after", [1, 2])
def test_a_race_that_was_interrupted_is_decided_as_it_would_have_been(contenders, breaks_after):
    expected, _ = race(contenders, Kept())
    kept = Kept()
    with pytest.raises(KeyboardInterrupt):
        race(contenders, kept, breaks_after=breaks_after)
    outcomes, steps = race(contenders, kept)
    assert len(steps) == 3 - breaks_after
    assert {hparam: outcome.stop for hparam, outcome in outcomes.items()} == {
        hparam: outcome.stop for hparam, outcome in expected.items()
    }


def test_a_recipe_that_was_finished_before_is_compared_and_not_trained(contenders):
    kept = Kept()
    expected, _ = race(contenders, kept)
    (winner,) = {hparam for hparam, outcome in expected.items() if outcome.stop is None}
    histories = tuple(member.history for member in expected[winner].members)
    finished = dataclasses.replace(contenders[winner], members=(), histories=histories)
    again, steps = race(contenders | {winner: finished}, kept)
    assert steps == []
    assert {hparam: outcome.stop for hparam, outcome in again.items()} == {
        hparam: outcome.stop for hparam, outcome in expected.items() if hparam != winner
    }


def test_a_recipe_that_fails_leaves_the_race(contenders, monkeypatch):
    from rl_assets.rl.envs.pool import EnvironmentPool

    real = EnvironmentPool.step

    def step(self, actions):
        batch = real(self, actions)
        batch.rewards[:4] = np.nan
        return batch

    monkeypatch.setattr(EnvironmentPool, "step", step)
    outcomes, _ = race(contenders, Kept(), rungs=(2_560,))
    failed = [outcome for outcome in outcomes.values() if any(isinstance(m, MemberFailure) for m in outcome.members)]
    assert failed
    assert all(outcome.stop is None for outcome in failed)
    assert set(outcomes) == set(contenders)


def test_a_rung_is_the_end_of_a_segment(make_member):
    recipe = make_member(total_timesteps=12_800, segment_steps=1_280).recipe
    assert [rung_update(recipe, steps) for steps in (1, 1_280, 1_281, 2_560, 99_999)] == [20, 20, 40, 40, 200]
    assert num_updates(recipe) == 200


def test_stops_worked_by_hand():
    def stopped(scores, keep=0.5):
        return {hparam: stop.rank for hparam, stop in stops_at(scores, number=1, steps=9, keep=keep).items()}

    assert stopped({"a": 1.0, "b": 2.0, "c": 3.0, "d": 4.0}) == {"b": 3, "a": 4}
    assert stopped({"a": 1.0, "b": 2.0, "c": 3.0}) == {"a": 3}
    assert stopped({"a": 2.0, "b": 2.0, "c": 2.0, "d": 1.0}) == {"d": 4}
    assert stopped({"a": 1.0}) == {}
    assert stopped({}) == {}
    assert stopped({"a": 1.0, "b": 2.0, "c": 3.0, "d": 4.0}, keep=0.01) == {"c": 2, "b": 3, "a": 4}
    assert stopped({"a": None, "b": 2.0, "c": 3.0, "d": 4.0}) == {"c": 2, "b": 3}
    assert stopped({"a": None, "b": None, "c": None, "d": 4.0}) == {}


def test_a_score_is_the_mean_of_the_last_segment_over_all_seeds(make_member):
    member = make_member(total_timesteps=12_800, segment_steps=128)
    early = {"episodes": np.array([5, 0, 1, 3]), "mean_return": np.array([99.0, np.nan, 10.0, 30.0])}
    later = {"episodes": np.array([0, 0, 1, 0, 9]), "mean_return": np.array([np.nan, np.nan, 45.0, np.nan, 0.0])}
    kept = Kept()
    kept.save(
        member, Checkpoint(**dict.fromkeys((f.name for f in dataclasses.fields(Checkpoint)), 0) | {"history": early})
    )
    contender = Contender(recipe=member.recipe, members=(member,), histories=(later,))
    assert score_at(contender, 256, kept) == pytest.approx((25.0 + 45.0) / 2)
    assert score_at(dataclasses.replace(contender, histories=(later,)), 128, kept) is None
