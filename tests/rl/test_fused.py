"""What the compiled kernels compute, against NumPy and torch."""

import math
import subprocess
import sys

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from rl_assets.config.network import NetworkConfig
from rl_assets.rl import kernels, normalization
from rl_assets.rl.distributions import distribution_for
from rl_assets.rl.envs.spaces import BoxActions, DiscreteActions
from rl_assets.rl.fused import FusedActorCritics, aligned_zeros
from rl_assets.rl.networks.mlp import MLPShape
from rl_assets.rl.returns import gae


def shape_of(actions, hidden_sizes=(5, 7), activation="tanh", observation_size=3):
    distribution = distribution_for(actions)
    shape = MLPShape(
        observation_size=observation_size,
        num_outputs=distribution.num_outputs,
        network=NetworkConfig(hidden_sizes=hidden_sizes, activation=activation),
        has_log_std=distribution.has_log_std,
    )
    return shape, distribution


def draw(shape, count=3):
    return [shape.init_member(np.random.default_rng(seed)) for seed in range(count)]


@settings(max_examples=40, deadline=None)
@given(
    rows=st.integers(1, 40),
    depth=st.integers(1, 40),
    vectors=st.integers(1, 4),
    is_transposed=st.booleans(),
    seed=st.integers(0, 100),
)
def test_products_are_those_of_numpy(rows, depth, vectors, is_transposed, seed):
    rng = np.random.default_rng(seed)
    left = rng.normal(size=(rows, depth)).astype(np.float32)
    right = rng.normal(size=(depth, vectors * kernels.LANES)).astype(np.float32)
    bias = rng.normal(size=right.shape[1]).astype(np.float32)
    stored = np.ascontiguousarray(left.T) if is_transposed else left
    strides = (1, rows) if is_transposed else (depth, 1)
    out = np.zeros((rows, right.shape[1]), np.float32)
    kernels._multiply(out, bias.ctypes.data, 0, stored.ctypes.data, *strides, rows, depth, right)
    np.testing.assert_allclose(out, bias + left @ right, rtol=1e-4, atol=1e-4)


@settings(max_examples=30, deadline=None)
@given(rows=st.integers(2, 40), seed=st.integers(0, 100))
def test_a_row_is_the_same_bit_by_bit_whoever_stands_beside_it(rows, seed):
    rng = np.random.default_rng(seed)
    shape, distribution = shape_of(DiscreteActions(n=5), (33, 16))
    networks = FusedActorCritics(shape, distribution, draw(shape, 1))
    observations = rng.normal(size=(1, rows, 3)).astype(np.float32)
    noise = distribution.draw_noise(rng, (1, rows))
    together = networks.act(observations, noise=noise, masks=None)
    row = int(rng.integers(rows))
    alone = networks.act(observations[:, row : row + 1], noise=noise[:, row : row + 1], masks=None)
    assert together.values[0, row].tobytes() == alone.values.tobytes()
    assert together.log_probs[0, row].tobytes() == alone.log_probs.tobytes()


def test_elementary_functions_are_exact_to_the_last_digits():
    x = np.linspace(-12, 12, 100_001, dtype=np.float32)
    y = x.copy()
    kernels._tanh(y)
    np.testing.assert_allclose(y, np.tanh(x.astype(np.float64)), atol=4e-7)
    exponents = np.linspace(-87, 88.7, 20_001, dtype=np.float32)
    np.testing.assert_allclose([kernels._exp(v) for v in exponents], np.exp(exponents.astype(np.float64)), rtol=3e-7)
    assert [kernels._exp(np.float32(v)) for v in (0.0, -100.0, 100.0, -math.inf, math.inf)] == [
        1.0,
        0.0,
        math.inf,
        0.0,
        math.inf,
    ]


def test_what_is_no_number_stays_none():
    """A clamp that swallowed NaN would hide a diverged member."""
    for function in (kernels._tanh, kernels._relu):
        x = np.array([math.nan, 1.0], np.float32)
        function(x)
        assert math.isnan(x[0])
        assert not math.isnan(x[1])
    assert math.isnan(kernels._exp(np.float32(math.nan)))


