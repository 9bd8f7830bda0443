"""Gates: may these exact weights be served? The unit is the episode; every answer explains itself."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal, Self, get_args

from rl_assets.statistics.estimates import (
    Interval,
    Sample,
    checked_sample,
    cvar,
    lower_bound,
    mean,
    paired_improvement,
    sample_std,
    share_interval,
    tail_interval,
    upper_bound,
)

Verdict = Literal["pass", "hold", "fail"]
Limit = Literal["floor", "ceiling"]


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


def not_asked(name: str, reason: str) -> GateDecision:
    """Pass without numbers: nobody asks this of a candidate."""
    return GateDecision(name=name, verdict="pass", reason=reason, numbers={})


def limit_gate(
    values: Sample, limit: float, confidence: float = 0.95, *, name: str = "meets_floor", kind: Limit = "floor"
) -> GateDecision:
    """Decide whether the mean of a quantity of episodes keeps a limit.

    Of a floor: pass if the one-sided lower bound reaches it, fail if the upper bound stays below it, else hold; of a
    ceiling the other way round. Episodes that are all equal bound their mean exactly: a perfect policy passes. A
    single episode always holds.

    Args:
        values: `[num_episodes]` on fresh gate seeds, such as returns.
        limit: in the unit of the values.
        confidence: of each bound, in (0.5, 1).
        name: of the decision.
        kind: whether the mean has to be at least or at most the limit.

    Raises:
        ValueError: no episodes, a value or limit that is not finite, or a confidence out of range.
    """
    sample = checked_sample(values, name=f"{kind} gate values")
    _refuse_endless(limit, what=f"{kind} gate: {kind}")
    centre = mean(sample)
    numbers: dict[str, float | int] = {"mean": centre, kind: limit, "num_episodes": len(sample)}
    if len(sample) < 2:
        return GateDecision(
            name=name,
            verdict="hold",
            reason=f"one episode gave {centre:.6g}, which says nothing about the spread: run at least two",
            numbers=numbers,
        )
    bounds = Interval(low=lower_bound(sample, confidence=confidence), high=upper_bound(sample, confidence=confidence))
    numbers |= _bounds(bounds, confidence) | {"std": sample_std(sample)}
    verdict, place = _compare(bounds, limit, kind=kind)
    reason = f"{len(sample)} episodes have a mean of {centre:.6g}, {_surely(confidence)} {place}"
    return GateDecision(name=name, verdict=verdict, reason=reason, numbers=numbers)


def tail_gate(
    values: Sample, floor: float, confidence: float = 0.95, *, level: float = 0.1, name: str = "meets_floor"
) -> GateDecision:
    """Decide whether the mean of the worst share of episodes (their CVaR) is at least the floor.

    Args:
        values: `[num_episodes]` returns on fresh gate seeds.
        floor: in the unit of the values.
        confidence: of each bound, in (0.5, 1).
        level: the share, in (0, 1).
        name: of the decision.

    Raises:
        ValueError: no episodes, a value or floor that is not finite, or a number out of range.
    """
    sample = checked_sample(values, name="tail gate values")
    _refuse_endless(floor, what="tail gate: floor")
    worst = cvar(sample, level=level)
    numbers: dict[str, float | int] = {"cvar": worst, "floor": floor, "num_episodes": len(sample)}
    bounds = tail_interval(sample, level=level, confidence=confidence)
    found = f"the worst {100 * level:.4g} % of {len(sample)} episodes have a mean of {worst:.6g}"
    if bounds is None:
        reason = f"{found}, which are too few to bound it: raise gates.num_episodes"
        return GateDecision(name=name, verdict="hold", reason=reason, numbers=numbers)
    verdict, place = _compare(bounds, floor, kind="floor")
    return GateDecision(
        name=name,
        verdict=verdict,
        reason=f"{found}, {_surely(confidence)} {place}",
        numbers=numbers | _bounds(bounds, confidence),
    )


def share_gate(
    values: Sample, least: float, max_share: float, confidence: float = 0.95, *, name: str = "is_stable"
) -> GateDecision:
    """Decide whether few enough episodes fall below a value: a policy may have a high mean and still fail often.

    Args:
        values: `[num_episodes]` returns on fresh gate seeds.
        least: an episode below it counts as failed; in the unit of the values.
        max_share: share of all episodes that may, in (0, 1).
        confidence: of each bound, in (0.5, 1).
        name: of the decision.

    Raises:
        ValueError: no episodes, a number that is not finite or is out of range.
    """
    sample = checked_sample(values, name="share gate values")
    _refuse_endless(least, what="share gate: least value")
    if not 0 < max_share < 1:
        raise ValueError(f"share gate: share {max_share} is outside (0, 1): 0.05 lets one episode in twenty fail")
    failed = int((sample < least).sum())
    bounds = share_interval(failed, len(sample), confidence=confidence)
    found = f"{failed} of {len(sample)} episodes fall below {least:.6g}"
    verdict, place = _compare(
        Interval(low=100 * bounds.low, high=100 * bounds.high), 100 * max_share, kind="ceiling", unit=" %"
    )
    return GateDecision(
        name=name,
        verdict=verdict,
        reason=f"{found}, {_surely(confidence)} {place}",
        numbers={
            "share_below": failed / len(sample),
            "least": least,
            "max_share": max_share,
            "num_episodes": len(sample),
        }
        | _bounds(bounds, confidence),
    )


def beats_champion(
    candidate: Sample,
    champion: Sample,
    confidence: float = 0.95,
    *,
    margin: float = 0.0,
    name: str = "beats_champion",
) -> GateDecision:
    """Decide whether a candidate is better than the champion on the same starts, or not worse than by a margin.

    Pass if the one-sided lower bound of the mean difference is above minus the margin, fail if the upper bound is
    below it, else hold. Differences that are all equal hold: they say that the pairs carry no independent evidence, as
    with identical policies.

    Args:
        candidate: `[num_pairs]` returns, one first episode per gate seed.
        champion: `[num_pairs]` returns on the same seeds in the same order.
        confidence: of each bound, in (0.5, 1).
        margin: how much worse the candidate may be on average, at least 0; in the unit of the returns.
        name: of the decision.

    Raises:
        ValueError: the numbers of episodes differ, there are fewer than two pairs, a return is not finite, or the
            confidence or margin is out of range.
    """
    _refuse_endless(margin, what="beats_champion: margin")
    if margin < 0:
        raise ValueError(f"beats_champion: margin {margin} is negative: state how much worse a candidate may be")
    gain = paired_improvement(candidate, champion, confidence=confidence)
    numbers: dict[str, float | int] = {
        "mean_improvement": gain.mean,
        "lower_bound": gain.lower_bound,
        "upper_bound": gain.upper_bound,
        "std": gain.std,
        "num_pairs": gain.num_pairs,
        "confidence": confidence,
    } | ({"margin": margin} if margin else {})
    found = f"{gain.num_pairs} paired episodes differ by {gain.mean:.6g} on average"
    surely = _surely(confidence)
    allowed = f" by more than the allowed {margin:.6g}" if margin else ""
    if gain.std == 0:
        verdict, reason = "hold", f"all {gain.num_pairs} pairs differ by exactly {gain.mean:.6g}: no spread to judge by"
    elif gain.lower_bound > 0:
        verdict, reason = "pass", f"{found}, {surely} by at least {gain.lower_bound:.6g}: the candidate is better"
    elif gain.lower_bound > -margin:
        verdict = "pass"
        reason = f"{found}, {surely} by at least {gain.lower_bound:.6g}: the candidate is not worse{allowed}"
    elif gain.upper_bound < -margin:
        verdict = "fail"
        reason = f"{found}, {surely} by at most {gain.upper_bound:.6g}: the candidate is worse{allowed}"
    else:
        verdict = "hold"
        between = f"{found}, {surely} between {gain.lower_bound:.6g} and {gain.upper_bound:.6g}"
        reason = f"{between}: they cannot be told apart" + (f" at a margin of {margin:.6g}" if margin else "")
    return GateDecision(name=name, verdict=verdict, reason=reason, numbers=numbers)


def all_of(name: str, decisions: Mapping[str, GateDecision]) -> GateDecision:
    """Several decisions as one: its verdict is theirs combined, and all their reasons and numbers are kept.

    Args:
        name: of the whole.
        decisions: what each is about -> decision; at least one.
    """
    return GateDecision(
        name=name,
        verdict=combine(list(decisions.values())),
        reason="; ".join(f"{about}: {decision.reason}" for about, decision in decisions.items()),
        numbers={
            f"{about}.{key}": value for about, decision in decisions.items() for key, value in decision.numbers.items()
        },
    )


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


def _compare(bounds: Interval, limit: float, *, kind: Limit, unit: str = "") -> tuple[Verdict, str]:
    """Where a quantity lies that is bounded from both sides, and what follows for its limit."""
    least, most = f"at least {bounds.low:.6g}{unit}", f"at most {bounds.high:.6g}{unit}"
    is_kept = bounds.low >= limit if kind == "floor" else bounds.high <= limit
    is_missed = bounds.high < limit if kind == "floor" else bounds.low > limit
    the_limit = f"the {kind} of {limit:.6g}{unit}"
    if is_kept:
        word = "reached" if kind == "floor" else "kept"
        return "pass", f"{least if kind == 'floor' else most}: {the_limit} is {word}"
    if is_missed:
        word = "missed" if kind == "floor" else "exceeded"
        return "fail", f"{most if kind == 'floor' else least}: {the_limit} is {word}"
    return "hold", f"between {bounds.low:.6g} and {bounds.high:.6g}{unit}: {the_limit} lies inside, undecided"


def _bounds(bounds: Interval, confidence: float) -> dict[str, float | int]:
    return {"lower_bound": bounds.low, "upper_bound": bounds.high, "confidence": confidence}


def _surely(confidence: float) -> str:
    return f"with {100 * confidence:.6g} % confidence"


def _refuse_endless(number: float, *, what: str) -> None:
    if not math.isfinite(number):
        raise ValueError(f"{what} {number} is not a finite number: state the value that is meant")
