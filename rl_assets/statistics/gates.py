"""Gates: may these exact weights be served? The unit is the episode; every answer explains itself."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal, Self, get_args

from rl_assets.statistics.estimates import (
    Sample,
    checked_sample,
    lower_bound,
    mean,
    paired_improvement,
    sample_std,
    upper_bound,
)

Verdict = Literal["pass", "hold", "fail"]


@dataclass(frozen=True, kw_only=True)
class GateDecision:
    """One gate's verdict, why it fell, and the numbers behind it."""

    name: str
    verdict: Verdict
    reason: str
    """One sentence for a person."""
    numbers: Mapping[str, float | int]

    def to_json(self) -> dict[str, Any]:
        """Plain data for metadata and commands."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """Read back what `to_json` wrote.

        Raises:
            ValueError: a field is missing or unknown, or the verdict is none.
        """
        if set(data) != {"name", "verdict", "reason", "numbers"} or data["verdict"] not in get_args(Verdict):
            raise ValueError(
                f"gate decision {data!r}: expected name, reason, numbers and pass, hold or fail as verdict"
            )
        return cls(**data)


def hold(name: str, reason: str) -> GateDecision:
    """Hold without numbers: the gate could not be asked."""
    return GateDecision(name=name, verdict="hold", reason=reason, numbers={})


def floor_gate(returns: Sample, floor: float, confidence: float = 0.95, *, name: str = "meets_floor") -> GateDecision:
    """Decide whether the mean return is at least the floor.

    Pass if the one-sided lower bound reaches the floor, fail if the upper bound stays below it, else hold. Episodes
    that are all equal bound their mean exactly: a perfect policy passes. A single episode always holds.

    Args:
        returns: `[num_episodes]` returns on fresh gate seeds.
        floor: in reward units.
        confidence: of each bound, in (0.5, 1).
        name: of the decision.

    Raises:
        ValueError: no episodes, a return or floor that is not finite, or a confidence out of range.
    """
    sample = checked_sample(returns, name="floor gate returns")
    if not math.isfinite(floor):
        raise ValueError(f"floor gate: floor {floor} is not a finite number: state the return that must be reached")
    centre = mean(sample)
    numbers: dict[str, float | int] = {"mean": centre, "floor": floor, "num_episodes": len(sample)}
    if len(sample) < 2:
        return GateDecision(
            name=name,
            verdict="hold",
            reason=f"one episode returned {centre:.6g}, which says nothing about the spread: run at least two",
            numbers=numbers,
        )
    low, high = lower_bound(sample, confidence=confidence), upper_bound(sample, confidence=confidence)
    numbers |= {"lower_bound": low, "upper_bound": high, "std": sample_std(sample), "confidence": confidence}
    found = f"{len(sample)} episodes have a mean of {centre:.6g}"
    surely = f"with {100 * confidence:.4g} % confidence"
    if low >= floor:
        verdict, reason = "pass", f"{found}, {surely} at least {low:.6g}: the floor of {floor:.6g} is reached"
    elif high < floor:
        verdict, reason = "fail", f"{found}, {surely} at most {high:.6g}: the floor of {floor:.6g} is missed"
    else:
        verdict, reason = (
            "hold",
            (f"{found}, {surely} between {low:.6g} and {high:.6g}: the floor of {floor:.6g} lies inside, undecided"),
        )
    return GateDecision(name=name, verdict=verdict, reason=reason, numbers=numbers)


def beats_champion(
    candidate: Sample, champion: Sample, confidence: float = 0.95, *, name: str = "beats_champion"
) -> GateDecision:
    """Decide whether a candidate is better than the champion on the same starts.

    Pass if the one-sided lower bound of the mean difference is above 0, fail if the upper bound is below 0, else
    hold. Differences that are all equal hold: they say that the pairs carry no independent evidence, as with
    identical policies.

    Args:
        candidate: `[num_pairs]` returns, one first episode per gate seed.
        champion: `[num_pairs]` returns on the same seeds in the same order.
        confidence: of each bound, in (0.5, 1).
        name: of the decision.

    Raises:
        ValueError: the numbers of episodes differ, there are fewer than two pairs, a return is not finite, or the
            confidence is out of range.
    """
    gain = paired_improvement(candidate, champion, confidence=confidence)
    numbers: dict[str, float | int] = {
        "mean_improvement": gain.mean,
        "lower_bound": gain.lower_bound,
        "upper_bound": gain.upper_bound,
        "std": gain.std,
        "num_pairs": gain.num_pairs,
        "confidence": confidence,
    }
    found = f"{gain.num_pairs} paired episodes differ by {gain.mean:.6g} on average"
    surely = f"with {100 * confidence:.4g} % confidence"
    if gain.std == 0:
        verdict, reason = "hold", f"all {gain.num_pairs} pairs differ by exactly {gain.mean:.6g}: no spread to judge by"
    elif gain.lower_bound > 0:
        verdict, reason = "pass", f"{found}, {surely} by at least {gain.lower_bound:.6g}: the candidate is better"
    elif gain.upper_bound < 0:
        verdict, reason = "fail", f"{found}, {surely} by at most {gain.upper_bound:.6g}: the candidate is worse"
    else:
        verdict, reason = (
            "hold",
            (f"{found}, {surely} between {gain.lower_bound:.6g} and {gain.upper_bound:.6g}: they cannot be told apart"),
        )
    return GateDecision(name=name, verdict=verdict, reason=reason, numbers=numbers)


def combine(decisions: Sequence[GateDecision]) -> Verdict:
    """Sum up: fail if any gate failed, else hold if any held, else pass.

    Raises:
        ValueError: there are no decisions; what nobody judged has not passed.
    """
    if not decisions:
        raise ValueError("combine: expected at least one gate decision: what nobody judged has not passed")
    verdicts = {decision.verdict for decision in decisions}
    if "fail" in verdicts:
        return "fail"
    return "hold" if "hold" in verdicts else "pass"