@pytest.mark.parametrize("activation", ["tanh", "relu"])
def test_actors_and_critics_are_those_of_torch(activation):
    shape, distribution = shape_of(BoxActions(low=(-1.0, -1.0), high=(1.0, 1.0)), activation=activation)
    members = draw(shape)
    observations = np.random.default_rng(0).normal(size=(3, 6, 3)).astype(np.float32)
    networks = FusedActorCritics(shape, distribution, members)
    means, values = networks.choose(observations, noise=None, masks=None), networks.values(observations)
    between = torch.tanh if activation == "tanh" else torch.relu
    for index, tensors in enumerate(members):
        for tower, expected in (("actor", means[index]), ("critic", values[index][:, None])):
            x = torch.from_numpy(observations[index])
            for layer in range(3):
                weight, bias = (torch.from_numpy(tensors[f"{tower}.{layer}.{kind}"]) for kind in ("weight", "bias"))
                x = torch.nn.functional.linear(x, weight, bias)
                x = between(x) if layer < 2 else x
            np.testing.assert_allclose(expected, x, rtol=1e-5, atol=1e-6)


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 9), st.integers(1, 40), st.lists(st.integers(1, 40), min_size=1, max_size=3).map(tuple))
def test_what_is_written_is_read_back_bit_by_bit(observation_size, num_outputs, hidden_sizes):
    shape, distribution = shape_of(
        BoxActions(low=(-1.0,) * num_outputs, high=(1.0,) * num_outputs), hidden_sizes, "tanh", observation_size
    )
    members = draw(shape)
    networks = FusedActorCritics(shape, distribution, members)
    for index, tensors in enumerate(members):
        got = networks.read(index)
        assert got.keys() == tensors.keys()
        assert all(got[name].tobytes() == tensors[name].tobytes() for name in tensors)


def test_what_was_read_does_not_change_with_the_network():
    shape, distribution = shape_of(DiscreteActions(n=2))
    networks = FusedActorCritics(shape, distribution, draw(shape))
    before = networks.read(1)
    kept = {name: array.copy() for name, array in before.items()}
    networks.parameters += 1
    assert all(np.array_equal(before[name], kept[name]) for name in kept)


def test_misshapen_parameters_are_refused():
    shape, distribution = shape_of(DiscreteActions(n=2))
    tensors = draw(shape, 1)[0]
    with pytest.raises(ValueError, match=r"'actor.0.weight' is float64 \(5, 3\): expected float32 \(5, 3\)"):
        FusedActorCritics(shape, distribution, [tensors | {"actor.0.weight": np.zeros((5, 3))}])
    del tensors["critic.2.bias"]
    with pytest.raises(ValueError, match=r"'critic.2.bias' is missing: expected float32 \(1,\)"):
        FusedActorCritics(shape, distribution, [tensors])


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 1000), num_steps=st.integers(1, 12))
def test_advantages_are_those_of_the_reference(seed, num_steps):
    rng = np.random.default_rng(seed)
    shape = (num_steps, 2, 3)
    rewards = rng.normal(size=shape).astype(np.float32)
    values = rng.normal(size=(num_steps + 1, 2, 3)).astype(np.float32)
    terminated, truncated = rng.random(shape) < 0.2, rng.random(shape) < 0.2
    truncated &= ~terminated
    valid = rng.random(shape) < 0.8
    discount, trace_decay = rng.random(2).astype(np.float32), rng.random(2).astype(np.float32)
    got = np.empty((2, num_steps, 3), np.float32)
    kernels.gae(rewards, values, terminated, truncated, valid, discount, trace_decay, got)
    expected = gae(
        rewards=torch.from_numpy(rewards),
        values=torch.from_numpy(values[:-1]),
        next_values=torch.from_numpy(values[1:]),
        terminated=torch.from_numpy(terminated),
        truncated=torch.from_numpy(truncated),
        valid=torch.from_numpy(valid),
        discount=torch.from_numpy(discount)[:, None],
        trace_decay=torch.from_numpy(trace_decay)[:, None],
    )
    np.testing.assert_allclose(got.swapaxes(0, 1), expected, rtol=1e-5, atol=1e-6)


def test_discounted_sums_are_the_same_bits_without_a_compiler(monkeypatch):
    rng = np.random.default_rng(0)
    rewards, ended = rng.normal(size=(50, 4)).astype(np.float32), rng.random((50, 4)) < 0.1
    start = rng.normal(size=4)
    compiled = normalization.discounted_sums(rewards, ended=ended, start=start, discount=0.99)
    monkeypatch.setattr(normalization, "has_numba", lambda: False)
    plain = normalization.discounted_sums(rewards, ended=ended, start=start, discount=0.99)
    assert [part.tobytes() for part in compiled] == [part.tobytes() for part in plain]


def test_kernels_work_where_nothing_can_be_kept():
    program = (
        "import numba.core.caching as caching\n"
        "caching.CacheImpl._locator_classes = []\n"
        "import numpy as np\n"
        "from rl_assets.rl import kernels\n"
        "x = np.ones(3, np.float32)\n"
        "kernels._relu(x)\n"
        "assert x.tolist() == [1.0, 1.0, 1.0] and not kernels._relu.stats.cache_path\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True)


@pytest.mark.parametrize("shape", [(3, 5), (1, 1), (2, 1000)])
def test_memory_begins_at_a_line_of_the_cache(shape):
    array = aligned_zeros(shape)
    assert array.ctypes.data % 64 == 0
    assert array.shape == shape
    assert not array.any()
