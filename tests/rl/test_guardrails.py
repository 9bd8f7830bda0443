import dataclasses
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rl_assets.config.guardrails import GuardrailsConfig
from rl_assets.errors import PolicyJumped
from rl_assets.rl.envs.spaces import BoxActions, DiscreteActions
from rl_assets.rl.guardrails import (
    LEVELS,
    EarlyStop,
    Guardrails,
    action_bounds,
    find_divergence,
    find_divergences,
    rollout_levels,
)
from rl_assets.rl.rollout import Rollout
from tests.config.recipe_strategies import guardrails

CHOICE, FREE = DiscreteActions(n=3), BoxActions(low=(-math.inf,), high=(math.inf,))
BOUNDED = BoxActions(low=(-2.0, -math.inf, 0.0), high=(2.0, 5.0, 1.0))
OFF = GuardrailsConfig(**dict.fromkeys([n for n in GuardrailsConfig.model_fields if n.startswith(("max_", "min_"))]))


def test_finite_numbers_are_fine():
    assert find_divergence({"a loss": np.ones((2, 3)), "a parameter": np.ones((2, 4))}, 0) is None


def test_the_first_quantity_value_and_share_are_named():
    loss, parameter = np.ones((2, 4)), np.ones((2, 4))
    loss[1, 2:], parameter[1, 0] = (-math.inf, math.nan), math.nan
    assert find_divergence({"a loss": loss, "a parameter": parameter}, 1) == ("a loss", -math.inf, 0.5)


def test_another_members_trouble_is_not_ones_own():
    loss = np.ones((2, 3))
    loss[1, 2] = math.nan
    assert find_divergence({"a loss": loss}, 0) is None


def test_everybodys_trouble_is_what_each_ones_is():
    loss, pixels, parameter = np.ones((3, 4)), np.ones((3, 5), np.uint8), np.ones((3, 2))
    assert find_divergences({"pixels": pixels, "a loss": loss}) == {}
    loss[0, 1], parameter[0], parameter[2, 1] = math.inf, math.nan, -math.inf
    quantities = {"pixels": pixels, "a loss": loss, "a parameter": parameter}
    found = find_divergences(quantities)
    assert found == {0: ("a loss", math.inf, 0.25), 2: ("a parameter", -math.inf, 0.5)}
    assert found == {member: find_divergence(quantities, member) for member in (0, 2)}


def some_rollout(actions, rewards=None):
    """Four steps of two members in three environments."""
    shape = (4, 2, 3)
    fields = {field.name: np.zeros(shape, np.float32) for field in dataclasses.fields(Rollout)}
    fields |= {"actions": np.asarray(actions, np.float32), "valid": np.ones(shape, bool)}
    if rewards is not None:
        fields["rewards"] = rewards
    return Rollout(**fields)


def test_levels_are_each_members_own_and_reset_steps_have_none():
    rewards = np.zeros((4, 2, 3), np.float32)
    rewards[:, 0], rewards[:, 1] = 1.0, -1.0
    rewards[2, 0, 1], rewards[3, 1, 2] = 7.0, -5.0
    rollout = some_rollout(np.zeros((4, 2, 3, 1)), rewards)
    rollout.rewards[1, 0, 0], rollout.valid[1, 0, 0] = 0.0, False
    levels = rollout_levels(rollout, action_bounds(CHOICE, squashes=False))
    np.testing.assert_array_equal(levels[:, :2], [[1.0, 7.0], [-5.0, -1.0]])
    assert np.isnan(levels[:, 2]).all()


def test_a_rollout_of_reset_steps_alone_has_no_rewards():
    rollout = some_rollout(np.zeros((4, 2, 3, 1)))
    rollout.valid[:, 1] = False
    levels = rollout_levels(rollout, action_bounds(CHOICE, squashes=False))
    np.testing.assert_array_equal(levels[:, :2], [[0.0, 0.0], [np.nan, np.nan]])


def test_saturation_counts_the_numbers_that_have_two_bounds():
    actions = np.zeros((4, 2, 3, 3), np.float32)
    actions[..., 1] = 1e6  # one bound only: never saturated
    actions[0, 0, 0, 0], actions[0, 0, 1, 0], actions[:, 1, :, 2] = 1.0, -0.99, -3.0
    levels = rollout_levels(some_rollout(actions), action_bounds(BOUNDED, squashes=False))
    np.testing.assert_allclose(levels[:, LEVELS.index("saturated_actions")], [1 / 24, 0.5])


def test_squashed_actions_saturate_near_their_bounds():
    bounds = action_bounds(BOUNDED, squashes=True)
    assert np.isinf(bounds[1])
    assert np.tanh(bounds[[0, 2]]) == pytest.approx([0.999, 0.999])


def test_actions_without_bounds_have_no_saturation():
    levels = rollout_levels(some_rollout(np.full((4, 2, 3, 1), 1e9)), action_bounds(FREE, squashes=False))
    assert np.isnan(levels[:, 2]).all()


