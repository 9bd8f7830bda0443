"""Trained policies and their evaluations: one op, so that a population is evaluated while it is in memory.

A run may hold any range of cells. Recipes of one environment train together as one population, and each partition is
logged as its recipe finishes, so that a run that dies keeps what was done. Holes, which no sweep asks for, are left
out.
"""

import json
import os
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack

import dagster as dg
from dagster._core.errors import DagsterExecutionInterruptedError

from rl_assets.defs.assets.cell_claims import CELLS_TAG, CellClaims
from rl_assets.defs.assets.policy_metadata import describe_evaluation, describe_plan, describe_training
from rl_assets.defs.partitions import CELLS, cell_key, split_cell
from rl_assets.errors import LineageError, PartitionInUse, RlAssetsError, StoreError, TrainingError
from rl_assets.resources.cells import CellEvaluation, CellTraining
from rl_assets.resources.configured import InputsResource, TrainingResource
from rl_assets.resources.demand import Demand, read_demand
from rl_assets.resources.event_log import Event
from rl_assets.resources.inputs import Publication
from rl_assets.resources.run_watch import RunWatch, end_if_unwanted, runs_of_this_work
from rl_assets.rl.envs.catalogue import describe_env
from rl_assets.rl.evaluation import EpisodeRecords
from rl_assets.rl.outcomes import MemberFailure, Progress, RecipeOutcome, TrainedMember
from rl_assets.rl.plan import TrainingPlan, plan_training
from rl_assets.rl.training import train
from rl_assets.rl.trials import selection_episodes

TRAINING_POOL = "training"
"""Limited in `dagster.yaml`: a laptop trains one run at a time, which already uses every core."""

RETRIES = dg.RetryPolicy(max_retries=2, delay=2)
"""For a step process that dies; what is refused or fails in our own words is not tried again."""

LOG_EVERY_S = 10.0

TRAINED = dg.AssetKey("trained_policies")
EVALUATED = dg.AssetKey("policy_evaluations")


