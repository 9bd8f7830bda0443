"""Work on data that is being erased comes to an end, and none begins."""

import json
import time
from collections.abc import Callable, Collection, Iterable, Mapping

import dagster as dg
from dagster._core.definitions.partitions.partition_key_range import PartitionKeyRange
from dagster._core.storage.tags import (
    ASSET_PARTITION_RANGE_END_TAG,
    ASSET_PARTITION_RANGE_START_TAG,
    PARTITION_NAME_TAG,
)

from rl_assets.errors import WorkGoesOn
from rl_assets.resources.activity import ASSETS_TAG, CELLS_TAG, UNFINISHED
from rl_assets.resources.erasing.estate import Estate
from rl_assets.resources.run_watch import DRIVER_TAG
from rl_assets.resources.run_worker import why_worker_is_lost
from rl_assets.store.locks import ClaimBook

LETS_GO_WITHIN_S = 60.0
"""A population drops members whose data is erased within seconds, and any other step is done in less; what is not by
then is told to stop."""

ENDS_WITHIN_S = 60.0
"""After it was told to."""

CELL_ASSETS = frozenset({"trained_policies", "policy_evaluations"})
_POLL_EVERY_S = 0.5

_CELLS = dg.MultiPartitionsDefinition({name: dg.DynamicPartitionsDefinition(name=name) for name in ("env", "hparam")})

Places = Mapping[str, Collection[str]]
"""Asset -> partitions."""


class WorkStop:
    """Waits for work on places that are quarantined, and ends what does not end by itself.

    Args:
        estate: where.
        places: the partitions; cells of `trained_policies` are claimed, so that nobody trains them.
        on_event: is told in a few words what is waited for.
        lets_go_within_s: patience before runs are told to stop.
        ends_within_s: patience after that.
    """

    def __init__(
        self,
        estate: Estate,
        places: Places,
        *,
        on_event: Callable[[str], None],
        lets_go_within_s: float = LETS_GO_WITHIN_S,
        ends_within_s: float = ENDS_WITHIN_S,
    ) -> None:
        self._estate, self._places, self._tell = estate, places, on_event
        self._patience_s, self._last_s = lets_go_within_s, ends_within_s
        self._stopped: set[str] = set()

    def wait(self) -> tuple[str, ...]:
        """Return when nobody works there any more.

        Returns:
            Ids of the runs that had to be stopped.

        Raises:
            WorkGoesOn: a run goes on although it was told to stop; it is named.
        """
        began = time.monotonic()
        told = ""
        while True:
            trained, runs = self._trained(), self._runs()
            if not trained and not runs:
                return tuple(sorted(self._stopped))
            waited = time.monotonic() - began
            what = f"{len(trained)} cells in training, {len(runs)} runs at work"
            if what != told:
                told = what
                self._tell(f"waiting for work on the data to end: {what}")
            if waited > self._patience_s:
                for run in self._holders(trained, runs):
                    self._stop(run)
            if waited > self._patience_s + self._last_s:
                names = ", ".join(sorted(run.run_id for run in self._holders(trained, runs))) or "a process of no run"
                raise WorkGoesOn(
                    f"work on erased data goes on although it was told to stop: {what}, by {names}: stop it with "
                    "`rlctl stop`, then confirm the same plan again; what is done already stays done, and nothing "
                    "more of the data is read or kept meanwhile"
                )
            time.sleep(_POLL_EVERY_S)

    def _trained(self) -> tuple[str, ...]:
        """Cells that somebody has claimed; a claim is free when its holder has dropped the cell, ended or died."""
        with ClaimBook(self._estate.home.claims_folder).open() as claims:
            return tuple(
                cell
                for cell in sorted(self._places.get("trained_policies", ()))
                if not claims.take(f"trained_policies[{cell}]")
            )

    def _runs(self) -> tuple[dg.DagsterRun, ...]:
        """Unfinished runs of anything but cells that target one of the places; runs that nobody works on are ended."""
        found = []
        for run, targets in self._unfinished():
            if not any(targets.get(asset, frozenset()) & set(keys) for asset, keys in self._others()):
                continue
            lost = why_worker_is_lost(run)
            if lost is not None:
                self._estate.instance.report_run_failed(run, lost)
                continue
            if run.status in {dg.DagsterRunStatus.QUEUED, dg.DagsterRunStatus.NOT_STARTED}:
                self._stop(run)
            found.append(run)
        return tuple(found)

    def _others(self) -> Iterable[tuple[str, Collection[str]]]:
        return ((asset, keys) for asset, keys in self._places.items() if asset not in CELL_ASSETS)

    def _holders(self, trained: Collection[str], runs: Collection[dg.DagsterRun]) -> tuple[dg.DagsterRun, ...]:
        """The runs that are waited for, those that train the cells among them."""
        trainers = [
            run
            for run, targets in self._unfinished()
            if run.status not in {dg.DagsterRunStatus.QUEUED, dg.DagsterRunStatus.NOT_STARTED}
            and targets.get("trained_policies", frozenset()) & set(trained)
        ]
        return tuple({run.run_id: run for run in (*runs, *trainers)}.values())

    def _unfinished(self) -> Iterable[tuple[dg.DagsterRun, Mapping[str, frozenset[str]]]]:
        for record in self._estate.instance.get_run_records(dg.RunsFilter(statuses=UNFINISHED)):
            yield record.dagster_run, targets_of(record.dagster_run, self._estate.instance)

    def _stop(self, run: dg.DagsterRun) -> None:
        if run.run_id in self._stopped:
            return
        self._stopped.add(run.run_id)
        self._tell(f"stopping run {run.run_id[:8]}")
        if DRIVER_TAG in run.tags:
            self._estate.instance.report_run_canceling(run)  # the program that executes it looks every second
        else:
            self._estate.instance.run_coordinator.cancel_run(run.run_id)


def targets_of(run: dg.DagsterRun, instance: dg.DagsterInstance) -> dict[str, frozenset[str]]:
    """Asset -> its partitions that a run was asked to materialize; exact cells where the run names them."""
    keys = run.asset_selection or ()
    assets = [key.to_user_string() for key in keys] or list(filter(None, run.tags.get(ASSETS_TAG, "").split(",")))
    return dict.fromkeys(assets, frozenset(_partitions_of(run, instance)))


def _partitions_of(run: dg.DagsterRun, instance: dg.DagsterInstance) -> Iterable[str]:
    tags = run.tags
    if CELLS_TAG in tags:
        return [f"{env}|{hparam}" for env, hparams in json.loads(tags[CELLS_TAG]).items() for hparam in hparams]
    if PARTITION_NAME_TAG in tags:
        return [tags[PARTITION_NAME_TAG]]
    first, last = tags.get(ASSET_PARTITION_RANGE_START_TAG), tags.get(ASSET_PARTITION_RANGE_END_TAG)
    if first is None or last is None or "|" not in first:
        return []  # only cells are materialized in ranges
    return _CELLS.get_partition_keys_in_range(PartitionKeyRange(first, last), dynamic_partitions_store=instance)
