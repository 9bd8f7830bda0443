"""Where a population's samples come from: what training asks of it, whatever the algorithm."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from rl_assets.rl.learner import Learner
from rl_assets.rl.watches import Row


@dataclass(frozen=True, kw_only=True)
class Gathered:
    """What the members went through before they learn from it; a list holds one item for each member."""

    quantities: Mapping[str, np.ndarray]
    """Arrays `[members, ...]` by name, which have to be finite."""

    levels: Sequence[Row]
    """Columns of the history that are known already."""

    episodes: Sequence[Sequence[tuple[float, int]]]
    """(return, length) of the episodes that ended."""

    env_steps: Sequence[int]
    """Real environment steps that were taken."""


class Experience(Protocol):
    """One population's samples and the learner that learns from them, update by update."""

    @property
    def learner(self) -> Learner:
        """What changes the members' parameters."""
        ...

    @property
    def metrics(self) -> Sequence[str]:
        """Names of what `learn` reports."""
        ...

    def start_segment(self, segment: int) -> None:
        """Make everything anew that is not part of a checkpoint."""
        ...

    def gather(self, update: int) -> Gathered:
        """Get the samples of an update."""
        ...

    def learn(self, update: int, learning_rates: Sequence[float]) -> np.ndarray:
        """Learn from what was gathered; return `[members, len(metrics)]` float64."""
        ...

    def settle(self, update: int) -> Sequence[Row]:
        """Do what has to wait until an update was learned from; return each member's further columns of the history."""
        ...

    def close(self) -> None:
        """Release what is held; safe to call twice."""
        ...
