"""What a candidate must show in one environment, as numbers, and what its episodes say to that."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from rl_assets.errors import GateFault
from rl_assets.statistics.estimates import Sample, sample_std
from rl_assets.statistics.gates import (
    GateDecision,
    all_of,
    beats_champion,
    hold,
    limit_gate,
    not_asked,
    share_gate,
    tail_gate,
)
from rl_assets.statistics.spending import MAX_LOOKS, confidence_of_look, power_of_pairs

MEETS_FLOOR = "meets_floor"
MEETS_METRIC_LIMITS = "meets_metric_limits"
IS_STABLE = "is_stable"
BEATS_CHAMPION = "beats_champion"
IS_INTACT = "is_intact"
BUILT_IN_GATES = (IS_INTACT, MEETS_FLOOR, MEETS_METRIC_LIMITS, IS_STABLE, BEATS_CHAMPION)

CVAR10 = "cvar10"
LENGTH = "length"
BUILT_IN_METRICS = (CVAR10, LENGTH)
"""What limits can be set on without any plug-in."""

POWER_IMPROVEMENT = 0.4
"""The improvement whose chance to be seen is told, in standard deviations between episodes."""


class Episodes(Protocol):
    """Whole episodes of one policy, each the first of its own stream."""

    @property
    def returns(self) -> npt.NDArray[Any]:
        """`[num_episodes]` undiscounted returns."""
        ...

    @property
    def lengths(self) -> npt.NDArray[Any]:
        """`[num_episodes]` steps."""
        ...

    @property
    def metrics(self) -> Mapping[str, npt.NDArray[Any]]:
        """Name -> `[num_episodes]` values."""
        ...


@dataclass(frozen=True, kw_only=True)
class GateEvidence:
    """What an installed gate may judge by."""

    env: str
    """Key of the environment."""
    candidate: Episodes
    champion: Episodes | None
    """On the same starts in the same order; None where nothing reigns yet."""
    confidence: float
    """That one-sided bounds must have, so that the error promised for the reign is kept."""
    settings: Mapping[str, Any]
    """What the sweep's file says of this gate."""


Gate = Callable[[GateEvidence], GateDecision]
"""An installed gate; the decision's name is set to the plug-in's."""


@dataclass(frozen=True, kw_only=True)
class Limits:
    """Limits of one metric's mean."""

    floor: float | None = None
    ceiling: float | None = None


