"""One recipe in one environment on its way through training and evaluation, with what it reads on its way."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from rl_assets.config.canonical import canonical_json, config_hash
from rl_assets.config.environment import EnvConfig
from rl_assets.config.evaluation import EvaluationConfig
from rl_assets.config.sweep_plan import SweepPlan
from rl_assets.datasets.demonstrations import read_demonstrations
from rl_assets.errors import CorruptObject
from rl_assets.resources.event_log import Event
from rl_assets.resources.inputs import Input, OutputScope, Publication
from rl_assets.resources.parents import PARENTS_KEY, OpenParent, open_parent
from rl_assets.rl.checkpoints import Checkpoint, refuse_other_numerics, updates_done
from rl_assets.rl.demonstrations import Demonstrations
from rl_assets.rl.envs.catalogue import describe_env
from rl_assets.rl.envs.spaces import EnvSpaces
from rl_assets.rl.evaluation import EpisodeRecords
from rl_assets.rl.halving import Contender
from rl_assets.rl.metrics import metric_versions
from rl_assets.rl.outcomes import TrainedMember
from rl_assets.rl.parents import ParentWeights, refuse_misfit
from rl_assets.rl.plan import Member, policy_spec
from rl_assets.rl.policy import PolicySpec
from rl_assets.rl.replay import RecordedEpisode, Replay
from rl_assets.rl.trials import selection_seeds
from rl_assets.store.bundles import (
    EPISODES_FILE,
    TIMINGS_FILE,
    copy_member_files,
    encode_episodes,
    encode_timings,
    load_history,
    load_member,
    member_facts,
    member_files,
    member_seeds,
)

SEEDS_KEY = "rl/seeds"
EVALUATION_KEY = "rl/evaluation"


def read_plan(scope: OutputScope, sweep: Event, *, is_evidence: bool = False) -> SweepPlan:
    """Open a sweep's materialization and read what it asks for."""
    artifact = scope.open(sweep, is_evidence=is_evidence).artifact
    return SweepPlan.model_validate_json(artifact.read("plan.json"))


