"""How often gates promote a policy that is no better, and see one that is, beside what is done without them."""

from benchmarks.report import Table
from rl_assets.rl.seeding import Purpose, env_seeds
from rl_assets.statistics.estimates import paired_improvement
from rl_assets.statistics.promotions import (
    ENV,
    SCATTERS,
    EpisodeScatter,
    SimulatedPolicy,
    has_false_promotion,
    is_promoted,
)
from rl_assets.statistics.spending import alpha_of_test

CANDIDATES = (1, 5, 20, 50)
NUM_SWEEPS = 20
REIGNS = 1_000
TESTS = (1, 2, 5, 10, 20, 30)
LEADS = (0.1, 0.2, 0.3, 0.4, 0.6)
CHALLENGES = 1_000


def measure(*, quick: bool = False) -> list[Table]:
    """Simulate reigns of a champion that nobody beats, and challenges by somebody better."""
    share = 20 if quick else 1
    return [_false(REIGNS // share), _power(CHALLENGES // share)]


def _false(num_reigns: int) -> Table:
    normal = SCATTERS["normal"]
    rules = {"the highest mean of selection episodes": 0.0, "a 95 % bound on the selection episodes": 0.95}
    rows = [
        (f"{rule}, without gates", *(f"{_share(_promotes, normal, num_reigns, count, bound)}" for count in CANDIDATES))
        for rule, bound in rules.items()
    ]
    for name, scatter in SCATTERS.items():
        rates = [_share(_gates, scatter, num_reigns, count, 1) for count in CANDIDATES]
        rows.append((f"our gates, returns {name}", *rates))
    again = [_share(_gates, normal, max(1, num_reigns // 10), count, 10) for count in CANDIDATES]
    rows.append(("our gates, normal, each question asked 10 times", *again))
    return Table(
        title=f"{NUM_SWEEPS} sweeps of candidates that are all as good as one champion: reigns with a false promotion",
        columns=("who is promoted", *(f"{count} candidate{'s' if count > 1 else ''} a sweep" for count in CANDIDATES)),
        rows=tuple(rows),
        notes=(f"{num_reigns:,} reigns each, {max(1, num_reigns // 10):,} in the last row. At most 5 % is promised.",),
    )


def _share(simulate, scatter: EpisodeScatter, num_reigns: int, num_candidates: int, setting: float) -> str:
    hits = sum(simulate(scatter, reign, num_candidates, setting) for reign in range(num_reigns))
    return f"{100 * hits / num_reigns:.1f} %"


def _gates(scatter: EpisodeScatter, reign: int, num_candidates: int, times_asked: float) -> bool:
    return has_false_promotion(
        scatter,
        reign=reign,
        num_candidates=num_candidates,
        num_sweeps=NUM_SWEEPS,
        times_asked=int(times_asked),
    )


def _promotes(scatter: EpisodeScatter, reign: int, num_candidates: int, bound: float) -> bool:
    """What people do without gates: the best of the selection episodes replaces the champion, in any of the sweeps."""
    first = reign * (NUM_SWEEPS * num_candidates + 1)
    for sweep in range(NUM_SWEEPS):
        selection = env_seeds(purpose=Purpose.SELECT, env_key=ENV, member_seed=sweep, num_envs=100)
        reigning = SimulatedPolicy(number=first, scatter=scatter).play(selection)
        start = first + 1 + sweep * num_candidates
        best = max(
            (SimulatedPolicy(number=start + index, scatter=scatter).play(selection) for index in range(num_candidates)),
            key=lambda returns: returns.mean(),
        )
        gain = best.mean() - reigning.mean()
        if bound:
            gain = paired_improvement(best, reigning, confidence=bound).lower_bound
        if gain > 0:
            return True
    return False


def _power(num_challenges: int) -> Table:
    rows = []
    for name, scatter in SCATTERS.items():
        for lead in LEADS:
            found = [
                sum(
                    is_promoted(
                        SimulatedPolicy(number=2 * index, scatter=scatter, lead=lead),
                        SimulatedPolicy(number=2 * index + 1, scatter=scatter),
                        test=test,
                    )
                    for index in range(num_challenges)
                )
                for test in TESTS
            ]
            rows.append((name, f"{lead:g}", *(f"{100 * hits / num_challenges:.0f} %" for hits in found)))
    alphas = ", ".join(f"{100 * alpha_of_test(test, confidence=0.95):.2g} %" for test in TESTS)
    return Table(
        title="One better candidate: share that is promoted, by the number of its test in the champion's reign",
        columns=("returns", "lead in standard deviations between episodes", *(f"test {test}" for test in TESTS)),
        rows=tuple(rows),
        notes=(
            f"{num_challenges:,} challenges each, up to three looks of 100 episodes. These tests may err by {alphas}.",
        ),
    )
