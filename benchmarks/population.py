"""Sixteen learning rates as one population, and one by one: the same members, the same bytes, in one process each."""

import numpy as np

from benchmarks.timing import compare
from rl_assets.config.environment import EnvConfig
from rl_assets.config.ppo import PPOConfig
from rl_assets.config.recipe import Recipe, hparam_key
from rl_assets.rl.plan import Member, plan_training
from rl_assets.rl.training import train

ENV = EnvConfig(id="CartPole-v1")
NUM_RECIPES = 16
TOTAL_TIMESTEPS = 16_384


def make_members() -> list[Member]:
    """One member for each of sixteen learning rates."""
    rates = np.geomspace(1e-4, 1e-2, NUM_RECIPES)
    recipes = [
        Recipe(
            algorithm=PPOConfig(learning_rate=float(rate)), total_timesteps=TOTAL_TIMESTEPS, dataset="c-0000000000.d1"
        )
        for rate in rates
    ]
    return [Member(recipe=recipe, hparam=hparam_key(recipe), seed=0) for recipe in recipes]


def train_together(members: list[Member]) -> None:
    """Train all members with one plan, in this process."""
    for _ in train(plan_training(ENV, members, num_processes=1)):
        pass


def train_one_by_one(members: list[Member]) -> None:
    """Train each member with a plan of its own, in this process."""
    for member in members:
        train_together([member])


if __name__ == "__main__":
    members = make_members()
    steps = len(members) * TOTAL_TIMESTEPS
    medians = compare(
        f"{NUM_RECIPES} x {TOTAL_TIMESTEPS:,} steps of CartPole-v1, 8 x 128",
        {"population": lambda: train_together(members), "one by one": lambda: train_one_by_one(members)},
        rounds=3,
    )
    for name, median in medians.items():
        print(f"{name}: {steps / median:,.0f} steps/s")
