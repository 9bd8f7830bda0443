"""Learning curves of the example sweeps' best recipes: `python -m benchmarks.learning [SWEEP ...]`, minutes to hours.

Writes `docs/images/learning-<sweep>.svg` and prints what each seed reached on its selection episodes.
"""

from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from rich.console import Console
from rich.table import Table

from rl_assets.config.sweep_plan import plan_sweep
from rl_assets.reports.curves import learning_curve_svg
from rl_assets.resources.sweep_library import read_sweep_file
from rl_assets.rl.envs.catalogue import resolve_env_id
from rl_assets.rl.outcomes import TrainedMember
from rl_assets.rl.plan import Member, plan_training
from rl_assets.rl.training import train

ROOT = Path(__file__).parents[1]
BEST_RATES = {
    "acrobot": 1e-3,
    "lunar-lander": 2e-3,
    "mountain-car-continuous": 1e-3,
    "half-cheetah": 1e-3,
    "pong": 2.5e-4,
}
"""Sweep -> the learning rate of its grid that did best."""

NUM_CORES = 2


def picture(title: str, members: list[TrainedMember]) -> str:
    """One line for each seed: mean return of the training episodes that ended in an update."""
    curves = {f"seed {member.seed}": (member.history["env_steps"], member.history["mean_return"]) for member in members}
    return learning_curve_svg(curves, title=title, width=560, height=240)


def train_best(sweep_name: str) -> tuple[str, list[TrainedMember]]:
    """Train and evaluate the best recipe of an example sweep.

    Returns:
        A title, and the members in the order of their seeds.
    """
    sweep = read_sweep_file(ROOT / "sweeps" / f"{sweep_name}.yaml")
    env = sweep.envs[0].model_copy(update={"id": resolve_env_id(sweep.envs[0].id)})
    [(hparam, recipe)] = [
        (hparam, recipe)
        for hparam, recipe in plan_sweep(sweep, dataset="c-0000000000.d1", source=sweep_name).recipes.items()
        if recipe.algorithm.learning_rate == BEST_RATES[sweep_name]
    ]
    members = [Member(recipe=recipe, hparam=hparam, seed=seed) for seed in range(sweep.seeds)]
    plan = plan_training(env, members, num_processes=NUM_CORES)
    [outcome] = train(plan, evaluation=sweep.evaluation)
    trained = [member for member in outcome.members if isinstance(member, TrainedMember)]
    assert len(trained) == len(members), f"some members failed: {outcome.members}"
    return f"{env.id} at a learning rate of {BEST_RATES[sweep_name]:g}", trained


def main(sweeps: Annotated[list[str] | None, typer.Argument(help="Example sweeps; all without.")] = None) -> None:
    """Train, draw and tell."""
    table = Table(title="Mean return over selection episodes", title_justify="left")
    for name in ("sweep", "steps", "mean", "worst", "each seed"):
        table.add_column(name)
    for name in sweeps or BEST_RATES:
        title, members = train_best(name)
        (ROOT / "docs" / "images" / f"learning-{name}.svg").write_text(picture(title, members) + "\n")
        means = [float(np.mean(member.episodes.returns)) for member in members if member.episodes is not None]
        told = ", ".join(f"{mean:.1f}" for mean in means)
        table.add_row(name, f"{members[0].env_steps:,}", f"{np.mean(means):.1f}", f"{min(means):.1f}", told)
    Console().print(table)


if __name__ == "__main__":
    typer.run(main)
