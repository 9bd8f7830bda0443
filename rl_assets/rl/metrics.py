"""Further numbers of evaluation episodes, one for each episode, computed while the environments step.

A metric is a class that follows `EpisodeMetric`. Installed packages bring their own by an entry point of the group
`rl_assets.metrics`, and sweeps name those that they want.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar

import numpy as np

from rl_assets.config.plugins import METRICS, find_plugin, plugin_names
from rl_assets.errors import InvalidConfig, MetricFault

Given = TypeVar("Given")


@dataclass(frozen=True, kw_only=True, slots=True)
class StreamSteps:
    """One step of every environment stream. The arrays are lent: a metric copies what it keeps, and changes nothing."""

    observations: np.ndarray
    """`[num_streams, *observation_shape]` float32, or uint8 for images: what the policy saw when it acted."""

    actions: np.ndarray
    """`[num_streams]` or `[num_streams, num_choices]` int64, or `[num_streams, action_size]` float32."""

    rewards: np.ndarray
    """`[num_streams]` float32."""

    next_observations: np.ndarray
    """Like `observations`, after the action; the true final one where the episode ended."""

    terminated: np.ndarray
    """`[num_streams]` bool; the task ended with this step."""

    truncated: np.ndarray
    """`[num_streams]` bool; time ran out with this step. Never together with `terminated`."""

    valid: np.ndarray
    """`[num_streams]` bool; False where the stream only began its next episode: that step belongs to none."""

    @property
    def ended(self) -> np.ndarray:
        """`[num_streams]` bool; the episode ended with this step."""
        return self.terminated | self.truncated


class EpisodeMetric(Protocol):
    """A number for each episode. Streams are episodes of different policies, so no stream may look at another."""

    version: str
    """Changed whenever the same episode may get another number: what was recorded before is then played again."""

    def begin(self, num_streams: int) -> None:
        """Start with this many streams, each at the beginning of an episode."""
        ...

    def observe(self, steps: StreamSteps) -> None:
        """Take in one step of every stream."""
        ...

    def finish(self, ended: np.ndarray) -> np.ndarray:
        """Give the numbers of the episodes that ended with the latest step, and forget those episodes.

        Args:
            ended: `[num_streams]` bool, at least one of them True.

        Returns:
            `[num_streams]` numbers, finite where ended; the others are not looked at.
        """
        ...


class ActionChange:
    """How restless a policy is: the share of steps on which it acts otherwise than on the step before.

    For continuous actions the mean absolute change of an action's numbers from one step to the next, in the
    environment's units. An episode of a single step has 0.
    """

    version = "1"

    def begin(self, num_streams: int) -> None:
        """Start with this many streams."""
        self._previous: np.ndarray | None = None
        self._changes, self._steps = np.zeros(num_streams), np.zeros(num_streams, np.int64)

    def observe(self, steps: StreamSteps) -> None:
        """Compare each stream's action with the one before in the same episode."""
        if self._previous is None:
            self._previous = np.zeros_like(steps.actions)
        rows = (len(steps.actions), -1)
        if steps.actions.dtype.kind == "f":
            change = np.abs(steps.actions.astype(np.float64) - self._previous).reshape(rows).mean(axis=1)
        else:
            change = (steps.actions != self._previous).reshape(rows).any(axis=1)
        self._changes += np.where(steps.valid & (self._steps > 0), change, 0.0)
        self._steps += steps.valid
        self._previous = steps.actions.copy()

    def finish(self, ended: np.ndarray) -> np.ndarray:
        """Share or mean over all steps of an episode but its first."""
        values = self._changes / np.maximum(self._steps - 1, 1)
        self._changes[ended], self._steps[ended] = 0.0, 0
        return values


BUILT_IN: Mapping[str, Callable[[], EpisodeMetric]] = {"action_change": ActionChange}
"""Metrics that come with this package; no other may have their names."""