class CellTraining:
    """What one cell needs to be trained: recipe, data, and the members that are still missing.

    Args:
        scope: of the cell's policy.
        env_key: key of its environment.
        hparam: key of its recipe.
        sweep: which asks for it.
        datasets: the materializations of datasets that the run has found so far, by key; all its cells read the same.
        is_retrained: whether what was trained before counts for nothing.
        on_damage: is told of a checkpoint that cannot be used.

    Raises:
        ParentMissing: the policy that it starts from is not there, or lacks a member.
        LineageError, StoreError: what it reads is not on record, or cannot be read.
    """

    def __init__(
        self,
        scope: OutputScope,
        *,
        env_key: str,
        hparam: str,
        sweep: Event,
        datasets: dict[str, Event],
        is_retrained: bool = False,
        on_damage: Callable[[CorruptObject], None],
    ) -> None:
        plan = read_plan(scope, sweep)
        self.env_key = env_key
        self.hparam = hparam
        self.env: EnvConfig = plan.envs[env_key]
        self.recipe = plan.recipes[hparam]
        self.evaluation: EvaluationConfig = plan.evaluation
        self._scope = scope
        if self.recipe.dataset not in datasets:
            datasets[self.recipe.dataset] = scope.read("datasets", self.recipe.dataset).event
        self._dataset = scope.open(datasets[self.recipe.dataset])
        self._parent: OpenParent | None = None
        if self.recipe.init_from is not None:
            self._parent = open_parent(scope, self.recipe.init_from, env_key=env_key, seeds=plan.seeds)
        prior = None if is_retrained else scope.find("trained_policies", scope.partition)
        self._prior = prior if prior is not None and self._is_reusable(prior) else None
        self._prior_seeds = tuple(self._prior.metadata[SEEDS_KEY]) if self._prior else ()
        self.missing = tuple(
            Member(recipe=self.recipe, hparam=hparam, seed=seed, max_wall_time_s=plan.max_wall_time_s)
            for seed in plan.seeds
            if seed not in self._prior_seeds
        )
        self._checkpoints = {
            seed: scope.checkpoints(
                {
                    "env": self.env.model_dump(mode="json"),
                    "recipe": self.recipe.model_dump(mode="json"),
                    "seed": seed,
                    "data": self._dataset.event.data_version,
                    **({} if self._parent is None else {"parent": self._parent.bytes_of(seed)}),
                },
                keeps_all=plan.save_all_checkpoints,
                on_damage=on_damage,
            )
            for seed in plan.seeds
        }
        self._saves_all = plan.save_all_checkpoints
        self._trained: tuple[Mapping[str, np.ndarray], ...] = ()
        self.halving = plan.halving

    def check_parent(self, spaces: EnvSpaces) -> None:
        """Refuse a parent whose weights would mean something else here.

        Raises:
            ParentMismatch: names the parent, what was expected and what came.
        """
        if self._parent is not None:
            name = f"{self._scope.asset}[{self._scope.partition}]"
            refuse_misfit(self._parent.spec, policy_spec(self.recipe, spaces), parent=self._parent.name, child=name)

    def parent(self, member: Member) -> ParentWeights | None:
        """What a member starts from; None: fresh weights."""
        return None if self._parent is None else self._parent.load(member.seed)

    def origins(self) -> dict[str, Any]:
        """Seed of each member -> what it started from; empty where all started from fresh weights."""
        if self._parent is None:
            return {}
        earlier = {} if self._prior is None else self._prior.metadata[PARENTS_KEY]
        return earlier | {str(member.seed): self._parent.origin_of(member.seed) for member in self.missing}

    def refuse_if_erased(self) -> None:
        """Refuse to go on where data that the cell stands on was erased.

        Raises:
            ErasedData: it was; the cell and the order are named.
        """
        self._scope.refuse_if_erased()

    def starts(self, spaces: EnvSpaces, *, allow_inexact: bool) -> dict[int, int]:
        """Updates that missing members need not do again, by seed; members without a checkpoint are left out.

        Raises:
            InexactResume: a checkpoint was computed under another numerics fingerprint, and that is not allowed.
        """
        found = {}
        for member in self.missing:
            checkpoint = self.load(member)
            if checkpoint is None:
                continue
            if not (allow_inexact or checkpoint.is_final):
                refuse_other_numerics(checkpoint, member, spaces)
            found[member.seed] = updates_done(member, checkpoint)
        return found

    def load(self, member: Member) -> Checkpoint | None:
        """Read a member's newest checkpoint."""
        return self._checkpoints[member.seed].newest()

    def save(self, member: Member, checkpoint: Checkpoint) -> None:
        """Keep a member's checkpoint."""
        self._checkpoints[member.seed].save(checkpoint)

    def as_contender(self) -> Contender:
        """What is compared where recipes that are behind are stopped."""
        histories: list[Mapping[str, np.ndarray]] = []
        if self._prior is not None:
            earlier = self._scope.open(self._prior, is_evidence=True).artifact
            histories = [load_history(earlier, seed) for seed in member_seeds(earlier)]
        return Contender(recipe=self.recipe, members=self.missing, histories=(*histories, *self._trained))

    def demonstrations(self, spaces: EnvSpaces) -> Demonstrations:
        """Read the episodes of its dataset.

        Raises:
            InvalidDataset: there are none, or they do not fit the environment.
        """
        what = f"dataset '{self.recipe.dataset}'"
        return read_demonstrations(self._dataset.artifact.contents, spaces, env=self.env.id, what=what)

    def forget_checkpoints(self) -> None:
        """Remove all checkpoints: the trainings are published, or are to start from the beginning."""
        for checkpoints in self._checkpoints.values():
            checkpoints.forget()

    def republish(self) -> Publication:
        """Log again what is complete already, with its old bytes and its old inputs."""
        assert self._prior is not None, "only what was trained before is logged again"
        assert not self.missing, "only a complete cell is logged again"
        return self._scope.republish(self._prior)

    def publish(self, members: Mapping[int, TrainedMember], metadata: Mapping[str, Any]) -> Publication:
        """Publish the new members beside those that were trained before; nothing is missing from then on.

        Raises:
            ErasedData: data that the cell stands on was erased; nothing of the new members stays.
            StoreError: the store could not do it.
        """
        files: dict[str, bytes] = {}
        facts: dict[str, Any] = {}
        if self._prior is not None:
            earlier = self._scope.open(self._prior).artifact
            for seed in member_seeds(earlier):
                files |= copy_member_files(earlier, seed)
                facts[str(seed)] = earlier.facts["members"][str(seed)]
        for seed, member in members.items():
            kept = self._checkpoints[seed].all() if self._saves_all else ()
            files |= member_files(member, checkpoints=kept)
            facts[str(seed)] = member_facts(member)
            if self._parent is not None:
                facts[str(seed)]["parent"] = {
                    "member_seed": self._parent.seed_for(seed),
                    **self._parent.bytes_of(seed),
                }
        publication = self._scope.publish(
            kind="trained_policy",
            files=files,
            facts={
                "env": self.env.model_dump(mode="json"),
                "hparam": self.hparam,
                "recipe": self.recipe.model_dump(mode="json"),
                "policy": next(iter(members.values())).spec.to_json(),
                "members": facts,
            },
            config_hash=config_hash(self.recipe),
            metadata={
                **metadata,
                "num_seeds": len(facts),
                SEEDS_KEY: sorted(int(seed) for seed in facts),
                **({} if self._parent is None else {PARENTS_KEY: self.origins()}),
            },
        )
        self.missing, self._trained = (), tuple(member.history for member in members.values())
        return publication

    def _is_reusable(self, prior: Event) -> bool:
        """Whether the earlier members were trained on the same data, from the same bytes, and theirs are all there."""
        recorded = prior.inputs or ()
        same_data = any(
            (read.asset, read.partition, read.data_version)
            == ("datasets", self.recipe.dataset, self._dataset.event.data_version)
            for read in recorded
        )
        if SEEDS_KEY not in prior.metadata or not same_data or not self._has_same_parents(prior):
            return False
        return self._scope.is_intact(prior)

    def _has_same_parents(self, prior: Event) -> bool:
        """Whether each earlier member started from the very bytes that it would start from now."""
        if self._parent is None:
            return True
        recorded = prior.metadata.get(PARENTS_KEY, {})
        seeds = prior.metadata[SEEDS_KEY]
        return not self._parent.lacking(seeds) and all(
            self._parent.bytes_of(seed).items() <= recorded.get(str(seed), {}).items() for seed in seeds
        )


