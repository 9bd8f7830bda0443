"""Episodes of fixed policies, without favour for short ones."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields

import numpy as np

from rl_assets.config.environment import EnvConfig
from rl_assets.errors import EnvironmentFault
from rl_assets.rl.envs.pool import EnvironmentPool, Views
from rl_assets.rl.envs.spaces import EnvSpaces
from rl_assets.rl.policy import PolicySpec, PolicyStack
from rl_assets.rl.seeding import member_stream

MAX_STREAMS = 25
"""Environments that one member is evaluated in side by side, unless each episode is to have a stream of its own."""

MAX_EPISODE_STEPS = 1_000_000
"""Steps after which an episode without a limit of its own counts as endless."""


@dataclass(frozen=True, kw_only=True)
class EpisodeRecords:
    """Whole episodes of one policy, stream by stream and in order within each."""

    returns: np.ndarray
    """`[num_episodes]` float64 undiscounted sums of rewards."""

    lengths: np.ndarray
    """`[num_episodes]` int32 steps."""

    seeds: np.ndarray
    """`[num_episodes]` int32 seed of the environment stream."""

    terminated: np.ndarray
    """`[num_episodes]` bool; the task ended."""

    truncated: np.ndarray
    """`[num_episodes]` bool; time ran out."""

    metrics: Mapping[str, np.ndarray] = field(default_factory=dict)
    """Name -> `[num_episodes]` float64 values of further metrics."""


def join_episodes(parts: Sequence[EpisodeRecords]) -> EpisodeRecords:
    """Put episodes of one policy from several pools one after the other."""
    first = parts[0]
    return EpisodeRecords(
        **{
            column.name: np.concatenate([getattr(part, column.name) for part in parts])
            for column in fields(EpisodeRecords)
            if column.name != "metrics"
        },
        metrics={name: np.concatenate([part.metrics[name] for part in parts]) for name in first.metrics},
    )


def num_streams(num_episodes: int) -> int:
    """How many environment streams share a number of episodes."""
    return min(num_episodes, MAX_STREAMS)


def evaluate(
    *,
    spec: PolicySpec,
    members: Sequence[Mapping[str, np.ndarray]],
    env: EnvConfig,
    spaces: EnvSpaces,
    seeds: Sequence[Sequence[int]],
    num_episodes: int,
    deterministic: bool,
    sampling_seeds: Sequence[int] | None = None,
    env_threads: int = 1,
    on_step: Callable[[], None] | None = None,
) -> list[EpisodeRecords]:
    """Run every policy for a number of episodes.

    Each environment stream runs a quota of episodes that is fixed beforehand: streams of long episodes are waited for.
    With as many seeds as episodes, each episode is the first of its stream, and two policies given equal seeds meet
    equal starts.

    Args:
        spec: what the policies have in common.
        members: tensors of each policy.
        env: the environment.
        spaces: its spaces.
        seeds: for each policy the seeds of its streams; equally many for all.
        num_episodes: episodes of each policy; the first streams run one more where they do not divide.
        deterministic: take the most likely action instead of a sampled one.
        sampling_seeds: for each policy the seed of its samples; needed unless deterministic.
        env_threads: on which the environments are stepped; changes no result.
        on_step: called after every step of the environments: a sign of life.

    Returns:
        The episodes of each policy; a policy's episodes do not depend on who is evaluated beside it.

    Raises:
        EnvironmentFault: the pool failed, an episode never ended, or a return is not finite.
    """
    stack = PolicyStack(spec, members)
    quotas = _share(num_episodes, [len(streams) for streams in seeds])
    if not deterministic and sampling_seeds is None:
        raise ValueError("sampling_seeds is None: give one seed for each policy, or evaluate deterministically")
    streams = [
        member_stream(member_seed=seed, role="evaluation", counter=int(own[0]))
        for seed, own in zip(sampling_seeds or (), seeds, strict=not deterministic)
    ]
    flat_seeds = [int(seed) for own in seeds for seed in own]
    with EnvironmentPool(env, spaces=spaces, seeds=flat_seeds, num_threads=env_threads, on_step=on_step) as pool:
        episodes = _run_episodes(stack, pool, quotas, streams, deterministic=deterministic, limit=_step_limit(spaces))
    records = [_gather(own_seeds, own) for own_seeds, own in zip(seeds, episodes, strict=True)]
    for index, record in enumerate(records):
        if not np.isfinite(record.returns).all():
            raise EnvironmentFault(
                f"policy {index} of {len(records)} got a return that is not finite in '{env.id}': expected numbers; "
                "see what the environment does with its actions"
            )
    return records


_Episode = tuple[float, int, bool]


def _share(num_episodes: int, streams: Sequence[int]) -> np.ndarray:
    """`[num_streams]` episodes that each stream runs."""
    if len(set(streams)) != 1 or not 1 <= streams[0] <= num_episodes:
        raise ValueError(f"streams per policy are {sorted(set(streams))}: expected one number from 1 to {num_episodes}")
    each, more = divmod(num_episodes, streams[0])
    return np.array([each + (index < more) for index in range(streams[0])])


def _step_limit(spaces: EnvSpaces) -> int:
    return spaces.max_episode_steps or MAX_EPISODE_STEPS


def _run_episodes(
    stack: PolicyStack,
    pool: EnvironmentPool,
    quotas: np.ndarray,
    generators: Sequence[np.random.Generator],
    *,
    deterministic: bool,
    limit: int,
) -> list[list[list[_Episode]]]:
    """Episodes by policy and stream."""
    shape = (stack.num_members, len(quotas))
    views: Views = pool.reset()
    returns, lengths = np.zeros(shape), np.zeros(shape, np.int64)
    missing = np.tile(quotas, (shape[0], 1))
    episodes: list[list[list[_Episode]]] = [[[] for _ in quotas] for _ in range(shape[0])]
    while missing.any():
        noise = None
        if not deterministic:
            noise = np.stack([stack.distribution.draw_noise(generator, shape[1:]) for generator in generators])
        masks = None if views.masks is None else views.masks.reshape(*shape, -1)
        seen = views.observations.reshape(*shape, *stack.spec.observation_shape)
        views = batch = pool.step(stack.act(seen, noise, masks))
        returns += batch.rewards.reshape(shape)
        lengths += batch.valid.reshape(shape)
        terminated = batch.terminated.reshape(shape)
        ended = terminated | batch.truncated.reshape(shape)
        if ended.any():
            for member, stream in zip(*np.nonzero(ended & (missing > 0)), strict=True):
                episodes[member][stream].append(
                    (float(returns[member, stream]), int(lengths[member, stream]), bool(terminated[member, stream]))
                )
            missing -= ended & (missing > 0)
            returns[ended], lengths[ended] = 0.0, 0
        if (lengths[missing > 0] > limit).any():
            raise EnvironmentFault(
                f"an episode of '{pool.env.id}' did not end within {limit} steps: set max_episode_steps in its options"
            )
    return episodes


def _gather(seeds: Sequence[int], episodes: Sequence[Sequence[_Episode]]) -> EpisodeRecords:
    rows = [(seed, *episode) for seed, own in zip(seeds, episodes, strict=True) for episode in own]
    terminated = np.array([row[3] for row in rows], bool)
    return EpisodeRecords(
        returns=np.array([row[1] for row in rows], np.float64),
        lengths=np.array([row[2] for row in rows], np.int32),
        seeds=np.array([row[0] for row in rows], np.int32),
        terminated=terminated,
        truncated=~terminated,
    )
