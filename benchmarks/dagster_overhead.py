"""What the asset graph adds to training and evaluating sixteen partitions in one in-process run, imports aside."""

import dataclasses
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import dagster as dg
import numpy as np

from benchmarks.report import Table, spread
from benchmarks.timing import compare_seconds
from rl_assets.api.drive import execute
from rl_assets.api.installation import Installation
from rl_assets.api.sweeps import launch_sweep
from rl_assets.config.evaluation import EvaluationConfig
from rl_assets.config.sweep import SweepConfig
from rl_assets.config.sweep_plan import SweepPlan
from rl_assets.defs.assets.policy_runs import EVALUATED, TRAINED
from rl_assets.defs.graph import build_definitions
from rl_assets.resources.home import Home
from rl_assets.resources.inputs import Inputs
from rl_assets.resources.sqlite_events import KeptSqliteEventLogStorage
from rl_assets.rl.plan import Member, plan_training
from rl_assets.rl.training import train
from rl_assets.store.objects import ObjectStore

ROOT = Path(__file__).parents[1]
ENV = "CartPole-v1"
QUIET = {"telemetry": {"enabled": False}, "nux": {"enabled": False}}


def measure(*, quick: bool = False) -> list[Table]:
    """Let the bare training and the run of the graph take turns, on one installation in a temporary folder."""
    rounds = 1 if quick else 5
    with tempfile.TemporaryDirectory() as folder, _installation(Path(folder)) as installation:
        launch_sweep(installation, make_sweep())
        plan = read_plan(installation)
        table, seconds = compare_seconds(
            "16 partitions trained and evaluated in one process",
            {"without Dagster": lambda: run_bare(plan), "as a Dagster run": lambda: run_graph(installation)},
            rounds=rounds,
        )
    bare, graph = seconds.values()
    added = [whole - part for whole, part in zip(graph, bare, strict=True)]
    return [dataclasses.replace(table, rows=(*table.rows, ("the graph adds", spread(added, digits=2), "")))]


def make_sweep() -> SweepConfig:
    """Sixteen learning rates, one seed, a few updates each."""
    rates = [float(rate) for rate in np.geomspace(1e-4, 1e-2, 16)]
    return SweepConfig.parse(
        {
            "name": "overhead",
            "envs": [ENV],
            "grid": {"learning_rate": rates},
            "seeds": 1,
            "total_timesteps": 4_096,
            "evaluation": {"num_episodes": 10},
            "dataset": {
                "client_id": "in-house",
                "project": "benchmarks",
                "data_source": "simulator",
                "domain": "control",
            },
        },
        source="benchmark",
    )


def read_plan(installation: Installation) -> SweepPlan:
    """The sweep as the graph runs it."""
    event = installation.log.latest("sweep_configs", "overhead")
    assert event is not None, "the sweep was launched"
    with Inputs(log=installation.log, store=ObjectStore(installation.home.store_url)).for_output(
        "benchmark", ENV
    ) as scope:
        return SweepPlan.model_validate_json(scope.open(event).artifact.read("plan.json"))


def run_bare(plan: SweepPlan) -> None:
    """Train and evaluate without Dagster, keeping nothing."""
    members = [Member(recipe=recipe, hparam=hparam, seed=0) for hparam, recipe in plan.recipes.items()]
    for _ in train(
        plan_training(plan.envs[ENV], members, num_processes=1), evaluation=EvaluationConfig(num_episodes=10)
    ):
        pass


def run_graph(installation: Installation) -> None:
    """The same as a run of the graph: inputs resolved, artifacts stored, 32 materializations logged."""
    hparams = installation.instance.get_dynamic_partitions("hparam")
    result = execute(
        installation,
        assets=[TRAINED, EVALUATED],
        partition=None,
        tags={
            "dagster/asset_partition_range_start": f"{ENV}|{hparams[0]}",
            "dagster/asset_partition_range_end": f"{ENV}|{hparams[-1]}",
        },
        run_config={"ops": {"policies": {"config": {"retrain": True}}}},
    )
    assert result.success, "the run failed: nothing to measure"


@contextmanager
def _installation(folder: Path) -> Iterator[Installation]:
    """An installation whose instance and state vanish with the folder."""
    state, database = folder / "state", folder / "instance"
    database.mkdir()
    home = Home(root=ROOT, state=state, store_url=str(state / "store"))
    events = {
        "module": KeptSqliteEventLogStorage.__module__,
        "class": KeptSqliteEventLogStorage.__name__,
        "config": {"base_dir": str(database / "history" / "runs")},
    }
    with dg.DagsterInstance.local_temp(str(database), overrides=QUIET | {"event_log_storage": events}) as instance:
        yield Installation(home=home, instance=instance, definitions=build_definitions(home))
