"""How often the statistics of a leaderboard are right: intervals of a mean, and recipes told apart from the best."""

from benchmarks.report import Table
from rl_assets.statistics.bootstrap import bootstrap_interval, draw_resamples
from rl_assets.statistics.coverage import COVERAGE, SCORES, IntervalMethod, simulate_coverage, simulate_exclusion
from rl_assets.statistics.estimates import t_interval

SEED = 1
"""Of all simulations, so that the table in the code and the one on the page agree to the last digit."""
TRIALS = 20_000
RESAMPLED_TRIALS = 2_000
RECIPES = {2: 4_000, 5: 4_000, 20: 2_000, 100: 500}
"""Recipes that compete -> leaderboards simulated."""
LEADS = (1.0, 2.0, 3.0, 4.0, 6.0)
NUM_SEEDS = 5


def measure(*, quick: bool = False) -> list[Table]:
    """Simulate both kinds of interval and both errors of a comparison with the best."""
    share = 50 if quick else 1
    methods = {
        "Student's interval, as on a leaderboard": (_student, TRIALS // share),
        "The percentile bootstrap with 500 resamples, for comparison": (_percentile, RESAMPLED_TRIALS // share),
    }
    tables = [_coverage(title, method, trials) for title, (method, trials) in methods.items()]
    return [*tables, _errors(share), _power(share)]


def _student(num_seeds: int) -> IntervalMethod:  # noqa: ARG001 (Student's needs no preparation)
    return t_interval


def _percentile(num_seeds: int) -> IntervalMethod:
    draws = draw_resamples(num_seeds=num_seeds, num_resamples=500, seed=SEED)
    return lambda scores: bootstrap_interval(lambda part: part.mean(axis=(-2, -1)), scores[:, None], resamples=[draws])


def _coverage(title: str, method, num_trials: int) -> Table:
    rows = []
    for name, scores in SCORES.items():
        shares = [
            simulate_coverage(scores, num_seeds=count, num_trials=num_trials, seed=SEED, method=method(count))
            for count in COVERAGE
        ]
        rows.append((name, *(f"{100 * share:.1f} %" for share in shares)))
    return Table(
        title=f"{title}: share of nominal 95 % intervals that hold the true mean",
        columns=("seeds scatter", *(f"{count} seeds" for count in COVERAGE)),
        rows=tuple(rows),
        notes=(f"{num_trials:,} recipes simulated for each figure.",),
    )


def _errors(share: int) -> Table:
    rows = []
    for name, scores in SCORES.items():
        wrong = [
            simulate_exclusion(
                scores, num_recipes=count, num_seeds=NUM_SEEDS, num_trials=max(1, trials // share), seed=SEED
            )[0]
            for count, trials in RECIPES.items()
        ]
        rows.append((name, *(f"{100 * error:.1f} %" for error in wrong)))
    return Table(
        title=f"Equal recipes of {NUM_SEEDS} seeds: how often one that is best is told apart from the leader, at 95 %",
        columns=("seeds scatter", *(f"{count} recipes" for count in RECIPES)),
        rows=tuple(rows),
        notes=("At most 5 % is claimed. All recipes are equally good, so the leader leads by luck.",),
    )


def _power(share: int) -> Table:
    rows = []
    for lead in LEADS:
        found = [
            simulate_exclusion(
                SCORES["normal"],
                num_recipes=count,
                num_seeds=NUM_SEEDS,
                num_trials=max(1, trials // (10 * share)),
                seed=SEED,
                lead=lead,
            )[1]
            for count, trials in RECIPES.items()
        ]
        rows.append((f"{lead:g}", *(f"{100 * apart:.0f} %" for apart in found)))
    return Table(
        title=f"One better recipe, {NUM_SEEDS} normal seeds each: share of the others that is told apart",
        columns=("lead in standard deviations between seeds", *(f"{count} recipes" for count in RECIPES)),
        rows=tuple(rows),
    )
