"""What each guardrail watches in one member's history, row by row.

A watch keeps what it needs of earlier rows and nothing else, so whoever shows it the same rows again has the same
watch: a training that goes on from its history alone judges as if it had never stopped.
"""

import math
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar

from rl_assets.errors import (
    ActionDeviationCollapsed,
    ActionsSaturated,
    EntropyCollapsed,
    GuardrailTripped,
    ReturnCollapsed,
    RewardOutlier,
    RewardOutOfRange,
)

Row = Mapping[str, float]
"""One update's columns of a member's history."""

NOISES = 3.0
"""Deviations of the return between updates below which nothing counts as progress or as a fall."""

RETURN_WINDOW = 10
"""Updates with episodes over which returns are smoothed."""

USUAL_UPDATES = 5
"""Updates that it takes to know what is usual."""

_NORMAL_ENTROPY = 0.5 + 0.5 * math.log(2 * math.pi)


@dataclass(frozen=True, kw_only=True)
class Alarm:
    """What a watch saw."""

    error: type[GuardrailTripped]
    """The typed error for it."""

    quantity: str
    """What was looked at."""

    value: float
    """What it was."""

    expected: str
    """What it should have been."""


class Watch(ABC):
    """Judges a member's rows in their order; equal rows give equal watches."""

    @abstractmethod
    def judge(self, row: Row) -> Alarm | None:
        """Take in the next row, and say whether it is reason to stop."""


@dataclass(kw_only=True)
class RewardWatch(Watch):
    """No reward is beyond the absolute limit, nor very many times larger than all of the earlier updates."""

    limit: float | None
    ratio: float | None
    largest: float | None = None

    def judge(self, row: Row) -> Alarm | None:
        """Read `reward_min` and `reward_max`; an update without any reward says nothing."""
        low, high = row["reward_min"], row["reward_max"]
        if math.isnan(low):
            return None
        reward, before = high if high >= -low else low, self.largest
        self.largest = abs(reward) if before is None else max(before, abs(reward))
        if self.limit is not None and abs(reward) > self.limit:
            return Alarm(
                error=RewardOutOfRange,
                quantity="a reward",
                value=reward,
                expected=f"{-self.limit:g} to {self.limit:g}",
            )
        if self.ratio is not None and before is not None and abs(reward) > self.ratio * max(before, 1.0):
            return Alarm(
                error=RewardOutlier,
                quantity="a reward",
                value=reward,
                expected=f"at most {self.ratio:g} times the {max(before, 1.0):g} of earlier updates",
            )
        return None


@dataclass(kw_only=True)
class CappedWatch(Watch):
    """A column stays at or below a limit."""

    column: str
    quantity: str
    error: type[GuardrailTripped]
    limit: float

    def judge(self, row: Row) -> Alarm | None:
        """Read the column."""
        if not row[self.column] > self.limit:
            return None
        return Alarm(
            error=self.error, quantity=self.quantity, value=row[self.column], expected=f"at most {self.limit:g}"
        )


@dataclass(kw_only=True)
class UsualWatch(Watch):
    """A column stays within some multiple of its geometric mean so far; numbers below 1 count as 1."""

    column: str
    quantity: str
    error: type[GuardrailTripped]
    ratio: float
    rows: int = 0
    sum_of_logs: float = 0.0

    def judge(self, row: Row) -> Alarm | None:
        """Read the column."""
        value, rows, usual = row[self.column], self.rows, math.exp(self.sum_of_logs / max(self.rows, 1))
        self.rows += 1
        self.sum_of_logs += math.log(max(value, 1.0))
        if rows < USUAL_UPDATES or not value > self.ratio * usual:
            return None
        return Alarm(
            error=self.error,
            quantity=self.quantity,
            value=value,
            expected=f"at most {self.ratio:g} times the {usual:.4g} that is usual",
        )


class PatientWatch(Watch):
    """Alarms where a condition has held for many updates in a row."""

    patience: int
    held: int

    def wait(self, holds: bool) -> bool:
        """Count the updates in a row; return whether there are enough."""
        self.held = self.held + 1 if holds else 0
        return self.held >= self.patience

    @property
    def duration(self) -> str:
        """How long it has held, in words."""
        return "1 update" if self.patience == 1 else f"{self.patience} updates in a row"