def known_metrics() -> tuple[str, ...]:
    """Names of all metrics that can be asked for here, in alphabetical order."""
    return tuple(sorted({*BUILT_IN, *plugin_names(METRICS)}))


def make_metric(name: str) -> EpisodeMetric:
    """Make a metric by its name.

    Raises:
        InvalidConfig: there is none of that name, there are several, or it cannot be loaded or is no metric.
    """
    plugin = find_plugin(METRICS, name, what="metric", built_in=BUILT_IN)
    if plugin is None and name in BUILT_IN:
        return BUILT_IN[name]()
    if plugin is None:
        raise InvalidConfig(
            f"metric '{name}' is not known: expected one of {', '.join(known_metrics())}; install the package that "
            f"brings it, which names it in its entry points '{METRICS}'"
        )
    make = plugin.load()
    try:
        metric = make()
    except Exception as error:
        raise InvalidConfig(
            f"{plugin.title} cannot be made ({type(error).__name__}: {error}): mend the package"
        ) from error
    lacks = [part for part in ("begin", "observe", "finish") if not callable(getattr(metric, part, None))]
    lacks += [] if isinstance(getattr(metric, "version", None), str) else ["version"]
    if lacks:
        raise InvalidConfig(f"{plugin.title} lacks {', '.join(lacks)}: see rl_assets.rl.metrics.EpisodeMetric")
    return metric


def metric_versions(names: Sequence[str]) -> dict[str, str]:
    """Name -> version of the metrics, as they are installed here.

    Raises:
        InvalidConfig: one cannot be made, see `make_metric`.
    """
    return {name: make_metric(name).version for name in names}


class Meters:
    """Several metrics at work on one pool.

    Args:
        names: of the metrics.
        num_streams: environments of the pool.

    Raises:
        InvalidConfig: a metric cannot be made, see `make_metric`.
        MetricFault: a metric fails to begin.
    """

    def __init__(self, names: Sequence[str], *, num_streams: int) -> None:
        self._metrics = {name: make_metric(name) for name in names}
        self._num_streams = num_streams
        for name, metric in self._metrics.items():
            self._guard(name, lambda metric=metric: metric.begin(num_streams))

    def observe(self, steps: StreamSteps) -> None:
        """Show one step to every metric.

        Raises:
            MetricFault: a metric raised an error.
        """
        for name, metric in self._metrics.items():
            self._guard(name, lambda metric=metric: metric.observe(steps))

    def finish(self, ended: np.ndarray, *, recorded: np.ndarray) -> dict[str, np.ndarray]:
        """Collect the numbers of the episodes that have just ended.

        Args:
            ended: `[num_streams]` bool.
            recorded: `[num_streams]` bool; of the ended episodes those that are to be recorded.

        Returns:
            Name -> `[num_streams]` float64, finite where recorded.

        Raises:
            MetricFault: a metric raised an error, or gave something else than finite numbers.
        """
        values = {}
        for name, metric in self._metrics.items():
            given = self._guard(name, lambda metric=metric: np.asarray(metric.finish(ended.copy()), np.float64))
            if given.shape != (self._num_streams,):
                raise MetricFault(
                    f"{self._name(name)} gave numbers of shape {given.shape}: expected one for each of "
                    f"{self._num_streams} streams; mend it, or leave it out of evaluation.metrics"
                )
            if not np.isfinite(given[recorded]).all():
                bad = given[recorded][~np.isfinite(given[recorded])][0]
                raise MetricFault(
                    f"{self._name(name)} gave {bad} for an episode: expected a finite number; mend it, or leave it out "
                    "of evaluation.metrics"
                )
            values[name] = given
        return values

    def _name(self, name: str) -> str:
        return f"metric '{name}' (version {self._metrics[name].version})"

    def _guard(self, name: str, call: Callable[[], Given]) -> Given:
        try:
            return call()
        except Exception as error:
            raise MetricFault(
                f"{self._name(name)} failed ({type(error).__name__}: {error}): mend it, or leave it out of "
                "evaluation.metrics"
            ) from error