class CellCheckpoints:
    """The checkpoints of all members of several cells."""

    def __init__(self, cells: Mapping[str, CellTraining]) -> None:
        self._cells = cells

    def load(self, member: Member) -> Checkpoint | None:
        """Read a member's newest checkpoint; None where there is none that can be read."""
        return self._cells[member.hparam].load(member)

    def parent(self, member: Member) -> ParentWeights | None:
        """Read what a member starts from; None: fresh weights."""
        return self._cells[member.hparam].parent(member)

    def save(self, member: Member, checkpoint: Checkpoint) -> None:
        """Keep a member's checkpoint; it stands when this returns."""
        self._cells[member.hparam].save(member, checkpoint)


class CellEvaluation:
    """What one cell needs to be evaluated: its newest policy, and the members that have no episodes yet.

    Raises:
        InvalidConfig: a metric that the sweep names is not installed here.
    """

    def __init__(
        self, scope: OutputScope, *, env_key: str, sweep: Event, policy: Event | None, is_repeated: bool = False
    ) -> None:
        plan = read_plan(scope, sweep)
        self.config: EvaluationConfig = plan.evaluation
        self.env: EnvConfig = plan.envs[env_key]
        self.metric_versions = metric_versions(self.config.metrics)
        self._scope = scope
        self._policy: Input = scope.read("trained_policies", scope.partition) if policy is None else scope.open(policy)
        self.seeds = member_seeds(self._policy.artifact)
        self.spec = PolicySpec.from_json(self._policy.artifact.facts["policy"])
        prior = None if is_repeated else scope.find("policy_evaluations", scope.partition)
        self._prior = prior if prior is not None and self._is_current(prior) else None

    @property
    def is_complete(self) -> bool:
        """Whether exactly these bytes were evaluated in this way before."""
        return self._prior is not None

    def republish(self) -> Publication:
        """Log the earlier evaluation again."""
        assert self._prior is not None, "only a complete evaluation is logged again"
        return self._scope.republish(self._prior)

    def tensors(self, seed: int) -> dict[str, np.ndarray]:
        """One member's exact weights."""
        return load_member(self._policy.artifact, seed)

    def replay(self, episode: RecordedEpisode) -> Replay:
        """What playing one of its episodes again takes."""
        return Replay(
            episode=episode,
            env=self.env,
            spaces=describe_env(self.env),
            spec=self.spec,
            tensors=self.tensors(episode.member_seed),
            streams=selection_seeds(self.env, member_seed=episode.member_seed, num_episodes=self.config.num_episodes),
        )

    def publish(
        self,
        episodes: Mapping[int, EpisodeRecords],
        metadata: Mapping[str, Any],
        *,
        videos: Mapping[str, bytes] | None = None,
    ) -> Publication:
        """Publish the episodes of all members, and attach their wall times and videos (file name -> bytes)."""
        return self._scope.publish(
            kind="policy_evaluation",
            files={EPISODES_FILE: encode_episodes(episodes)},
            facts={
                "policy": self._policy.event.data_version,
                "config": self.config.of_episodes,
                "metrics": self.metric_versions,
            },
            config_hash=config_hash(self.config),
            attachments={TIMINGS_FILE: encode_timings(episodes), **(videos or {})},
            metadata={
                **metadata,
                EVALUATION_KEY: self._question(),
                "steps_per_s": self._policy.event.metadata.get("steps_per_s"),
                "env_steps": sum(member["env_steps"] for member in self._policy.artifact.facts["members"].values()),
            },
        )

    def _question(self) -> str:
        """Which bytes were evaluated how."""
        how = [self.config.model_dump(mode="json"), self.metric_versions]
        return canonical_json([self._policy.event.data_version, *how]).decode()

    def _is_current(self, prior: Event) -> bool:
        is_same = prior.metadata.get(EVALUATION_KEY) == self._question()
        return is_same and self._scope.is_intact(prior) and self._scope.has_attachments(prior)
