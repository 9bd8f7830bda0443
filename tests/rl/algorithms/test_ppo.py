import dataclasses

import numpy as np
import pytest
import torch

from rl_assets.config.network import NetworkConfig
from rl_assets.config.ppo import PPOConfig
from rl_assets.rl.algorithms.ppo import METRICS, PPO, Batch
from rl_assets.rl.envs.spaces import BoxActions, DiscreteActions
from rl_assets.rl.networks.mlp import init_member
from rl_assets.rl.policy import PolicySpec, PolicyStack
from rl_assets.rl.rollout import Rollout

NUM_STEPS, NUM_ENVS = 6, 3


def spec_of(actions):
    return PolicySpec(
        network=NetworkConfig(hidden_sizes=(5,)), observation_size=3, actions=actions, normalizes_observations=False
    )


def stack_of(spec, count=2):
    return PolicyStack(spec, [init_member(spec.shape, np.random.default_rng(seed)) for seed in range(count)])


def fill(policies):
    """A rollout of random experience, with every kind of step in it."""
    rng, generator = np.random.default_rng(0), torch.Generator().manual_seed(0)
    rollout = Rollout.empty(policies, num_steps=NUM_STEPS, num_envs=NUM_ENVS)
    rollout.observations[:, :, :NUM_ENVS, :3] = torch.randn(
        NUM_STEPS + 1, policies.num_members, NUM_ENVS, 3, generator=generator
    )
    with torch.no_grad():
        for step in range(NUM_STEPS):
            rollout.outputs[step], rollout.values[step] = policies.network.forward(rollout.observations[step])
        rollout.values[-1] = policies.network.forward(rollout.observations[-1])[1]
    noise = torch.from_numpy(policies.distribution.draw_noise(rng, rollout.outputs.shape[:-1]))
    log_std = policies.network.log_std().detach() if policies.distribution.has_log_std else None
    rollout.actions[:] = policies.distribution.sample(rollout.outputs, log_std, noise)
    rollout.rewards[:] = rng.normal(size=rollout.rewards.shape)
    rollout.terminated[2, :, 0] = rollout.truncated[3, :, 1] = True
    rollout.valid[:] = True
    rollout.valid[3, :, 0] = rollout.valid[4, :, 1] = False
    return rollout


def plain_update(spec, tensors, rollout, member, config):
    """One member's first gradient step, the obvious way: loops for GAE, one network, torch's own optimizer."""
    leaves = {name: torch.from_numpy(array.copy()).requires_grad_() for name, array in tensors.items()}
    samples = []
    for env in range(NUM_ENVS):
        for step in range(NUM_STEPS):
            if not rollout.valid[step, member, env]:
                continue
            advantage, weight = 0.0, 1.0
            for later in range(step, NUM_STEPS):
                future = 0.0 if rollout.terminated[later, member, env] else config.discount
                advantage += weight * (
                    float(rollout.rewards[later, member, env])
                    + future * float(rollout.values[later + 1, member, env])
                    - float(rollout.values[later, member, env])
                )
                weight *= config.discount * config.trace_decay
                if rollout.terminated[later, member, env] or rollout.truncated[later, member, env]:
                    break
            samples.append((step, env, advantage))
    steps, envs, advantages = (list(part) for part in zip(*samples, strict=True))
    observations = rollout.observations[steps, member, envs, :3]
    actions = rollout.actions[steps, member, envs]
    advantages = torch.tensor(advantages, dtype=torch.float32)
    old_values = rollout.values[steps, member, envs]
    returns = advantages + old_values

    def forward(tower):
        hidden = torch.tanh(observations @ leaves[f"{tower}.0.weight"].T + leaves[f"{tower}.0.bias"])
        return hidden @ leaves[f"{tower}.1.weight"].T + leaves[f"{tower}.1.bias"]

    if isinstance(spec.actions, DiscreteActions):
        distribution = torch.distributions.Categorical(logits=forward("actor"))
        log_probs, entropy = distribution.log_prob(actions[:, 0]), distribution.entropy()
    else:
        distribution = torch.distributions.Normal(forward("actor"), leaves["actor.log_std"].exp())
        log_probs, entropy = distribution.log_prob(actions).sum(-1), distribution.entropy().sum(-1)
    normalized = (advantages - advantages.mean()) / (advantages.std() + 1e-8)
    ratio = (log_probs - log_probs.detach()).exp()
    clipped = ratio.clamp(1 - config.clip_coefficient, 1 + config.clip_coefficient)
    policy_loss = torch.max(-normalized * ratio, -normalized * clipped).mean()
    value_loss = 0.5 * (forward("critic")[:, 0] - returns).square().mean()
    loss = policy_loss - config.entropy_coefficient * entropy.mean() + config.value_coefficient * value_loss
    optimizer = torch.optim.Adam(list(leaves.values()), lr=config.learning_rate, eps=config.adam_epsilon)
    loss.backward()
    norm = torch.nn.utils.clip_grad_norm_(list(leaves.values()), config.max_grad_norm)
    optimizer.step()
    report = (policy_loss.item(), value_loss.item(), entropy.mean().item(), norm.item())
    return {name: leaf.detach() for name, leaf in leaves.items()}, report


