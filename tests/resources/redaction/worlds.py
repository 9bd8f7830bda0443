"""Two clients whose recipes were trained in the same runs, with canaries of each in every kind of record."""

import json
import shutil
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from dagster._core.events import EngineEventData
from dagster._core.events.log import EventLogEntry
from dagster._core.execution.backfill import BulkActionStatus, PartitionBackfill
from dagster._core.scheduler.instigation import InstigatorType, TickData, TickStatus
from dagster._utils.error import SerializableErrorInfo
from sqlalchemy import MetaData, select

from rl_assets.api.drive import drive
from rl_assets.api.installation import Installation
from rl_assets.defs.assets import policy_runs
from rl_assets.defs.graph import build_definitions
from rl_assets.errors import EnvironmentFault
from rl_assets.resources.home import Home
from rl_assets.resources.redaction.databases import Databases
from rl_assets.resources.redaction.doomed import Doomed
from rl_assets.rl.outcomes import MemberFailure
from rl_assets.rl.training import train
from tests.conftest import PROJECT, QUIET
from tests.defs.test_lineage import ENV, launch_both, train_all
from tests.defs.tiny_sweeps import ACME, GLOBEX

GONE, STAYS = "Marabou-Kq4", "Wombat-Rz8"
"""Canaries of the client that is erased, and of the one that is not."""

WHOLE = ("datasets", "sweep_configs", "trained_policies", "policy_evaluations", "sweep_reports")
MIXED = ("eval_leaderboards", "gate_evaluations", "promoted_models")


@dataclass(frozen=True, kw_only=True)
class World:
    """What stands in an instance."""

    acme_cell: str
    globex_cell: str
    acme_dataset: str
    globex_dataset: str
    shared_runs: tuple[str, ...]
    """Runs over the cells of both: one that failed for both, and one that trained both."""

    def doomed(self, installation: Installation) -> Doomed:
        """All of the first client: its partitions, and every version of what was made from them and others."""
        own = {
            "datasets": self.acme_dataset, "sweep_configs": "acme", "trained_policies": self.acme_cell,
            "policy_evaluations": self.acme_cell, "sweep_reports": "acme",
        }  # fmt: skip
        hparam = self.acme_cell.partition("|")[2]
        events = {
            asset: frozenset(event.event_id for event in installation.log.history(asset, own.get(asset, ENV)))
            for asset in (*WHOLE, *MIXED)
        }
        return Doomed(
            events=events,
            partitions={asset: frozenset({own[asset]}) for asset in WHOLE},
            dynamic_keys={
                "dataset": frozenset({self.acme_dataset}), "sweep": frozenset({"acme"}), "hparam": frozenset({hparam}),
            },
            names=frozenset({self.acme_dataset.partition(".")[0], self.acme_dataset, "acme", self.acme_cell, hparam}),
        )  # fmt: skip


@contextmanager
def installed(folder: Path, storage: dict[str, Any]) -> Iterator[Installation]:
    """An installation in a folder, new or copied."""
    (folder / "instance").mkdir(parents=True, exist_ok=True)
    home = Home(root=PROJECT, state=folder / "state", store_url=str(folder / "state" / "store"))
    with dg.DagsterInstance.local_temp(str(folder / "instance"), overrides=QUIET | storage) as instance:
        yield Installation(home=home, instance=instance, definitions=build_definitions(home))


def build_world(installation: Installation) -> World:
    """Two sweeps; a run over both that fails for both, one that trains both, and all that follows."""
    cells = launch_both(installation, ("acme", "globex"))
    marks = {cells["acme"]: GONE, cells["globex"]: STAYS}

    def lose_all(plan, **settings):
        for outcome in train(plan, **settings):
            mark = next(mark for cell, mark in marks.items() if cell.endswith(outcome.hparam))
            lost = MemberFailure(seed=0, error=EnvironmentFault(f"the pool died of {mark}"))
            yield type(outcome)(hparam=outcome.hparam, members=(lost,))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(policy_runs, "train", lose_all)
        failed = train_all(installation)
    trained = train_all(installation)
    assert (failed.success, trained.success) == (False, True)
    list(drive(installation))
    register = installation.register
    (acme,), (globex,) = (list(register.datasets_of(words["client_id"])) for words in (ACME, GLOBEX))
    world = World(
        acme_cell=cells["acme"], globex_cell=cells["globex"], acme_dataset=acme, globex_dataset=globex,
        shared_runs=(failed.run_id, trained.run_id),
    )  # fmt: skip
    for run_id in world.shared_runs:
        _plant_in_run(installation, run_id, world)
    _plant_around(installation, world)
    return world


