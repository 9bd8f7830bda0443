"""One member on its way: what it knows beside its parameters, what it has been through, and whether it goes on."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from rl_assets.errors import GuardrailTripped
from rl_assets.rl.autograd_learner import without_prefix
from rl_assets.rl.checkpoints import BestPolicy, Checkpoint
from rl_assets.rl.envs.spaces import EnvSpaces
from rl_assets.rl.guardrails import EarlyStop, Guardrails
from rl_assets.rl.normalization import OBSERVATION_STATISTICS, RewardScaler, RunningMoments
from rl_assets.rl.parents import ParentWeights
from rl_assets.rl.plan import Member, learns_from_dataset, num_updates
from rl_assets.rl.policy import PolicySpec
from rl_assets.rl.watches import Row

Tensors = Mapping[str, np.ndarray]


class Trainee:
    """A member of a population, its parameters and the optimizer's moments aside.

    Args:
        member: what is trained.
        start: where it goes on; None: from the beginning.
        parent: what it begins with, where it begins; None: fresh weights.
        spaces: of the environment.
        spec: how it acts.

    Attributes:
        failure: why a guardrail stopped it, if one did.
        early_stop: where it reached its target, if it did.
        is_reported: whether its last checkpoint was handed out.
        rows: its history, one row for each update.
        moments: of the observations.
        scaler: of the rewards.
        best: its best segment's end so far.
        guardrails: what its history is judged by.
    """

    def __init__(
        self,
        member: Member,
        start: Checkpoint | None,
        *,
        parent: ParentWeights | None = None,
        spaces: EnvSpaces,
        spec: PolicySpec,
    ) -> None:
        algorithm = member.recipe.algorithm
        self.member, self.start, self.parent = member, start, parent
        self.failure: GuardrailTripped | None = None
        self.early_stop: EarlyStop | None = None
        self.is_reported = start is not None and start.is_final
        self.rows: list[dict[str, float]] = []
        self.moments = RunningMoments.empty(spec.observation_shape[0])
        self.scaler = RewardScaler.empty(algorithm.num_streams)
        self.best: BestPolicy | None = None
        acts = not learns_from_dataset(member.recipe)
        self.guardrails = Guardrails(member.recipe.guardrails, spaces.actions, acts=acts)
        self._normalizes_observations = spec.normalizes_observations
        self._env_steps, self._latest_return = 0, float("nan")
        self._at_rest: tuple[Tensors, Tensors] | None = None
        if parent is not None:
            parent.check(spec, child=f"member '{member.label}'")
            self.moments = parent.moments or self.moments
        if start is not None:
            self._go_on(start)

    @property
    def trains(self) -> bool:
        """Whether it still learns."""
        return self.failure is None and self._at_rest is None

    @property
    def is_trained(self) -> bool:
        """Whether it came to its end before its population did."""
        return self._at_rest is not None

    @property
    def env_steps(self) -> int:
        """Real environment steps taken."""
        return self._env_steps

    @property
    def steps(self) -> int:
        """Steps that it learned from: real ones of environments, or samples of a dataset."""
        return int(self.rows[-1].get("samples", self._env_steps)) if self.rows else self._env_steps

    @property
    def latest_return(self) -> float:
        """Mean return of the latest update in which an episode ended; NaN before that."""
        return self._latest_return

    def learning_rate(self, update: int) -> float:
        """Adam's step size in an update."""
        algorithm = self.member.recipe.algorithm
        remaining = 1 - update / num_updates(self.member.recipe) if algorithm.anneal_learning_rate else 1.0
        return algorithm.learning_rate * remaining

    def scale_rewards(self, rewards: np.ndarray, *, ended: np.ndarray, valid: np.ndarray) -> np.ndarray:
        """Learn from one rollout's `[num_steps, num_envs]` rewards and scale them; see `RewardScaler.scaled`."""
        self.scaler, scaled = self.scaler.scaled(
            np.ascontiguousarray(rewards), ended=ended, valid=valid, discount=self.member.recipe.algorithm.discount
        )
        return scaled

    def note(
        self, *, env_steps: int, episodes: Sequence[tuple[float, int]], learning_rate: float, measured: Row
    ) -> dict[str, float]:
        """Write down an update.

        Args:
            env_steps: real steps that it took.
            episodes: (return, length) of those that ended.
            learning_rate: Adam's step size.
            measured: further columns.

        Returns:
            The row of its history.
        """
        self._env_steps += env_steps
        row = {
            "env_steps": self._env_steps,
            **_episode_metrics(episodes),
            "learning_rate": learning_rate,
            **measured,
        }
        self.rows.append(row)
        if episodes:
            self._latest_return = row["mean_return"]
        return row

    def rest(self, tensors: Tensors, optimizer_state: Tensors) -> None:
        """Stay as it is from now on: it is trained."""
        self._at_rest = tensors, optimizer_state

    def tensors(self, living: Tensors) -> Tensors:
        """Its tensors: those it rests with, or else the living ones."""
        return living if self._at_rest is None else self._at_rest[0]

    def optimizer_state(self, living: Tensors) -> Tensors:
        """All that training on needs beside its tensors.

        Args:
            living: the optimizer's own state, for a member that trains.
        """
        if self._at_rest is not None:
            return self._at_rest[1]
        state = dict(living)
        if self._normalizes_observations:
            state |= {OBSERVATION_STATISTICS + name: array for name, array in self.moments.to_arrays().items()}
        if self.member.recipe.algorithm.normalize_rewards:
            state |= {f"returns.{name}": array for name, array in self.scaler.moments.to_arrays().items()}
        return state

    def history(self) -> dict[str, np.ndarray]:
        """Its rows as columns."""
        return {name: np.array([row[name] for row in self.rows]) for name in self.rows[0]}

    def keep_best(self, tensors: Tensors, *, begin: int) -> None:
        """Remember how it acts now if the segment that began at an update was its best so far."""
        rows = [row for row in self.rows[begin:] if row["episodes"]]
        if not rows:
            return
        mean = float(np.average([row["mean_return"] for row in rows], weights=[row["episodes"] for row in rows]))
        if self.best is None or mean > self.best.mean_return:
            self.best = BestPolicy(update=len(self.rows), mean_return=mean, tensors=tensors)

    def numerics(self, here: Mapping[str, Any]) -> Mapping[str, Any]:
        """Fingerprint of what computed its last segment."""
        return self.start.numerics if self.start is not None and self.start.is_final else here

    def inexact_resumes(self, here: Mapping[str, Any]) -> tuple[Mapping[str, Any], ...]:
        """Where it went on under another fingerprint than before."""
        start = self.start
        if start is None:
            return ()
        if start.is_final or start.numerics == here:
            return start.inexact_resumes
        return (*start.inexact_resumes, {"update": start.update, "numerics": start.numerics})

    def wall_time_s(self, since_start: float) -> float:
        """Seconds that it trained in all.

        Args:
            since_start: seconds that its population has trained since it was taken up.
        """
        if self.start is None:
            return since_start
        return self.start.wall_time_s + (0.0 if self.start.is_final else since_start)

    def _go_on(self, start: Checkpoint) -> None:
        state = start.optimizer_state
        if self._normalizes_observations:
            self.moments = RunningMoments.from_arrays(without_prefix(state, OBSERVATION_STATISTICS))
        if self.member.recipe.algorithm.normalize_rewards:
            moments = RunningMoments.from_arrays(without_prefix(state, "returns."))
            self.scaler = replace(self.scaler, moments=moments)
        columns = {name: column.tolist() for name, column in start.history.items()}
        self.rows = [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]
        self._env_steps, self.best = start.env_steps, start.best
        self._latest_return = next((row["mean_return"] for row in reversed(self.rows) if row["episodes"]), float("nan"))
        self.early_stop = self.guardrails.replay(self.rows)
        if start.is_final:
            self.rest(start.tensors, state)


def _episode_metrics(episodes: Sequence[tuple[float, int]]) -> dict[str, float]:
    """Statistics of the episodes that ended in one update; NaN where none did."""
    returns, lengths = [episode[0] for episode in episodes], [episode[1] for episode in episodes]
    return {
        "episodes": len(episodes),
        "mean_return": float(np.mean(returns)) if returns else float("nan"),
        "mean_length": float(np.mean(lengths)) if lengths else float("nan"),
    }
