"""Putting a run into a daemon's queue."""

from collections.abc import Mapping, Sequence
from typing import Any

import dagster as dg
from dagster._core.definitions.selector import JobSubsetSelector
from dagster._core.run_coordinator import QueuedRunCoordinator
from dagster._core.storage.tags import PARENT_RUN_ID_TAG, ROOT_RUN_ID_TAG
from dagster._core.workspace.context import WorkspaceProcessContext
from dagster._core.workspace.load_target import WorkspaceFileTarget

from rl_assets.api.drive import has_daemon
from rl_assets.api.installation import Installation


def is_queue_served(instance: dg.DagsterInstance) -> bool:
    """Whether runs are queued and a daemon takes them from there."""
    return has_daemon(instance) and isinstance(instance.run_coordinator, QueuedRunCoordinator)


def enqueue(
    installation: Installation,
    *,
    parent: dg.DagsterRun,
    assets: Sequence[str],
    tags: Mapping[str, str],
    run_config: Mapping[str, Any],
) -> str:
    """Queue a run of the same assets as its parent's.

    The definitions are loaded as the project's `workspace.yaml` says, in a code server of its own, which ends again:
    what is stored with the run is where the daemon finds them.

    Returns:
        The id of the queued run.
    """
    instance = installation.instance
    target = WorkspaceFileTarget(paths=[str(installation.home.root / "workspace.yaml")])
    with WorkspaceProcessContext(instance, target, code_server_log_level="warning") as process:
        workspace = process.create_request_context()
        location = workspace.get_code_location(workspace.code_location_names[0])
        (repository,) = location.get_repositories().values()
        job = location.get_job(
            JobSubsetSelector(
                location_name=location.name,
                repository_name=repository.name,
                job_name=parent.job_name,
                op_selection=None,
                asset_selection=[dg.AssetKey(asset) for asset in assets],
            )
        )
        plan = location.get_execution_plan(
            job, run_config, step_keys_to_execute=None, known_state=None, instance=instance
        )
        run = instance.create_run(
            job_name=job.name,
            run_id=None,
            run_config=run_config,
            status=dg.DagsterRunStatus.NOT_STARTED,
            tags={**job.tags, **tags},
            root_run_id=tags[ROOT_RUN_ID_TAG],
            parent_run_id=tags[PARENT_RUN_ID_TAG],
            step_keys_to_execute=None,
            execution_plan_snapshot=plan.execution_plan_snapshot,
            job_snapshot=job.job_snapshot,
            parent_job_snapshot=job.parent_job_snapshot,
            asset_selection=job.asset_selection,
            asset_check_selection=job.asset_check_selection,
            resolved_op_selection=job.resolved_op_selection,
            op_selection=None,
            remote_job_origin=job.get_remote_origin(),
            job_code_origin=job.get_python_origin(),
            asset_graph=workspace.asset_graph,
        )
        return instance.submit_run(run.run_id, workspace).run_id
