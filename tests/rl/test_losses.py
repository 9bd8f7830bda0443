import math

import pytest
import torch

from rl_assets.rl.losses import approximate_kl, clipped_policy_loss, masked_mean, normalize_advantages, value_loss


def row(*numbers):
    return torch.tensor([numbers], dtype=torch.float32)


def test_policy_loss_takes_the_worse_of_the_ratio_and_its_clip():
    ratios = row(1.0, 1.5, 1.5, 0.5, 0.5)
    advantages = row(2.0, 2.0, -2.0, 2.0, -2.0)
    losses = clipped_policy_loss(
        log_probs=ratios.log(), old_log_probs=torch.zeros(1, 5), advantages=advantages, clip_coefficient=0.2
    )
    # good and already likelier: clipped at 1.2; bad and likelier: not clipped; good and rarer: not; bad and rarer: 0.8
    assert losses.tolist()[0] == pytest.approx([-2.0, -2.4, 3.0, -1.0, 1.6])


def test_policy_gradient_stops_where_the_clip_holds():
    log_probs = row(math.log(1.5), math.log(1.5)).requires_grad_()
    losses = clipped_policy_loss(
        log_probs=log_probs, old_log_probs=torch.zeros(1, 2), advantages=row(2.0, -2.0), clip_coefficient=0.2
    )
    losses.sum().backward()
    assert log_probs.grad.tolist()[0] == pytest.approx([0.0, 3.0])


def test_members_have_their_own_clip():
    losses = clipped_policy_loss(
        log_probs=torch.full((2, 1), math.log(2.0)),
        old_log_probs=torch.zeros(2, 1),
        advantages=torch.ones(2, 1),
        clip_coefficient=torch.tensor([[0.1], [0.5]]),
    )
    assert losses[:, 0].tolist() == pytest.approx([-1.1, -1.5])


def test_value_loss_is_half_the_squared_error():
    losses = value_loss(values=row(1.0, 3.0), old_values=row(0.0, 0.0), returns=row(2.0, 0.0), clip_coefficient=None)
    assert losses.tolist() == [[0.5, 4.5]]


def test_clipped_value_loss_is_the_larger_of_the_two_errors():
    # moved by 1 towards the target 3: clipped to 0.2, error 2.8 against 2; moved by 0.1: not clipped
    losses = value_loss(values=row(1.0, 0.1), old_values=row(0.0, 0.0), returns=row(3.0, 3.0), clip_coefficient=0.2)
    assert losses.tolist()[0] == pytest.approx([0.5 * 2.8**2, 0.5 * 2.9**2])


def test_approximate_kl_is_never_negative_and_zero_where_nothing_changed():
    result = approximate_kl(log_probs=row(0.0, math.log(2.0), math.log(0.5)), old_log_probs=row(0.0, 0.0, 0.0))
    assert result.tolist()[0] == pytest.approx([0.0, 1 - math.log(2), -0.5 + math.log(2)])


def test_masked_rows_do_not_count():
    samples, weights = (
        torch.tensor([[1.0, 3.0, 1e9], [7.0, 7.0, 7.0]]),
        torch.tensor([[1.0, 1.0, 0.0], [0.0, 0.0, 0.0]]),
    )
    assert masked_mean(samples, weights).tolist() == [2.0, 0.0]


def test_advantages_are_normalized_over_the_rows_that_count():
    result = normalize_advantages(row(1.0, 3.0, 1e6), row(1.0, 1.0, 0.0))
    assert result.tolist()[0] == pytest.approx([-(0.5**0.5), 0.5**0.5, 0.0])


def test_one_row_alone_normalizes_to_zero():
    assert normalize_advantages(row(5.0, 1.0), row(1.0, 0.0)).tolist() == [[0.0, 0.0]]
