"""A short version of the benchmark `gates`, whose tables stand in docs/statistics.md."""

import pytest

from rl_assets.statistics.promotions import SCATTERS, SimulatedPolicy, has_false_promotion, is_promoted

NUM_REIGNS = 80


@pytest.mark.parametrize("scatter", SCATTERS)
@pytest.mark.parametrize("num_candidates", [1, 20])
def test_equal_candidates_of_twenty_sweeps_rarely_replace_their_champion(scatter, num_candidates):
    false = sum(
        has_false_promotion(SCATTERS[scatter], reign=reign, num_candidates=num_candidates, num_sweeps=20)
        for reign in range(NUM_REIGNS)
    )
    # With a true rate of 5 %, more than 11 of 80 come with a chance below 0.1 %.
    assert false <= 11


def test_asking_again_changes_no_answer():
    normal = SCATTERS["normal"]
    for reign in range(10):
        once, often = (
            has_false_promotion(normal, reign=reign, num_candidates=3, num_sweeps=4, times_asked=times)
            for times in (1, 10)
        )
        assert once == often


@pytest.mark.parametrize("scatter", SCATTERS)
@pytest.mark.parametrize("test", [1, 20])
def test_a_candidate_that_is_four_tenths_of_a_deviation_better_is_seen(scatter, test):
    seen = sum(
        is_promoted(
            SimulatedPolicy(number=2 * index, scatter=SCATTERS[scatter], lead=0.4),
            SimulatedPolicy(number=2 * index + 1, scatter=SCATTERS[scatter]),
            test=test,
        )
        for index in range(200)
    )
    # With a true power of 80 %, fewer than 142 of 200 come with a chance below 0.1 %.
    assert seen >= 142


def test_a_candidate_that_is_worse_is_not_promoted():
    normal = SCATTERS["normal"]
    assert not any(
        is_promoted(
            SimulatedPolicy(number=2 * index, scatter=normal, lead=-0.2),
            SimulatedPolicy(number=2 * index + 1, scatter=normal),
            test=1,
        )
        for index in range(100)
    )


@pytest.mark.parametrize("scatter", SCATTERS)
def test_a_scatters_deviation_is_what_it_states(scatter):
    returns = SimulatedPolicy(number=1, scatter=SCATTERS[scatter]).play(range(200_000))
    assert returns.std() == pytest.approx(SCATTERS[scatter].std, rel=0.01)
