import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from rl_assets.config.network import NetworkConfig
from rl_assets.rl.networks.mlp import MLPShape, StackedMLP


def shape_of(observation_size=3, num_outputs=2, hidden_sizes=(5, 7), activation="tanh", has_log_std=True):
    network = NetworkConfig(hidden_sizes=hidden_sizes, activation=activation)
    return MLPShape(
        observation_size=observation_size, num_outputs=num_outputs, network=network, has_log_std=has_log_std
    )


def draw(shape, count=3):
    return [shape.init_member(np.random.default_rng(seed)) for seed in range(count)]


def plain_forward(tensors, tower, observations, activation):
    """The same network the obvious way."""
    hidden, layer = observations, 0
    while f"{tower}.{layer}.weight" in tensors:
        hidden = torch.nn.functional.linear(
            hidden,
            torch.from_numpy(tensors[f"{tower}.{layer}.weight"]),
            torch.from_numpy(tensors[f"{tower}.{layer}.bias"]),
        )
        layer += 1
        if f"{tower}.{layer}.weight" in tensors:
            hidden = torch.tanh(hidden) if activation == "tanh" else torch.relu(hidden)
    return hidden


def forward(network, observations):
    return network.forward(network.prepare(observations.numpy()))


@pytest.mark.parametrize("activation", ["tanh", "relu"])
def test_the_stack_computes_what_each_member_computes_by_itself(activation):
    shape = shape_of(activation=activation)
    members = draw(shape)
    observations = torch.randn(3, 6, 3, generator=torch.Generator().manual_seed(0))
    outputs, values = forward(StackedMLP(shape, members), observations)
    for index, tensors in enumerate(members):
        expected = plain_forward(tensors, "actor", observations[index], activation)
        torch.testing.assert_close(outputs[index, :6], expected, rtol=1e-5, atol=1e-6)
        expected = plain_forward(tensors, "critic", observations[index], activation)[:, 0]
        torch.testing.assert_close(values[index, :6], expected, rtol=1e-5, atol=1e-6)


def test_the_gradient_is_that_of_autograd_on_each_member_by_itself():
    shape = shape_of()
    members = draw(shape)
    observations = torch.randn(3, 4, 3, generator=torch.Generator().manual_seed(0))
    network = StackedMLP(shape, members)
    outputs, values = forward(network, observations)
    loss = outputs[:, :4].square().sum() + values[:, :4].sin().sum() + network.log_std().exp().sum()
    network.backward(loss)
    for index, tensors in enumerate(members):
        leaves = {name: torch.from_numpy(array.copy()).requires_grad_() for name, array in tensors.items()}
        actor = leaves_forward(leaves, "actor", observations[index])
        critic = leaves_forward(leaves, "critic", observations[index])[:, 0]
        (actor.square().sum() + critic.sin().sum() + leaves["actor.log_std"].exp().sum()).backward()
        got = network.read(index, flat=network.grad)
        for name, leaf in leaves.items():
            torch.testing.assert_close(torch.from_numpy(got[name]), leaf.grad, rtol=1e-4, atol=1e-6)


def leaves_forward(leaves, tower, hidden):
    for layer in range(3):
        hidden = hidden @ leaves[f"{tower}.{layer}.weight"].T + leaves[f"{tower}.{layer}.bias"]
        hidden = torch.tanh(hidden) if layer < 2 else hidden
    return hidden


@settings(max_examples=25, deadline=None)
@given(
    st.integers(1, 9),
    st.integers(1, 9),
    st.lists(st.integers(1, 20), min_size=1, max_size=3).map(tuple),
    st.booleans(),
)
def test_what_is_written_is_read_back_bit_by_bit(observation_size, num_outputs, hidden_sizes, has_log_std):
    shape = shape_of(observation_size, num_outputs, hidden_sizes, has_log_std=has_log_std)
    members = draw(shape)
    network = StackedMLP(shape, members)
    for index, tensors in enumerate(members):
        got = network.read(index)
        assert got.keys() == tensors.keys()
        assert all(got[name].tobytes() == tensors[name].tobytes() for name in tensors)
    assert sum(array.size for array in members[0].values()) == shape.num_parameters


def test_padding_stays_zero_under_gradients():
    shape = shape_of()
    network = StackedMLP(shape, [{name: np.ones_like(array) for name, array in draw(shape, 1)[0].items()}])
    outputs, values = forward(network, torch.ones(1, 4, 3))
    network.backward(outputs.sum() + values.sum() + network.log_std().sum())
    used = sum(np.count_nonzero(array) for array in network.read(0).values())
    assert int(network.flat.count_nonzero()) == used
    in_padding = network.grad[network.flat == 0]
    assert in_padding.abs().max() == 0


def test_initial_weights_are_orthogonal_with_the_usual_gains():
    tensors = shape_of(8, 4, (16, 16)).init_member(np.random.default_rng(0))
    first = tensors["actor.0.weight"].astype(np.float64)
    np.testing.assert_allclose(first.T @ first, 2 * np.eye(8), atol=1e-5)
    head = tensors["actor.2.weight"].astype(np.float64)
    np.testing.assert_allclose(head @ head.T, 1e-4 * np.eye(4), atol=1e-8)
    assert np.linalg.norm(tensors["critic.2.weight"]) == pytest.approx(1.0)
    assert not any(tensors[name].any() for name in tensors if name.endswith(("bias", "log_std")))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (
            {"actor.0.weight": np.zeros((3, 3), np.float32)},
            r"'actor.0.weight' is float32 \(3, 3\): expected float32 \(5, 3\)",
        ),
        ({"actor.0.weight": np.zeros((5, 3))}, r"'actor.0.weight' is float64 \(5, 3\): expected float32 \(5, 3\)"),
    ],
)
def test_misshapen_parameters_are_refused(change, words):
    shape = shape_of()
    with pytest.raises(ValueError, match=words):
        StackedMLP(shape, [draw(shape, 1)[0] | change])


def test_missing_parameters_are_refused():
    shape = shape_of()
    tensors = draw(shape, 1)[0]
    del tensors["critic.2.bias"]
    with pytest.raises(ValueError, match=r"'critic.2.bias' is missing: expected float32 \(1,\)"):
        StackedMLP(shape, [tensors])


def test_what_was_read_does_not_change_with_the_network():
    shape = shape_of()
    network = StackedMLP(shape, draw(shape))
    before = network.read(1)
    kept = {name: array.copy() for name, array in before.items()}
    network.flat.add_(1)
    assert all(np.array_equal(before[name], kept[name]) for name in kept)
