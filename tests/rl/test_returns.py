import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from rl_assets.rl.returns import gae

N, T = False, True


def column(*numbers):
    return torch.tensor(numbers, dtype=torch.float32)[:, None]


def flags(*facts):
    return torch.tensor(facts, dtype=torch.bool)[:, None]


def advantages(rewards, values, next_values, terminated, truncated, valid, discount=0.5, trace_decay=0.5):
    return gae(
        rewards=column(*rewards),
        values=column(*values),
        next_values=column(*next_values),
        terminated=flags(*terminated),
        truncated=flags(*truncated),
        valid=flags(*valid),
        discount=discount,
        trace_decay=trace_decay,
    )[:, 0].tolist()


def test_one_running_episode():
    # errors: 1 + .5*4 - 2 = 1;  1 + .5*8 - 4 = 1;  1 + .5*16 - 8 = 1;  carry .25
    result = advantages([1, 1, 1], [2, 4, 8], [4, 8, 16], [N, N, N], [N, N, N], [T, T, T])
    assert result == [1 + 0.25 * 1.25, 1.25, 1.0]


def test_termination_forgets_the_future():
    # errors: 1 + .5*4 - 2 = 1;  1 - 4 = -3 (no bootstrap);  1 + .5*16 - 8 = 1
    result = advantages([1, 1, 1], [2, 4, 8], [4, 8, 16], [N, T, N], [N, N, N], [T, T, T])
    assert result == [1 + 0.25 * -3, -3.0, 1.0]


def test_truncation_keeps_the_future_value():
    # errors: 1;  1 + .5*8 - 4 = 1, and nothing of the next episode leaks in;  1
    result = advantages([1, 1, 1], [2, 4, 8], [4, 8, 16], [N, N, N], [N, T, N], [T, T, T])
    assert result == [1 + 0.25 * 1, 1.0, 1.0]


def test_the_reset_step_has_no_advantage_and_passes_none_on():
    # The reset step carries a value of 100 and a reward of 7 that must be seen nowhere.
    result = advantages([1, 7, 1], [2, 100, 8], [4, 8, 16], [T, N, N], [N, N, N], [T, N, T])
    assert result == [-1.0, 0.0, 1.0]


def test_truncation_bootstraps_from_the_final_state_that_the_reset_step_shows():
    # The value of the final state (4) is what stands beside the reset step.
    result = advantages([1, 0, 1], [2, 4, 8], [4, 8, 16], [N, N, N], [T, N, N], [T, N, T])
    assert result == [1 + 0.5 * 4 - 2, 0.0, 1.0]


def test_coefficients_may_differ_by_member():
    ones, no = torch.ones(2, 2, 1), torch.zeros(2, 2, 1, dtype=torch.bool)
    result = gae(
        rewards=ones,
        values=torch.zeros(2, 2, 1),
        next_values=ones,
        terminated=no,
        truncated=no,
        valid=~no,
        discount=torch.tensor([[0.5], [1.0]]),
        trace_decay=torch.tensor([[1.0], [0.0]]),
    )
    assert result[:, :, 0].tolist() == [[1.5 + 0.5 * 1.5, 2.0], [1.5, 2.0]]


@given(
    st.lists(
        st.tuples(st.floats(-5, 5), st.floats(-5, 5), st.sampled_from(["runs", "terminated", "truncated"])),
        min_size=1,
        max_size=30,
    ),
    st.floats(0, 1),
    st.floats(0, 1),
)
def test_it_equals_the_sum_over_each_episode(steps, discount, trace_decay):
    rewards, values, ends = zip(*steps, strict=True)
    next_values = [*values[1:], 1.5]
    terminated, truncated = [end == "terminated" for end in ends], [end == "truncated" for end in ends]
    valid = reset_steps_left_out(ends)
    expected = []
    for start in range(len(steps)):
        total, weight = 0.0, 1.0
        for k in range(start, len(steps)):
            if not valid[k]:
                break
            future = 0.0 if terminated[k] else discount * next_values[k]
            total += weight * (rewards[k] + future - values[k])
            weight *= discount * trace_decay
            if ends[k] != "runs":
                break
        expected.append(total)
    result = advantages(rewards, values, next_values, terminated, truncated, valid, discount, trace_decay)
    assert result == pytest.approx(expected, abs=1e-3)


def reset_steps_left_out(ends):
    """Which steps are valid: all but the one after an episode's end."""
    valid = []
    for index in range(len(ends)):
        valid.append(index == 0 or not valid[-1] or ends[index - 1] == "runs")
    return valid


def test_shapes_that_differ_are_refused():
    with pytest.raises(ValueError, match=r"valid have shape \(2, 1\): expected the rewards' \(3, 1\)"):
        advantages([1, 1, 1], [2, 4, 8], [4, 8, 16], [N, N, N], [N, N, N], [T, T])


@pytest.mark.parametrize("name", ["discount", "trace_decay"])
def test_coefficients_outside_their_range_are_refused(name):
    with pytest.raises(ValueError, match=rf"{name} is 1.5: expected 0 to 1"):
        advantages([1], [1], [1], [N], [N], [T], **{name: 1.5})