class PoliciesConfig(dg.Config):
    """What may be changed in the launchpad."""

    retrain: bool = False
    """Train and evaluate again what is complete already."""

    allow_inexact: bool = False
    """Resume also where other software or another processor would give other bits; recorded."""


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
                "A recipe trained in an environment with PPO on EnvPool: for each seed the exact weights, optimizer "
                "state and "
                "metrics. A range of partitions trains as one population. Combinations that no sweep asks for are "
                "left out."
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
    context: dg.AssetExecutionContext, config: PoliciesConfig, inputs: InputsResource, training: TrainingResource
) -> Iterator[dg.MaterializeResult]:
    """Train what is missing of the asked-for cells, then evaluate it; log each partition as it is done."""
    failures: dict[str, str] = {}
    demand = read_demand(inputs.log)
    try:
        for env, cells in asked_cells(context, demand).items():
            env_run = _EnvRun(context, config=config, inputs=inputs, training=training, env=env)
            if TRAINED in context.selected_asset_keys:
                env_run.train(cells)
            if EVALUATED in context.selected_asset_keys:
                env_run.evaluate(cells)
            failures |= env_run.failures
    except (DagsterExecutionInterruptedError, KeyboardInterrupt) as interrupt:
        end_if_unwanted(context.instance, context.run, interrupt)
        raise
    finally:
        training.board().clear(context.run.run_id)
    if failures:
        raise dg.Failure(
            description=f"{len(failures)} of the asked-for partitions did not finish; all others are materialized:\n"
            + "\n".join(f"- {key}: {reason}" for key, reason in failures.items()),
            metadata={"failed_partitions": dg.MetadataValue.json(failures)},
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


class _EnvRun:
    """The part of a run that belongs to one environment."""

    def __init__(
        self,
        context: dg.AssetExecutionContext,
        *,
        config: PoliciesConfig,
        inputs: InputsResource,
        training: TrainingResource,
        env: str,
    ) -> None:
        self.failures: dict[str, str] = {}
        self._context = context
        self._watch = RunWatch(context.instance, context.run.run_id)
        self._same_work = runs_of_this_work(context.instance, context.run)
        self._config = config
        self._inputs = inputs
        self._training = training
        self._env = env
        self._fresh_episodes: dict[str, dict[int, EpisodeRecords]] = {}
        self._logged_at = 0.0

    def train(self, cells: Mapping[str, Event]) -> None:
        """Train the missing members of all cells as one population and log each cell as it finishes."""
        with ExitStack() as scopes:
            claims = CellClaims(scopes.enter_context(self._training.claims().open()), self._context)
            started: dict[str, CellTraining] = {}
            for hparam, sweep in cells.items():
                key = cell_key(self._env, hparam)
                try:
                    claims.take(key)
                    scope = scopes.enter_context(self._inputs.for_output("trained_policies", key))
                    is_retrained = self._config.retrain and not self._is_done(TRAINED, key)
                    started[hparam] = CellTraining(
                        scope, env_key=self._env, hparam=hparam, sweep=sweep, is_retrained=is_retrained
                    )
                except (StoreError, LineageError, PartitionInUse) as error:
                    self._fail(key, error)
            for cell in started.values():
                if not cell.missing and not self._is_done(TRAINED, cell_key(self._env, cell.hparam)):
                    self._context.log_event(cell.republish().as_event(CELLS))
            waiting = {hparam: cell for hparam, cell in started.items() if cell.missing}
            if waiting:
                self._train_population(waiting)

    def _train_population(self, cells: dict[str, CellTraining]) -> None:
        first = next(iter(cells.values()))
        shared = first.evaluation if all(cell.evaluation == first.evaluation for cell in cells.values()) else None
        members = [member for cell in cells.values() for member in cell.missing]
        waiting = dict(cells)
        try:
            plan = plan_training(first.env, members, num_processes=self._training.num_processes or os.cpu_count() or 1)
            self._context.log.info(describe_plan(plan))
            wants_episodes = EVALUATED in self._context.selected_asset_keys
            outcomes = train(
                plan,
                evaluation=shared if wants_episodes else None,
                on_progress=lambda now: self._show(now, plan),
            )
            for outcome in outcomes:
                self._finish(waiting.pop(outcome.hparam), outcome, plan)
        except TrainingError as error:
            for hparam in waiting:
                self._fail(cell_key(self._env, hparam), error)

    def _finish(self, cell: CellTraining, outcome: RecipeOutcome, plan: TrainingPlan) -> None:
        key = cell_key(self._env, outcome.hparam)
        lost = [member for member in outcome.members if isinstance(member, MemberFailure)]
        if lost:
            self._fail(key, "; ".join(str(member.error) for member in lost))
            return
        trained = {member.seed: member for member in outcome.members if isinstance(member, TrainedMember)}
        try:
            publication = cell.publish(trained, describe_training(trained, plan))
        except StoreError as error:
            self._fail(key, error)
            return
        self._context.log_event(publication.as_event(CELLS))
        self._fresh_episodes[outcome.hparam] = {
            seed: member.episodes for seed, member in trained.items() if member.episodes is not None
        }

    def evaluate(self, cells: Mapping[str, Event]) -> None:
        """Evaluate every cell that has a policy, with the episodes that training left in memory where there are any."""
        for hparam, sweep in cells.items():
            key = cell_key(self._env, hparam)
            if key in self.failures:
                continue
            self._watch.look()
            is_done = self._is_done(EVALUATED, key)
            try:
                with self._inputs.for_output("policy_evaluations", key) as scope:
                    is_repeated = self._config.retrain and not is_done
                    cell = CellEvaluation(scope, env_key=self._env, sweep=sweep, is_repeated=is_repeated)
                    if cell.is_complete and is_done:
                        continue
                    publication = cell.republish() if cell.is_complete else self._evaluate(hparam, cell)
                self._context.log_event(publication.as_event(CELLS))
            except RlAssetsError as error:
                self._fail(key, error)

    def _evaluate(self, hparam: str, cell: CellEvaluation) -> Publication:
        episodes = dict(self._fresh_episodes.get(hparam, {}))
        missing = [seed for seed in cell.seeds if seed not in episodes]
        if missing:
            members = [(seed, cell.tensors(seed)) for seed in missing]
            records = selection_episodes(
                env=cell.env, spaces=describe_env(cell.env), spec=cell.spec, members=members, config=cell.config
            )
            episodes |= dict(zip(missing, records, strict=True))
        return cell.publish(episodes, describe_evaluation(episodes))

    def _is_done(self, asset: dg.AssetKey, key: str) -> bool:
        """Whether this run, or one that it retries or resumes, materialized a partition last."""
        if self._context.retry_number == 0 and len(self._same_work) == 1:
            return False
        latest = self._inputs.log.latest(asset.to_user_string(), key)
        return latest is not None and latest.run_id in self._same_work

    def _show(self, now: Progress, plan: TrainingPlan) -> None:
        self._watch.look()
        self._training.board().write(
            self._context.run.run_id,
            f"{self._env}: {len(plan.members)} members",
            {
                "env": self._env,
                "plan": describe_plan(plan),
                "env_steps_done": now.env_steps_done,
                "env_steps_total": now.env_steps_total,
                "steps_per_s": now.steps_per_s,
                "mean_return": now.mean_return,
                "seconds_left": now.seconds_left,
            },
        )
        if time.monotonic() - self._logged_at >= LOG_EVERY_S:
            self._logged_at = time.monotonic()
            self._context.log.info(_tell(now))

    def _fail(self, key: str, reason: object) -> None:
        self.failures[key] = str(reason)
        self._context.log.error(f"{key}: {reason}")


def _tell(now: Progress) -> str:
    left = "" if now.seconds_left is None else f", about {now.seconds_left:.0f} s left"
    mean = "" if now.mean_return is None else f", mean return {now.mean_return:.1f}"
    return (
        f"{now.env}: {now.env_steps_done:,} of {now.env_steps_total:,} steps, {now.steps_per_s:,.0f} steps/s, "
        f"{now.recipes_done} of {now.recipes_total} recipes done{mean}{left}"
    )
