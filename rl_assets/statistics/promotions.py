"""How often the gates promote, by simulation with the very functions and seeds that decide.

A simulated policy is a pure function of an episode's seed, as a real one is in an environment without other chance:
it returns the same whenever it meets the same seed. So whatever selection, gates and repeated questions have in common
shows in the numbers.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
from scipy.special import ndtri

from rl_assets.rl.seeding import Purpose, env_seeds, gate_seeds
from rl_assets.statistics.gate_rules import GateRules
from rl_assets.statistics.gates import GateDecision, combine
from rl_assets.statistics.spending import MAX_LOOKS, alpha_of_test, decide_by_looks

ENV = "simulated"
RULES = GateRules(env=ENV, floor=-1e9)
"""A floor that everything reaches, and a comparison with the champion."""

Values = npt.NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class EpisodeScatter:
    """How the returns of one policy's episodes scatter: the return of a chance between 0 and 1."""

    about: str
    """In words that complete `where ...`."""
    quantile: Callable[[Values], Values]
    std: float


SCATTERS: Mapping[str, EpisodeScatter] = {
    "normal": EpisodeScatter(about="returns are normal", quantile=ndtri, std=1.0),
    "skewed": EpisodeScatter(about="they tail off downward", quantile=np.log, std=1.0),
    "a tenth fails": EpisodeScatter(
        about="one episode in ten fails",
        quantile=lambda chance: np.where(chance < 0.1, 50.0, 495.0 + 10.0 * (chance - 0.1) / 0.9),
        std=135.0,
    ),
}


@dataclass(frozen=True, kw_only=True)
class SimulatedEpisodes:
    """Episodes that nobody played."""

    returns: Values
    metrics: Mapping[str, Values] = field(default_factory=dict)

    @property
    def lengths(self) -> Values:
        """`[num_episodes]` ones."""
        return np.ones_like(self.returns)


@dataclass(frozen=True, kw_only=True)
class SimulatedPolicy:
    """A policy that is told apart by its number alone."""

    number: int
    scatter: EpisodeScatter
    lead: float = 0.0
    """By how many standard deviations between episodes it is better than others."""

    def play(self, seeds: Sequence[int]) -> Values:
        """`[num_episodes]` returns of the episodes with these seeds."""
        return self.scatter.quantile(_chances(self.number, seeds)) + self.lead * self.scatter.std


def is_promoted(
    candidate: SimulatedPolicy,
    champion: SimulatedPolicy,
    *,
    test: int,
    num_episodes: int = 100,
    confidence: float = 0.95,
) -> bool:
    """Let the gates judge a candidate.

    Args:
        candidate: who wants to reign.
        champion: who reigns.
        test: number of the test in the reign, from 1.
        num_episodes: of each look.
        confidence: that no promotion of the reign is false.
    """
    question = f"{candidate.number}:{champion.number}"
    seeds = gate_seeds(env_key=ENV, question=question, num_envs=num_episodes * MAX_LOOKS)

    def ask(look: int, wanted: float) -> tuple[GateDecision, ...]:
        seen = seeds[: look * num_episodes]
        return RULES.decide(
            SimulatedEpisodes(returns=candidate.play(seen)),
            SimulatedEpisodes(returns=champion.play(seen)),
            confidence=wanted,
        )

    decisions, _ = decide_by_looks(ask, alpha=alpha_of_test(test, confidence=confidence))
    return combine(decisions) == "pass"


def has_false_promotion(
    scatter: EpisodeScatter,
    *,
    reign: int,
    num_candidates: int,
    num_sweeps: int,
    times_asked: int = 1,
    num_episodes: int = 100,
    confidence: float = 0.95,
) -> bool:
    """Let sweep after sweep of candidates that are all as good as the champion challenge it.

    Each sweep sends the candidate with the highest mean over its selection episodes.

    Args:
        scatter: how returns of episodes scatter, alike for everybody.
        reign: other numbers give other policies.
        num_candidates: that compete in each sweep.
        num_sweeps: that challenge the champion.
        times_asked: how often each question is asked; the seeds of a question are its own, so it gets one answer.
        num_episodes: selection episodes of each candidate, and gate episodes of each look.
        confidence: that no promotion of the reign is false.

    Returns:
        Whether any of them is promoted.
    """
    first = reign * (num_sweeps * num_candidates + 1)
    champion = SimulatedPolicy(number=first, scatter=scatter)
    selection = env_seeds(purpose=Purpose.SELECT, env_key=ENV, member_seed=0, num_envs=num_episodes)
    for sweep in range(num_sweeps):
        start = first + 1 + sweep * num_candidates
        candidates = [SimulatedPolicy(number=start + index, scatter=scatter) for index in range(num_candidates)]
        best = max(candidates, key=lambda candidate: candidate.play(selection).mean())
        for _ in range(times_asked):
            if is_promoted(best, champion, test=sweep + 1, num_episodes=num_episodes, confidence=confidence):
                return True
    return False


def _chances(policy: int, seeds: Sequence[int]) -> Values:
    """`[num_episodes]` numbers in (0, 1) that look independent for all pairs of policy and seed."""
    with np.errstate(over="ignore"):
        mixed = np.asarray(seeds, np.uint64) * np.uint64(0x9E3779B97F4A7C15)
        mixed += np.uint64(policy + 1) * np.uint64(0xD1B54A32D192ED03)
        for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
            mixed = (mixed ^ (mixed >> np.uint64(shift))) * np.uint64(factor)
        mixed ^= mixed >> np.uint64(31)
    return (np.right_shift(mixed, np.uint64(11)).astype(np.float64) + 0.5) / 2.0**53
