"""Episodes of fixed policies, without favour for short ones."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from rl_assets.config.environment import EnvConfig
from rl_assets.errors import EnvironmentFault
from rl_assets.rl.envs.pool import EnvironmentPool, StepBatch, Views
from rl_assets.rl.envs.spaces import EnvSpaces
from rl_assets.rl.metrics import Meters, StreamSteps
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

    is_deterministic: bool = True
    """Whether the most likely actions were taken, and none were sampled."""

    metrics: Mapping[str, np.ndarray] = field(default_factory=dict)
    """Metric -> `[num_episodes]` float64, all finite."""

    wall_times_s: np.ndarray | None = None
    """`[num_episodes]` float64 seconds from the first step of each to its end, while all streams were stepped side by
    side; None where the episodes were not played just now."""

    other_mode: "EpisodeRecords | None" = None
    """Episodes of the same policy on the same streams in the other mode, where both were asked for."""

    @property
    def numbers(self) -> np.ndarray:
        """`[num_episodes]` int32 number of each episode within its stream, from 0."""
        places = np.arange(len(self.seeds), dtype=np.int32)
        begins_stream = np.diff(self.seeds, prepend=self.seeds[:1] - 1) != 0
        return places - np.maximum.accumulate(np.where(begins_stream, places, 0))

    @property
    def mode(self) -> str:
        """`deterministic` or `stochastic`."""
        return mode_name(is_deterministic=self.is_deterministic)


def mode_name(*, is_deterministic: bool) -> str:
    """What a way of acting is called in tables: `deterministic` or `stochastic`."""
    return "deterministic" if is_deterministic else "stochastic"


def join_episodes(parts: Sequence[EpisodeRecords]) -> EpisodeRecords:
    """Put episodes of one policy from several pools one after the other; their times are left out."""
    first = parts[0]
    return EpisodeRecords(
        returns=np.concatenate([part.returns for part in parts]),
        lengths=np.concatenate([part.lengths for part in parts]),
        seeds=np.concatenate([part.seeds for part in parts]),
        terminated=np.concatenate([part.terminated for part in parts]),
        truncated=np.concatenate([part.truncated for part in parts]),
        is_deterministic=first.is_deterministic,
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
    metrics: Sequence[str] = (),
    env_threads: int = 1,
    on_step: Callable[[], None] | None = None,
    clock: Callable[[], float] = time.monotonic,
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
        metrics: names of further numbers to compute of each episode.
        env_threads: on which the environments are stepped; changes no result.
        on_step: called after every step of the environments: a sign of life.
        clock: seconds that only go up, for the episodes' wall times.

    Returns:
        The episodes of each policy; a policy's episodes do not depend on who is evaluated beside it, their wall times
        do.

    Raises:
        EnvironmentFault: the pool failed, an episode never ended, or a return is not finite.
        MetricFault: a metric failed, or gave something else than a finite number.
        InvalidConfig: there is no such metric.
    """
    stack = PolicyStack(spec, members)
    quotas = share_episodes(num_episodes, [len(streams) for streams in seeds])
    if not deterministic and sampling_seeds is None:
        raise ValueError("sampling_seeds is None: give one seed for each policy, or evaluate deterministically")
    actors = Actors(
        stack,
        num_streams=len(quotas),
        generators=None
        if deterministic or sampling_seeds is None
        else [action_stream(seed, streams=own) for seed, own in zip(sampling_seeds, seeds, strict=True)],
    )
    flat_seeds = [int(seed) for own in seeds for seed in own]
    meters = Meters(metrics, num_streams=len(flat_seeds))
    with EnvironmentPool(env, spaces=spaces, seeds=flat_seeds, num_threads=env_threads, on_step=on_step) as pool:
        episodes = _run_episodes(actors, pool, quotas, meters, limit=_step_limit(spaces), clock=clock)
    records = [
        _gather(own_seeds, own, is_deterministic=deterministic, metrics=metrics)
        for own_seeds, own in zip(seeds, episodes, strict=True)
    ]
    for index, record in enumerate(records):
        if not np.isfinite(record.returns).all():
            raise EnvironmentFault(
                f"policy {index} of {len(records)} got a return that is not finite in '{env.id}': expected numbers; "
                "see what the environment does with its actions"
            )
    return records


class Actors:
    """Policies acting in streams, each with as many; what one does depends on its own streams and samples alone.

    Args:
        stack: the policies.
        num_streams: of each policy.
        generators: where the samples of each policy come from; None: the most likely actions.
    """

    def __init__(
        self, stack: PolicyStack, *, num_streams: int, generators: Sequence[np.random.Generator] | None
    ) -> None:
        self.shape = (stack.num_members, num_streams)
        self._stack, self._generators = stack, generators

    def act(self, views: Views) -> np.ndarray:
        """Choose the actions of all streams, policy by policy, for `EnvironmentPool.step`."""
        noise = None
        if self._generators is not None:
            draw = self._stack.distribution.draw_noise
            noise = np.stack([draw(generator, self.shape[1:]) for generator in self._generators])
        masks = None if views.masks is None else views.masks.reshape(*self.shape, -1)
        return self._stack.act(
            views.observations.reshape(*self.shape, *self._stack.spec.observation_shape), noise, masks
        )


