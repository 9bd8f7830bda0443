"""One run at a time trains a cell: who comes second is told who was first."""

import json
import time

import dagster as dg
from dagster._core.definitions.partitions.partition_key_range import PartitionKeyRange
from dagster._core.storage.tags import (
    ASSET_PARTITION_RANGE_END_TAG,
    ASSET_PARTITION_RANGE_START_TAG,
    PARTITION_NAME_TAG,
)

from rl_assets.defs.partitions import CELLS, cell_key
from rl_assets.errors import PartitionInUse
from rl_assets.resources.activity import CELLS_TAG
from rl_assets.resources.run_watch import DRIVER_TAG
from rl_assets.store.locks import Claims

PATIENCE_S = 30.0
"""How long all cells of a run together wait for processes whose run has ended already and that are about to end."""

_POLL_EVERY_S = 0.2
_AT_WORK = [dg.DagsterRunStatus.STARTING, dg.DagsterRunStatus.STARTED, dg.DagsterRunStatus.CANCELING]


class CellClaims:
    """The cells that a run has claimed for training."""

    def __init__(self, claims: Claims, context: dg.AssetExecutionContext) -> None:
        self._claims, self._context = claims, context
        self._gives_up_at: float | None = None

    def take(self, key: str) -> None:
        """Claim a cell.

        A process whose run was given up ends within seconds, so it is waited for; a run that goes on is not.

        Raises:
            PartitionInUse: another run trains it; names that run.
            StoreUnavailable: the claims cannot be written.
        """
        while not self._claims.take(_name(key)):
            holder = find_trainer(self._context.instance, key, other_than=self._context.run.run_id)
            if holder is not None:
                raise PartitionInUse(key, describe_run(holder))
            self._gives_up_at = self._gives_up_at or time.monotonic() + PATIENCE_S
            if time.monotonic() > self._gives_up_at:
                raise PartitionInUse(key, "a process that no unfinished run of this instance owns")
            time.sleep(_POLL_EVERY_S)

    def give_back(self, key: str) -> None:
        """Let others claim a cell that this run works on no more."""
        self._claims.give_back(_name(key))


def _name(key: str) -> str:
    return f"trained_policies[{key}]"


def find_trainer(instance: dg.DagsterInstance, key: str, *, other_than: str) -> dg.DagsterRun | None:
    """The run at work, other than the given one, that asks for a cell; None where there is none."""
    runs = instance.get_runs(dg.RunsFilter(statuses=_AT_WORK))
    return next((run for run in runs if run.run_id != other_than and key in cells_of(run, instance)), None)


def cells_of(run: dg.DagsterRun, instance: dg.DagsterInstance) -> set[str]:
    """The cells that a run asks for: those that it names, else its partition or range."""
    tags = run.tags
    if CELLS_TAG in tags:
        return {cell_key(env, hparam) for env, hparams in json.loads(tags[CELLS_TAG]).items() for hparam in hparams}
    if PARTITION_NAME_TAG in tags:
        return {tags[PARTITION_NAME_TAG]}
    first, last = tags.get(ASSET_PARTITION_RANGE_START_TAG), tags.get(ASSET_PARTITION_RANGE_END_TAG)
    if first is None or last is None or "|" not in first:
        return set()
    return set(CELLS.get_partition_keys_in_range(PartitionKeyRange(first, last), dynamic_partitions_store=instance))


def describe_run(run: dg.DagsterRun) -> str:
    """A run's id, and the program that executes it where that is known."""
    return f"run {run.run_id}" + (f" (process {run.tags[DRIVER_TAG]})" if DRIVER_TAG in run.tags else "")
