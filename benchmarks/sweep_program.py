"""One program of the benchmark `sweep`: `python -m benchmarks.sweep_program sweep|ours|theirs RATES STEPS [INDEX]`."""

import sys

from benchmarks.layouts import Layout

ENV_ID = "CartPole-v1"
LAYOUT = Layout()


def learning_rate(index: int, num_rates: int) -> float:
    """From 1e-4 to 1e-2, each a constant factor above the one before."""
    return 1e-4 * 100 ** (index / max(num_rates - 1, 1))


def train_ours(rates: list[float], steps: int, *, num_processes: int) -> None:
    """Train all rates with one plan."""
    from benchmarks.ours import make_recipe
    from rl_assets.config.environment import EnvConfig
    from rl_assets.config.recipe import hparam_key
    from rl_assets.rl.outcomes import TrainedMember
    from rl_assets.rl.plan import Member, plan_training
    from rl_assets.rl.training import train

    recipes = [make_recipe(LAYOUT, total_timesteps=steps, learning_rate=rate) for rate in rates]
    members = [Member(recipe=recipe, hparam=hparam_key(recipe), seed=0) for recipe in recipes]
    for outcome in train(plan_training(EnvConfig(id=ENV_ID), members, num_processes=num_processes)):
        assert all(isinstance(member, TrainedMember) for member in outcome.members), outcome


def train_theirs(rate: float, steps: int) -> None:
    """Train one rate with Stable-Baselines3."""
    import torch

    from benchmarks.stable_baselines import make_envs, make_model

    torch.set_num_threads(1)
    make_model(make_envs(ENV_ID, LAYOUT.num_envs), LAYOUT, learning_rate=rate).learn(steps)


def main(way: str, num_rates: int, steps: int, index: int = 0) -> None:
    """Do one program's share."""
    rates = [learning_rate(number, num_rates) for number in range(num_rates)]
    if way == "sweep":
        train_ours(rates, steps, num_processes=2)
    elif way == "ours":
        train_ours([rates[index]], steps, num_processes=1)
    elif way == "theirs":
        train_theirs(rates[index], steps)
    else:
        raise SystemExit(f"'{way}' is no way to train: expected sweep, ours or theirs")


if __name__ == "__main__":
    main(sys.argv[1], *map(int, sys.argv[2:]))
