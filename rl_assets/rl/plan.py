"""Which members train together, in which process, and what that takes."""

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rl_assets.config.bc import BCConfig
from rl_assets.config.canonical import canonical_json
from rl_assets.config.environment import EnvConfig
from rl_assets.config.recipe import Recipe
from rl_assets.errors import InvalidConfig, NotEnoughMemory
from rl_assets.rl.backend import Backend, choose_backend
from rl_assets.rl.envs.catalogue import describe_env
from rl_assets.rl.envs.library import is_cheap
from rl_assets.rl.envs.spaces import EnvSpaces
from rl_assets.rl.memory import available_memory
from rl_assets.rl.policy import PolicySpec

MAX_CHUNK_MEMBERS = 8
"""Members that train together at most; further ones share the step of a pool that is long enough as it is."""

MIN_PROCESS_STEPS = 150_000
"""Environment steps below which a further process costs more to start than it saves."""

MEMORY_SHARE = 0.8
"""Part of the free memory that a training may plan with."""

POOL_STEP_S, CHEAP_STEP_S, DEAR_STEP_S, IMAGE_STEP_S = 1e-4, 2e-6, 2e-5, 3e-4
"""Seconds of a step of a whole pool, and of one environment: a cheap one, another, one that shows images; rough."""

PRODUCTS_PER_S, IMAGE_PRODUCTS_PER_S = 2.5e10, 5e10
"""Products of numbers that a core adds up per second in small networks and in convolutions; rough."""

GRADIENT_STEP_S = 1e-3
"""Seconds of a gradient step of a small population in torch, beside its products; rough."""

MEASURED_ROWS = 1_024
"""Samples of a dataset that are measured at once."""

MEMBER_FIELDS = frozenset(
    {
        "learning_rate",
        "anneal_learning_rate",
        "discount",
        "trace_decay",
        "clip_coefficient",
        "entropy_coefficient",
        "value_coefficient",
        "max_grad_norm",
        "target_kl",
        "adam_epsilon",
    }
)
"""Hyper-parameters in which the members of one population may differ; all others fix shapes or control flow."""


@dataclass(frozen=True, kw_only=True)
class Member:
    """One training: a recipe and a seed."""

    recipe: Recipe
    """What to train."""

    hparam: str
    """Key of the recipe."""

    seed: int
    """Training seed."""

    max_wall_time_s: float | None = None
    """Seconds after which its population trains it no further; None: as long as it takes. Changes no bytes."""

    @property
    def label(self) -> str:
        """Name in errors and logs."""
        return f"{self.hparam} seed {self.seed}"


@dataclass(frozen=True, kw_only=True)
class Chunk:
    """Members that train as one population, in one process."""

    group: int
    """Number of the group that all its members belong to."""

    members: tuple[int, ...]
    """Positions in the plan's members."""

    start: int
    """Updates that all its members have done before."""

    stop: int
    """Updates after which they rest, for now or for good."""

    seconds: float = 0.0
    """Rough estimate of how long it trains."""


@dataclass(frozen=True, kw_only=True)
class TrainingPlan:
    """Everything decided before a training starts."""

    env: EnvConfig
    """The environment."""

    spaces: EnvSpaces
    """Its spaces."""

    members: tuple[Member, ...]
    """Whom to train, in the order asked for."""

    chunks: tuple[Chunk, ...]
    """Populations, the most expensive first."""

    num_groups: int
    """Sets of members that agree in all that fixes shapes and control flow."""

    num_processes: int
    """Processes that train; 1 is this process itself."""

    env_threads: int
    """Threads on which each process steps its environments; they change no result."""

    memory_bytes: int
    """Estimate of what the samples and networks of all processes take together, libraries aside."""

    seconds: float
    """Rough estimate of how long the training takes on two cores, evaluation aside."""

    oversized: Mapping[int, NotEnoughMemory]
    """Positions of members that fit into no process, and why; they are in no chunk."""

    @property
    def env_steps(self) -> int:
        """Environment steps of all members, reset steps included."""
        return sum(map(self.env_steps_of, self.chunks))

    @property
    def num_resumed(self) -> int:
        """Members that go on from a checkpoint."""
        return sum(len(chunk.members) for chunk in self.chunks if chunk.start)

    def env_steps_of(self, chunk: Chunk) -> int:
        """Environment steps that are left for one chunk's members, reset steps included."""
        return sum(_cost(self.members[index].recipe, chunk.start, chunk.stop) for index in chunk.members)

    def update_seconds(self, chunk: Chunk) -> float:
        """Rough estimate of how long an update of a chunk takes."""
        return chunk.seconds / max(1, chunk.stop - chunk.start)

    def summary(self) -> dict[str, Any]:
        """Plain numbers for a table: members, groups, chunks, processes, steps, memory."""
        return {
            "env": self.env.id,
            "members": len(self.members),
            "resumed": self.num_resumed,
            "groups": self.num_groups,
            "chunks": [len(chunk.members) for chunk in self.chunks],
            "processes": self.num_processes,
            "env_threads": self.env_threads,
            "env_steps": self.env_steps,
            "memory_mb": round(self.memory_bytes / 1e6, 1),
            "seconds": round(self.seconds, 1),
            "oversized": len(self.oversized),
        }


