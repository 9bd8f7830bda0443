"""Train the members of one population from their seeds to their last update."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import torch

from rl_assets.config.environment import EnvConfig, env_key
from rl_assets.errors import GuardrailTripped, WallTimeExceeded
from rl_assets.rl.algorithms.ppo import METRICS
from rl_assets.rl.envs.pool import EnvironmentPool
from rl_assets.rl.envs.spaces import EnvSpaces
from rl_assets.rl.guardrails import (
    LEVELS,
    EarlyStop,
    Guardrails,
    action_bounds,
    divergence_error,
    find_divergences,
    rollout_levels,
)
from rl_assets.rl.learner import make_learner
from rl_assets.rl.normalization import RewardScaler, RunningMoments
from rl_assets.rl.outcomes import MemberFailure, TrainedMember
from rl_assets.rl.plan import Member, num_updates, updates_per_segment
from rl_assets.rl.policy import NORMALIZER_MEAN, NORMALIZER_SCALE, PolicySpec, PolicyStack
from rl_assets.rl.rollout import Actors, Rollout
from rl_assets.rl.seeding import Purpose, env_seeds, member_stream
from rl_assets.rl.watches import Alarm, Row


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
    on_update: Callable[[UpdateReport], None],
    env_threads: int = 1,
    clock: Callable[[], float] = time.monotonic,
) -> list[TrainedMember | MemberFailure]:
    """Train members whose recipes agree in all that fixes shapes and control flow.

    A member's result depends on the environment, its recipe and its seed alone. A member that a guardrail stops is
    silenced and reported, one that reaches its target rests as it is; the others go on as if it had never been there.

    Args:
        env: the environment.
        spaces: its spaces.
        members: the population, at least one.
        on_update: called after each update.
        env_threads: on which the environments are stepped; changes no result.
        clock: tells the seconds that are held against the members' wall time.

    Returns:
        What became of each member, in order; without evaluation episodes.

    Raises:
        EnvironmentFault: the pool failed.
    """
    started = time.perf_counter()
    with single_thread(), Population(env, spaces, members, env_threads=env_threads, clock=clock) as population:
        while population.update < population.num_updates and not population.everybody_rests:
            on_update(population.advance())
        return population.results(time.perf_counter() - started)


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
        update: updates done.
        num_updates: updates that the budget takes.
        failures: why each member failed; None for those that did not.
        early_stops: where each member reached its target; None for those that did not.
        guardrails: what each member's history is judged by.
        spec: how to act with the members' tensors.
    """

    def __init__(
        self,
        env: EnvConfig,
        spaces: EnvSpaces,
        members: Sequence[Member],
        *,
        env_threads: int = 1,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        recipe = members[0].recipe
        self._env_threads = env_threads
        self._env, self._spaces, self._members, self._config = env, spaces, members, recipe.algorithm
        self._updates_per_segment = updates_per_segment(recipe)
        self.num_updates, self.update = num_updates(recipe), 0
        self.failures: list[GuardrailTripped | None] = [None] * len(members)
        self.early_stops: list[EarlyStop | None] = [None] * len(members)
        self._stopped: dict[int, tuple[dict[str, np.ndarray], dict[str, np.ndarray]]] = {}
        self.guardrails = [Guardrails(member.recipe.guardrails, spaces.actions) for member in members]
        self._action_bounds = action_bounds(spaces.actions, squashes=self._config.squash_actions)
        self._clock, self._started_at = clock, clock()
        self.spec = PolicySpec.for_env(
            spaces,
            network=recipe.network,
            normalizes_observations=self._config.normalize_observations,
            squashes_actions=self._config.squash_actions,
        )
        size = self.spec.observation_shape
        unscaled = {NORMALIZER_MEAN: np.zeros(size, np.float32), NORMALIZER_SCALE: np.ones(size, np.float32)}
        streams = [member_stream(member_seed=member.seed, role="parameters") for member in members]
        shape = self.spec.shape
        self._policies = PolicyStack(self.spec, [shape.init_member(stream) | unscaled for stream in streams])
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
        self._pool: EnvironmentPool | None = None

    def advance(self) -> UpdateReport:
        """Collect one rollout and learn from it."""
        if self.update % self._updates_per_segment == 0:
            self._start_segment()
        rollout = self._rollout
        episodes = self._actors.collect_rollout(rollout, self._draw_noise())
        self._stop_diverged(
            {
                "an observation": rollout.raw_observations.swapaxes(0, 1),
                "a reward": rollout.rewards.swapaxes(0, 1),
                "a log probability": rollout.log_probs.swapaxes(0, 1),
                "a value": rollout.values.swapaxes(0, 1),
            }
        )
        levels: list[Row] = [
            dict(zip(LEVELS, own, strict=True)) for own in rollout_levels(rollout, self._action_bounds).tolist()
        ]
        for index in self._going():
            self._heed(index, self.guardrails[index].judge_rollout(levels[index]))
        rates = [self._learning_rate(member) for member in self._members]
        metrics = self._learner.update(rollout, self._scale_rewards(), counter=self.update, learning_rates=rates)
        self._stop_diverged({"a loss or gradient": metrics, "a parameter": self._learner.parameters()})
        self._normalize_observations()
        for index in self._going():
            self._env_steps[index] += int(rollout.valid[:, index].sum())
            row = {
                "env_steps": self._env_steps[index],
                **_episode_metrics(episodes[index]),
                "learning_rate": rates[index],
                **dict(zip(METRICS, metrics[index].tolist(), strict=True)),
                **levels[index],
            }
            self._history[index].append(row)
            self._heed(index, self.guardrails[index].judge_update(row))
            self._stop_at_target(index, row)
        self.update += 1
        self._stop_overdue()
        return UpdateReport(env_steps=rollout.valid.size, mean_return=self._mean_return())

    @property
    def everybody_rests(self) -> bool:
        """Whether nobody is left to train."""
        return not self._going()

    def results(self, wall_time_s: float) -> list[TrainedMember | MemberFailure]:
        """Hand out what became of everybody."""
        steps_per_s = sum(self._env_steps) / max(wall_time_s, 1e-9)
        results: list[TrainedMember | MemberFailure] = []
        for index, member in enumerate(self._members):
            failure = self.failures[index]
            if failure is not None:
                results.append(MemberFailure(seed=member.seed, error=failure))
                continue
            rows = self._history[index]
            results.append(
                TrainedMember(
                    seed=member.seed,
                    spec=self.spec,
                    tensors=self.read(index),
                    optimizer_state=self._optimizer_state(index),
                    history={name: np.array([row[name] for row in rows]) for name in rows[0]},
                    env_steps=self._env_steps[index],
                    wall_time_s=wall_time_s,
                    steps_per_s=steps_per_s,
                    population_size=len(self._members),
                    backend=self._policies.backend,
                    episodes=None,
                    early_stop=self.early_stops[index],
                )
            )
        return results

    def read(self, index: int) -> dict[str, np.ndarray]:
        """Copy out one member's tensors as they are now, or were when it stopped: all that acting as it does needs."""
        return self._stopped[index][0] if index in self._stopped else self._policies.read(index)

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
        self._pool = EnvironmentPool(self._env, spaces=self._spaces, seeds=seeds, num_threads=self._env_threads)
        self._actors = Actors(self._pool, self._policies)
        self._scalers = [scaler.restarted() for scaler in self._scalers]

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
        for index in self._going():
            self._scalers[index], scaled[:, index] = self._scalers[index].scaled(
                np.ascontiguousarray(rollout.rewards[:, index]),
                ended=rollout.terminated[:, index] | rollout.truncated[:, index],
                valid=rollout.valid[:, index],
                discount=self._members[index].recipe.algorithm.discount,
            )
        return scaled

    def _normalize_observations(self) -> None:
        """Learn from what was seen; the next rollout is scaled by it, so acting and learning agree within each."""
        if not self.spec.normalizes_observations:
            return
        for index in self._going():
            seen = self._rollout.raw_observations[:-1, index][self._rollout.valid[:, index]]
            self._moments[index] = self._moments[index].updated(seen)
            self._policies.scaler.set_member(index, mean=self._moments[index].mean, scale=self._moments[index].scale)

    def _going(self) -> list[int]:
        """The members that still train."""
        rests = zip(self.failures, self.early_stops, strict=True)
        return [index for index, (failure, stop) in enumerate(rests) if failure is None and stop is None]

    def _fail(self, index: int, error: GuardrailTripped) -> None:
        self.failures[index] = error
        self._learner.silence(index)

    def _stop_diverged(self, quantities: dict[str, np.ndarray]) -> None:
        findings = find_divergences(quantities)
        for index in self._going():
            if index in findings:
                self._fail(index, divergence_error(self._members[index].label, self.update, findings[index]))

    def _heed(self, index: int, alarm: Alarm | None) -> None:
        if alarm is not None:
            member = self._members[index].label
            self._fail(index, alarm.error(member, self.update, alarm.quantity, alarm.value, alarm.expected))

    def _stop_at_target(self, index: int, row: Row) -> None:
        """Keep a member that reached its target as it is now, and let it rest."""
        stop = self.guardrails[index].reached_target(row, self.update)
        if stop is not None and self.failures[index] is None:
            self._stopped[index] = self.read(index), self._optimizer_state(index)
            self.early_stops[index] = stop
            self._learner.silence(index)

    def _stop_overdue(self) -> None:
        """Let members rest whose time is over while updates are left."""
        if self.update == self.num_updates:
            return
        spent = self._clock() - self._started_at
        for index in self._going():
            member = self._members[index]
            if member.max_wall_time_s is not None and spent > member.max_wall_time_s:
                expected = f"{self.num_updates} updates within {member.max_wall_time_s:g}"
                self._fail(
                    index, WallTimeExceeded(member.label, self.update - 1, "the training time in s", spent, expected)
                )

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
        if index in self._stopped:
            return self._stopped[index][1]
        state = self._learner.optimizer_state(index)
        if self.spec.normalizes_observations:
            state |= {f"observations.{name}": array for name, array in self._moments[index].to_arrays().items()}
        if self._config.normalize_rewards:
            state |= {f"returns.{name}": array for name, array in self._scalers[index].moments.to_arrays().items()}
        return state


def _episode_metrics(episodes: Sequence[tuple[float, int]]) -> dict[str, float]:
    """Statistics of the episodes that ended in one update; NaN where none did."""
    returns, lengths = [episode[0] for episode in episodes], [episode[1] for episode in episodes]
    return {
        "episodes": len(episodes),
        "mean_return": float(np.mean(returns)) if returns else float("nan"),
        "mean_length": float(np.mean(lengths)) if lengths else float("nan"),
    }
