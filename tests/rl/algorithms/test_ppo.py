"""PPO's update in every backend, held to a plain implementation and to each other."""

import dataclasses

import numpy as np
import pytest
import torch

from rl_assets.config.network import NetworkConfig
from rl_assets.config.ppo import PPOConfig
from rl_assets.rl.algorithms.ppo import METRICS, Batch, shuffled_samples
from rl_assets.rl.envs.spaces import BoxActions, DiscreteActions, MultiDiscreteActions
from rl_assets.rl.learner import make_learner
from rl_assets.rl.policy import PolicySpec, PolicyStack
from rl_assets.rl.rollout import Rollout

NUM_STEPS, NUM_ENVS, SIZE = 6, 3, 3
BACKENDS = ["torch", "fused"]
SPACES = [
    DiscreteActions(n=4),
    MultiDiscreteActions(ns=(2, 3)),
    BoxActions(low=(-1.0, -1.0), high=(1.0, 1.0)),
]
IMAGE = (36, 36, 2)


def spec_of(actions, *, hidden_sizes=(5,), activation="tanh", observation_shape=(SIZE,)):
    return PolicySpec(
        network=NetworkConfig(
            hidden_sizes=hidden_sizes, activation=activation, image_features=9, image_precision="float32"
        ),
        observation_shape=observation_shape,
        actions=actions,
        normalizes_observations=False,
    )


def stack_of(spec, backend, count=2):
    members = [spec.shape.init_member(np.random.default_rng(seed)) for seed in range(count)]
    return PolicyStack(spec, members, backend=backend)


def fill(policies, *, has_masks=False, num_steps=NUM_STEPS, num_envs=NUM_ENVS):
    """A rollout of random experience, with every kind of step in it; the same for every backend but for rounding."""
    rng = np.random.default_rng(0)
    rollout = Rollout.empty(policies, num_steps=num_steps, num_envs=num_envs, has_masks=has_masks)
    if policies.spec.is_image:
        rollout.observations[...] = rng.integers(256, size=rollout.observations.shape)
    else:
        rollout.observations[...] = rng.normal(size=rollout.observations.shape)
    noise = policies.distribution.draw_noise(rng, rollout.rewards.shape)
    if rollout.masks is not None:
        rollout.masks[...] = rng.random(rollout.masks.shape) < 0.6
        rollout.masks[..., [0, -1]] = True
    for step in range(num_steps):
        masks = None if rollout.masks is None else rollout.masks[step]
        acts = policies.actor_critics.act(rollout.observations[step], noise=noise[step], masks=masks)
        rollout.actions[step], rollout.log_probs[step], rollout.values[step] = (
            acts.actions,
            acts.log_probs,
            acts.values,
        )
    rollout.values[-1] = policies.actor_critics.values(rollout.observations[-1])
    rollout.rewards[:] = rng.normal(size=rollout.rewards.shape)
    rollout.terminated[2, :, 0] = rollout.truncated[3, :, 1] = True
    rollout.valid[:] = True
    rollout.valid[3, :, 0] = rollout.valid[4, :, 1] = False
    return rollout


def learn(policies, rollout, configs, *, counter=0, learning_rates=None):
    learner = make_learner(policies, configs=configs, seeds=list(range(len(configs))))
    rates = learning_rates or [config.learning_rate for config in configs]
    return learner, learner.update(rollout, rollout.rewards, counter=counter, learning_rates=rates)


def plain_advantages(rollout, member, config):
    """(step, env, advantage) of every step that counts, by the definition: a sum over the future."""
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
            yield step, env, advantage


