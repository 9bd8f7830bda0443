"""Sixteen learning rates as one population, and one by one: the same members, the same bytes, in one process."""

import numpy as np

from benchmarks.layouts import Layout
from benchmarks.ours import ENV, make_recipe
from benchmarks.report import Table
from benchmarks.timing import compare_seconds
from rl_assets.config.recipe import hparam_key
from rl_assets.rl.plan import Member, plan_training
from rl_assets.rl.training import train

NUM_RECIPES = 16
TOTAL_TIMESTEPS = 16_384


def measure(*, quick: bool = False) -> list[Table]:
    """Let the two ways take turns."""
    rounds, steps = (1, TOTAL_TIMESTEPS // 4) if quick else (3, TOTAL_TIMESTEPS)
    members = make_members(steps)
    table, _ = compare_seconds(
        f"{NUM_RECIPES} x {steps:,} steps of CartPole-v1, 8 x 128",
        {"population": lambda: train_together(members), "one by one": lambda: train_one_by_one(members)},
        rounds=rounds,
    )
    return [table]


def make_members(total_timesteps: int) -> list[Member]:
    """One member for each of sixteen learning rates."""
    rates = np.geomspace(1e-4, 1e-2, NUM_RECIPES)
    recipes = [make_recipe(Layout(), total_timesteps=total_timesteps, learning_rate=float(rate)) for rate in rates]
    return [Member(recipe=recipe, hparam=hparam_key(recipe), seed=0) for recipe in recipes]


def train_together(members: list[Member]) -> None:
    """Train all members with one plan, in this process."""
    for _ in train(plan_training(ENV, members)):
        pass


def train_one_by_one(members: list[Member]) -> None:
    """Train each member with a plan of its own, in this process."""
    for member in members:
        train_together([member])
