"""Bits that a change of code must not move unless it raises `NUMERICS_VERSION`."""

import hashlib

import numpy as np
import pytest

from rl_assets.config.network import NetworkConfig
from rl_assets.config.ppo import PPOConfig
from rl_assets.rl.envs.spaces import BoxActions, DiscreteActions, MultiDiscreteActions
from rl_assets.rl.learner import make_learner
from rl_assets.rl.numerics import NUMERICS_VERSION
from rl_assets.rl.policy import PolicySpec, PolicyStack
from rl_assets.rl.rollout import Rollout

GOLDEN = {
    2: {
        "Discrete(4)-tanh": "8b50ac174513ad95",
        "Discrete(4)-relu": "78578202a0942416",
        "MultiDiscrete(2x3)-tanh": "125acef2904802e9",
        "MultiDiscrete(2x3)-relu": "7b7e1d3da9530dc9",
        "Box(2)-tanh": "788e465950e4a17f",
        "Box(2)-relu": "53cca8f07a9c510b",
    },
}
"""Numerics version -> case -> start of the SHA-256 over parameters and moments after two updates.

The kernels use nothing but the basic operations of IEEE 754 in an order of their own, so every machine has these bits.
Whoever changes them on purpose raises the version and writes new digests; all other changes leave them alone.
"""
SPACES = [DiscreteActions(n=4), MultiDiscreteActions(ns=(2, 3)), BoxActions(low=(-1.0, -1.0), high=(1.0, 1.0))]


@pytest.mark.parametrize("activation", ["tanh", "relu"])
@pytest.mark.parametrize("actions", SPACES, ids=lambda actions: actions.label)
def test_compiled_learning_gives_the_known_bits(actions, activation):
    rng = np.random.default_rng(0)
    spec = PolicySpec(
        network=NetworkConfig(hidden_sizes=(20, 33), activation=activation),
        observation_shape=(3,),
        actions=actions,
        normalizes_observations=False,
    )
    drawn = spec.shape.init_member(rng)
    weights = {name: (rng.standard_normal(array.shape) / 4).astype(np.float32) for name, array in drawn.items()}
    policies = PolicyStack(spec, [weights], backend="fused")
    config = PPOConfig(num_envs=6, num_steps=50, num_minibatches=2, update_epochs=2, entropy_coefficient=0.01)
    learner = make_learner(policies, configs=[config], seeds=[0])
    for update in range(2):
        rollout = experience(policies, rng)
        learner.update(rollout, rollout.rewards, counter=update, learning_rates=[1e-2])
    tensors = [*policies.read(0).values(), *learner.optimizer_state(0).values()]
    digest = hashlib.sha256(b"".join(array.tobytes() for array in tensors)).hexdigest()
    assert digest[:16] == GOLDEN[NUMERICS_VERSION][f"{actions.label}-{activation}"]


def experience(policies, rng):
    """What a policy did in made-up states; its randomness needs no logarithm, which libraries round differently."""
    rollout = Rollout.empty(policies, num_steps=50, num_envs=6, has_masks=False)
    rollout.observations[...] = rng.standard_normal(rollout.observations.shape)
    rollout.rewards[...] = rng.standard_normal(rollout.rewards.shape)
    rollout.terminated[...] = rng.random(rollout.terminated.shape) < 0.05
    rollout.valid[...] = rng.random(rollout.valid.shape) < 0.95
    noise = rng.standard_normal((*rollout.rewards.shape, policies.distribution.num_outputs)).astype(np.float32)
    for step in range(len(noise)):
        acts = policies.actor_critics.act(rollout.observations[step], noise=noise[step], masks=None)
        rollout.actions[step], rollout.log_probs[step] = acts.actions, acts.log_probs
        rollout.values[step] = acts.values
    rollout.values[-1] = policies.actor_critics.values(rollout.observations[-1])
    return rollout
