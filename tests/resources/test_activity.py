"""A failed run that a daemon retries is still at work."""

import time
from typing import Any

import dagster as dg
import pytest
from dagster._core.remote_origin import (
    InProcessCodeLocationOrigin,
    RemoteJobOrigin,
    RemoteRepositoryOrigin,
)
from dagster._core.types.loadable_target_origin import LoadableTargetOrigin
from dagster._daemon.types import DaemonHeartbeat

from rl_assets.resources import activity
from rl_assets.resources.activity import REQUEST_TAG, RETRIED_WITHIN_S, RETRY_DAEMON, Activity, awaiting_retry

ORIGIN = RemoteJobOrigin(
    repository_origin=RemoteRepositoryOrigin(
        code_location_origin=InProcessCodeLocationOrigin(
            loadable_target_origin=LoadableTargetOrigin(python_file="definitions.py")
        ),
        repository_name="r",
    ),
    job_name="__ASSET_JOB",
)


@pytest.fixture
def instance():
    with dg.instance_for_test(overrides={"run_retries": {"enabled": True, "max_retries": 1}}) as instance:
        yield instance


def beat(instance: dg.DagsterInstance, *, seconds_ago: float = 0.0) -> None:
    timestamp = time.time() - seconds_ago
    instance.add_daemon_heartbeat(
        DaemonHeartbeat(timestamp=timestamp, daemon_type=RETRY_DAEMON, daemon_id="d", errors=[])
    )


def fail_run(instance: dg.DagsterInstance, *, is_launched: bool = True, **tags: str) -> dg.DagsterRun:
    origin: Any = ORIGIN if is_launched else None
    run = dg.DagsterRun(job_name="__ASSET_JOB", remote_job_origin=origin, tags=tags)
    instance.add_run(run)
    instance.report_run_failed(run, "its worker was gone")
    return run


def test_a_run_is_awaited_until_its_retry_is_there(instance: dg.DagsterInstance) -> None:
    run = fail_run(instance)
    assert awaiting_retry(instance) == [], "no daemon will do it"
    beat(instance)
    assert [waiting.run_id for waiting in awaiting_retry(instance)] == [run.run_id]
    instance.add_run_tags(run.run_id, {"dagster/auto_retry_run_id": "another"})
    assert awaiting_retry(instance) == []


def test_nobody_waits_for_a_retry_that_will_not_come(instance: dg.DagsterInstance) -> None:
    beat(instance)
    fail_run(instance, is_launched=False)
    fail_run(instance, **{"dagster/max_retries": "0"})
    assert awaiting_retry(instance) == []
    fail_run(instance)
    beat(instance, seconds_ago=RETRIED_WITHIN_S + 1)
    assert awaiting_retry(instance) == [], "the daemon is gone"


@pytest.mark.parametrize("page", [1, 500])
def test_of_many_requests_those_that_led_to_a_run_are_known(
    instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch, page: int
) -> None:
    monkeypatch.setattr(activity, "_PAGE", page)
    for request, status in (("a", dg.DagsterRunStatus.FAILURE), ("b", dg.DagsterRunStatus.STARTED)):
        instance.add_run(dg.DagsterRun(job_name="j", status=status, tags={REQUEST_TAG: request}))
    instance.add_run(dg.DagsterRun(job_name="j", tags={"another": "c"}))
    look = Activity(instance, dg.Definitions().resolve_asset_graph())
    assert look.requested_before(["a", "b", "c", "a"]) == {"a", "b"}
    assert look.requested_before([]) == frozenset()


def test_a_run_over_a_range_works_on_the_product_of_both_dimensions(instance: dg.DagsterInstance) -> None:
    instance.add_dynamic_partitions("env", ["E", "F", "G"])
    instance.add_dynamic_partitions("hparam", ["a", "b", "c"])
    cells = dg.MultiPartitionsDefinition(
        {"env": dg.DynamicPartitionsDefinition(name="env"), "hparam": dg.DynamicPartitionsDefinition(name="hparam")}
    )
    graph = dg.Definitions([dg.AssetSpec(name, partitions_def=cells) for name in ("left", "right")])
    tags = {"dagster/asset_partition_range_start": "E|b", "dagster/asset_partition_range_end": "F|c"}
    for name in ("left", "right"):
        instance.add_run(dg.DagsterRun(job_name="j", tags=tags, asset_selection=frozenset([dg.AssetKey(name)])))
    look = Activity(instance, graph.resolve_asset_graph())
    assert look.partitions_in_work("left") == look.partitions_in_work("right") == {"E|b", "E|c", "F|b", "F|c"}
