"""Behaviour cloning's update, held to numbers worked by hand and to a plain implementation."""

import math

import numpy as np
import pytest
import torch

from rl_assets.config.bc import BCConfig
from rl_assets.config.network import NetworkConfig
from rl_assets.rl.actor_critics import AutogradActorCritics
from rl_assets.rl.algorithms.bc import BC, Samples
from rl_assets.rl.envs.spaces import BoxActions, DiscreteActions, MultiDiscreteActions
from rl_assets.rl.policy import PolicySpec, PolicyStack

SIZE, ROWS = 3, 10
SPACES = [DiscreteActions(n=4), MultiDiscreteActions(ns=(2, 3)), BoxActions(low=(-1.0, -1.0), high=(1.0, 1.0))]


def spec_of(actions, *, squashes=False):
    network = NetworkConfig(hidden_sizes=(5,))
    return PolicySpec(
        network=network,
        observation_shape=(SIZE,),
        actions=actions,
        normalizes_observations=False,
        squashes_actions=squashes,
    )


def learner_of(spec, members, configs):
    policies = PolicyStack(spec, members, backend="torch")
    assert isinstance(policies.actor_critics, AutogradActorCritics)
    return policies, BC(policies.actor_critics, configs=configs)


def random_samples(actions, count=2):
    rng = np.random.default_rng(0)
    if isinstance(actions, BoxActions):
        acts = rng.uniform(-1, 1, (count, ROWS, 2))
    else:
        ns = (actions.n,) if isinstance(actions, DiscreteActions) else actions.ns
        acts = rng.integers(ns, size=(count, ROWS, len(ns)))
    return Samples(
        observations=rng.normal(size=(count, ROWS, SIZE)).astype(np.float32),
        actions=acts.astype(np.float32),
        returns=rng.normal(size=(count, ROWS)).astype(np.float32),
        has_return=(rng.random((count, ROWS)) < 0.7).astype(np.float32),
        weights=(rng.random((count, ROWS)) < 0.8).astype(np.float32),
    )


def members_of(spec, count=2):
    rng = np.random.default_rng(1)
    drawn = [spec.shape.init_member(rng) for _ in range(count)]
    return [
        {name: array + rng.normal(size=array.shape).astype(np.float32) / 4 for name, array in own.items()}
        for own in drawn
    ]


def constant(spec, *, outputs, value, log_std=None):
    """A member that says the same whatever it sees."""
    tensors = {name: np.zeros_like(array) for name, array in spec.shape.init_member(np.random.default_rng(0)).items()}
    tensors["actor.1.bias"][:] = outputs
    tensors["critic.1.bias"][:] = value
    if log_std is not None:
        tensors["actor.log_std"][:] = log_std
    return tensors


def plain_losses(spec, tensors, samples, member):
    """The obvious way: one network, torch's own distributions, sums over the rows that count."""
    leaves = {name: torch.from_numpy(array.copy()).requires_grad_() for name, array in tensors.items()}
    rows = samples.weights[member] > 0
    observations, actions = (torch.from_numpy(part[member][rows]) for part in (samples.observations, samples.actions))

    def forward(tower):
        hidden = torch.tanh(observations @ leaves[f"{tower}.0.weight"].T + leaves[f"{tower}.0.bias"])
        return hidden @ leaves[f"{tower}.1.weight"].T + leaves[f"{tower}.1.bias"]

    outputs, values = forward("actor"), forward("critic")[:, 0]
    if isinstance(spec.actions, BoxActions):
        normal = torch.distributions.Normal(outputs, leaves["actor.log_std"].exp())
        log_probs, entropies = normal.log_prob(actions).sum(-1), normal.entropy().sum(-1)
        errors = (outputs - actions).square().mean(-1)
    else:
        ns = (spec.actions.n,) if isinstance(spec.actions, DiscreteActions) else spec.actions.ns
        parts = [torch.distributions.Categorical(logits=part) for part in outputs.split(ns, -1)]
        log_probs = sum(part.log_prob(actions[:, index]) for index, part in enumerate(parts))
        entropies = sum(part.entropy() for part in parts)
        chosen = torch.stack([part.argmax(-1) for part in outputs.split(ns, -1)], dim=-1)
        errors = (chosen == actions).all(-1).float()
    known = samples.has_return[member][rows] > 0
    differences = values[known] - torch.from_numpy(samples.returns[member][rows][known])
    return leaves, [-log_probs.mean(), 0.5 * differences.square().mean(), errors.mean(), entropies.mean()]


def test_the_losses_of_choices_worked_by_hand():
    spec = spec_of(DiscreteActions(n=2))
    _, learner = learner_of(spec, [constant(spec, outputs=[math.log(3), 0.0], value=1.0)], [BCConfig()])
    samples = Samples(
        observations=np.zeros((1, 4, SIZE), np.float32),
        actions=np.array([[[0], [0], [1], [1]]], np.float32),
        returns=np.array([[3, 0, 9, 99]], np.float32),
        has_return=np.array([[1, 1, 0, 1]], np.float32),
        weights=np.array([[1, 1, 1, 0]], np.float32),
    )
    likelihood, value, accuracy = learner.measure(samples)[0]
    # probabilities 3/4 and 1/4; the last row fills up, the third has no return
    assert likelihood == pytest.approx((2 * math.log(4 / 3) + math.log(4)) / 3)
    assert value == pytest.approx(0.5 * (2**2 + 1**2) / 2)
    assert accuracy == pytest.approx(2 / 3)


