"""Launching a sweep and seeing it through to its promotions."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import dagster as dg

from rl_assets.api.datasets import materialize_dataset
from rl_assets.api.drive import bury_dead_runs, drive, execute, has_daemon, reason_of
from rl_assets.api.installation import Installation
from rl_assets.config.keys import short_hash
from rl_assets.config.sweep import DatasetDeclaration, SweepConfig
from rl_assets.defs.partitions import SWEEPS, add_keys, cell_key
from rl_assets.defs.sensors.sweep_configured import training_request
from rl_assets.errors import InvalidConfig, TrainingError
from rl_assets.resources.activity import REQUEST_TAG
from rl_assets.resources.admission import admit_sweep
from rl_assets.resources.demand import envs_of, hparams_of
from rl_assets.resources.event_log import Event
from rl_assets.resources.stages import answers

POLL_EVERY_S = 1.0


@dataclass(frozen=True, kw_only=True)
class SweepOutcome:
    """What a sweep led to."""

    sweep: str
    event_id: int
    """The materialization of `sweep_configs` that was launched."""
    finished: tuple[str, ...]
    """Cells that were trained and evaluated since, or found complete."""
    failed: tuple[str, ...]
    """Cells that were not."""
    verdicts: dict[str, str | None]
    """Env key -> verdict of its gates; None where none was reached."""

    @property
    def is_complete(self) -> bool:
        """Whether every cell finished and every environment was judged."""
        return not self.failed and all(self.verdicts.values())


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
    on_event: Callable[[str], None] | None = None,
) -> SweepOutcome:
    """Launch a sweep and wait until everything that it leads to has been decided.

    Where a daemon runs, such as that of `dagster dev`, it does the work; else this process lets the same sensors act.

    Args:
        installation: where.
        config: the sweep.
        on_event: is told in a few words what just happened.

    Raises:
        BadInput: the sweep was refused; nothing was launched and nothing was written.
        TrainingError: the sweep itself could not be materialized.
    """
    tell = on_event or (lambda _: None)
    bury_dead_runs(installation.instance)
    event = launch_sweep(installation, config)
    tell(
        f"sweep '{event.partition}' asks for {event.metadata['num_partitions']} partitions, "
        f"{event.metadata['num_members']} trainings"
    )
    while not _is_settled(installation, event):
        if has_daemon(installation.instance):
            time.sleep(POLL_EVERY_S)
            continue
        runs = 0
        for result in drive(installation):
            runs += 1
            tell(_describe(result))
        if not runs:
            break
    return _outcome(installation, event)


def launch_sweep(installation: Installation, config: SweepConfig) -> Event:
    """Check a sweep, register its dataset and materialize its configuration; sensors do the rest.

    Raises:
        BadInput: refused before anything was written.
        TrainingError: the sweep could not be materialized.
    """
    exact = admit_sweep(config, register=installation.register)
    filed = installation.library.filed()[0].get(config.name)
    if filed is not None and filed != config:
        raise InvalidConfig(
            f"sweep '{config.name}' is the name of a file in {installation.home.sweeps_folder} that says something "
            "else: "
            "rename this one, or edit that file"
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


def _is_settled(installation: Installation, sweep_event: Event) -> bool:
    """Whether the report of this launch is written, or all its training ended without anything to rank."""
    report = installation.log.latest("sweep_reports", sweep_event.partition)
    if report is not None and report.event_id > sweep_event.event_id:
        return True
    return all(_has_failed(installation, sweep_event, env) for env in envs_of(sweep_event))


def _has_failed(installation: Installation, sweep_event: Event, env: str) -> bool:
    """Whether the training run of an environment ended and left nothing to rank."""
    runs = installation.instance.get_runs(dg.RunsFilter(tags={REQUEST_TAG: training_request(sweep_event, env)}))
    if not runs or not all(run.is_finished for run in runs):
        return False
    evaluated = installation.log.latest_ids("policy_evaluations")
    return not any(cell_key(env, hparam) in evaluated for hparam in hparams_of(sweep_event, env))


def _outcome(installation: Installation, sweep_event: Event) -> SweepOutcome:
    evaluated = installation.log.latest_ids("policy_evaluations")
    cells = [cell_key(env, hparam) for env in envs_of(sweep_event) for hparam in hparams_of(sweep_event, env)]
    finished = tuple(key for key in cells if evaluated.get(key, 0) > sweep_event.event_id)
    verdicts: dict[str, str | None] = {}
    for env in envs_of(sweep_event):
        gate = installation.log.latest("gate_evaluations", env)
        board = installation.log.latest("eval_leaderboards", env)
        verdicts[env] = gate.metadata["rl/verdict"] if gate is not None and answers(gate, board) else None
    return SweepOutcome(
        sweep=sweep_event.partition,
        event_id=sweep_event.event_id,
        finished=finished,
        failed=tuple(key for key in cells if key not in finished),
        verdicts=verdicts,
    )


def _describe(result: dg.ExecuteInProcessResult) -> str:
    made = sorted(
        {event.asset_key.to_user_string() for event in result.get_asset_materialization_events() if event.asset_key}
    )
    tags = result.dagster_run.tags
    where = tags.get("rl/env") or tags.get("rl/sweep") or tags.get("dagster/partition", "")
    state = "done" if result.success else f"failed: {reason_of(result)}"
    return f"{', '.join(made) or 'nothing'} [{where}] {state}"
