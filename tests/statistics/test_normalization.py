import math

import numpy as np
import pytest

from rl_assets.statistics.aggregates import interquartile_mean
from rl_assets.statistics.normalization import ReferenceReturns, normalize_scores

REFERENCES = {
    "CartPole-v1": ReferenceReturns(zero=20.0, one=500.0),
    "Acrobot-v1": ReferenceReturns(zero=-500.0, one=-100.0),
    "Unused-v0": ReferenceReturns(zero=0.0, one=0.0),
}
ENVS = ("Acrobot-v1", "CartPole-v1")


def test_references_score_zero_and_one_in_the_order_of_the_columns():
    scores = normalize_scores([[-500.0, 500.0], [-300.0, 20.0]], envs=ENVS, references=REFERENCES)
    assert scores.tolist() == [[0.0, 1.0], [0.5, 0.0]]


def test_better_than_the_reference_is_above_one_and_worse_than_chance_below_zero():
    scores = normalize_scores([[-60.0, 8.0]], envs=ENVS, references=REFERENCES)
    assert scores[0] == pytest.approx([1.1, -0.025])


def test_a_batch_keeps_its_shape():
    scores = normalize_scores(np.zeros((3, 5, 2)), envs=ENVS, references=REFERENCES)
    assert scores.shape == (3, 5, 2)


def test_units_no_longer_matter_to_what_is_averaged_over_environments():
    returns = np.array([[-120.0, 480.0], [-200.0, 300.0], [-90.0, 500.0], [-400.0, 100.0]])
    in_cents = {
        env: ReferenceReturns(zero=100 * own.zero, one=100 * own.one) if env == "CartPole-v1" else own
        for env, own in REFERENCES.items()
    }
    plain = normalize_scores(returns, envs=ENVS, references=REFERENCES)
    scaled = normalize_scores(returns * [1, 100], envs=ENVS, references=in_cents)
    assert interquartile_mean(plain) == pytest.approx(interquartile_mean(scaled))
    assert interquartile_mean(returns) != pytest.approx(interquartile_mean(returns * [1, 100]))


@pytest.mark.parametrize(
    ("scores", "envs", "words"),
    [
        ([[1.0]], ("Pong-v5",), "no reference returns for Pong-v5: returns of different environments have no common"),
        ([[1.0]], ENVS, "1 columns for 2 environments Acrobot-v1, CartPole-v1"),
        ([[1.0]], ("Unused-v0",), "'Unused-v0' scores 0 at 0.0 and 1 at 0.0, expected two different finite numbers"),
        ([[math.inf]], ("CartPole-v1",), "normalize_scores: the score at .* is inf"),
    ],
)
def test_scores_without_a_scale_are_refused(scores, envs, words: str):
    with pytest.raises(ValueError, match=words):
        normalize_scores(scores, envs=envs, references=REFERENCES)


def test_a_reference_that_is_not_finite_is_refused():
    with pytest.raises(ValueError, match="scores 0 at nan"):
        normalize_scores([[1.0]], envs=("X",), references={"X": ReferenceReturns(zero=math.nan, one=1.0)})
