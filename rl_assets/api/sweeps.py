"""Launching a sweep and seeing it through to its promotions."""

import time
from collections.abc import Callable, Sequence

import dagster as dg

from rl_assets.api.datasets import materialize_dataset
from rl_assets.api.drive import awaited_worker, bury_dead_runs, drive, execute, reason_of, unfinished_runs
from rl_assets.api.installation import Installation
from rl_assets.api.outcome import SweepOutcome, sweep_outcome
from rl_assets.config.keys import short_hash
from rl_assets.config.sweep import DatasetDeclaration, SweepConfig
from rl_assets.defs.partitions import SWEEPS, add_keys, cell_key
from rl_assets.defs.sensors.sweep_configured import training_request
from rl_assets.errors import InvalidConfig, TrainingError
from rl_assets.reports.numbers import count_of
from rl_assets.resources.activity import REQUEST_TAG, awaiting_retry
from rl_assets.resources.admission import admit_sweep
from rl_assets.resources.demand import envs_of, hparams_of
from rl_assets.resources.event_log import Event
from rl_assets.resources.inputs import Inputs
from rl_assets.resources.parent_admission import admit_parents
from rl_assets.store.objects import ObjectStore
from rl_assets.store.tombstones import Tombstones

POLL_EVERY_S = 1.0


def sweep(
    *,
    envs: Sequence[str],
    learning_rates: Sequence[float],
    total_timesteps: int,
    client: str,
    project: str,
    data_source: str = "simulator",
    domain: str = "simulation",
    seeds: int = 5,
    name: str | None = None,
) -> SweepConfig:
    """Describe a sweep over learning rates in a few words; a YAML file that says the same gives the same keys.

    Raises:
        InvalidConfig: names the wrong argument.
    """
    document = {
        "envs": list(envs),
        "grid": {"learning_rate": [float(rate) for rate in learning_rates]},
        "total_timesteps": total_timesteps,
        "seeds": seeds,
    }
    words = {"client_id": client, "project": project, "data_source": data_source, "domain": domain}
    return SweepConfig.parse(
        {"name": name or f"sweep-{short_hash(document)}", "dataset": words} | document, source="sweep(...)"
    )


def run_sweep(
    installation: Installation,
    config: SweepConfig,
    *,
    source: str | None = None,
    on_event: Callable[[str], None] | None = None,
) -> SweepOutcome:
    """Launch a sweep and wait until everything that it leads to has been decided.

    Where a daemon runs, such as that of `dagster dev`, it does the work; else this process lets the same sensors act.

    Args:
        installation: where.
        config: the sweep.
        source: what to call it in a refusal, such as its file; its name where it is not given.
        on_event: is told in a few words what just happened.

    Raises:
        BadInput: the sweep was refused; nothing was launched and nothing was written.
        TrainingError: the sweep itself could not be materialized.
    """
    tell = on_event or (lambda _: None)
    bury_dead_runs(installation.instance)
    event = launch_sweep(installation, config, source=source)
    tell(
        f"sweep '{event.partition}' asks for {count_of(event.metadata['num_partitions'], 'partition')}, "
        f"{count_of(event.metadata['num_members'], 'training')}" + _describe_levels(event)
    )
    see_through(installation, event, tell)
    return sweep_outcome(installation, event)


def see_through(installation: Installation, event: Event, tell: Callable[[str], None]) -> None:
    """Wait until everything that a materialization of a sweep leads to has been decided, or nobody can go on.

    Where a daemon runs it does the work; else this process lets the same sensors act.
    """
    awaited: str | None = None
    while not _is_settled(installation, event):
        told, awaited = awaited, awaited_worker(installation)
        if awaited is not None:
            if awaited != told:
                tell(awaited)
            time.sleep(POLL_EVERY_S)
            continue
        if told is not None:
            tell("nobody else is at work: this process goes on by itself")
        runs = 0
        for result in drive(installation):
            runs += 1
            tell(_describe(result))
        if not runs:
            for run in unfinished_runs(installation.instance):
                state = run.status.value.lower()
                tell(
                    f"run {run.run_id[:8]} is {state} and nothing works on it: end it with "
                    f"`rlctl stop {run.run_id[:8]}` and launch again"
                )
            break


