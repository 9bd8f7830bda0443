"""One recipe in one environment on its way through training and evaluation, with what it reads on its way."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from rl_assets.config.canonical import canonical_json, config_hash
from rl_assets.config.environment import EnvConfig
from rl_assets.config.evaluation import EvaluationConfig
from rl_assets.config.sweep import SweepPlan
from rl_assets.resources.event_log import Event
from rl_assets.resources.inputs import Input, OutputScope, Publication
from rl_assets.rl.evaluation import EpisodeRecords
from rl_assets.rl.numerics import numerics_fingerprint
from rl_assets.rl.outcomes import TrainedMember
from rl_assets.rl.plan import Member
from rl_assets.rl.policy import PolicySpec
from rl_assets.store.bundles import (
    EPISODES_FILE,
    copy_member_files,
    encode_episodes,
    load_member,
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
    """What one cell needs to be trained: recipe, data, and the members that are still missing."""

    def __init__(
        self, scope: OutputScope, *, env_key: str, hparam: str, sweep: Event, is_retrained: bool = False
    ) -> None:
        plan = read_plan(scope, sweep)
        self.env_key = env_key
        self.hparam = hparam
        self.env: EnvConfig = plan.envs[env_key]
        self.recipe = plan.recipes[hparam]
        self.evaluation: EvaluationConfig = plan.evaluation
        self._scope = scope
        self._dataset = scope.read("datasets", self.recipe.dataset)
        prior = None if is_retrained else scope.find("trained_policies", scope.partition)
        self._prior = prior if prior is not None and self._is_reusable(prior) else None
        self._prior_seeds = tuple(self._prior.metadata[SEEDS_KEY]) if self._prior else ()
        self.missing = tuple(
            Member(recipe=self.recipe, hparam=hparam, seed=seed) for seed in plan.seeds if seed not in self._prior_seeds
        )

    def republish(self) -> Publication:
        """Log again what is complete already, with its old bytes and its old inputs."""
        assert self._prior is not None, "only what was trained before is logged again"
        assert not self.missing, "only a complete cell is logged again"
        return self._scope.republish(self._prior)

    def publish(self, members: Mapping[int, TrainedMember], metadata: Mapping[str, Any]) -> Publication:
        """Publish the new members beside those that were trained before."""
        files: dict[str, bytes] = {}
        facts: dict[str, Any] = {}
        if self._prior is not None:
            earlier = self._scope.open(self._prior).artifact
            for seed in member_seeds(earlier):
                files |= copy_member_files(earlier, seed)
                facts[str(seed)] = earlier.facts["members"][str(seed)]
        for seed, member in members.items():
            files |= member_files(member)
            facts[str(seed)] = {"env_steps": member.env_steps, "numerics": numerics_fingerprint(member.backend)}
        return self._scope.publish(
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
            metadata={**metadata, "num_seeds": len(facts), SEEDS_KEY: sorted(int(seed) for seed in facts)},
        )

    def _is_reusable(self, prior: Event) -> bool:
        """Whether the earlier members were trained on the same data by this package, and their bytes are all there."""
        recorded = prior.inputs or ()
        same_data = any(
            (read.asset, read.partition, read.data_version)
            == ("datasets", self.recipe.dataset, self._dataset.event.data_version)
            for read in recorded
        )
        return SEEDS_KEY in prior.metadata and same_data and self._scope.is_intact(prior)


class CellEvaluation:
    """What one cell needs to be evaluated: its newest policy, and the members that have no episodes yet."""

    def __init__(self, scope: OutputScope, *, env_key: str, sweep: Event, is_repeated: bool = False) -> None:
        plan = read_plan(scope, sweep)
        self.config: EvaluationConfig = plan.evaluation
        self.env: EnvConfig = plan.envs[env_key]
        self._scope = scope
        self._policy: Input = scope.read("trained_policies", scope.partition)
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

    def publish(self, episodes: Mapping[int, EpisodeRecords], metadata: Mapping[str, Any]) -> Publication:
        """Publish the episodes of all members."""
        return self._scope.publish(
            kind="policy_evaluation",
            files={EPISODES_FILE: encode_episodes(episodes)},
            facts={"policy": self._policy.event.data_version, "config": self.config.model_dump(mode="json")},
            config_hash=config_hash(self.config),
            metadata={
                **metadata,
                EVALUATION_KEY: self._question(),
                "steps_per_s": self._policy.event.metadata.get("steps_per_s"),
                "env_steps": sum(member["env_steps"] for member in self._policy.artifact.facts["members"].values()),
            },
        )

    def _question(self) -> str:
        """Which bytes were evaluated how."""
        return canonical_json([self._policy.event.data_version, self.config.model_dump(mode="json")]).decode()

    def _is_current(self, prior: Event) -> bool:
        return prior.metadata.get(EVALUATION_KEY) == self._question() and self._scope.is_intact(prior)