@dataclass(frozen=True, kw_only=True)
class GateRules:
    """The gates of one environment."""

    env: str
    floor: float | None
    """Of the mean return; None where nobody knows one, which holds."""
    metrics: Mapping[str, Limits] = field(default_factory=dict)
    least_return: float | None = None
    """An episode below it counts as failed; None: not asked."""
    max_share: float = 0.05
    asks_for_improvement: bool = True
    margin: float = 0.0
    """How much worse than the champion the candidate may be; above 0 only where it costs less."""
    plugins: Mapping[str, tuple[Gate, Mapping[str, Any]]] = field(default_factory=dict)
    """Name -> installed gate and its settings."""

    def decide(self, candidate: Episodes, champion: Episodes | None, *, confidence: float) -> tuple[GateDecision, ...]:
        """Let every gate that is asked for judge the episodes.

        Args:
            candidate: its fresh episodes.
            champion: those of the reigning champion on the same starts; None where nothing reigns yet.
            confidence: of every one-sided bound.

        Raises:
            GateFault: a metric is missing, or an installed gate raised or answered with something else.
        """
        decisions = [self._decide_floor(candidate.returns, confidence)]
        if any(limits != Limits() for limits in self.metrics.values()):
            decisions.append(self._decide_metrics(candidate, confidence))
        if self.least_return is not None:
            decisions.append(
                share_gate(candidate.returns, self.least_return, self.max_share, confidence, name=IS_STABLE)
            )
        decisions.append(
            self._decide_champion(candidate.returns, None if champion is None else champion.returns, confidence)
        )
        for name, (_, settings) in self.plugins.items():
            evidence = GateEvidence(
                env=self.env, candidate=candidate, champion=champion, confidence=confidence, settings=settings
            )
            decisions.append(self._ask(name, evidence))
        return tuple(decisions)

    def _decide_floor(self, returns: Sample, confidence: float) -> GateDecision:
        if self.floor is None:
            return hold(
                MEETS_FLOOR,
                f"no floor is configured for '{self.env}' and Gymnasium publishes no threshold for it: set gates.floor",
            )
        return limit_gate(returns, self.floor, confidence, name=MEETS_FLOOR)

    def _decide_metrics(self, candidate: Episodes, confidence: float) -> GateDecision:
        decisions: dict[str, GateDecision] = {}
        for name, limits in self.metrics.items():
            if limits.floor is not None and name == CVAR10:
                decisions[name] = tail_gate(candidate.returns, limits.floor, confidence)
                continue
            values = self._values(name, candidate)
            if limits.floor is not None:
                decisions[name] = limit_gate(values, limits.floor, confidence)
            if limits.ceiling is not None:
                about = name if name not in decisions else f"{name} (ceiling)"
                decisions[about] = limit_gate(values, limits.ceiling, confidence, kind="ceiling")
        return all_of(MEETS_METRIC_LIMITS, decisions)

    def _values(self, metric: str, candidate: Episodes) -> Sample:
        if metric == LENGTH:
            return candidate.lengths
        if metric not in candidate.metrics:
            raise GateFault(
                f"the gates of '{self.env}' limit the metric '{metric}', but the episodes hold "
                f"{', '.join(candidate.metrics) or 'no further metric'}: correct gates.metrics"
            )
        return candidate.metrics[metric]

    def _decide_champion(self, candidate: Sample, champion: Sample | None, confidence: float) -> GateDecision:
        if not self.asks_for_improvement:
            return not_asked(BEATS_CHAMPION, "the sweep asks for no comparison")
        if champion is None:
            return not_asked(BEATS_CHAMPION, "there is no champion yet")
        return beats_champion(candidate, champion, confidence, margin=self.margin, name=BEATS_CHAMPION)

    def _ask(self, name: str, evidence: GateEvidence) -> GateDecision:
        gate, _ = self.plugins[name]
        try:
            decision = gate(evidence)
        except Exception as error:
            raise GateFault(
                f"gate '{name}' raised {type(error).__name__}: {error}: nothing was decided; mend the plug-in or take "
                "it out of gates.plugins"
            ) from error
        if not isinstance(decision, GateDecision):
            raise GateFault(
                f"gate '{name}' answered with {type(decision).__name__}, expected a GateDecision: mend the plug-in"
            )
        return GateDecision(name=name, verdict=decision.verdict, reason=decision.reason, numbers=dict(decision.numbers))


def power_to_see(candidate: Sample, champion: Sample, *, num_episodes: int, alpha: float) -> float | None:
    """Chance that the last look's paired test sees an improvement of 0.4 standard deviations between episodes.

    The earlier looks only add to it.

    Args:
        candidate: `[num_pairs]` returns, whose spread is taken as it is.
        champion: `[num_pairs]` returns on the same starts.
        num_episodes: pairs of each look.
        alpha: error that the test may spend.

    Returns:
        None where the pairs or the episodes have no spread.
    """
    between_pairs = sample_std(np.asarray(candidate, np.float64) - np.asarray(champion, np.float64))
    between_episodes = float(np.sqrt((sample_std(candidate) ** 2 + sample_std(champion) ** 2) / 2))
    if between_pairs == 0 or between_episodes == 0:
        return None
    return power_of_pairs(
        POWER_IMPROVEMENT * between_episodes / between_pairs,
        num_pairs=num_episodes * MAX_LOOKS,
        confidence=confidence_of_look(MAX_LOOKS, alpha=alpha),
    )
