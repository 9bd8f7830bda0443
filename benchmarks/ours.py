"""Our side: trainings through `rl_assets.rl`, as a caller of the package writes them."""

import dataclasses
import time
from typing import Any

from benchmarks.held_out import ENV, INTERVAL_STEPS, SOLVED_AT, Solved, held_out_return
from benchmarks.layouts import LEARNING_RATE, Layout
from benchmarks.processes import Measurement
from rl_assets.config.environment import EnvConfig
from rl_assets.config.ppo import PPOConfig
from rl_assets.config.recipe import Recipe, hparam_key
from rl_assets.rl.envs.catalogue import describe_env
from rl_assets.rl.outcomes import Progress, TrainedMember
from rl_assets.rl.plan import Member, plan_training
from rl_assets.rl.policy import Policy
from rl_assets.rl.population import Population, single_thread
from rl_assets.rl.training import train

DATASET = "c-0000000000.d1"
NORMALIZED = {"normalize_observations": True, "normalize_rewards": True}


def make_recipe(layout: Layout, *, total_timesteps: int, **more: Any) -> Recipe:
    """A recipe of the settings that both sides share.

    Args:
        layout: how a batch is collected and cut.
        total_timesteps: budget.
        more: hyper-parameters of PPO that differ.
    """
    shared = {
        "num_envs": layout.num_envs,
        "num_steps": layout.num_steps,
        "num_minibatches": layout.num_minibatches,
        "update_epochs": layout.update_epochs,
        "learning_rate": LEARNING_RATE,
        "clip_value_loss": False,
        "normalize_rewards": False,
    }
    return Recipe(algorithm=PPOConfig(**(shared | more)), total_timesteps=total_timesteps, dataset=DATASET)


class Training:
    """Trains a population for some updates each time it is told to, always from the start.

    Args:
        env_id: the environment.
        layout: how a batch is collected and cut.
        updates: that count; one more comes before them and does not.
        num_members: seeds of the one recipe.
        env_threads: on which the environments are stepped.
        more: hyper-parameters of PPO that differ.
    """

    def __init__(
        self,
        *,
        env_id: str,
        layout: Layout,
        updates: int,
        num_members: int = 1,
        env_threads: int = 1,
        **more: Any,
    ) -> None:
        recipe = make_recipe(layout, total_timesteps=(updates + 1) * layout.batch_size, **more)
        hparam = hparam_key(recipe)
        members = [Member(recipe=recipe, hparam=hparam, seed=seed) for seed in range(num_members)]
        self._plan = dataclasses.replace(plan_training(EnvConfig(id=env_id), members), env_threads=env_threads)

    def measure(self) -> Measurement:
        """Train in this process; the clock starts when the first update is done. Reset steps are not counted."""
        marks: list[tuple[float, int]] = []

        def mark(progress: Progress) -> None:
            marks.append((time.perf_counter(), progress.env_steps_done))

        [outcome] = train(self._plan, on_progress=mark)
        ended_at = time.perf_counter()
        started_at, steps_before = marks[0]
        first = self._plan.chunks[0].members
        updates_before = steps_before // (len(first) * self._plan.members[0].recipe.algorithm.batch_size)
        steps = 0
        for index, member in enumerate(outcome.members):
            assert isinstance(member, TrainedMember), f"nothing to measure: {member}"
            before = member.history["env_steps"][updates_before - 1] if index in first else 0
            steps += member.env_steps - int(before)
        return Measurement(steps=steps, seconds=ended_at - started_at)


class Solver:
    """Trains one policy until it passes its examination.

    Args:
        total_timesteps: budget.
        algorithm: hyper-parameters of PPO.
    """

    def __init__(self, *, total_timesteps: int, algorithm: dict[str, Any]) -> None:
        self._recipe = Recipe(algorithm=PPOConfig(**algorithm), total_timesteps=total_timesteps, dataset=DATASET)
        self._spaces = describe_env(ENV)

    def solve(self, *, seed: int, total_timesteps: int | None = None) -> Solved:
        """Train with a seed; environments and network are built while the clock runs.

        Args:
            seed: of the training.
            total_timesteps: another budget, to warm up with.
        """
        recipe = self._recipe.model_copy(update={"total_timesteps": total_timesteps or self._recipe.total_timesteps})
        member = Member(recipe=recipe, hparam=hparam_key(recipe), seed=seed)
        batch_size, score = recipe.algorithm.batch_size, float("-inf")
        seconds, started_at = 0.0, time.perf_counter()
        with single_thread(), Population(ENV, self._spaces, [member]) as population:
            while population.update < population.num_updates and score < SOLVED_AT:
                population.advance()
                is_last = population.update == population.num_updates
                if population.update * batch_size % INTERVAL_STEPS == 0 or is_last:
                    seconds += time.perf_counter() - started_at
                    policy = Policy(population.spec, population.read(0))
                    score = held_out_return(policy.act, seed=seed)
                    started_at = time.perf_counter()
        return Solved(seconds=seconds, env_steps=population.update * batch_size, mean_return=score)