def plain_update(spec, tensors, rollout, member, config):
    """One member's first gradient step, the obvious way: loops for GAE, one network, torch's own optimizer."""
    leaves = {name: torch.from_numpy(array.copy()).requires_grad_() for name, array in tensors.items()}
    steps, envs, advantages = (list(part) for part in zip(*plain_advantages(rollout, member, config), strict=True))
    observations = torch.from_numpy(rollout.observations[steps, member, envs])
    actions = torch.from_numpy(rollout.actions[steps, member, envs])
    advantages = torch.tensor(advantages, dtype=torch.float32)
    returns = advantages + torch.from_numpy(rollout.values[steps, member, envs])

    def forward(tower):
        hidden = torch.tanh(observations @ leaves[f"{tower}.0.weight"].T + leaves[f"{tower}.0.bias"])
        return hidden @ leaves[f"{tower}.1.weight"].T + leaves[f"{tower}.1.bias"]

    outputs = forward("actor")
    if isinstance(spec.actions, BoxActions):
        distribution = torch.distributions.Normal(outputs, leaves["actor.log_std"].exp())
        log_probs, entropy = distribution.log_prob(actions).sum(-1), distribution.entropy().sum(-1)
    else:
        if rollout.masks is not None:
            outputs = outputs.masked_fill(~torch.from_numpy(rollout.masks[steps, member, envs]), -1e8)
        ns = (spec.actions.n,) if isinstance(spec.actions, DiscreteActions) else spec.actions.ns
        parts = [torch.distributions.Categorical(logits=part) for part in outputs.split(ns, -1)]
        log_probs = sum(part.log_prob(actions[:, index]) for index, part in enumerate(parts))
        entropy = sum(part.entropy() for part in parts)
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


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize(
    ("actions", "has_masks"),
    [(actions, False) for actions in SPACES] + [(actions, True) for actions in SPACES[:2]],
    ids=lambda value: getattr(value, "label", f"masks={value}"),
)
def test_one_step_is_what_a_plain_implementation_does_for_each_member(actions, has_masks, backend):
    spec = spec_of(actions)
    policies = stack_of(spec, backend)
    start = [policies.read(member) for member in range(2)]
    shared = {"num_envs": NUM_ENVS, "num_steps": NUM_STEPS, "num_minibatches": 1, "update_epochs": 1}
    configs = [
        PPOConfig(learning_rate=1e-2, entropy_coefficient=0.01, max_grad_norm=0.3, discount=0.9, **shared),
        PPOConfig(learning_rate=3e-3, value_coefficient=1.0, trace_decay=0.8, clip_coefficient=0.1, **shared),
    ]
    rollout = fill(policies, has_masks=has_masks)
    _, metrics = learn(policies, rollout, configs)
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


@pytest.mark.parametrize("activation", ["tanh", "relu"])
@pytest.mark.parametrize("hidden_sizes", [(1,), (16,), (33, 5), (64, 64), (100, 20, 7)])
@pytest.mark.parametrize("actions", [*SPACES, DiscreteActions(n=40)], ids=lambda actions: actions.label)
def test_the_backends_learn_alike(actions, hidden_sizes, activation):
    """Several epochs, clipping on both sides, minibatches longer than a tile: equal but for rounding."""
    num_steps, num_envs = 40, 10
    configs = [
        PPOConfig(
            num_envs=num_envs,
            num_steps=num_steps,
            num_minibatches=2,
            update_epochs=3,
            learning_rate=rate,
            entropy_coefficient=0.01,
            clip_coefficient=clip,
        )
        for rate, clip in ((1e-2, 0.02), (1e-3, 0.2))
    ]
    has_masks = not isinstance(actions, BoxActions)
    results = []
    for backend in BACKENDS:
        spec = spec_of(actions, hidden_sizes=hidden_sizes, activation=activation, observation_shape=(7,))
        policies = stack_of(spec, backend)
        rollout = fill(policies, has_masks=has_masks, num_steps=num_steps, num_envs=num_envs)
        learner, metrics = learn(policies, rollout, configs)
        results.append((metrics, [policies.read(member) | learner.optimizer_state(member) for member in range(2)]))
    (metrics, members), (fused_metrics, fused_members) = results
    clip_fractions = metrics[:, METRICS.index("clip_fraction")]
    assert clip_fractions[0] > 0.01, "the limit was felt"
    np.testing.assert_allclose(fused_metrics, metrics, rtol=5e-3, atol=2e-3)
    for one, other in zip(members, fused_members, strict=True):
        assert one.keys() == other.keys()
        for name in one:
            np.testing.assert_allclose(other[name], one[name], rtol=2e-2, atol=1e-3, err_msg=name)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("has_masks", [False, True])