def test_the_losses_of_numbers_worked_by_hand():
    spec = spec_of(SPACES[2])
    member = constant(spec, outputs=[0.5, -0.5], value=0.0, log_std=math.log(0.5))
    _, learner = learner_of(spec, [member], [BCConfig()])
    samples = Samples(
        observations=np.zeros((1, 1, SIZE), np.float32),
        actions=np.array([[[1.0, -0.5]]], np.float32),
        returns=np.zeros((1, 1), np.float32),
        has_return=np.ones((1, 1), np.float32),
        weights=np.ones((1, 1), np.float32),
    )
    likelihood, _, error = learner.measure(samples)[0]
    # one deviation away in the first number, none in the second
    assert likelihood == pytest.approx(0.5 + 2 * (math.log(0.5) + 0.5 * math.log(2 * math.pi)), abs=1e-6)
    assert error == pytest.approx(0.5**2 / 2)


@pytest.mark.parametrize("actions", SPACES, ids=lambda actions: actions.label)
def test_one_step_is_what_a_plain_implementation_does_for_each_member(actions):
    spec = spec_of(actions)
    members, samples = members_of(spec), random_samples(actions)
    configs = [BCConfig(), BCConfig(learning_rate=3e-3, value_coefficient=2.0, max_grad_norm=0.1, adam_epsilon=1e-3)]
    policies, learner = learner_of(spec, members, configs)
    rates = [config.learning_rate for config in configs]
    table = learner.update([samples], learning_rates=rates)
    for index, config in enumerate(configs):
        leaves, losses = plain_losses(spec, members[index], samples, index)
        (losses[0] + config.value_coefficient * losses[1]).backward()
        norm = torch.nn.utils.clip_grad_norm_(leaves.values(), config.max_grad_norm)
        torch.optim.Adam(leaves.values(), lr=config.learning_rate, eps=config.adam_epsilon).step()
        for name, array in policies.read(index).items():
            assert np.allclose(array, leaves[name].detach().numpy(), atol=1e-5), name
        expected = [float(loss.detach()) for loss in losses] + [float(norm), float(norm > config.max_grad_norm)]
        assert table[index] == pytest.approx(expected, rel=1e-5, abs=1e-6)


@pytest.mark.parametrize("actions", SPACES, ids=lambda actions: actions.label)
def test_the_gradient_is_the_slope_of_the_loss(actions):
    """Against differences: along a random direction, the loss changes as the step of plain descent says."""
    spec = spec_of(actions)
    (member,), samples = members_of(spec, 1), random_samples(actions, 1)
    rng = np.random.default_rng(2)
    direction = {name: rng.normal(size=array.shape).astype(np.float32) for name, array in member.items()}

    def loss_at(reach):
        moved = {name: array + reach * direction[name] for name, array in member.items()}
        likelihood, value, _ = learner_of(spec, [moved], [BCConfig()])[1].measure(samples)[0]
        return likelihood + 0.5 * value

    leaves, losses = plain_losses(spec, member, samples, 0)
    (losses[0] + 0.5 * losses[1]).backward()
    slope = sum(float((leaves[name].grad * torch.from_numpy(direction[name])).sum()) for name in leaves)
    reach = 1e-2
    assert (loss_at(reach) - loss_at(-reach)) / (2 * reach) == pytest.approx(slope, rel=2e-2, abs=2e-3)


def test_several_batches_are_several_steps_and_one_row():
    spec = spec_of(SPACES[0])
    samples = random_samples(SPACES[0])
    apart, together = (learner_of(spec, members_of(spec), [BCConfig()] * 2)[1] for _ in range(2))
    rows = [apart.update([samples], learning_rates=[1e-2] * 2) for _ in range(3)]
    assert np.allclose(together.update([samples] * 3, learning_rates=[1e-2] * 2), np.mean(rows, axis=0))
    assert apart.parameters().tobytes() == together.parameters().tobytes()
    assert apart.optimizer.steps == together.optimizer.steps == [3, 3]


def test_rows_that_fill_up_teach_nothing():
    spec = spec_of(SPACES[0])
    samples = random_samples(SPACES[0])
    blank = samples.weights == 0
    samples.observations[blank], samples.returns[blank] = 1e3, 1e6
    policies, learner = learner_of(spec, members_of(spec), [BCConfig()] * 2)
    learner.update([random_samples(SPACES[0])], learning_rates=[1e-2] * 2)
    others, other = learner_of(spec, members_of(spec), [BCConfig()] * 2)
    other.update([samples], learning_rates=[1e-2] * 2)
    assert blank.any()
    assert [array.tobytes() for array in policies.read(0).values()] == [a.tobytes() for a in others.read(0).values()]


def test_measuring_changes_nothing():
    spec = spec_of(SPACES[1])
    _, learner = learner_of(spec, members_of(spec), [BCConfig()] * 2)
    before = learner.parameters().tobytes()
    learner.measure(random_samples(SPACES[1]))
    assert learner.parameters().tobytes() == before
