"""Episodes of somebody who acts by a rule, and ones that are made up."""

from collections.abc import Callable
from typing import Any

import numpy as np

from rl_assets.config.bc import BCConfig
from rl_assets.config.environment import EnvConfig
from rl_assets.config.guardrails import GuardrailsConfig
from rl_assets.config.network import NetworkConfig
from rl_assets.config.recipe import Recipe, hparam_key
from rl_assets.rl.demonstrations import Demonstrations
from rl_assets.rl.envs.catalogue import describe_env
from rl_assets.rl.envs.pool import EnvironmentPool
from rl_assets.rl.envs.spaces import BoxActions, DiscreteActions, EnvSpaces
from rl_assets.rl.plan import Member
from rl_assets.rl.seeding import Purpose, env_seeds

Rule = Callable[[np.ndarray], np.ndarray]


def balance(observations: np.ndarray) -> np.ndarray:
    """CartPole: push to the side to which the pole leans and falls."""
    return (observations @ np.array([0.1, 0.4, 2.0, 1.0]) > 0).astype(np.int64)


def swing_up(observations: np.ndarray) -> np.ndarray:
    """MountainCarContinuous: push the way that the car rolls."""
    return np.clip(observations[:, 1:] * 40 + 0.01, -1, 1).astype(np.float32)


def record(env_id: str, rule: Rule, *, num_episodes: int) -> dict[str, np.ndarray]:
    """Columns of a dataset: the first episode of each environment stream, so that long ones count as much as short."""
    env = EnvConfig(id=env_id)
    spaces = describe_env(env)
    seeds = env_seeds(purpose=Purpose.AUDIT, env_key=env_id, member_seed=0, num_envs=num_episodes)
    rows: list[list[tuple[Any, ...]]] = [[] for _ in seeds]
    is_over = np.zeros(num_episodes, bool)
    with EnvironmentPool(env, spaces=spaces, seeds=seeds) as pool:
        seen = pool.reset().observations
        while not is_over.all():
            actions = rule(seen)
            step = pool.step(actions)
            for index in np.flatnonzero(~is_over):
                ends = step.terminated[index], step.truncated[index]
                rows[index].append((seen[index], actions[index], step.rewards[index], *ends, step.observations[index]))
            is_over |= step.terminated | step.truncated
            seen = step.observations
    names = ("observations", "actions", "rewards", "terminated", "truncated", "next_observations")
    columns = {name: np.array([row[at] for own in rows for row in own]) for at, name in enumerate(names)}
    return columns | {"episode_id": np.repeat(np.arange(num_episodes), [len(own) for own in rows])}


def made_up(spaces: EnvSpaces, *, lengths: tuple[int, ...] = (7, 1, 12, 5, 9, 6)) -> Demonstrations:
    """Random steps in some environment's spaces: episodes that ended, that ran out of time, that were cut unseen."""
    rng, steps, episodes = np.random.default_rng(0), sum(lengths), np.arange(len(lengths))
    if isinstance(spaces.actions, BoxActions):
        low, high = np.maximum(spaces.actions.low, -2), np.minimum(spaces.actions.high, 2)
        actions = rng.uniform(low, high, (steps, spaces.actions.size)).astype(np.float32)
    else:
        ns = (spaces.actions.n,) if isinstance(spaces.actions, DiscreteActions) else spaces.actions.ns
        actions = rng.integers(ns, size=(steps, len(ns)))
    return Demonstrations(
        observations=_seen(rng, steps, spaces),
        actions=actions,
        rewards=rng.normal(size=steps).astype(np.float32),
        lengths=np.array(lengths),
        terminated=episodes % 3 == 0,
        last_observations=_seen(rng, len(lengths), spaces),
        shows_end=episodes % 3 != 2,
    )


def cloning_member(seed: int = 0, *, total_timesteps: int = 96, segment_steps: int = 32, **fields: Any) -> Member:
    """A member that clones with a tiny budget; fields of the network and of the algorithm by keyword."""
    guardrails = GuardrailsConfig(**fields.pop("guardrails", {}))
    network = {name: fields.pop(name) for name in NetworkConfig.model_fields if name in fields}
    recipe = Recipe(
        algorithm=BCConfig(**({"batch_size": 8, "steps_per_update": 2, "validation_share": 0.3} | fields)),
        network=NetworkConfig(**({"hidden_sizes": (8, 8)} | network)),
        total_timesteps=total_timesteps,
        segment_steps=segment_steps,
        guardrails=guardrails,
        dataset="c-1.d1",
    )
    return Member(recipe=recipe, hparam=hparam_key(recipe), seed=seed)


def _seen(rng: np.random.Generator, count: int, spaces: EnvSpaces) -> np.ndarray:
    if spaces.is_image:
        return rng.integers(256, size=(count, *spaces.observation_shape), dtype=np.uint8)
    return rng.normal(2, 3, size=(count, *spaces.observation_shape)).astype(np.float32)
