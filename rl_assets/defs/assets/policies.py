"""Trained policies and their evaluations: one op, so that a population is evaluated while it is in memory.

A run may hold any range of cells. Recipes of one environment train together as one population, and each partition is
logged as its recipe finishes, so that a run that dies keeps what was done. Holes, which no sweep asks for, are left
out.
"""

import json
from collections.abc import Iterator
from typing import Any

import dagster as dg
from dagster._core.errors import DagsterExecutionInterruptedError

from rl_assets.defs.assets.policy_levels import describe_levels, in_levels
from rl_assets.defs.assets.policy_runs import EVALUATED, TRAINED, EnvRun, PoliciesConfig
from rl_assets.defs.partitions import CELLS, cell_key, split_cell
from rl_assets.resources.activity import CELLS_TAG
from rl_assets.resources.configured import InputsResource, PagesResource, TrainingResource
from rl_assets.resources.demand import Demand, read_demand
from rl_assets.resources.event_log import Event
from rl_assets.resources.run_watch import end_if_unwanted

TRAINING_POOL = "training"
"""Limited in `dagster.yaml`: a laptop trains one run at a time, which already uses every core."""

RETRIES = dg.RetryPolicy(max_retries=2, delay=2)
"""For a step process that dies; what is refused or fails in our own words is not tried again."""


@dg.multi_asset(
    name="policies",
    specs=[
        dg.AssetSpec(
            TRAINED,
            deps=[dg.AssetDep("sweep_configs", partition_mapping=dg.AllPartitionMapping())],
            group_name="training",
            owners=["team:rl"],
            kinds={"torch"},
            skippable=True,
            partitions_def=CELLS,
            description=(
                "A recipe trained in an environment, with PPO on EnvPool or by behaviour cloning of the dataset's "
                "episodes: for each seed the exact weights, optimizer state and metrics. A range of partitions trains "
                "as one population. Combinations that no sweep asks for are left out."
            ),
        ),
        dg.AssetSpec(
            EVALUATED,
            deps=[TRAINED],
            group_name="training",
            owners=["team:rl"],
            kinds={"parquet"},
            skippable=True,
            partitions_def=CELLS,
            description=(
                "Held-out selection episodes of every member: a fixed quota for each environment stream, so that long "
                "episodes count as much as short ones."
            ),
        ),
    ],
    can_subset=True,
    partitions_def=CELLS,
    backfill_policy=dg.BackfillPolicy.single_run(),
    retry_policy=RETRIES,
    pool=TRAINING_POOL,
)
def policies(
    context: dg.AssetExecutionContext,
    config: PoliciesConfig,
    inputs: InputsResource,
    training: TrainingResource,
    pages: PagesResource,
) -> Iterator[dg.MaterializeResult]:
    """Train what is missing of the asked-for cells, then evaluate it; log each partition as it is done."""
    failures: dict[str, str] = {}
    stops: list[dict[str, Any]] = []
    lost: dict[str, str] = {}
    levels = in_levels(asked_cells(context, read_demand(inputs.log)))
    trains = TRAINED in context.selected_asset_keys
    if trains and len(levels) > 1:
        context.log.info(describe_levels(levels))
    try:
        for number, level in enumerate(levels, start=1):
            for env, cells in level.items():
                env_run = EnvRun(context, config=config, inputs=inputs, training=training, pages=pages, env=env)
                if trains:
                    env_run.train(cells, lost=lost, level=f"level {number} of {len(levels)}" if len(levels) > 1 else "")
                    lost |= env_run.failures | dict.fromkeys(env_run.stopped, "the sweep stopped it")
                if EVALUATED in context.selected_asset_keys:
                    env_run.evaluate(cells)
                failures |= env_run.failures
                stops += env_run.stops
    except (DagsterExecutionInterruptedError, KeyboardInterrupt) as interrupt:
        end_if_unwanted(context.instance, context.run, interrupt)
        raise
    finally:
        training.board().clear(context.run.run_id)
    if failures:
        raise dg.Failure(
            description=f"{len(failures)} of the asked-for partitions did not finish; all others are materialized:\n"
            + "\n".join(f"- {key}: {reason}" for key, reason in failures.items()),
            metadata={
                "failed_partitions": dg.MetadataValue.json(failures),
                "stopped_by_guardrails": dg.MetadataValue.json(stops),
            },
            allow_retries=False,
        )
    yield from ()


def asked_cells(context: dg.AssetExecutionContext, demand: Demand) -> dict[str, dict[str, Event]]:
    """The cells of this run that some sweep asks for: env key -> hparam key -> the newest sweep that asks.

    A run that our sensors request names its cells in a tag; any other run means its whole partition range.
    """
    named = context.run.tags.get(CELLS_TAG)
    keys = (
        [cell_key(env, hparam) for env, hparams in json.loads(named).items() for hparam in hparams]
        if named
        else list(context.partition_keys)
    )
    cells: dict[str, dict[str, Event]] = {}
    for key in keys:
        env, hparam = split_cell(key)
        sweep = demand.sweep_for(env, hparam)
        if sweep is None:
            context.log.info(f"{key}: no sweep asks for this combination, so it is left unmaterialized")
        else:
            cells.setdefault(env, {})[hparam] = sweep
    return cells
