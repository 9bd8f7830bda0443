"""The part of a run of `policies` that belongs to one environment: train, evaluate, and log each cell as it is done."""

import os
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from typing import Any

import dagster as dg
from pydantic import Field

from rl_assets.defs.assets.cell_claims import CellClaims
from rl_assets.defs.assets.live_cells import LiveCells
from rl_assets.defs.assets.policy_metadata import (
    describe_evaluation,
    describe_films,
    describe_origins,
    describe_plan,
    describe_stop,
    describe_stops,
    describe_training,
    describe_wait,
)
from rl_assets.defs.partitions import CELLS, cell_key
from rl_assets.errors import (
    ErasedData,
    InexactResume,
    InvalidDataset,
    LineageError,
    ParentMismatch,
    ParentMissing,
    PartitionInUse,
    RlAssetsError,
    StoreError,
    TrainingError,
)
from rl_assets.reports.camera import Camera
from rl_assets.resources.cells import CellCheckpoints, CellEvaluation, CellTraining
from rl_assets.resources.configured import InputsResource, PagesResource, TrainingResource
from rl_assets.resources.demand import parent_of
from rl_assets.resources.event_log import Event
from rl_assets.resources.films import film_evaluation
from rl_assets.resources.inputs import Publication
from rl_assets.resources.run_watch import RunWatch, runs_of_this_work
from rl_assets.rl.demonstrations import Demonstrations
from rl_assets.rl.envs.catalogue import describe_env
from rl_assets.rl.envs.spaces import EnvSpaces
from rl_assets.rl.evaluation import EpisodeRecords
from rl_assets.rl.halving import train_by_halves
from rl_assets.rl.outcomes import MemberFailure, Progress, RecipeOutcome, TrainedMember
from rl_assets.rl.plan import TrainingPlan, learns_from_dataset, plan_training
from rl_assets.rl.supervision import HEARTBEAT_S
from rl_assets.rl.training import train
from rl_assets.rl.trials import selection_episodes
from rl_assets.rl.watchdog import watched

LOG_EVERY_S = 10.0

TRAINED = dg.AssetKey("trained_policies")
EVALUATED = dg.AssetKey("policy_evaluations")


class PoliciesConfig(dg.Config):
    """What may be changed in the launchpad."""

    retrain: bool = False
    """Train and evaluate again what is complete already, and start again what was interrupted."""

    allow_inexact: bool = False
    """Go on with what was interrupted also where this machine or its software gives other bits; it is recorded."""

    heartbeat_s: float = Field(default=HEARTBEAT_S, ge=1)
    """Seconds of silence after which a training process counts as hung and is replaced."""


