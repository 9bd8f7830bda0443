"""Train the members of one population from their seeds to their last update."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch

from rl_assets.config.environment import EnvConfig, env_key
from rl_assets.errors import MemberDiverged
from rl_assets.rl.algorithms.ppo import METRICS, without_prefix
from rl_assets.rl.checkpoints import BestPolicy, Checkpoint
from rl_assets.rl.envs.pool import EnvironmentPool
from rl_assets.rl.envs.spaces import EnvSpaces
from rl_assets.rl.guardrails import find_divergence
from rl_assets.rl.learner import make_learner
from rl_assets.rl.normalization import RewardScaler, RunningMoments
from rl_assets.rl.numerics import numerics_fingerprint
from rl_assets.rl.outcomes import MemberFailure, PausedMember, Result, TrainedMember
from rl_assets.rl.plan import Member, num_updates, policy_spec, updates_per_segment
from rl_assets.rl.policy import NORMALIZER_MEAN, NORMALIZER_SCALE, PolicyStack
from rl_assets.rl.rollout import Actors, Rollout
from rl_assets.rl.seeding import Purpose, env_seeds, member_stream


@dataclass(frozen=True, kw_only=True)
class UpdateReport:
    """Where a population stands after an update."""

    env_steps: int
    """Environment steps planned for this update, over all members, reset steps included."""

    mean_return: float | None
    """Mean over the members of their latest mean episode return; None before the first episode ended."""


def train_population(
    *,
    env: EnvConfig,
    spaces: EnvSpaces,
    members: Sequence[Member],
    starts: Sequence[Checkpoint | None] | None = None,
    stop: int | None = None,
    on_update: Callable[[UpdateReport], None],
    on_segment: Callable[[dict[int, Checkpoint]], None] | None = None,
    on_step: Callable[[], None] | None = None,
    env_threads: int = 1,
) -> list[Result]:
    """Train members whose recipes agree in all that fixes shapes and control flow.

    A member's result depends on the environment, its recipe and its seed alone. A member whose numbers stop being
    finite is silenced and reported; the others go on as if it had never been there.

    Args:
        env: the environment.
        spaces: its spaces.
        members: the population, at least one.
        starts: where each member goes on, all at the same update; None: from the beginning.
        stop: updates after which all rest for now, at the end of a segment; None: their budget.
        on_update: called after each update.
        on_segment: called at the end of each segment, and of the training, with the checkpoints of the members that
            still train, by position.
        on_step: called after every step of the environments: a sign of life.
        env_threads: on which the environments are stepped; changes no result.

    Returns:
        What became of each member, in order; without evaluation episodes. Members that rest for now are paused.

    Raises:
        EnvironmentFault: the pool failed.
    """
    with (
        single_thread(),
        Population(env, spaces, members, starts=starts, env_threads=env_threads, on_step=on_step) as population,
    ):
        while not population.is_done and population.update != stop:
            on_update(population.advance())
            if on_segment is not None and population.is_at_segment_end:
                on_segment(population.checkpoints())
        return population.results()


@contextmanager
def single_thread() -> Iterator[None]:
    """One torch thread: the bits depend on it, and more only slow small networks down."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