def action_stream(sampling_seed: int, *, streams: Sequence[int]) -> np.random.Generator:
    """Open the random stream from which a policy samples its actions in streams of these seeds."""
    return member_stream(member_seed=sampling_seed, role="evaluation", counter=int(streams[0]))


def share_episodes(num_episodes: int, streams: Sequence[int]) -> np.ndarray:
    """Share the episodes of a policy among its streams, the same for every policy.

    Args:
        num_episodes: of each policy.
        streams: how many each policy has.

    Returns:
        `[num_streams]` int64 episodes that each stream runs.

    Raises:
        ValueError: policies have different numbers of streams, or a stream would have no episode.
    """
    if len(set(streams)) != 1 or not 1 <= streams[0] <= num_episodes:
        raise ValueError(f"streams per policy are {sorted(set(streams))}: expected one number from 1 to {num_episodes}")
    each, more = divmod(num_episodes, streams[0])
    return np.array([each + (index < more) for index in range(streams[0])])


@dataclass(frozen=True, kw_only=True, slots=True)
class _Episode:
    episode_return: float
    length: int
    terminated: bool
    wall_time_s: float
    metrics: tuple[float, ...]


def _step_limit(spaces: EnvSpaces) -> int:
    return spaces.max_episode_steps or MAX_EPISODE_STEPS


def _run_episodes(
    actors: Actors,
    pool: EnvironmentPool,
    quotas: np.ndarray,
    meters: Meters,
    *,
    limit: int,
    clock: Callable[[], float],
) -> list[list[list[_Episode]]]:
    """Episodes by policy and stream."""
    shape = actors.shape
    views: Views = pool.reset()
    returns, lengths, began_at = np.zeros(shape), np.zeros(shape, np.int64), np.full(shape, clock())
    missing = np.tile(quotas, (shape[0], 1))
    episodes: list[list[list[_Episode]]] = [[[] for _ in quotas] for _ in range(shape[0])]
    while missing.any():
        actions = actors.act(views)
        batch = pool.step(actions)
        now = clock()
        meters.observe(_as_steps(views, actions, batch))
        views = batch
        returns += batch.rewards.reshape(shape)
        lengths += batch.valid.reshape(shape)
        terminated = batch.terminated.reshape(shape)
        ended = terminated | batch.truncated.reshape(shape)
        if ended.any():
            recorded = ended & (missing > 0)
            values = meters.finish(ended.ravel(), recorded=recorded.ravel()).values()
            for member, stream in zip(*np.nonzero(recorded), strict=True):
                episodes[member][stream].append(
                    _Episode(
                        episode_return=float(returns[member, stream]),
                        length=int(lengths[member, stream]),
                        terminated=bool(terminated[member, stream]),
                        wall_time_s=float(now - began_at[member, stream]),
                        metrics=tuple(float(each.reshape(shape)[member, stream]) for each in values),
                    )
                )
            missing -= recorded
            returns[ended], lengths[ended] = 0.0, 0
        began_at[ended | ~batch.valid.reshape(shape)] = now
        if (lengths[missing > 0] > limit).any():
            raise EnvironmentFault(
                f"an episode of '{pool.env.id}' did not end within {limit} steps: set max_episode_steps in its options"
            )
    return episodes


def _as_steps(views: Views, actions: np.ndarray, batch: StepBatch) -> StreamSteps:
    return StreamSteps(
        observations=views.observations,
        actions=actions,
        rewards=batch.rewards,
        next_observations=batch.observations,
        terminated=batch.terminated,
        truncated=batch.truncated,
        valid=batch.valid,
    )


def _gather(
    seeds: Sequence[int], episodes: Sequence[Sequence[_Episode]], *, is_deterministic: bool, metrics: Sequence[str]
) -> EpisodeRecords:
    rows = [(seed, episode) for seed, own in zip(seeds, episodes, strict=True) for episode in own]
    terminated = np.array([episode.terminated for _, episode in rows], bool)
    return EpisodeRecords(
        returns=np.array([episode.episode_return for _, episode in rows], np.float64),
        lengths=np.array([episode.length for _, episode in rows], np.int32),
        seeds=np.array([seed for seed, _ in rows], np.int32),
        terminated=terminated,
        truncated=~terminated,
        is_deterministic=is_deterministic,
        metrics={
            name: np.array([episode.metrics[place] for _, episode in rows], np.float64)
            for place, name in enumerate(metrics)
        },
        wall_times_s=np.array([episode.wall_time_s for _, episode in rows], np.float64),
    )
