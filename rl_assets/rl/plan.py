"""Which members train together, in which process, and what that takes."""

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from rl_assets.config.canonical import canonical_json
from rl_assets.config.environment import EnvConfig
from rl_assets.config.recipe import Recipe
from rl_assets.errors import InvalidConfig
from rl_assets.rl.envs.catalogue import describe_env
from rl_assets.rl.envs.spaces import EnvSpaces
from rl_assets.rl.policy import PolicySpec

MAX_CHUNK_MEMBERS = 8
"""Members that train together at most; beyond it their activations leave the cache."""

MIN_PROCESS_STEPS = 150_000
"""Environment steps below which a further process costs more to start than it saves."""

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

    memory_bytes: int
    """Estimate of what the rollouts and networks of all processes take together, libraries aside."""

    @property
    def env_steps(self) -> int:
        """Environment steps of all members, reset steps included."""
        return sum(self.env_steps_of(chunk) for chunk in self.chunks)

    def env_steps_of(self, chunk: Chunk) -> int:
        """Environment steps of one chunk's members, reset steps included."""
        return sum(_cost(self.members[index].recipe) for index in chunk.members)

    def summary(self) -> dict[str, Any]:
        """Plain numbers for a table: members, groups, chunks, processes, steps, memory."""
        return {
            "env": self.env.id,
            "members": len(self.members),
            "groups": self.num_groups,
            "chunks": [len(chunk.members) for chunk in self.chunks],
            "processes": self.num_processes,
            "env_steps": self.env_steps,
            "memory_mb": round(self.memory_bytes / 1e6, 1),
        }


def num_updates(recipe: Recipe) -> int:
    """Updates that a budget takes; the last one is whole."""
    return -(-recipe.total_timesteps // recipe.algorithm.batch_size)


def updates_per_segment(recipe: Recipe) -> int:
    """Updates between two rebuilds of the pool: as many as fit into a segment, at least one."""
    return max(1, recipe.segment_steps // recipe.algorithm.batch_size)


def plan_training(
    env: EnvConfig, members: Sequence[Member], *, num_processes: int = 1, spaces: EnvSpaces | None = None
) -> TrainingPlan:
    """Group members by all that fixes shapes and control flow, cut the groups into chunks, and count processes.

    The plan changes how long a training takes, never what comes out.

    Args:
        env: an environment with an exact id.
        members: whom to train.
        num_processes: processes to use at most, such as the number of cores.
        spaces: the environment's spaces, if the caller knows them already.

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
    groups: dict[bytes, list[int]] = {}
    for index, member in enumerate(members):
        groups.setdefault(group_key(member.recipe), []).append(index)
    useful = max(1, sum(_cost(member.recipe) for member in members) // MIN_PROCESS_STEPS)
    processes = min(num_processes, useful)
    chunks = [
        Chunk(group=number, members=part)
        for number, group in enumerate(groups.values())
        for part in _cut(group, [members[index].hparam for index in group], math.ceil(processes / len(groups)))
    ]
    chunks.sort(key=lambda chunk: -sum(_cost(members[index].recipe) for index in chunk.members))
    processes = min(processes, len(chunks))
    sizes = sorted((_memory(spaces, [members[index] for index in chunk.members]) for chunk in chunks), reverse=True)
    return TrainingPlan(
        env=env,
        spaces=spaces,
        members=tuple(members),
        chunks=tuple(chunks),
        num_groups=len(groups),
        num_processes=processes,
        memory_bytes=sum(sizes[:processes]),
    )


def group_key(recipe: Recipe) -> bytes:
    """Equal for recipes whose members may train in one population."""
    fixed = recipe.algorithm.model_dump(mode="json", exclude=set(MEMBER_FIELDS))
    return canonical_json(
        {
            "algorithm": fixed,
            "network": recipe.network.model_dump(mode="json"),
            "updates": num_updates(recipe),
            "segment": updates_per_segment(recipe),
        }
    )


def _cost(recipe: Recipe) -> int:
    return num_updates(recipe) * recipe.algorithm.batch_size


def _cut(group: Sequence[int], hparams: Sequence[str], processes: int) -> list[tuple[int, ...]]:
    """Cut a group into chunks for a number of processes.

    Recipes stay whole, so that each is done as early as can be, unless there are fewer of them than processes or one
    alone is too large.
    """
    count = math.ceil(len(group) / MAX_CHUNK_MEMBERS)
    count = min(len(group), math.ceil(count / processes) * processes)
    recipes: dict[str, list[int]] = {}
    for index, hparam in zip(group, hparams, strict=True):
        recipes.setdefault(hparam, []).append(index)
    largest = max(map(len, recipes.values()))
    if len(recipes) < processes or largest > MAX_CHUNK_MEMBERS:
        ordered = [index for own in recipes.values() for index in own]
        cuts = [len(ordered) * part // count for part in range(count + 1)]
        return [tuple(ordered[start:stop]) for start, stop in itertools.pairwise(cuts)]
    room = max(largest, math.ceil(len(group) / count))
    chunks: list[list[int]] = [[]]
    for own in recipes.values():
        if len(chunks[-1]) + len(own) > room:
            chunks.append([])
        chunks[-1] += own
    return [tuple(chunk) for chunk in chunks if chunk]


def _memory(spaces: EnvSpaces, members: Sequence[Member]) -> int:
    recipe = members[0].recipe
    algorithm = recipe.algorithm
    spec = PolicySpec.for_env(spaces, network=recipe.network, normalizes_observations=algorithm.normalize_observations)
    item = 1 if spec.is_image else 4
    seen = math.prod(spec.observation_shape) * item * (2 if spec.normalizes_observations else 1)
    sample = seen + 4 * (2 * spec.distribution.num_outputs + 12)
    # Rollout, the same sorted by member, and a minibatch with what the network keeps of it for the way back.
    batch = algorithm.num_envs * (algorithm.num_steps + 1) * 2 * sample
    minibatch = algorithm.batch_size // algorithm.num_minibatches * (sample + 4 * spec.shape.activation_size)
    return len(members) * (batch + minibatch + 4 * 4 * spec.shape.num_parameters)