class Population:
    """A population between two updates; leaving its block releases the environments.

    Attributes:
        update: updates done, those before the start among them.
        num_updates: updates that the budget takes.
        failures: why each member rests; None for those that go on.
        spec: how to act with the members' tensors.
    """

    def __init__(
        self,
        env: EnvConfig,
        spaces: EnvSpaces,
        members: Sequence[Member],
        *,
        starts: Sequence[Checkpoint | None] | None = None,
        env_threads: int = 1,
        on_step: Callable[[], None] | None = None,
    ) -> None:
        recipe = members[0].recipe
        starts = starts or [None] * len(members)
        self._started_at = time.perf_counter()
        self._env_threads, self._on_step = env_threads, on_step
        self._env, self._spaces, self._members, self._config = env, spaces, members, recipe.algorithm
        self._updates_per_segment = updates_per_segment(recipe)
        self.num_updates, self.update = num_updates(recipe), _common_update(starts)
        self._starts = starts
        self.failures: list[MemberDiverged | None] = [None] * len(members)
        self.spec = policy_spec(recipe, spaces)
        size = self.spec.observation_shape
        unscaled = {NORMALIZER_MEAN: np.zeros(size, np.float32), NORMALIZER_SCALE: np.ones(size, np.float32)}
        shape = self.spec.shape
        self._policies = PolicyStack(
            self.spec,
            [
                shape.init_member(member_stream(member_seed=member.seed, role="parameters")) | unscaled
                if start is None
                else start.tensors
                for member, start in zip(members, starts, strict=True)
            ],
        )
        self._numerics = numerics_fingerprint(self._policies.backend)
        self._learner = make_learner(
            self._policies,
            configs=[member.recipe.algorithm for member in members],
            seeds=[member.seed for member in members],
        )
        self._rollout = Rollout.empty(
            self._policies,
            num_steps=self._config.num_steps,
            num_envs=self._config.num_envs,
            has_masks=spaces.mask is not None,
        )
        self._moments = [RunningMoments.empty(size[0]) for _ in members]
        self._scalers = [RewardScaler.empty(self._config.num_envs) for _ in members]
        self._history: list[list[dict[str, float]]] = [[] for _ in members]
        self._env_steps = [0] * len(members)
        self._best: list[BestPolicy | None] = [None] * len(members)
        self._pool: EnvironmentPool | None = None
        for index, start in enumerate(starts):
            if start is not None:
                self._go_on(index, start)

    @property
    def is_done(self) -> bool:
        """Whether nobody has anything left to learn."""
        rests = [
            failure is not None or (start is not None and start.is_final)
            for failure, start in zip(self.failures, self._starts, strict=True)
        ]
        return self.update >= self.num_updates or all(rests)

    @property
    def is_at_segment_end(self) -> bool:
        """Whether the latest update was the last of its segment, or of all."""
        return self.update % self._updates_per_segment == 0 or self.update >= self.num_updates

    def advance(self) -> UpdateReport:
        """Collect one rollout and learn from it."""
        if self.update % self._updates_per_segment == 0:
            self._start_segment()
        rollout = self._rollout
        episodes = self._actors.collect_rollout(rollout, self._draw_noise())
        self._silence_diverged(
            {
                "an observation": rollout.raw_observations.swapaxes(0, 1),
                "a reward": rollout.rewards.swapaxes(0, 1),
                "a log probability": rollout.log_probs.swapaxes(0, 1),
                "a value": rollout.values.swapaxes(0, 1),
            }
        )
        rates = [self._learning_rate(member) for member in self._members]
        metrics = self._learner.update(rollout, self._scale_rewards(), counter=self.update, learning_rates=rates)
        self._silence_diverged({"a loss or gradient": metrics, "a parameter": self._learner.parameters()})
        self._normalize_observations()
        for index in range(len(self._members)):
            self._env_steps[index] += int(rollout.valid[:, index].sum())
            self._history[index].append(
                {
                    "env_steps": self._env_steps[index],
                    **_episode_metrics(episodes[index]),
                    "learning_rate": rates[index],
                    **dict(zip(METRICS, metrics[index], strict=True)),
                }
            )
        self.update += 1
        if self.is_at_segment_end:
            self._keep_best()
        return UpdateReport(env_steps=rollout.valid.size, mean_return=self._mean_return())

    def checkpoints(self) -> dict[int, Checkpoint]:
        """Copy out the members that train, by position, at the end of a segment."""
        return {
            index: Checkpoint(
                update=self.update,
                is_final=self.update >= self.num_updates,
                env_steps=self._env_steps[index],
                tensors=self._policies.read(index),
                optimizer_state=self._optimizer_state(index),
                history=self._columns(index),
                best=self._best[index],
                numerics=self._numerics,
                inexact_resumes=self._inexact_resumes(index),
                wall_time_s=self._wall_time_s(index),
            )
            for index, failure in enumerate(self.failures)
            if failure is None
        }

    def results(self) -> list[Result]:
        """Hand out what became of everybody so far."""
        results: list[Result] = []
        for index, member in enumerate(self._members):
            failure = self.failures[index]
            if failure is not None:
                results.append(MemberFailure(seed=member.seed, error=failure))
                continue
            start, wall_time_s = self._starts[index], self._wall_time_s(index)
            if self.update < self.num_updates and not (start is not None and start.is_final):
                results.append(PausedMember(seed=member.seed, update=self.update))
                continue
            results.append(
                TrainedMember(
                    seed=member.seed,
                    spec=self.spec,
                    tensors=self._policies.read(index),
                    optimizer_state=self._optimizer_state(index),
                    history=self._columns(index),
                    best=self._best[index],
                    env_steps=self._env_steps[index],
                    wall_time_s=wall_time_s,
                    steps_per_s=sum(self._env_steps) / max(wall_time_s, 1e-9),
                    population_size=len(self._members),
                    resumed_at=0 if start is None else start.update,
                    numerics=start.numerics if start is not None and start.is_final else self._numerics,
                    inexact_resumes=self._inexact_resumes(index),
                    episodes=None,
                )
            )
        return results

    def read(self, index: int) -> dict[str, np.ndarray]:
        """Copy out one member's tensors as they are now: all that acting as it does needs."""
        return self._policies.read(index)

    def __enter__(self) -> "Population":
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._close_pool()

    def _close_pool(self) -> None:
        if self._pool is not None:
            self._pool.close()
            self._pool = None

    def _start_segment(self) -> None:
        self._close_pool()
        segment = self.update // self._updates_per_segment
        key, num_envs = env_key(self._env), self._config.num_envs
        seeds = [
            seed
            for member in self._members
            for seed in env_seeds(
                purpose=Purpose.TRAIN, env_key=key, member_seed=member.seed, segment=segment, num_envs=num_envs
            )
        ]
        self._pool = EnvironmentPool(
            self._env, spaces=self._spaces, seeds=seeds, num_threads=self._env_threads, on_step=self._on_step
        )
        self._actors = Actors(self._pool, self._policies)
        self._scalers = [scaler.restarted() for scaler in self._scalers]

    def _go_on(self, index: int, start: Checkpoint) -> None:
        """Take up a member where its checkpoint left it; its parameters are in place."""
        self._learner.restore_optimizer(index, start.optimizer_state)
        if self.spec.normalizes_observations:
            self._moments[index] = RunningMoments.from_arrays(without_prefix(start.optimizer_state, "observations."))
        if self._config.normalize_rewards:
            moments = RunningMoments.from_arrays(without_prefix(start.optimizer_state, "returns."))
            self._scalers[index] = replace(self._scalers[index], moments=moments)
        columns = {name: column.tolist() for name, column in start.history.items()}
        self._history[index] = [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]
        self._env_steps[index], self._best[index] = start.env_steps, start.best

    def _keep_best(self) -> None:
        """Remember the members whose segment that just ended was their best."""
        begin = (self.update - 1) // self._updates_per_segment * self._updates_per_segment
        for index, failure in enumerate(self.failures):
            if failure is not None:
                continue
            rows = [row for row in self._history[index][begin:] if row["episodes"]]
            if not rows:
                continue
            mean = float(np.average([row["mean_return"] for row in rows], weights=[row["episodes"] for row in rows]))
            best = self._best[index]
            if best is None or mean > best.mean_return:
                self._best[index] = BestPolicy(update=self.update, mean_return=mean, tensors=self._policies.read(index))

    def _columns(self, index: int) -> dict[str, np.ndarray]:
        rows = self._history[index]
        return {name: np.array([row[name] for row in rows]) for name in rows[0]}

    def _wall_time_s(self, index: int) -> float:
        start = self._starts[index]
        if start is None:
            return time.perf_counter() - self._started_at
        return start.wall_time_s + (0.0 if start.is_final else time.perf_counter() - self._started_at)

    def _inexact_resumes(self, index: int) -> tuple[Mapping[str, Any], ...]:
        """Where the member went on under another fingerprint than before."""
        start = self._starts[index]
        if start is None:
            return ()
        if start.is_final or start.numerics == self._numerics:
            return start.inexact_resumes
        return (*start.inexact_resumes, {"update": start.update, "numerics": start.numerics})

    def _draw_noise(self) -> np.ndarray:
        config, distribution = self._config, self._policies.distribution
        streams = [
            member_stream(member_seed=member.seed, role="actions", counter=self.update) for member in self._members
        ]
        return np.stack(
            [distribution.draw_noise(stream, (config.num_steps, config.num_envs)) for stream in streams], axis=1
        )

    def _scale_rewards(self) -> np.ndarray:
        rollout = self._rollout
        if not self._config.normalize_rewards:
            return rollout.rewards
        scaled = np.zeros_like(rollout.rewards)
        for index, member in enumerate(self._members):
            if self.failures[index] is not None:
                continue
            self._scalers[index], scaled[:, index] = self._scalers[index].scaled(
                np.ascontiguousarray(rollout.rewards[:, index]),
                ended=rollout.terminated[:, index] | rollout.truncated[:, index],
                valid=rollout.valid[:, index],
                discount=member.recipe.algorithm.discount,
            )
        return scaled

    def _normalize_observations(self) -> None:
        """Learn from what was seen; the next rollout is scaled by it, so acting and learning agree within each."""
        if not self.spec.normalizes_observations:
            return
        for index, failure in enumerate(self.failures):
            if failure is not None:
                continue
            seen = self._rollout.raw_observations[:-1, index][self._rollout.valid[:, index]]
            self._moments[index] = self._moments[index].updated(seen)
            self._policies.scaler.set_member(index, mean=self._moments[index].mean, scale=self._moments[index].scale)

    def _silence_diverged(self, quantities: dict[str, np.ndarray]) -> None:
        for index, member in enumerate(self._members):
            if self.failures[index] is not None:
                continue
            found = find_divergence(quantities, index)
            if found is not None:
                self.failures[index] = MemberDiverged(member.label, self.update, *found)
                self._learner.silence(index)

    def _learning_rate(self, member: Member) -> float:
        algorithm = member.recipe.algorithm
        remaining = 1 - self.update / self.num_updates if algorithm.anneal_learning_rate else 1.0
        return algorithm.learning_rate * remaining

    def _mean_return(self) -> float | None:
        latest = []
        for rows in self._history:
            known = [row["mean_return"] for row in rows if not np.isnan(row["mean_return"])]
            latest += known[-1:]
        return float(np.mean(latest)) if latest else None

    def _optimizer_state(self, index: int) -> dict[str, np.ndarray]:
        state = self._learner.optimizer_state(index)
        if self.spec.normalizes_observations:
            state |= {f"observations.{name}": array for name, array in self._moments[index].to_arrays().items()}
        if self._config.normalize_rewards:
            state |= {f"returns.{name}": array for name, array in self._scalers[index].moments.to_arrays().items()}
        return state


def _common_update(starts: Sequence[Checkpoint | None]) -> int:
    """Updates that all members have done."""
    updates = {0 if start is None else start.update for start in starts if start is None or not start.is_final}
    if len(updates) > 1:
        raise ValueError(f"members of one population start at updates {sorted(updates)}: expected one number")
    return updates.pop() if updates else max(start.update for start in starts if start is not None)


def _episode_metrics(episodes: Sequence[tuple[float, int]]) -> dict[str, float]:
    """Statistics of the episodes that ended in one update; NaN where none did."""
    returns, lengths = [episode[0] for episode in episodes], [episode[1] for episode in episodes]
    return {
        "episodes": len(episodes),
        "mean_return": float(np.mean(returns)) if returns else float("nan"),
        "mean_length": float(np.mean(lengths)) if lengths else float("nan"),
    }