@dataclass(kw_only=True)
class SaturationWatch(PatientWatch):
    """Not all actions lie at their bounds all the time."""

    limit: float
    patience: int
    held: int = 0

    def judge(self, row: Row) -> Alarm | None:
        """Read `saturated_actions`."""
        share = row["saturated_actions"]
        if not self.wait(share >= self.limit):
            return None
        return Alarm(
            error=ActionsSaturated,
            quantity=f"the share of action numbers at their bounds, for {self.duration},",
            value=share,
            expected=f"below {self.limit:g}",
        )


@dataclass(kw_only=True)
class EntropyWatch(PatientWatch):
    """A policy that chooses leaves some chance to its other choices."""

    limit: float
    patience: int
    held: int = 0

    def judge(self, row: Row) -> Alarm | None:
        """Read `entropy`."""
        if not self.wait(row["entropy"] < self.limit):
            return None
        return Alarm(
            error=EntropyCollapsed,
            quantity=f"the entropy in nats, for {self.duration},",
            value=row["entropy"],
            expected=f"at least {self.limit:g}",
        )


@dataclass(kw_only=True)
class DeviationWatch(PatientWatch):
    """A continuous policy's actions vary: the geometric mean of their deviations, by the entropy, is no zero."""

    limit: float
    action_size: int
    patience: int
    held: int = 0

    def judge(self, row: Row) -> Alarm | None:
        """Read `entropy`."""
        deviation = math.exp(min(row["entropy"] / self.action_size - _NORMAL_ENTROPY, 700.0))
        if not self.wait(deviation < self.limit):
            return None
        return Alarm(
            error=ActionDeviationCollapsed,
            quantity=f"the deviation of its actions, for {self.duration},",
            value=deviation,
            expected=f"at least {self.limit:g}",
        )


@dataclass(kw_only=True)
class ReturnWatch(PatientWatch):
    """What was learned is not lost again.

    Returns are smoothed over the latest updates in which episodes ended. Progress is the best smoothed return minus the
    first; noise is the deviation of the returns between updates up to that best one, as their successive differences
    tell it. A fall counts if it is more than the allowed share of the progress and if both stand out from the noise:
    who never learned cannot lose anything.

    Source:
        The deviation by successive differences: von Neumann et al., "The mean square successive difference", 1941.
    """

    drop: float
    patience: int
    held: int = 0
    recent: deque[float] = field(default_factory=lambda: deque(maxlen=RETURN_WINDOW))
    first: float | None = None
    best: float = -math.inf
    noise: float = 0.0
    differences: int = 0
    sum_of_squares: float = 0.0

    WINDOW: ClassVar[int] = RETURN_WINDOW

    def judge(self, row: Row) -> Alarm | None:
        """Read `mean_return`; updates in which no episode ended say nothing."""
        value = row["mean_return"]
        if math.isnan(value):
            return None
        if self.recent:
            self.differences += 1
            self.sum_of_squares += (value - self.recent[-1]) ** 2
        self.recent.append(value)
        if len(self.recent) < self.WINDOW:
            return None
        smooth = sum(self.recent) / self.WINDOW
        if self.first is None:
            self.first = smooth
        if smooth > self.best:
            self.best, self.noise = smooth, math.sqrt(self.sum_of_squares / (2 * self.differences))
        progress, fall, least = self.best - self.first, self.best - smooth, NOISES * self.noise
        if not self.wait(progress > least and fall > max(self.drop * progress, least)):
            return None
        return Alarm(
            error=ReturnCollapsed,
            quantity=f"the mean return, for {self.duration},",
            value=smooth,
            expected=f"at least {self.best - self.drop * progress:.6g}, after {self.first:.6g} at first and "
            f"{self.best:.6g} at best",
        )


@dataclass(kw_only=True)
class TargetWatch:
    """Whether the latest episodes are good enough to stop.

    As many of the latest updates are counted as it takes to have so many episodes, and no more.
    """

    target: float
    episodes: int
    recent: deque[tuple[float, float]] = field(default_factory=deque)
    count: float = 0.0

    def reached(self, row: Row) -> float | None:
        """Take in the next row; return the mean return of the latest episodes if it reaches the target."""
        if row["episodes"]:
            self.recent.append((row["episodes"], row["mean_return"]))
            self.count += row["episodes"]
            while self.count - self.recent[0][0] >= self.episodes:
                self.count -= self.recent.popleft()[0]
        if self.count < self.episodes:
            return None
        mean = sum(episodes * value for episodes, value in self.recent) / self.count
        return mean if mean >= self.target else None
