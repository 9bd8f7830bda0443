"""Which partitions a run or a backfill is working on right now, so that no sensor asks for them a second time."""

import time
from collections.abc import Iterable
from datetime import UTC, datetime

import dagster as dg
from dagster._core.definitions.assets.graph.base_asset_graph import BaseAssetGraph
from dagster._core.definitions.partitions.partition_key_range import PartitionKeyRange
from dagster._core.execution.backfill import BulkActionsFilter, BulkActionStatus
from dagster._core.instance.types import CachingDynamicPartitionsLoader
from dagster._core.storage.tags import (
    ASSET_PARTITION_RANGE_END_TAG,
    ASSET_PARTITION_RANGE_START_TAG,
    AUTO_RETRY_RUN_ID_TAG,
    PARTITION_NAME_TAG,
    WILL_RETRY_TAG,
)

REQUEST_TAG = "rl/request"
"""Names what a sensor asked for; a request is made once, whoever's sensor made it."""

CELLS_TAG = "rl/cells"
"""Run tag with the exact cells asked for, as JSON `{env key: [hparam keys]}`; Dagster itself has only ranges."""

ASSETS_TAG = "rl/assets"
"""Names the assets of a run that is executed without a launcher; Dagster keeps a selection for launched runs only."""

RETRY_DAEMON = "EVENT_LOG_CONSUMER"
"""Dagster's name of the daemon that retries runs; it gives a sign of life every 30 seconds."""

RETRIED_WITHIN_S = 75.0

_PAGE = 500

UNFINISHED = [
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.QUEUED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
    dg.DagsterRunStatus.CANCELING,
]
_ACTIVE = [BulkActionStatus.REQUESTED, BulkActionStatus.CANCELING, BulkActionStatus.FAILING]


def graph_of(context: dg.SensorEvaluationContext) -> BaseAssetGraph:
    """The asset graph that a sensor belongs to."""
    assert context.repository_def is not None, "a sensor is always evaluated with the definitions it belongs to"
    return context.repository_def.asset_graph


def limit_pool(instance: dg.DagsterInstance, pool: str) -> None:
    """Make the instance's default limit hold for a pool from its first run on.

    Dagster sets it up while it launches the first runs of a pool, and launches all that are queued by then.
    """
    storage = instance.event_log_storage
    if storage.supports_global_concurrency_limits and pool not in storage.get_concurrency_keys():
        storage.initialize_concurrency_limit_to_default(pool)


def awaiting_retry(instance: dg.DagsterInstance) -> list[dg.DagsterRun]:
    """Failed runs that a living daemon is about to launch again; it takes a few seconds to do so.

    Only a daemon retries, and only what was launched by one; a failure that is older than `RETRIED_WITHIN_S` and was
    not taken up will not be.
    """
    beat = instance.get_daemon_heartbeats().get(RETRY_DAEMON) if instance.run_retries_enabled else None
    if beat is None or time.time() - beat.timestamp > RETRIED_WITHIN_S:
        return []
    failed = dg.RunsFilter(
        statuses=[dg.DagsterRunStatus.FAILURE],
        tags={WILL_RETRY_TAG: "true"},
        updated_after=datetime.fromtimestamp(time.time() - RETRIED_WITHIN_S, tz=UTC),
    )
    return [
        run
        for run in instance.get_runs(failed)
        if AUTO_RETRY_RUN_ID_TAG not in run.tags and run.remote_job_origin is not None
    ]


class Activity:
    """A look at the unfinished runs and backfills of one instance; a run that is about to be retried is unfinished."""

    def __init__(self, instance: dg.DagsterInstance, graph: BaseAssetGraph) -> None:
        self._instance = instance
        self._graph = graph
        self._keys = _KnownPartitions(instance)
        self._ranges: dict[tuple[dg.PartitionsDefinition, str, str], frozenset[str]] = {}
        self._runs = [record.dagster_run for record in instance.get_run_records(dg.RunsFilter(statuses=UNFINISHED))]
        self._runs += awaiting_retry(instance)
        self._backfills = [
            backfill.get_asset_backfill_data(graph)
            for backfill in instance.get_backfills(filters=BulkActionsFilter(statuses=_ACTIVE))
            if backfill.is_asset_backfill
        ]

    def partitions_in_backfill(self, asset: str) -> frozenset[str]:
        """Partitions of an asset that an active backfill targets."""
        key = dg.AssetKey(asset)
        return frozenset(
            partition
            for backfill in self._backfills
            if key in backfill.target_subset.asset_keys
            for partition in backfill.target_subset.get_partitions_subset(key).get_partition_keys()
        )

    def partitions_in_work(self, asset: str) -> frozenset[str]:
        """Partitions of an asset that an unfinished run or an active backfill targets."""
        key = dg.AssetKey(asset)
        found = set(self.partitions_in_backfill(asset))
        for run in self._runs:
            if key in (run.asset_selection or ()) or asset in run.tags.get(ASSETS_TAG, "").split(","):
                found.update(self._partitions_of(run, asset))
        return frozenset(found)

    def requested_before(self, requests: Iterable[str]) -> frozenset[str]:
        """Those of the requests under whose name any run, finished or not, was asked for."""
        names = list(dict.fromkeys(requests))
        found: set[str] = set()
        for start in range(0, len(names), _PAGE):
            part = names[start : start + _PAGE]
            runs = self._instance.get_runs(dg.RunsFilter(tags={REQUEST_TAG: part}))
            found.update(run.tags[REQUEST_TAG] for run in runs)
        return frozenset(found)

    def is_running(self, request: str) -> bool:
        """Whether a run that was asked for under this name is not finished yet."""
        return any(run.tags.get(REQUEST_TAG) == request for run in self._runs)

    def _partitions_of(self, run: dg.DagsterRun, asset: str) -> Iterable[str]:
        single = run.tags.get(PARTITION_NAME_TAG)
        if single is not None:
            return (single,)
        first, last = run.tags.get(ASSET_PARTITION_RANGE_START_TAG), run.tags.get(ASSET_PARTITION_RANGE_END_TAG)
        definition = self._graph.get(dg.AssetKey(asset)).partitions_def
        if definition is None or first is None or last is None:
            return ()
        place = (definition, first, last)
        if place not in self._ranges:
            keys = definition.get_partition_keys_in_range(
                PartitionKeyRange(first, last), dynamic_partitions_store=self._keys
            )
            self._ranges[place] = frozenset(keys)
        return self._ranges[place]


class _KnownPartitions(CachingDynamicPartitionsLoader):
    """Dynamic partitions, each definition read once."""

    def has_dynamic_partition(self, partitions_def_name: str, partition_key: str) -> bool:
        return partition_key in self.get_dynamic_partitions(partitions_def_name)
