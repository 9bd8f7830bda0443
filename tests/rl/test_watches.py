import math

import pytest

from rl_assets.errors import GradientExploded, PolicyJumped, RewardOutlier, RewardOutOfRange
from rl_assets.rl.watches import (
    CappedWatch,
    DeviationWatch,
    EntropyWatch,
    ReturnWatch,
    RewardWatch,
    SaturationWatch,
    TargetWatch,
    UsualWatch,
)


def alarms(watch, **columns):
    """What a watch says of rows that are given by columns of equal length."""
    return [watch.judge(dict(zip(columns, row, strict=True))) for row in zip(*columns.values(), strict=True)]


def alarmed_at(watch, **columns):
    return [update for update, alarm in enumerate(alarms(watch, **columns)) if alarm is not None]


def test_a_reward_beyond_the_limit_alarms_at_once_and_with_its_sign():
    (alarm,) = alarms(RewardWatch(limit=100.0, ratio=None), reward_min=[-101.0], reward_max=[99.0])
    assert alarm is not None
    assert (alarm.error, alarm.value, alarm.expected) == (RewardOutOfRange, -101.0, "-100 to 100")


def test_a_reward_at_the_limit_is_fine():
    assert alarmed_at(RewardWatch(limit=100.0, ratio=None), reward_min=[-100.0], reward_max=[100.0]) == []


def test_a_reward_unlike_all_before_alarms():
    watch = RewardWatch(limit=None, ratio=10.0)
    found = alarms(watch, reward_min=[-2.0, 0.0, 0.0], reward_max=[1.0, 20.0, 201.0])
    assert found[:2] == [None, None]
    assert found[2] is not None
    assert (found[2].error, found[2].value) == (RewardOutlier, 201.0)
    assert found[2].expected == "at most 10 times the 20 of earlier updates"


def test_a_first_reward_after_many_tiny_ones_is_no_outlier():
    watch = RewardWatch(limit=None, ratio=1e4)
    assert alarmed_at(watch, reward_min=[-1e-9, -1e-9], reward_max=[0.0, 100.0]) == []


def test_the_first_update_has_nothing_to_compare_with():
    assert alarmed_at(RewardWatch(limit=None, ratio=2.0), reward_min=[0.0], reward_max=[1e9]) == []


def test_an_update_of_nothing_but_reset_steps_says_nothing():
    watch = RewardWatch(limit=1.0, ratio=2.0)
    assert alarmed_at(watch, reward_min=[math.nan], reward_max=[math.nan]) == []
    assert watch == RewardWatch(limit=1.0, ratio=2.0)


def test_a_column_above_its_cap_alarms():
    watch = CappedWatch(column="approximate_kl", quantity="the KL", error=PolicyJumped, limit=5.0)
    assert alarmed_at(watch, approximate_kl=[0.01, 5.0, 5.1, 0.02]) == [2]


def test_what_is_usual_is_the_geometric_mean_and_takes_five_updates_to_know():
    watch = UsualWatch(column="gradient_norm", quantity="the gradient norm", error=GradientExploded, ratio=10.0)
    found = alarms(watch, gradient_norm=[1.0, 1.0, 4.0, 4.0, 900.0, 49.0, 1000.0])
    usual = (4 * 4 * 900 * 49) ** (1 / 6)
    assert [alarm is not None for alarm in found] == [False] * 6 + [True]
    assert found[6] is not None
    assert found[6].expected == f"at most 10 times the {usual:.4g} that is usual"


def test_numbers_below_one_are_as_usual_as_one():
    watch = UsualWatch(column="gradient_norm", quantity="the gradient norm", error=GradientExploded, ratio=10.0)
    assert alarmed_at(watch, gradient_norm=[1e-9] * 6 + [10.0, 14.0, 0.0]) == [7]


@pytest.mark.parametrize(
    ("watch", "column", "good", "bad"),
    [
        (SaturationWatch(limit=0.9, patience=3), "saturated_actions", 0.89, 0.9),
        (EntropyWatch(limit=1e-3, patience=3), "entropy", 1e-3, 0.9e-3),
        # One normal of deviation s has the entropy 0.5 + 0.5 log(2 pi) + log s = 1.4189 + log s; here two.
        (DeviationWatch(limit=0.01, action_size=2, patience=3), "entropy", 2 * (1.419 - 4.60), 2 * (1.418 - 4.61)),
    ],
)
def test_patience_wants_as_many_updates_in_a_row(watch, column, good, bad):
    assert alarmed_at(watch, **{column: [bad, bad, good, bad, bad, bad, bad, good]}) == [5, 6]


