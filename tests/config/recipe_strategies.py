"""Recipes of every kind, for properties over all their fields."""

from typing import Any

from hypothesis import strategies as st

from rl_assets.config.guardrails import GuardrailsConfig
from rl_assets.config.network import NetworkConfig
from rl_assets.config.parent import Parent
from rl_assets.config.ppo import PPOConfig
from rl_assets.config.recipe import Recipe

shares = st.floats(0, 1, allow_subnormal=False)
positive_shares = st.floats(1e-12, 1, allow_subnormal=False)


@st.composite
def algorithms(draw: st.DrawFn) -> PPOConfig:
    num_minibatches = draw(st.integers(1, 64))
    num_envs = draw(st.integers(1, 64))
    return PPOConfig(
        learning_rate=draw(positive_shares),
        anneal_learning_rate=draw(st.booleans()),
        num_envs=num_envs,
        num_steps=draw(st.integers(1, 1000)) * num_minibatches,
        num_minibatches=num_minibatches,
        update_epochs=draw(st.integers(1, 100)),
        discount=draw(shares),
        trace_decay=draw(shares),
        clip_coefficient=draw(positive_shares),
        clip_value_loss=draw(st.booleans()),
        entropy_coefficient=draw(shares),
        value_coefficient=draw(st.floats(0, 10)),
        max_grad_norm=draw(st.floats(1e-12, 1000)),
        normalize_advantages=draw(st.booleans()),
        target_kl=draw(st.none() | st.floats(1e-12, 10)),
        normalize_observations=draw(st.booleans()),
        normalize_rewards=draw(st.booleans()),
        squash_actions=draw(st.booleans()),
        adam_epsilon=draw(st.floats(1e-300, 1e-1)),
    )


def networks() -> st.SearchStrategy[NetworkConfig]:
    return st.builds(
        NetworkConfig,
        hidden_sizes=st.lists(st.integers(1, 4096), min_size=1, max_size=8).map(tuple),
        activation=st.sampled_from(["tanh", "relu"]),
        image_features=st.integers(1, 4096),
        image_precision=st.sampled_from(["float32", "bfloat16"]),
    )


def guardrails() -> st.SearchStrategy[GuardrailsConfig]:
    limits = st.none() | st.floats(2, 1e12)
    return st.builds(
        GuardrailsConfig,
        max_reward=limits,
        max_reward_ratio=limits,
        max_saturated_actions=st.none() | positive_shares,
        max_kl=limits,
        max_value_loss_ratio=limits,
        max_gradient_ratio=limits,
        min_entropy=st.none() | positive_shares,
        min_action_deviation=st.none() | positive_shares,
        max_return_drop=limits,
        patience=st.integers(1, 10**6),
        target_return=st.none() | st.floats(-1e6, 1e6, allow_subnormal=False),
        target_episodes=st.integers(1, 10**6),
    )


def recipes() -> st.SearchStrategy[Recipe]:
    return st.builds(
        Recipe,
        algorithm=algorithms(),
        network=networks(),
        guardrails=guardrails(),
        total_timesteps=st.integers(1, 10**11),
        segment_steps=st.integers(1, 10**11),
        dataset=st.sampled_from(["c-0123456789.d1", "c-0123456789.d2"]),
        init_from=st.none() | parents(),
    )


def parents() -> st.SearchStrategy[Parent]:
    """Champions of some generation, and policies in this or another environment, with a member or without."""
    envs = st.none() | st.sampled_from(["CartPole-v1", "Pong-v5-frame_skip=2"])
    reigns = st.dictionaries(st.sampled_from(["CartPole-v1", "Acrobot-v1"]), st.integers(1, 99), min_size=1)
    return st.builds(Parent, hparam=st.just("champion"), env=envs, generations=reigns) | st.builds(
        Parent,
        hparam=st.sampled_from(["ppo-lr=0.001-0123456789", "ppo-lr=0.001-9876543210"]),
        env=envs,
        member_seed=st.none() | st.integers(0, 2**31 - 1),
    )


def changed(recipe: Recipe, part: str, field: str, value: Any) -> Recipe:
    """The same recipe with another value of one field."""
    document = recipe.model_dump()
    (document[part] if part else document)[field] = value
    return Recipe.model_validate(document)