def num_updates(recipe: Recipe) -> int:
    """Updates that a budget takes; the last one is whole."""
    return -(-recipe.total_timesteps // recipe.algorithm.samples_per_update)


def updates_per_segment(recipe: Recipe) -> int:
    """Updates between two checkpoints: as many as fit into a segment, at least one."""
    return max(1, recipe.steps_per_segment // recipe.algorithm.samples_per_update)


def plan_training(
    env: EnvConfig,
    members: Sequence[Member],
    *,
    num_processes: int = 1,
    spaces: EnvSpaces | None = None,
    starts: Mapping[int, int] | None = None,
    stops: Mapping[int, int] | None = None,
    data_bytes: int = 0,
) -> TrainingPlan:
    """Group members by all that fixes shapes and control flow, cut the groups into chunks, and count processes.

    The plan changes how long a training takes, never what comes out.

    Args:
        env: an environment with an exact id.
        members: whom to train.
        num_processes: processes to use at most, such as the number of cores; what is left of it steps environments.
        spaces: the environment's spaces, if the caller knows them already.
        starts: updates that members have done before, by position; they go on from a checkpoint, and only members
            that start alike train together.
        stops: updates after which members rest for now, by position, at the end of a segment; the others go on to
            the end of their budget.
        data_bytes: of the datasets that members learn from, which each process holds in memory.

    Raises:
        UnknownEnvironment, UnsupportedEnvironment: see `describe_env`.
        InvalidConfig: no members, or the same member twice.
    """
    if not members:
        raise InvalidConfig("no members to train: expected at least one recipe with one seed")
    if num_processes < 1:
        raise InvalidConfig(f"num_processes is {num_processes}: expected at least 1")
    names = [member.label for member in members]
    if len(set(names)) != len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise InvalidConfig(f"member '{twice}' is asked for twice: name each recipe and seed once")
    spaces = spaces or describe_env(env)
    spans = [
        ((starts or {}).get(index, 0), (stops or {}).get(index, num_updates(member.recipe)))
        for index, member in enumerate(members)
    ]
    needs = [_memory(spaces, member.recipe) for member in members]
    free = available_memory()
    budget = math.inf if free is None else free * MEMORY_SHARE
    oversized = {
        index: NotEnoughMemory(members[index].label, need + data_bytes, int(budget))
        for index, need in enumerate(needs)
        if need + data_bytes > budget
    }
    groups: dict[tuple[bytes, tuple[int, int]], list[int]] = {}
    for index, member in enumerate(members):
        if index not in oversized:
            groups.setdefault((group_key(member.recipe), spans[index]), []).append(index)
    fitting = [index for group in groups.values() for index in group]
    useful = max(1, sum(_cost(members[index].recipe, *spans[index]) for index in fitting) // MIN_PROCESS_STEPS)
    largest = max((needs[index] for index in fitting), default=1)
    processes = int(min(num_processes, useful, max(1, budget // (largest + data_bytes))))
    env_step = IMAGE_STEP_S if spaces.is_image else CHEAP_STEP_S if is_cheap(env.id) else DEAR_STEP_S
    chunks = [
        Chunk(
            group=number,
            members=part,
            start=span[0],
            stop=span[1],
            seconds=_seconds(
                spaces,
                members[part[0]].recipe,
                len(part),
                steps=_cost(members[part[0]].recipe, *span),
                env_step=env_step,
            ),
        )
        for number, ((_, span), group) in enumerate(groups.items())
        for part in _cut(
            group,
            [members[index].hparam for index in group],
            processes=math.ceil(processes / len(groups)),
            room=int(min(MAX_CHUNK_MEMBERS, (budget / processes - data_bytes) // needs[group[0]])),
        )
    ]
    chunks.sort(key=lambda chunk: -chunk.seconds)
    processes = max(1, min(processes, len(chunks)))
    sizes = sorted((sum(needs[index] for index in chunk.members) for chunk in chunks), reverse=True)
    return TrainingPlan(
        env=env,
        spaces=spaces,
        members=tuple(members),
        chunks=tuple(chunks),
        num_groups=len(groups),
        num_processes=processes,
        env_threads=1 if is_cheap(env.id) else max(1, num_processes // processes),
        memory_bytes=sum(sizes[:processes]) + processes * data_bytes,
        seconds=_makespan([chunk.seconds for chunk in chunks], processes),
        oversized=oversized,
    )


def policy_spec(recipe: Recipe, spaces: EnvSpaces) -> PolicySpec:
    """How the policies of a recipe act in an environment."""
    return PolicySpec.for_env(
        spaces,
        network=recipe.network,
        normalizes_observations=recipe.algorithm.normalize_observations,
        squashes_actions=recipe.algorithm.squash_actions,
    )


def learns_from_dataset(recipe: Recipe) -> bool:
    """Whether a recipe learns from its dataset's episodes, and acts in no environment while it trains."""
    return isinstance(recipe.algorithm, BCConfig)


def learning_backend(recipe: Recipe, spec: PolicySpec) -> Backend:
    """What computes a recipe's training; all but PPO learn by torch's own gradients."""
    return "torch" if learns_from_dataset(recipe) else choose_backend(spec.shape)


def group_key(recipe: Recipe) -> bytes:
    """Equal for recipes whose members may train in one population; one that learns from a dataset has one dataset."""
    fixed = recipe.algorithm.model_dump(mode="json", exclude=set(MEMBER_FIELDS))
    return canonical_json(
        {
            "algorithm": fixed,
            "network": recipe.network.model_dump(mode="json"),
            "updates": num_updates(recipe),
            "segment": updates_per_segment(recipe),
            **({"dataset": recipe.dataset} if learns_from_dataset(recipe) else {}),
        }
    )


def _cost(recipe: Recipe, start: int, stop: int) -> int:
    return (stop - start) * recipe.algorithm.samples_per_update


def _cut(group: Sequence[int], hparams: Sequence[str], *, processes: int, room: int) -> list[tuple[int, ...]]:
    """Cut a group into chunks of at most `room` members for a number of processes.

    Recipes stay whole, so that each is done as early as can be, unless there are fewer of them than processes or one
    alone is too large.
    """
    count = math.ceil(len(group) / room)
    count = min(len(group), math.ceil(count / processes) * processes)
    recipes: dict[str, list[int]] = {}
    for index, hparam in zip(group, hparams, strict=True):
        recipes.setdefault(hparam, []).append(index)
    largest = max(map(len, recipes.values()))
    if len(recipes) < processes or largest > room:
        ordered = [index for own in recipes.values() for index in own]
        cuts = [len(ordered) * part // count for part in range(count + 1)]
        return [tuple(ordered[start:stop]) for start, stop in itertools.pairwise(cuts)]
    size = max(largest, math.ceil(len(group) / count))
    chunks: list[list[int]] = [[]]
    for own in recipes.values():
        if len(chunks[-1]) + len(own) > size:
            chunks.append([])
        chunks[-1] += own
    return [tuple(chunk) for chunk in chunks if chunk]


def _memory(spaces: EnvSpaces, recipe: Recipe) -> int:
    """Bytes that one member takes: its samples, a minibatch, its parameters fourfold; not a dataset, which all share.

    A rollout is there twice, once sorted by member.
    """
    algorithm = recipe.algorithm
    spec = policy_spec(recipe, spaces)
    seen = math.prod(spec.observation_shape) * (1 if spec.is_image else 4 * (1 + spec.normalizes_observations))
    sample = seen + 4 * (2 * spec.distribution.num_outputs + 12)
    if isinstance(algorithm, BCConfig):
        batch, rows = 16 * algorithm.samples_per_update, max(algorithm.batch_size, MEASURED_ROWS)
    else:
        batch = algorithm.num_envs * (algorithm.num_steps + 1) * 2 * sample + 8 * algorithm.update_epochs * (
            algorithm.batch_size
        )
        rows = algorithm.batch_size // algorithm.num_minibatches
    kept = spec.shape.activation_size * 4
    minibatch = rows * (sample + (kept if learning_backend(recipe, spec) == "torch" else 0))
    return batch + minibatch + 4 * 4 * spec.shape.num_parameters


def _seconds(spaces: EnvSpaces, recipe: Recipe, num_members: int, *, steps: int, env_step: float) -> float:
    """Roughly how long a population trains: the pool's steps, the environments' own, and the networks' products."""
    spec = policy_spec(recipe, spaces)
    rate = IMAGE_PRODUCTS_PER_S if spec.is_image else PRODUCTS_PER_S
    if isinstance(recipe.algorithm, BCConfig):
        gradient_steps = steps / recipe.algorithm.batch_size
        return gradient_steps * GRADIENT_STEP_S + num_members * steps * 3 * spec.shape.num_products / rate
    passes = 1 + 3 * recipe.algorithm.update_epochs
    per_step = env_step + passes * spec.shape.num_products / rate
    return steps / recipe.algorithm.num_envs * POOL_STEP_S + num_members * steps * per_step


def _makespan(durations: Sequence[float], processes: int) -> float:
    """How long processes take for chunks that are handed out in order to whoever is free."""
    busy = [0.0] * processes
    for duration in durations:
        busy[busy.index(min(busy))] += duration
    return max(busy)
