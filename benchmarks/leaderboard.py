"""A whole leaderboard of many recipes, from stored episodes to the page, and the statistics of ten times more."""

import tempfile
import time
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import dagster as dg
import numpy as np

from benchmarks.report import Table
from rl_assets.api.drive import execute, reason_of
from rl_assets.api.installation import Installation
from rl_assets.api.sweeps import launch_sweep
from rl_assets.config.sweep import SweepConfig
from rl_assets.defs.graph import build_definitions
from rl_assets.defs.partitions import CELLS, cell_key
from rl_assets.reports.leaderboard_page import leaderboard_page
from rl_assets.resources.home import Home
from rl_assets.resources.inputs import Inputs
from rl_assets.rl.evaluation import EpisodeRecords
from rl_assets.statistics.aggregates import interquartile_mean, probability_of_improvement
from rl_assets.statistics.bootstrap import bootstrap_interval, draw_resamples
from rl_assets.statistics.ranking import CellEpisodes, rank_policies
from rl_assets.store.bundles import EPISODES_FILE, encode_episodes, load_episodes
from rl_assets.store.objects import ObjectStore

ROOT = Path(__file__).parents[1]
ENV = "CartPole-v1"
NUM_SEEDS, NUM_EPISODES = 5, 100
QUIET = {"telemetry": {"enabled": False}, "nux": {"enabled": False}}
BOARD = dg.AssetKey("eval_leaderboards")


def measure(*, quick: bool = False) -> list[Table]:
    """Time the asset and its parts on one installation, then the statistics in memory."""
    return [_whole(20 if quick else 1_000), _statistics(100 if quick else 10_000)]


def _whole(num_recipes: int) -> Table:
    with tempfile.TemporaryDirectory() as folder, _installation(Path(folder)) as installation:
        hparams = _evaluate_all(installation, num_recipes)
        rows = [_timed("the asset, as a Dagster run", lambda: _materialize(installation))]
        rows += _parts(installation, hparams)
        size = len(Path(installation.log.newest("eval_leaderboards")[ENV].metadata["page"]).read_bytes())
    return Table(
        title=f"A leaderboard of {num_recipes:,} recipes x {NUM_SEEDS} seeds x {NUM_EPISODES} episodes",
        columns=("", "seconds", "of processor"),
        rows=tuple(rows),
        notes=(f"The page has {size / 1e6:.2f} MB. The parts were run again one by one after the whole.",),
    )


def _parts(installation: Installation, hparams: list[str]) -> list[tuple[str, str, str]]:
    found = {}

    def read() -> None:
        with Inputs(log=installation.log, store=ObjectStore(installation.home.store_url)).for_output("x", ENV) as scope:
            events = installation.log.newest("policy_evaluations", [cell_key(ENV, hparam) for hparam in hparams])
            found["inputs"] = {hparam: scope.open(events[cell_key(ENV, hparam)]) for hparam in hparams}

    def decode() -> None:
        found["episodes"] = {h: load_episodes(item.artifact) for h, item in found["inputs"].items()}

    def rank() -> None:
        found["rows"] = rank_policies(
            {
                h: CellEpisodes(
                    returns=[records.returns for records in by_seed.values()],
                    lengths=[records.lengths for records in by_seed.values()],
                )
                for h, by_seed in found["episodes"].items()
            }
        )

    def draw() -> None:
        candidate = {"hparam": found["rows"][0].hparam, "member_seed": 0, "selection_mean_return": 0.0, "policy": {}}
        leaderboard_page(ENV, found["rows"], candidate=candidate)

    steps: dict[str, Callable[[], object]] = {
        "of it: finding the evaluations in the event log and reading their manifests": read,
        "of it: reading and decoding Parquet": decode,
        "of it: ranking": rank,
        "of it: the page": draw,
    }
    return [_timed(name, step) for name, step in steps.items()]