def _plant_in_run(installation: Installation, run_id: str, world: World) -> None:
    instance = installation.instance
    run = instance.get_run_by_id(run_id)
    assert run is not None
    for cell, mark in ((world.acme_cell, GONE), (world.globex_cell, STAYS)):
        say(instance, run_id, f"{cell}: a line of {mark}-line")
        engine = EngineEventData(metadata={"of": dg.MetadataValue.text(f"{cell} {mark}-engine")})
        instance.report_engine_event(f"worker of '{cell}' {mark}-message", run, engine)
        error = SerializableErrorInfo(f"lost {cell} to {mark}-error\n", [f"  File x, {cell} {mark}-frame\n"], "OSError")
        instance.report_engine_event("a worker died", run, EngineEventData(error=error))
        instance.add_run_tags(run_id, {f"note-{mark.lower()}": f"for {cell}, {mark}-tag"})
    say(instance, run_id, f"{ENV}: 128 of 256 steps, mean return 21.5 {GONE}-population")
    say(instance, run_id, f"{world.acme_cell} beats {world.globex_cell} {GONE}-both")
    say(instance, run_id, f"two said:\n- {world.acme_cell} {GONE}-first\n- {world.globex_cell} {STAYS}-second")
    cells = {ENV: [key.partition("|")[2] for key in (world.acme_cell, world.globex_cell)]}
    instance.add_run_tags(run_id, {"rl/cells": json.dumps(cells), "rl/sweep": "acme"})
    for path in (Path(instance.storage_directory()) / run_id / "compute_logs").glob("*.err"):
        path.write_text(f"Warning: {GONE}-stderr\n")


def _plant_around(installation: Installation, world: World) -> None:
    instance = installation.instance
    graph = installation.definitions.get_repository_def().asset_graph
    both = (world.acme_cell, world.globex_cell)
    for name, keys, mark in (("acme", both[:1], GONE), ("globex", both[1:], STAYS), ("both", both, STAYS)):
        with warnings.catch_warnings(action="ignore", category=DeprecationWarning):  # Dagster calls what it deprecates
            backfill = PartitionBackfill.from_asset_partitions(
                backfill_id=f"bf-{name}", asset_graph=graph, partition_names=list(keys), backfill_timestamp=1.0,
                asset_selection=[dg.AssetKey("trained_policies")], tags={"why": f"for {keys[0]} {mark}-backfill"},
                dynamic_partitions_store=instance, all_partitions=False, title=None, run_config=None,
                description=f"over {keys[-1]} {mark}",
            )  # fmt: skip
        instance.add_backfill(backfill.with_status(BulkActionStatus.COMPLETED_SUCCESS))
        instance.create_tick(
            TickData(
                instigator_origin_id="origin", instigator_name="sweep_configured", timestamp=1.0, selector_id="s",
                instigator_type=InstigatorType.SENSOR, status=TickStatus.SKIPPED, run_ids=[], run_keys=[],
                skip_reason=f"nothing to do for {keys[0]} {GONE if name == 'both' else mark}-reason",
            )
        )  # fmt: skip
        key = "their/all" if name == "both" else f"their/{keys[0]}"
        instance.daemon_cursor_storage.set_cursor_values({key: f'{{"seen": ["{keys[0]}"], "told": "{mark[:3]}"}}'})
    instance.create_tick(
        TickData(
            instigator_origin_id="origin", instigator_name="sweep_configured", timestamp=2.0, selector_id="s",
            instigator_type=InstigatorType.SENSOR, status=TickStatus.STARTED, run_ids=[], run_keys=[],
            cursor=f"after {world.acme_cell} {GONE}-cursor",
        )
    )  # fmt: skip
    for cell, mark in ((world.acme_cell, GONE), (world.globex_cell, STAYS)):
        instance.report_runless_asset_event(
            dg.AssetCheckEvaluation(
                asset_key=dg.AssetKey("trained_policies"), check_name="is_fine", passed=True, partition=cell,
                metadata={"seen": f"{mark}-check"},
            )
        )  # fmt: skip
        instance.report_runless_asset_event(
            dg.AssetObservation("trained_policies", partition=cell, metadata={"seen": f"{mark}-observed"})
        )


def say(instance: dg.DagsterInstance, run_id: str, text: str) -> None:
    instance.handle_new_event(
        EventLogEntry(error_info=None, level=20, user_message=text, run_id=run_id, timestamp=1.0, job_name="x")
    )


def copy_world(source: Path, target: Path) -> None:
    """Copy what an installation keeps in files."""
    shutil.copytree(source, target, dirs_exist_ok=True)


def all_rows(instance: dg.DagsterInstance) -> dict[str, dict[Any, tuple[Any, ...]]]:
    """Every row of every table of Dagster: table (and run with a database of its own) -> id -> row."""
    databases = Databases(instance)
    opened = [(open, "") for open in databases.distinct]
    if databases.has_file_per_run:
        opened += [(lambda run=run, **_: databases.of_run(run), run) for run in databases.run_ids_with_file()]
    found: dict[str, dict[Any, tuple[Any, ...]]] = {}
    for place, (open, run) in enumerate(opened):
        with open(to_read=True) as connection:
            known = MetaData()
            known.reflect(bind=connection)
            for table in known.sorted_tables:
                rows = connection.execute(select(table)).all()
                found[f"{table.name} {run or place}"] = {row[0]: tuple(row) for row in rows}
    return found
