"""What the end of a segment costs: writing the checkpoints, and building the environments anew."""

import statistics
import tempfile
from dataclasses import dataclass

from benchmarks.layouts import Layout
from benchmarks.ours import NORMALIZED, make_recipe
from benchmarks.report import Table
from benchmarks.timing import seconds
from rl_assets.config.environment import EnvConfig
from rl_assets.config.recipe import hparam_key
from rl_assets.rl.envs.catalogue import describe_env
from rl_assets.rl.plan import Member, updates_per_segment
from rl_assets.rl.population import Population, single_thread
from rl_assets.store.checkpoints import TrainingCheckpoints
from rl_assets.store.objects import ObjectStore


@dataclass(frozen=True, kw_only=True)
class Case:
    """One population."""

    name: str
    env_id: str
    layout: Layout
    num_members: int = 1
    is_normalized: bool = False
    updates: int = 6
    """Updates of a segment while it is measured; the share is computed for a segment of the default length."""
    segments: int = 7


CASES = (
    Case(name="CartPole-v1, 8 x 128", env_id="CartPole-v1", layout=Layout()),
    Case(name="CartPole-v1, 8 x 128, 8 members", env_id="CartPole-v1", layout=Layout(), num_members=8),
    Case(name="CartPole-v1, 1024 x 32", env_id="CartPole-v1", layout=Layout(num_envs=1024, num_steps=32)),
    Case(
        name="HalfCheetah-v4, 8 x 256",
        env_id="HalfCheetah-v4",
        layout=Layout(num_envs=8, num_steps=256),
        is_normalized=True,
    ),
    Case(
        name="HalfCheetah-v4, 64 x 256, 4 members",
        env_id="HalfCheetah-v4",
        layout=Layout(num_envs=64, num_steps=256),
        num_members=4,
        is_normalized=True,
        updates=3,
    ),
    Case(name="Pong-v5, 8 x 128", env_id="Pong-v5", layout=Layout(), updates=2),
    Case(name="Pong-v5, 64 x 128", env_id="Pong-v5", layout=Layout(num_envs=64), updates=2, segments=3),
)


def measure(*, quick: bool = False) -> list[Table]:
    """Go through the cases."""
    rows = [_measure(case, segments=3 if quick else case.segments) for case in (CASES[:4] if quick else CASES)]
    return [
        Table(
            title="The end of a segment of the default length",
            columns=("", "segment, s", "checkpoints, ms", "environments, ms", "share of the training"),
            rows=tuple(rows),
            notes=(
                "Medians. A segment is 250,000 steps, or 4,000 for each environment where that is more; checkpoints "
                "of all members are encoded, written and synced to disk, and the pool is built and reset.",
            ),
        )
    ]


def _measure(case: Case, *, segments: int) -> tuple[str, ...]:
    batch = case.layout.batch_size
    more = NORMALIZED if case.is_normalized else {}
    recipe = make_recipe(case.layout, total_timesteps=segments * case.updates * batch, **more)
    usual = updates_per_segment(recipe)
    recipe = recipe.model_copy(update={"segment_steps": case.updates * batch})
    members = [Member(recipe=recipe, hparam=hparam_key(recipe), seed=seed) for seed in range(case.num_members)]
    env = EnvConfig(id=case.env_id)
    first: list[float] = []
    others: list[float] = []
    saves: list[float] = []
    with (
        tempfile.TemporaryDirectory() as folder,
        single_thread(),
        Population(env, describe_env(env), members) as population,
    ):
        store = ObjectStore(folder)
        kept = [TrainingCheckpoints(store, training=f"{seed:032x}", owners=frozenset()) for seed in range(len(members))]
        while not population.everybody_rests:
            starts_segment = population.update % case.updates == 0
            (first if starts_segment else others).append(seconds(population.advance))
            if population.is_at_segment_end:
                saves.append(seconds(lambda: _save(population, kept)))
    update = statistics.median(others)
    rebuild = max(0.0, statistics.median(first[1:]) - update)
    save, segment = statistics.median(saves), usual * update
    return (
        case.name,
        f"{segment:,.1f}",
        f"{1e3 * save:,.1f}",
        f"{1e3 * rebuild:,.1f}",
        f"{(save + rebuild) / segment:.2%}",
    )


def _save(population: Population, kept: list[TrainingCheckpoints]) -> None:
    for index, checkpoint in population.checkpoints().items():
        kept[index].save(checkpoint)