def test_reset_steps_teach_nothing(backend, has_masks):
    """Whatever stands in a reset step, the update is the same bit by bit."""

    def parameters_after(noise):
        policies = stack_of(spec_of(DiscreteActions(n=4)), backend)
        rollout = fill(policies, has_masks=has_masks)
        rollout.rewards[~rollout.valid] = noise
        rollout.actions[3, :, 0] = 0.0 if noise else 1.0
        config = PPOConfig(num_envs=NUM_ENVS, num_steps=NUM_STEPS, num_minibatches=2, update_epochs=2)
        learner, _ = learn(policies, rollout, [config, config], learning_rates=[1e-2, 1e-2])
        return learner.parameters().tobytes()

    assert parameters_after(0.0) == parameters_after(1000.0)


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_member_past_its_target_kl_rests_until_the_next_update(backend):
    def after(target_kl):
        policies = stack_of(spec_of(DiscreteActions(n=4)), backend)
        rollout = fill(policies)
        config = PPOConfig(num_envs=NUM_ENVS, num_steps=NUM_STEPS, num_minibatches=1, update_epochs=5)
        configs = [config.model_copy(update={"target_kl": target_kl}), config]
        learner, _ = learn(policies, rollout, configs, learning_rates=[0.05, 0.05])
        return [int(learner.optimizer_state(member)["steps"]) for member in range(2)], learner.parameters().copy()

    (limited, unlimited), limited_parameters = after(1e-3)
    assert limited < 5 == unlimited
    _, free_parameters = after(None)
    assert limited_parameters[1].tobytes() == free_parameters[1].tobytes()
    assert limited_parameters[0].tobytes() != free_parameters[0].tobytes()


@pytest.mark.parametrize(("backend", "shape"), [("torch", (SIZE,)), ("fused", (SIZE,)), ("torch", IMAGE)])
def test_a_silenced_member_disturbs_nobody(backend, shape):
    def parameters_after(silenced):
        policies = stack_of(spec_of(DiscreteActions(n=4), observation_shape=shape), backend)
        rollout = fill(policies)
        config = PPOConfig(num_envs=NUM_ENVS, num_steps=NUM_STEPS, num_minibatches=2, update_epochs=2)
        learner = make_learner(policies, configs=[config, config], seeds=[0, 1])
        if silenced:
            learner.silence(0)
            rollout.rewards[:, 0] = np.nan
            acts = policies.actor_critics.act(
                rollout.observations[0], noise=np.zeros((2, NUM_ENVS, 4), np.float32), masks=None
            )
            assert np.isfinite(acts.actions).all()
        learner.update(rollout, rollout.rewards, counter=0, learning_rates=[1e-3, 1e-3])
        return learner.parameters()[1].tobytes()

    assert parameters_after(silenced=True) == parameters_after(silenced=False)