class EnvRun:
    """The part of a run that belongs to one environment."""

    def __init__(
        self,
        context: dg.AssetExecutionContext,
        *,
        config: PoliciesConfig,
        inputs: InputsResource,
        training: TrainingResource,
        pages: PagesResource,
        env: str,
    ) -> None:
        self.failures: dict[str, str] = {}
        self.stops: list[dict[str, Any]] = []
        self.stopped: set[str] = set()
        self._context = context
        self._watch = RunWatch(context.instance, context.run.run_id)
        self._same_work = runs_of_this_work(context.instance, context.run)
        self._is_first_attempt = context.retry_number == 0 and len(self._same_work) == 1
        self._config = config
        self._inputs = inputs
        self._training = training
        self._pages = pages
        self._camera = Camera(on_wait=self._watch.look)
        self._env = env
        self._plan: TrainingPlan
        self._level = ""
        self._datasets: dict[str, Event] = {}
        self._fresh_episodes: dict[str, dict[int, EpisodeRecords]] = {}
        self._logged_at = 0.0
        self._live: LiveCells

    def train(self, cells: Mapping[str, Event], *, lost: Mapping[str, str] | None = None, level: str = "") -> None:
        """Train the missing members of all cells as one population and log each cell as it finishes.

        Args:
            cells: hparam key -> the sweep that asks; none starts from another.
            lost: cells of this run that came to nothing -> why; what starts from one of them is refused.
            level: which part of a chain this is, in words; empty where there is no chain.
        """
        self._level = f"{level}: " if level else ""
        with ExitStack() as scopes:
            claims = CellClaims(scopes.enter_context(self._training.claims().open()), self._context)
            self._live = LiveCells(claims, on_erased=self._fail, on_trouble=self._context.log.warning)
            started: dict[str, CellTraining] = {}
            for hparam, sweep in cells.items():
                key = cell_key(self._env, hparam)
                parent = parent_of(sweep, self._env, hparam)
                try:
                    if parent is not None and parent in (lost or {}):
                        raise self._lost_parent(key, parent, (lost or {})[parent])
                    claims.take(key)
                    scope = scopes.enter_context(self._inputs.for_output("trained_policies", key))
                    is_retrained = self._config.retrain and not self._is_done(TRAINED, key)
                    started[hparam] = cell = CellTraining(
                        scope,
                        env_key=self._env,
                        hparam=hparam,
                        sweep=sweep,
                        datasets=self._datasets,
                        is_retrained=is_retrained,
                        on_damage=lambda error: self._context.log.warning(str(error)),
                    )
                    if is_retrained and self._is_first_attempt:
                        cell.forget_checkpoints()
                    self._live.add(key, cell)
                except ErasedData as error:
                    self._live.let_go(key, error)
                except (StoreError, LineageError, PartitionInUse) as error:
                    self._fail(key, error)
            for cell in started.values():
                if not cell.missing and not self._is_done(TRAINED, self._key(cell)):
                    self._log_again(cell)
            # A sweep that stops the recipes that are behind compares its own with each other, complete ones too.
            races: dict[int | None, dict[str, CellTraining]] = {}
            for hparam, cell in started.items():
                if cell.missing or cell.halving is not None:
                    race = None if cell.halving is None else cells[hparam].event_id
                    races.setdefault(race, {})[hparam] = cell
            for race in races.values():
                self._train_but_erased(race)

    def _log_again(self, cell: CellTraining) -> None:
        try:
            self._context.log_event(cell.republish().as_event(CELLS))
        except ErasedData as error:
            self._live.let_go(self._key(cell), error)

    def _train_but_erased(self, cells: Mapping[str, CellTraining]) -> None:
        """Train cells together; where one is erased meanwhile, plan again without it from everybody's checkpoints.

        As every member trains as it would alone, the others end with the bytes that they would have had. Where recipes
        that are behind are stopped, they are compared again without the erased one, as in a sweep that never had it.
        """
        left = {hparam: cell for hparam, cell in cells.items() if self._key(cell) not in self.failures}
        while any(cell.missing for cell in left.values()):
            try:
                self._train_together(left)
                return
            except ErasedData as error:
                erased = self._live.let_go_of_erased()
                if not erased & {self._key(cell) for cell in left.values()}:
                    for cell in left.values():  # nobody can say whose it is, and to plan again would be for ever
                        if cell.missing:
                            self._fail(self._key(cell), error)
                    return
            left = {hparam: cell for hparam, cell in left.items() if self._key(cell) not in self.failures}
            self.stopped -= {self._key(cell) for cell in left.values()}

    def _lost_parent(self, key: str, parent: str, reason: str) -> ParentMissing:
        earlier = self._inputs.log.latest("trained_policies", parent)
        told = f"which did not finish in this run ({reason})"
        return ParentMissing(key, parent, told, earlier.event_id if earlier is not None else 0)

    def _train_together(self, cells: Mapping[str, CellTraining]) -> None:
        """Train what is missing of cells, all of which have the same way of stopping recipes, or none.

        Raises:
            ErasedData: one of them stands on erased data; no worker is at work any more.
        """
        first = next(iter(cells.values()))
        shared = first.evaluation if all(cell.evaluation == first.evaluation for cell in cells.values()) else None
        waiting = {hparam: cell for hparam, cell in cells.items() if cell.missing}

        def run(plan: TrainingPlan) -> Iterator[RecipeOutcome]:
            self._plan = plan
            self._context.log.info(self._level + describe_plan(plan))
            return train(
                plan,
                evaluation=shared if EVALUATED in self._context.selected_asset_keys else None,
                checkpoints=checkpoints,
                parents=checkpoints.parent,
                demonstrations=demonstrations,
                heartbeat_s=self._config.heartbeat_s,
                on_progress=lambda now: self._show(now, plan, waiting),
                on_incident=self._context.log.warning,
            )

        try:
            spaces = describe_env(first.env)
            starts = self._find_starts(waiting, spaces)
            demonstrations = self._read_demonstrations(waiting, spaces)
            if not waiting:
                return
            checkpoints = CellCheckpoints(waiting)
            num_processes = self._training.num_processes or os.cpu_count() or 1
            if first.halving is not None:
                racing = {hparam: cell for hparam, cell in cells.items() if hparam in waiting or not cell.missing}
                outcomes = train_by_halves(
                    first.env,
                    {hparam: cell.as_contender() for hparam, cell in racing.items()},
                    first.halving,
                    spaces=spaces,
                    num_processes=num_processes,
                    checkpoints=checkpoints,
                    run=run,
                )
            else:
                members = [member for cell in waiting.values() for member in cell.missing]
                outcomes = run(
                    plan_training(
                        first.env,
                        members,
                        num_processes=num_processes,
                        spaces=spaces,
                        starts={
                            index: starts[member.label]
                            for index, member in enumerate(members)
                            if member.label in starts
                        },
                        data_bytes=sum(each.size_bytes for each in demonstrations.values()),
                    )
                )
            for outcome in outcomes:
                self._finish(waiting.pop(outcome.hparam), outcome)
        except ErasedData:
            raise
        except (TrainingError, StoreError) as error:
            for hparam in waiting:
                self._fail(cell_key(self._env, hparam), error)

    def _find_starts(self, waiting: dict[str, CellTraining], spaces: EnvSpaces) -> dict[str, int]:
        """How far members that were interrupted had come, by label; cells that may not train are taken out."""
        starts: dict[str, int] = {}
        for hparam, cell in list(waiting.items()):
            try:
                cell.check_parent(spaces)
                found = cell.starts(spaces, allow_inexact=self._config.allow_inexact)
            except ErasedData as error:
                self._live.let_go(self._key(cell), error)
                del waiting[hparam]
                continue
            except (InexactResume, ParentMismatch, StoreError) as error:
                self._fail(cell_key(self._env, hparam), error)
                del waiting[hparam]
                continue
            starts |= {member.label: found[member.seed] for member in cell.missing if member.seed in found}
        return starts

    def _read_demonstrations(self, waiting: dict[str, CellTraining], spaces: EnvSpaces) -> dict[str, Demonstrations]:
        """The episodes that cells learn from, by dataset; cells whose dataset is of no use to them are taken out."""
        found: dict[str, Demonstrations] = {}
        for hparam, cell in list(waiting.items()):
            dataset = cell.recipe.dataset
            try:
                if learns_from_dataset(cell.recipe) and dataset not in found:
                    found[dataset] = cell.demonstrations(spaces)
            except (InvalidDataset, StoreError) as error:
                self._fail(cell_key(self._env, hparam), error)
                del waiting[hparam]
        return found

    def _finish(self, cell: CellTraining, outcome: RecipeOutcome) -> None:
        key = cell_key(self._env, outcome.hparam)
        if outcome.stop is not None:
            self.stopped.add(key)
            self._context.log.info(f"{key}: {outcome.stop.reason}")
            self._context.log_event(describe_stop(TRAINED, key, outcome.stop))
            return
        lost = [member for member in outcome.members if isinstance(member, MemberFailure)]
        if lost:
            self._fail(key, "; ".join(str(member.error) for member in lost))
            self.stops += describe_stops(key, lost)
            return
        trained = {member.seed: member for member in outcome.members if isinstance(member, TrainedMember)}
        try:
            described = describe_training(trained, self._plan, outcome.incidents)
            publication = cell.publish(trained, described | describe_origins(cell.origins()))
            self._context.log_event(publication.as_event(CELLS))
            cell.forget_checkpoints()
        except ErasedData as error:
            self._live.let_go(key, error)
            return
        except StoreError as error:
            self._fail(key, error)
            return
        self._fresh_episodes[outcome.hparam] = {
            seed: member.episodes for seed, member in trained.items() if member.episodes is not None
        }

    def evaluate(self, cells: Mapping[str, Event]) -> None:
        """Evaluate every cell that has a policy, with the episodes that training left in memory where there are any."""
        with self._camera:
            self._evaluate_all(cells)

    def _evaluate_all(self, cells: Mapping[str, Event]) -> None:
        policies = self._inputs.log.newest("trained_policies", [cell_key(self._env, hparam) for hparam in cells])
        for hparam, sweep in cells.items():
            key = cell_key(self._env, hparam)
            if key in self.failures or key in self.stopped:
                continue
            self._watch.look()
            is_done = self._is_done(EVALUATED, key)
            try:
                with self._inputs.for_output("policy_evaluations", key) as scope:
                    is_repeated = self._config.retrain and not is_done
                    cell = CellEvaluation(
                        scope, env_key=self._env, sweep=sweep, policy=policies.get(key), is_repeated=is_repeated
                    )
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
            records = watched(
                lambda beat: selection_episodes(
                    env=cell.env,
                    spaces=describe_env(cell.env),
                    spec=cell.spec,
                    members=members,
                    config=cell.config,
                    on_step=beat,
                ),
                what=f"evaluating '{hparam}' in '{self._env}'",
            )
            episodes |= dict(zip(missing, records, strict=True))
        metadata = describe_evaluation(episodes, metric_versions=cell.metric_versions)
        if not cell.config.videos:
            return cell.publish(episodes, metadata)
        films, reasons = film_evaluation(
            cell,
            episodes,
            camera=self._camera,
            keep=lambda name, data: self._pages.write(f"videos/{self._env}/{hparam}-{name}.mp4", data),
        )
        for name, reason in reasons.items():
            self._context.log.warning(f"{cell_key(self._env, hparam)}: no video of the {name} episode: {reason}")
        return cell.publish(
            episodes,
            metadata | describe_films(films, reasons),
            videos={f"{name}.mp4": film.video.data for name, film in films.items()},
        )

    def _is_done(self, asset: dg.AssetKey, key: str) -> bool:
        """Whether this run, or one that it retries or resumes, materialized a partition last."""
        if self._context.retry_number == 0 and len(self._same_work) == 1:
            return False
        latest = self._inputs.log.latest(asset.to_user_string(), key)
        return latest is not None and latest.run_id in self._same_work

    def _show(self, now: Progress, plan: TrainingPlan, waiting: Mapping[str, CellTraining]) -> None:
        self._watch.look()
        self._live.look([self._key(cell) for cell in waiting.values()])
        self._training.board().write(
            self._context.run.run_id,
            f"{self._env}: {len(plan.members)} members",
            {
                "env": self._env,
                "plan": self._level + describe_plan(plan),
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

    def _key(self, cell: CellTraining) -> str:
        return cell_key(self._env, cell.hparam)

    def _fail(self, key: str, reason: object) -> None:
        self.failures[key] = str(reason)
        self._context.log.error(f"{key}: {reason}")
        if isinstance(reason, ParentMissing):
            self._context.log_event(describe_wait(TRAINED, reason))


def _tell(now: Progress) -> str:
    left = "" if now.seconds_left is None else f", about {now.seconds_left:.0f} s left"
    mean = "" if now.mean_return is None else f", mean return {now.mean_return:.1f}"
    return (
        f"{now.env}: {now.env_steps_done:,} of {now.env_steps_total:,} steps, {now.steps_per_s:,.0f} steps/s, "
        f"{now.recipes_done} of {now.recipes_total} recipes done{mean}{left}"
    )