def _statistics(num_recipes: int) -> Table:
    generator = np.random.default_rng(0)
    returns = generator.normal(400, 40, (num_recipes, NUM_SEEDS, NUM_EPISODES))
    cells = {f"recipe-{place}": CellEpisodes(returns=list(own), lengths=list(own)) for place, own in enumerate(returns)}
    scores = returns.mean(axis=2)[..., None]
    draws = draw_resamples(num_seeds=NUM_SEEDS, seed=0)
    some = num_recipes // 10
    work: dict[str, Callable[[], object]] = {
        f"ranking {num_recipes:,} recipes of {NUM_SEEDS} x {NUM_EPISODES} episodes": lambda: rank_policies(cells),
        f"interquartile mean and probability of improvement of {num_recipes:,}": lambda: (
            interquartile_mean(scores),
            probability_of_improvement(scores, scores[:1]),
        ),
        f"bootstrap intervals of {some:,} interquartile means, {len(draws):,} resamples each": lambda: [
            bootstrap_interval(interquartile_mean, own, resamples=[draws]) for own in scores[:some]
        ],
    }
    rows = []
    for name, step in work.items():
        cells_of_row = _timed(name, step)
        tracemalloc.start()
        step()
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        rows.append((*cells_of_row, f"{peak / 1e6:,.1f}"))
    return Table(
        title="Statistics in memory",
        columns=("", "seconds", "of processor", "peak MB beside the input"),
        rows=tuple(rows),
        notes=(f"The input itself has {2 * returns.nbytes / 1e6:,.0f} MB. Memory was measured in a run of its own.",),
    )


def _timed(name: str, step: Callable[[], object]) -> tuple[str, str, str]:
    """Wall-clock and processor seconds, which differ where a machine has other work too."""
    started_at, processor_s = time.perf_counter(), time.process_time()
    step()
    return name, f"{time.perf_counter() - started_at:.2f}", f"{time.process_time() - processor_s:.2f}"


def _evaluate_all(installation: Installation, num_recipes: int) -> list[str]:
    """Ask for the recipes and store made-up evaluations of all of them, as training would."""
    event = launch_sweep(installation, _sweep(num_recipes))
    hparams = list(event.metadata["rl/cells"]["hparams"])
    generator = np.random.default_rng(0)
    inputs = Inputs(log=installation.log, store=ObjectStore(installation.home.store_url))
    for place, hparam in enumerate(hparams):
        with inputs.for_output("policy_evaluations", cell_key(ENV, hparam)) as scope:
            publication = scope.publish(
                kind="policy_evaluation",
                files={EPISODES_FILE: encode_episodes(_episodes(generator, mean=480 * place / num_recipes))},
                facts={"policy": f"{place:064x}", "config": {}},
                config_hash="made up",
                metadata={"env_steps": 250_000, "steps_per_s": 40_000},
            )
        installation.instance.report_runless_asset_event(publication.as_event(CELLS))
    return hparams


def _episodes(generator: np.random.Generator, *, mean: float) -> dict[int, EpisodeRecords]:
    found = {}
    for seed, score in enumerate(generator.normal(mean, 15, NUM_SEEDS)):
        returns = np.clip(np.round(generator.normal(score, 30, NUM_EPISODES)), 9, 500)
        found[seed] = EpisodeRecords(
            returns=returns,
            lengths=returns.astype(np.int32),
            seeds=np.arange(NUM_EPISODES, dtype=np.int32),
            terminated=returns < 500,
            truncated=returns == 500,
        )
    return found


def _sweep(num_recipes: int) -> SweepConfig:
    rates = [float(rate) for rate in np.geomspace(1e-5, 1e-2, num_recipes)]
    words = {"client_id": "in-house", "project": "benchmarks", "data_source": "simulator", "domain": "control"}
    document = {"name": "many", "envs": [ENV], "grid": {"learning_rate": rates}, "dataset": words}
    return SweepConfig.parse(document | {"seeds": NUM_SEEDS, "total_timesteps": 50_000}, source="benchmark")


def _materialize(installation: Installation) -> None:
    result = execute(installation, assets=[BOARD], partition=ENV)
    assert result.success, reason_of(result)


@contextmanager
def _installation(folder: Path) -> Iterator[Installation]:
    """An installation whose instance and state vanish with the folder."""
    state, database = folder / "state", folder / "instance"
    database.mkdir()
    home = Home(root=ROOT, state=state, store_url=str(state / "store"))
    with dg.DagsterInstance.local_temp(str(database), overrides=QUIET) as instance:
        yield Installation(home=home, instance=instance, definitions=build_definitions(home))