def test_images_learn_as_autograd_on_the_plain_network_does():
    spec = spec_of(DiscreteActions(n=3), observation_shape=IMAGE)
    policies = stack_of(spec, "torch")
    start = [policies.read(member) for member in range(2)]
    rollout = fill(policies)
    config = PPOConfig(num_envs=NUM_ENVS, num_steps=NUM_STEPS, num_minibatches=1, update_epochs=1, learning_rate=1e-3)
    _, metrics = learn(policies, rollout, [config, config])
    for member in range(2):
        leaves = {name: torch.from_numpy(array.copy()).requires_grad_() for name, array in start[member].items()}
        steps, envs, advantages = (list(part) for part in zip(*plain_advantages(rollout, member, config), strict=True))
        x = torch.from_numpy(rollout.observations[steps, member, envs]).movedim(-1, 1) / 255.0
        for index, stride in enumerate((4, 2, 1)):
            weight, bias = leaves[f"encoder.{index}.weight"], leaves[f"encoder.{index}.bias"]
            x = torch.relu(torch.nn.functional.conv2d(x, weight, bias, stride))
        x = torch.relu(x.flatten(1) @ leaves["encoder.3.weight"].T + leaves["encoder.3.bias"])
        values = (x @ leaves["critic.weight"].T + leaves["critic.bias"])[:, 0]
        distribution = torch.distributions.Categorical(logits=x @ leaves["actor.weight"].T + leaves["actor.bias"])
        actions = torch.from_numpy(rollout.actions[steps, member, envs, 0])
        advantages = torch.tensor(advantages, dtype=torch.float32)
        normalized = (advantages - advantages.mean()) / (advantages.std() + 1e-8)
        targets = advantages + torch.from_numpy(rollout.values[steps, member, envs])
        ratio = (distribution.log_prob(actions) - distribution.log_prob(actions).detach()).exp()
        loss = -(normalized * ratio).mean() + config.value_coefficient * 0.5 * (values - targets).square().mean()
        loss.backward()
        norm = torch.nn.utils.clip_grad_norm_(list(leaves.values()), config.max_grad_norm)
        optimizer = torch.optim.Adam(list(leaves.values()), lr=config.learning_rate, eps=config.adam_epsilon)
        optimizer.step()
        assert metrics[member, METRICS.index("gradient_norm")] == pytest.approx(norm.item(), rel=1e-3)
        got = policies.read(member)
        for name, leaf in leaves.items():
            torch.testing.assert_close(torch.from_numpy(got[name]), leaf.detach(), rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("minibatches", [1, 2, 3, 6])
def test_every_sample_is_dealt_exactly_once(minibatches):
    rows = torch.cat([torch.arange(18.0).repeat(2, 1), torch.full((2, 14), -1.0)], dim=1)
    columns = torch.stack([rows, rows, rows, rows, (rows >= 0).float()])
    batch = Batch(
        num_samples=18,
        minibatch_rows=32,
        observations=rows[..., None],
        actions=rows[..., None],
        masks=None,
        columns=columns,
    )
    order = shuffled_samples([0, 1], 0, num_epochs=1, num_samples=18)
    dealt = batch.deal(order[:, 0], minibatches)
    for member in range(2):
        seen = [m.columns[0, member][m.columns[4, member] == 1] for m in dealt]
        assert [len(part) for part in seen] == [18 // minibatches] * minibatches
        assert sorted(torch.cat(seen).tolist()) == list(range(18))
        assert all(torch.equal(m.observations[member, :, 0], m.columns[0, member]) for m in dealt)
    assert not torch.equal(dealt[0].columns[0, 0], dealt[0].columns[0, 1]), "each member has its own order"


def test_the_order_is_the_members_own_and_the_updates_own():
    one, other, later = (
        shuffled_samples([seed], counter, num_epochs=2, num_samples=50) for seed, counter in ((3, 0), (4, 0), (3, 1))
    )
    assert one.tolist() == shuffled_samples([4, 3], 0, num_epochs=2, num_samples=50)[1:].tolist()
    assert one.tolist() != other.tolist()
    assert one.tolist() != later.tolist()
    assert one[0, 0].tolist() != one[0, 1].tolist()


def test_rollouts_are_frozen():
    rollout = fill(stack_of(spec_of(DiscreteActions(n=2)), "torch"))
    with pytest.raises(dataclasses.FrozenInstanceError):
        rollout.masks = None