def launch_sweep(installation: Installation, config: SweepConfig, *, source: str | None = None) -> Event:
    """Check a sweep, register its dataset and materialize its configuration; sensors do the rest.

    Raises:
        BadInput: refused before anything was written.
        TrainingError: the sweep could not be materialized.
    """
    inputs = Inputs(log=installation.log, store=ObjectStore(installation.home.store_url))
    _refuse_erased_datasets(config, inputs.tombstones, source=source or config.name)
    exact = admit_sweep(config, register=installation.register, source=source)
    admit_parents(exact, inputs=inputs, source=source)
    filed = installation.library.filed()[0].get(config.name)
    if filed is not None and filed != config:
        raise InvalidConfig(
            f"{source or config.name}: field 'name': '{config.name}' is the name of a file in "
            f"{installation.home.sweeps_folder} that says something else: rename this one, or edit that file"
        )
    declared = exact.dataset
    key = (
        installation.register.add_dataset(**declared.model_dump())
        if isinstance(declared, DatasetDeclaration)
        else declared
    )
    if filed is None:
        installation.library.submit(exact.model_copy(update={"dataset": key}))
    if installation.log.latest("datasets", key) is None:
        materialize_dataset(installation, key)
    add_keys(installation.instance, SWEEPS, [config.name])
    result = execute(installation, assets=[dg.AssetKey("sweep_configs")], partition=config.name)
    event = installation.log.latest("sweep_configs", config.name)
    if not result.success or event is None:
        raise TrainingError(f"sweep '{config.name}' could not be materialized: {reason_of(result)}")
    return event


def _refuse_erased_datasets(config: SweepConfig, tombstones: Tombstones, *, source: str) -> None:
    for key in (config.dataset, *(step.dataset for step in config.sequence)):
        order = tombstones.order_of_dataset(key) if isinstance(key, str) else None
        if order is not None:
            raise InvalidConfig(f"{source}: field 'dataset': '{key}' was erased by order {order}: train on another")


def _is_settled(installation: Installation, sweep_event: Event) -> bool:
    """Whether the report of this launch is written, or all its training ended without anything to rank."""
    report = installation.log.latest("sweep_reports", sweep_event.partition)
    if report is not None and report.event_id > sweep_event.event_id:
        return True
    return all(_has_failed(installation, sweep_event, env) for env in envs_of(sweep_event))


def _has_failed(installation: Installation, sweep_event: Event, env: str) -> bool:
    """Whether the training run of an environment ended and left nothing to rank."""
    runs = installation.instance.get_runs(dg.RunsFilter(tags={REQUEST_TAG: training_request(sweep_event, env)}))
    if not runs or not all(run.is_finished for run in runs) or awaiting_retry(installation.instance):
        return False
    evaluated = installation.log.latest_ids("policy_evaluations")
    return not any(cell_key(env, hparam) in evaluated for hparam in hparams_of(sweep_event, env))


def _describe_levels(sweep_event: Event) -> str:
    levels = sweep_event.metadata.get("num_levels", 1)
    return f", in {levels} levels that each start from the one before" if levels > 1 else ""


def _describe(result: dg.ExecuteInProcessResult) -> str:
    made = sorted(
        {event.asset_key.to_user_string() for event in result.get_asset_materialization_events() if event.asset_key}
    )
    tags = result.dagster_run.tags
    where = tags.get("rl/env") or tags.get("rl/sweep") or tags.get("dagster/partition", "")
    state = "done" if result.success else f"failed: {reason_of(result)}"
    return f"{', '.join(made) or 'nothing'} [{where}] {state}"
