import math

import numpy as np
import pytest
import torch

from rl_assets.rl.distributions import Categorical, DiagonalGaussian, distribution_for
from rl_assets.rl.envs.spaces import BoxActions, DiscreteActions, MultiDiscreteActions

BOX = BoxActions(low=(-2.0, 0.0), high=(2.0, 10.0))


def test_the_space_decides_the_distribution():
    assert isinstance(distribution_for(DiscreteActions(n=3)), Categorical)
    assert isinstance(distribution_for(BOX), DiagonalGaussian)


def test_categorical_probabilities_and_entropy():
    outputs, actions = torch.tensor([[0.0, math.log(3.0)]]), torch.tensor([[1.0]])
    categorical = Categorical(DiscreteActions(n=2))
    assert categorical.log_prob(outputs, None, actions).tolist() == pytest.approx([math.log(0.75)])
    assert categorical.entropy(outputs, None).item() == pytest.approx(-(0.25 * math.log(0.25) + 0.75 * math.log(0.75)))
    assert categorical.mode(outputs).tolist() == [[1.0]]


def test_categorical_samples_follow_the_probabilities():
    categorical = Categorical(DiscreteActions(n=3))
    noise = torch.from_numpy(categorical.draw_noise(np.random.default_rng(0), (20_000,)))
    actions = categorical.to_env(categorical.sample(torch.tensor([0.1, 0.6, 0.3]).log(), None, noise).numpy())
    np.testing.assert_allclose(np.bincount(actions) / 20_000, [0.1, 0.6, 0.3], atol=0.015)


def test_gaussian_density_and_entropy_are_those_of_torch():
    gaussian, log_std = DiagonalGaussian(BOX), torch.tensor([0.3, -0.7])
    outputs, actions = torch.tensor([[0.1, -0.2]]), torch.tensor([[1.0, 0.5]])
    reference = torch.distributions.Normal(outputs, log_std.exp())
    torch.testing.assert_close(gaussian.log_prob(outputs, log_std, actions), reference.log_prob(actions).sum(-1))
    torch.testing.assert_close(gaussian.entropy(outputs, log_std), reference.entropy().sum(-1))


def test_gaussian_samples_have_the_mean_and_deviation():
    gaussian = DiagonalGaussian(BOX)
    noise = torch.from_numpy(gaussian.draw_noise(np.random.default_rng(0), (20_000,)))
    drawn = gaussian.sample(torch.tensor([1.0, 2.0]), torch.tensor([0.0, math.log(0.5)]), noise)
    np.testing.assert_allclose(drawn.mean(0), [1.0, 2.0], atol=0.03)
    np.testing.assert_allclose(drawn.std(0), [1.0, 0.5], atol=0.02)


def test_actions_are_stretched_to_the_bounds_and_clipped():
    actions = np.array([[0.0, 0.0], [1.0, -1.0], [5.0, -5.0]], np.float32)
    assert DiagonalGaussian(BOX).to_env(actions).tolist() == [[0.0, 5.0], [2.0, 0.0], [2.0, 0.0]]


def test_unbounded_actions_stay_as_they_are():
    gaussian = DiagonalGaussian(BoxActions(low=(-math.inf, 0.0), high=(math.inf, math.inf)))
    assert gaussian.to_env(np.array([[7.0, -3.0]], np.float32)).tolist() == [[7.0, 0.0]]


def test_a_diverged_member_still_gives_actions_the_pool_takes():
    nan, inf = math.nan, math.inf
    assert np.isfinite(DiagonalGaussian(BOX).to_env(np.array([[nan, inf]], np.float32))).all()
    categorical = Categorical(DiscreteActions(n=2))
    assert categorical.to_env(categorical.mode(torch.tensor([[nan, nan]])).numpy())[0] in (0, 1)


def test_independent_choices_add_their_log_probabilities_and_entropies():
    categorical = Categorical(MultiDiscreteActions(ns=(2, 3)))
    outputs = torch.tensor([[0.3, -0.2, 1.0, 0.0, -1.0]])
    first, second = (torch.distributions.Categorical(logits=part) for part in outputs.split((2, 3), -1))
    actions = torch.tensor([[1.0, 2.0]])
    expected = first.log_prob(torch.tensor([1])) + second.log_prob(torch.tensor([2]))
    torch.testing.assert_close(categorical.log_prob(outputs, None, actions), expected)
    torch.testing.assert_close(categorical.entropy(outputs, None), first.entropy() + second.entropy())
    assert categorical.mode(outputs).tolist() == [[0.0, 0.0]]
    assert categorical.to_env(actions.numpy()).tolist() == [[1, 2]]


def test_a_forbidden_option_has_probability_zero_and_the_others_share_the_rest():
    categorical = Categorical(DiscreteActions(n=3))
    outputs, masks = torch.tensor([[5.0, 0.0, math.log(3.0)]]), torch.tensor([[False, True, True]])
    log_probs = [categorical.log_prob(outputs, None, torch.tensor([[float(a)]]), masks).item() for a in range(3)]
    assert [math.exp(log_prob) for log_prob in log_probs] == pytest.approx([0.0, 0.25, 0.75])
    expected = -(0.25 * math.log(0.25) + 0.75 * math.log(0.75))
    assert categorical.entropy(outputs, None, masks).item() == pytest.approx(expected)
    assert categorical.mode(outputs, masks).tolist() == [[2.0]]


def test_squashed_actions_approach_the_bounds_and_never_leave_them():
    gaussian = DiagonalGaussian(BOX, squashes=True)
    actions = gaussian.to_env(np.array([[0.0, 0.0], [1.0, -1.0], [50.0, -50.0]], np.float32))
    expected = [[0.0, 5.0], [2 * math.tanh(1), 5 - 5 * math.tanh(1)], [2.0, 0.0]]
    np.testing.assert_allclose(actions, expected, rtol=1e-6)


@pytest.mark.parametrize("squashes", [False, True])
def test_what_the_environment_was_told_is_stored_so_that_it_is_told_again(squashes):
    actions = BoxActions(low=(-2.0, 0.0, -math.inf), high=(2.0, 1.0, math.inf))
    gaussian = distribution_for(actions, squashes=squashes)
    told = np.array([[-1.5, 0.25, 7.0], [0.0, 0.9, -30.0]], np.float32)
    assert np.allclose(gaussian.to_env(gaussian.from_env(told)), told, atol=1e-5)
    edges = gaussian.from_env(np.array([[2.0 + 1e-7, 0.0, 0.0]], np.float32))
    assert np.isfinite(edges).all()
    assert np.allclose(gaussian.to_env(edges), [[2.0, 0.0, 0.0]], atol=2e-3)


def test_choices_are_stored_as_they_are_told():
    categorical = distribution_for(MultiDiscreteActions(ns=(2, 3)))
    told = np.array([[1, 2], [0, 1]])
    assert categorical.to_env(categorical.from_env(told)).tolist() == told.tolist()