def test_actions_without_bounds_are_never_saturated():
    assert alarmed_at(SaturationWatch(limit=0.5, patience=1), saturated_actions=[math.nan] * 3) == []


def test_an_entropy_beyond_all_numbers_is_no_overflow():
    assert alarmed_at(DeviationWatch(limit=0.01, action_size=1, patience=1), entropy=[1e9, -1e9]) == [1]


RISE = [float(update) for update in range(0, 100, 2)]


def test_losing_all_that_was_learned_alarms_after_patience():
    returns = RISE + [0.0] * 20
    watch = ReturnWatch(drop=1.0, patience=4)
    # Smoothed over ten updates: 9 at first, 89 at best. Ten updates after the fall all ten are 0, which is 89 below it;
    # that has to hold four times.
    assert alarmed_at(watch, mean_return=returns)[0] == len(RISE) + 10 - 1 + 3
    assert (watch.first, watch.best) == (9.0, 89.0)


def test_losing_half_is_fine_unless_half_is_too_much():
    returns = RISE + [49.0] * 40
    assert alarmed_at(ReturnWatch(drop=1.0, patience=4), mean_return=returns) == []
    assert alarmed_at(ReturnWatch(drop=0.4, patience=4), mean_return=returns) != []


def test_a_fall_that_is_made_good_in_time_is_fine():
    watch = ReturnWatch(drop=1.0, patience=4)
    assert alarmed_at(watch, mean_return=RISE + [0.0] * 10 + [90.0] * 20) == []


def test_a_fall_is_none_of_the_noise_that_it_is_held_against():
    watch = ReturnWatch(drop=1.0, patience=4)
    assert alarmed_at(watch, mean_return=[*RISE, *[-1e9] * 20])[0] == len(RISE) + 3


def test_a_run_that_never_learned_has_nothing_to_lose():
    noise = [10.0 * math.sin(7.0 * update) for update in range(400)]
    falling = [value - 0.2 * update for update, value in enumerate(noise)]
    assert alarmed_at(ReturnWatch(drop=0.1, patience=1), mean_return=noise) == []
    assert alarmed_at(ReturnWatch(drop=0.1, patience=1), mean_return=falling) == []


def test_a_fall_within_the_noise_is_fine():
    """Progress of 60 and a fall of as much, between updates that differ by 40: nobody can tell."""
    returns = [update * 1.0 + 40.0 * (-1) ** update for update in range(60)] + [-20.0, 20.0] * 30
    assert alarmed_at(ReturnWatch(drop=0.5, patience=1), mean_return=returns) == []


def test_updates_without_episodes_say_nothing_of_the_return():
    returns = RISE + [0.0] * 20
    with_gaps = [value for each in returns for value in (each, math.nan)]
    plain, gappy = ReturnWatch(drop=1.0, patience=4), ReturnWatch(drop=1.0, patience=4)
    first, second = alarmed_at(plain, mean_return=returns), alarmed_at(gappy, mean_return=with_gaps)
    assert [2 * update for update in first] == second
    assert plain == gappy


def test_the_target_counts_the_latest_episodes_in_whole_updates():
    watch = TargetWatch(target=10.0, episodes=4)
    rows = [(3, 0.0), (0, math.nan), (3, 9.0), (2, 12.0), (2, 9.0), (4, 9.0)]
    reached = [watch.reached({"episodes": episodes, "mean_return": mean}) for episodes, mean in rows]
    # 6 episodes with 4.5; then the latest 5 of 8 with (27 + 24) / 5; then 4 of 10 with (24 + 18) / 4; then 4 with 9.
    assert reached == [None, None, None, 10.2, 10.5, None]


def test_a_target_may_be_negative_and_is_reached_exactly():
    watch = TargetWatch(target=-100.0, episodes=1)
    assert watch.reached({"episodes": 1, "mean_return": -100.5}) is None
    assert watch.reached({"episodes": 1, "mean_return": -100.0}) == -100.0
