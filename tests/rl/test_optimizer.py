import pytest
import torch

from rl_assets.rl.optimizer import PopulationAdam

LIMIT = torch.tensor([[0.5], [1e9]])


def torch_adam(start, gradients, *, learning_rates, epsilon, max_grad_norm):
    """One member's parameters after the same steps with torch's own parts."""
    parameter = torch.nn.Parameter(start.clone())
    optimizer = torch.optim.Adam([parameter], eps=epsilon)
    for gradient, learning_rate in zip(gradients, learning_rates, strict=True):
        parameter.grad = gradient.clone()
        torch.nn.utils.clip_grad_norm_([parameter], max_grad_norm)
        optimizer.param_groups[0]["lr"] = learning_rate
        optimizer.step()
    return parameter.detach()


def test_each_member_moves_as_under_torch_adam_with_its_own_rate_clip_and_epsilon():
    generator = torch.Generator().manual_seed(0)
    start = torch.randn(2, 7, generator=generator)
    gradients = [torch.randn(2, 7, generator=generator) for _ in range(4)]
    rates = [[0.1, 0.001], [0.05, 0.002], [0.02, 0.0], [0.01, 0.01]]
    parameters, gradient = start.clone(), torch.zeros(2, 7)
    adam = PopulationAdam(parameters, gradient, epsilon=[1e-5, 1e-3])
    for step in range(4):
        gradient.copy_(gradients[step])
        norms = adam.step(learning_rates=rates[step], max_grad_norm=LIMIT, active=[True, True])
        assert norms.tolist() == pytest.approx(gradients[step].norm(dim=1).tolist())
    for member, (epsilon, limit) in enumerate([(1e-5, 0.5), (1e-3, 1e9)]):
        expected = torch_adam(
            start[member],
            [g[member] for g in gradients],
            learning_rates=[r[member] for r in rates],
            epsilon=epsilon,
            max_grad_norm=limit,
        )
        torch.testing.assert_close(parameters[member], expected, rtol=1e-5, atol=1e-6)


def test_an_inactive_member_keeps_everything_bit_by_bit():
    parameters, gradient = torch.ones(2, 3), torch.zeros(2, 3)
    adam = PopulationAdam(parameters, gradient, epsilon=[1e-5, 1e-5])
    for active in ([True, True], [True, False]):
        before = [tensor.clone() for tensor in (parameters, adam.exp_avg, adam.exp_avg_sq)]
        gradient.fill_(0.3)
        adam.step(learning_rates=[0.1, 0.1], max_grad_norm=LIMIT, active=active)
    after = (parameters, adam.exp_avg, adam.exp_avg_sq)
    assert all(torch.equal(old[1], new[1]) for old, new in zip(before, after, strict=True))
    assert all(not torch.equal(old[0], new[0]) for old, new in zip(before, after, strict=True))
    assert adam.steps == [2, 1]


def test_a_silenced_member_leaves_the_others_alone():
    def run(silenced):
        parameters, gradient = torch.ones(2, 3), torch.zeros(2, 3)
        adam = PopulationAdam(parameters, gradient, epsilon=[1e-5, 1e-5])
        for step in range(3):
            gradient.fill_(0.1 * (step + 1))
            if silenced:
                gradient[0] = torch.nan
            adam.step(learning_rates=[0.1, 0.1], max_grad_norm=LIMIT, active=[True, True])
            if silenced:
                adam.silence(0)
        return parameters

    assert torch.equal(run(silenced=True)[1], run(silenced=False)[1])
    assert run(silenced=True)[0].tolist() == [0, 0, 0]