@pytest.mark.parametrize(
    "actions", [DiscreteActions(n=4), BoxActions(low=(-1.0, -1.0), high=(1.0, 1.0))], ids=lambda actions: actions.label
)
def test_one_step_is_what_a_plain_implementation_does_for_each_member(actions):
    spec = spec_of(actions)
    policies = stack_of(spec)
    start = [policies.read(member) for member in range(2)]
    shared = {"num_envs": NUM_ENVS, "num_steps": NUM_STEPS, "num_minibatches": 1, "update_epochs": 1}
    configs = [
        PPOConfig(learning_rate=1e-2, entropy_coefficient=0.01, max_grad_norm=0.3, discount=0.9, **shared),
        PPOConfig(learning_rate=3e-3, value_coefficient=1.0, trace_decay=0.8, clip_coefficient=0.1, **shared),
    ]
    rollout = fill(policies)
    learner = PPO(policies, configs=configs, seeds=[0, 1])
    metrics = learner.update(
        rollout, rollout.rewards, counter=0, learning_rates=[config.learning_rate for config in configs]
    )
    for member, config in enumerate(configs):
        expected, (policy_loss, value_loss, entropy, norm) = plain_update(spec, start[member], rollout, member, config)
        report = dict(zip(METRICS, metrics[member], strict=True))
        assert report["policy_loss"] == pytest.approx(policy_loss, abs=1e-5)
        assert report["value_loss"] == pytest.approx(value_loss, rel=1e-4)
        assert report["entropy"] == pytest.approx(entropy, rel=1e-4)
        assert report["gradient_norm"] == pytest.approx(norm, rel=1e-3)
        assert report["approximate_kl"] == pytest.approx(0, abs=1e-6)
        got = policies.read(member)
        for name, tensor in expected.items():
            torch.testing.assert_close(torch.from_numpy(got[name]), tensor, rtol=1e-3, atol=2e-5)


def test_reset_steps_teach_nothing():
    """Whatever stands in a reset step, the update is the same bit by bit."""

    def learn(noise):
        policies = stack_of(spec_of(DiscreteActions(n=4)))
        rollout = fill(policies)
        rollout.rewards[~rollout.valid] = noise
        rollout.actions[3, :, 0] = 0.0 if noise else 1.0
        config = PPOConfig(num_envs=NUM_ENVS, num_steps=NUM_STEPS, num_minibatches=2, update_epochs=2)
        learner = PPO(policies, configs=[config, config], seeds=[0, 1])
        learner.update(rollout, rollout.rewards, counter=0, learning_rates=[1e-2, 1e-2])
        return policies.network.flat

    assert torch.equal(learn(0.0), learn(1000.0))


def test_a_member_past_its_target_kl_rests_until_the_next_update():
    def learn(target_kl):
        policies = stack_of(spec_of(DiscreteActions(n=4)))
        rollout = fill(policies)
        config = PPOConfig(num_envs=NUM_ENVS, num_steps=NUM_STEPS, num_minibatches=1, update_epochs=5)
        configs = [config.model_copy(update={"target_kl": target_kl}), config]
        learner = PPO(policies, configs=configs, seeds=[0, 1])
        learner.update(rollout, rollout.rewards, counter=0, learning_rates=[0.05, 0.05])
        return learner.optimizer.steps, policies.network.by_member

    (limited, unlimited), limited_parameters = learn(1e-3)
    assert limited < 5 == unlimited
    _, free_parameters = learn(None)
    assert torch.equal(limited_parameters[1], free_parameters[1])
    assert not torch.equal(limited_parameters[0], free_parameters[0])


@pytest.mark.parametrize("minibatches", [1, 2, 3, 6])
def test_every_sample_is_dealt_exactly_once(minibatches):
    samples = torch.arange(18.0).repeat(2, 1)
    rows = torch.cat([samples, torch.full((2, 14), -1.0)], dim=1)
    columns = torch.stack([rows, rows, rows, rows, (rows >= 0).float()])
    batch = Batch(num_samples=18, observations=rows[..., None], actions=rows[..., None], columns=columns)
    dealt = batch.shuffled([np.random.default_rng(0), np.random.default_rng(1)], minibatches)
    for member in range(2):
        seen = [m.columns[0, member][m.columns[4, member] == 1] for m in dealt]
        assert [len(part) for part in seen] == [18 // minibatches] * minibatches
        assert sorted(torch.cat(seen).tolist()) == list(range(18))
        assert all(torch.equal(m.observations[member, :, 0], m.columns[0, member]) for m in dealt)
    assert not torch.equal(dealt[0].columns[0, 0], dealt[0].columns[0, 1]), "each member has its own order"


def test_rollouts_are_frozen():
    rollout = fill(stack_of(spec_of(DiscreteActions(n=2))))
    with pytest.raises(dataclasses.FrozenInstanceError):
        rollout.num_envs = 7