HEALTHY = {
    "reward_min": -1.0,
    "reward_max": 1.0,
    "saturated_actions": 0.1,
    "approximate_kl": 0.01,
    "value_loss": 0.5,
    "gradient_norm": 0.4,
    "entropy": 0.6,
    "episodes": 2,
    "mean_return": 10.0,
    "env_steps": 64,
}
CAUGHT_BEFORE_LEARNING = {"max_reward": {"reward_max": 1e9}, "max_reward_ratio": {"reward_min": -1e6}}
CAUGHT_AFTER_LEARNING = {
    "max_kl": {"approximate_kl": 1e5},
    "max_value_loss_ratio": {"value_loss": 1e9},
    "max_gradient_ratio": {"gradient_norm": 1e9},
}
CAUGHT_IN_TIME = {
    "max_saturated_actions": (BOUNDED, {"saturated_actions": 1.0}),
    "min_entropy": (CHOICE, {"entropy": 1e-9}),
    "min_action_deviation": (BOUNDED, {"entropy": -60.0}),
    "max_return_drop": (CHOICE, {"mean_return": -1000.0}),
}


def first_alarm(config, actions, rows):
    watched = Guardrails(config, actions)
    for update, row in enumerate(rows):
        if alarm := watched.judge_rollout(row) or watched.judge_update(row):
            return update, alarm.error.guardrail
    return None


def test_the_tables_above_hold_every_guardrail():
    tables = CAUGHT_BEFORE_LEARNING | CAUGHT_AFTER_LEARNING | CAUGHT_IN_TIME
    assert set(tables) == {name for name in GuardrailsConfig.model_fields if name.startswith(("max_", "min_"))}


@pytest.mark.parametrize(("name", "change"), (CAUGHT_BEFORE_LEARNING | CAUGHT_AFTER_LEARNING).items())
def test_a_sudden_fault_alarms_in_that_very_update_unless_switched_off(name, change):
    rows = [HEALTHY] * 20 + [HEALTHY | change]
    assert first_alarm(GuardrailsConfig(), CHOICE, rows) == (20, name)
    assert first_alarm(GuardrailsConfig(**{name: None}), CHOICE, rows) in {None, (20, "max_reward_ratio")}
    assert first_alarm(OFF, CHOICE, rows) is None


@pytest.mark.parametrize(("name", "fault"), CAUGHT_IN_TIME.items())
def test_a_slow_fault_alarms_after_patience_unless_switched_off(name, fault):
    actions, change = fault
    learning = [HEALTHY | {"mean_return": float(update)} for update in range(100)]
    rows = learning + [HEALTHY | change] * 200
    found = first_alarm(GuardrailsConfig(), actions, rows)
    assert found is not None
    assert found[1] == name
    assert 149 <= found[0] <= 160
    assert first_alarm(GuardrailsConfig(**{name: None}), actions, rows) is None


def test_healthy_rows_raise_no_alarm():
    assert first_alarm(GuardrailsConfig(), CHOICE, [HEALTHY] * 500) is None


@st.composite
def histories(draw):
    """Rows such as a training might leave, some of them odd."""
    number = st.floats(-1e3, 1e3) | st.sampled_from([0.0, 1.0, 100.0])
    rows = []
    for _ in range(draw(st.integers(0, 40))):
        low, high = sorted([draw(number), draw(number)])
        episodes = draw(st.integers(0, 3))
        rows.append(
            {
                "reward_min": low,
                "reward_max": high,
                "saturated_actions": draw(st.sampled_from([0.0, 1.0])),
                "approximate_kl": draw(st.floats(0, 10)),
                "value_loss": draw(st.floats(0, 1e6)),
                "gradient_norm": draw(st.floats(0, 1e6)),
                "entropy": draw(st.sampled_from([1e-9, -90.0, 0.5])),
                "env_steps": 64,
                "episodes": episodes,
                "mean_return": draw(number) if episodes else math.nan,
            }
        )
    return rows


@settings(max_examples=60, deadline=None)
@given(config=guardrails(), actions=st.sampled_from([CHOICE, BOUNDED, FREE]), rows=histories(), data=st.data())
def test_replayed_rows_give_the_guardrails_that_lived_through_them(config, actions, rows, data):
    cut = data.draw(st.integers(0, len(rows)))
    live, again = Guardrails(config, actions), Guardrails(config, actions)
    stop = None
    for update, row in enumerate(rows[:cut]):
        live.judge_rollout({name: row[name] for name in LEVELS})
        live.judge_update(row)
        stop = live.reached_target(row, update)
    columns = {name: np.array([row[name] for row in rows[:cut]]) for name in HEALTHY}
    replayed = again.replay({name: float(column[index]) for name, column in columns.items()} for index in range(cut))
    assert (again, replayed) == (live, stop)
    for update, row in enumerate(rows[cut:], start=cut):
        assert (again.judge_rollout(row), again.judge_update(row)) == (live.judge_rollout(row), live.judge_update(row))
        assert again.reached_target(row, update) == live.reached_target(row, update)


def test_a_replay_says_whether_its_last_row_reached_the_target():
    config = GuardrailsConfig(target_return=10.0, target_episodes=2)
    stop = EarlyStop(update=1, env_steps=64, mean_return=10.0, target_return=10.0)
    assert Guardrails(config, CHOICE).replay([HEALTHY, HEALTHY]) == stop
    assert Guardrails(config, CHOICE).replay([HEALTHY, HEALTHY | {"mean_return": 9.0}]) is None


def test_guardrails_that_saw_other_rows_are_not_equal():
    one, other = Guardrails(GuardrailsConfig(), CHOICE), Guardrails(GuardrailsConfig(), CHOICE)
    assert one == other
    one.replay([HEALTHY])
    assert one != other
    assert (alarm := one.judge_update(HEALTHY | {"approximate_kl": 1e6})) is not None
    assert alarm.error is PolicyJumped
