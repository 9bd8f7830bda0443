"""Runs by name: which are there, what each does, how far it is."""

from dataclasses import dataclass

import dagster as dg

from rl_assets.api.installation import Installation
from rl_assets.errors import UnknownRun
from rl_assets.resources.activity import ASSETS_TAG, UNFINISHED
from rl_assets.resources.run_watch import DRIVER_TAG


@dataclass(frozen=True, kw_only=True)
class RunningRun:
    """A run that has not ended."""

    run_id: str
    status: str
    """In lower case, such as `queued` or `started`."""
    assets: tuple[str, ...]
    place: str
    """The environment, sweep or partition that it works on."""
    progress: float | None
    """Share of the environment steps that are done, in [0, 1]; None where it trains nothing right now."""
    since: float
    """When it was asked for, in seconds since 1970, UTC."""
    executor: str
    """`host:pid` of the program that executes it by itself, else `daemon`."""


def running_runs(installation: Installation) -> tuple[RunningRun, ...]:
    """Every run that has not ended, oldest first."""
    told = {state["run_id"]: state for state in installation.progress.running()}
    records = installation.instance.get_run_records(dg.RunsFilter(statuses=UNFINISHED), ascending=True)
    return tuple(_running(record, told.get(record.dagster_run.run_id)) for record in records)


def find_run(installation: Installation, name: str) -> dg.DagsterRun:
    """The run with this id, or the only one whose id begins so.

    Raises:
        UnknownRun: there is none, or more than one.
    """
    instance = installation.instance
    exact = instance.get_run_by_id(name) if name else None
    if exact is not None:
        return exact
    matching = [run_id for run_id in instance.get_run_ids() if run_id.startswith(name)] if name else []
    if len(matching) > 1:
        raise UnknownRun(
            f"the ids of {len(matching)} runs begin with '{name}', such as {matching[0]} and {matching[1]}: "
            "give more of the id"
        )
    run = instance.get_run_by_id(matching[0]) if matching else None
    if run is None:
        running = ", ".join(run.run_id for run in running_runs(installation)[:5]) or "none"
        raise UnknownRun(
            f"no run '{name}': expected an id, or its beginning, from `rlctl stop` without a name or from the UI; "
            f"running now: {running}"
        )
    return run


def assets_of(run: dg.DagsterRun) -> tuple[str, ...]:
    """The assets that a run materializes; nothing where it does not say."""
    if run.asset_selection:
        return tuple(sorted(key.to_user_string() for key in run.asset_selection))
    return tuple(run.tags[ASSETS_TAG].split(",")) if run.tags.get(ASSETS_TAG) else ()


def place_of(run: dg.DagsterRun) -> str:
    """What a run works on, in a few words."""
    tags = run.tags
    return (
        tags.get("rl/env")
        or tags.get("dagster/partition")
        or tags.get("dagster/asset_partition_range_start")
        or tags.get("rl/sweep")
        or run.job_name
    )


def describe_run(run: dg.DagsterRun) -> str:
    """A run in a sentence: its id, its assets and where they are."""
    return f"run {run.run_id[:8]} ({', '.join(assets_of(run)) or run.job_name} [{place_of(run)}])"


def _running(record: dg.RunRecord, state: dict[str, float] | None) -> RunningRun:
    run = record.dagster_run
    share = state["env_steps_done"] / max(state["env_steps_total"], 1) if state else None
    return RunningRun(
        run_id=run.run_id,
        status=run.status.value.lower(),
        assets=assets_of(run),
        place=place_of(run),
        progress=share,
        since=record.create_timestamp.timestamp(),
        executor=run.tags.get(DRIVER_TAG, "daemon"),
    )
