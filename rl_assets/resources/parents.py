"""The policy that a cell's training starts from, as one exact materialization read in the cell's own scope."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from rl_assets.config.parent import Parent
from rl_assets.errors import InputNotFound, ParentMissing
from rl_assets.resources.event_log import Event
from rl_assets.resources.inputs import Input, OutputScope
from rl_assets.rl.parents import ParentWeights
from rl_assets.rl.policy import PolicySpec
from rl_assets.store.artifacts import ArtifactRef
from rl_assets.store.bundles import (
    champion_weights,
    load_moments,
    member_seeds,
    optimizer_file,
    policy_file,
    promoted_member,
    trained_member,
)
from rl_assets.store.standing import Champion

POLICIES, PROMOTED = "trained_policies", "promoted_models"

PARENTS_KEY = "rl/parents"
"""On a trained policy: seed of each member -> what it started from."""

Origin = Mapping[str, Any]
"""What a member started from: `asset`, `partition`, `data_version`, `member_seed` and checksums of what was read."""


@dataclass(frozen=True, kw_only=True)
class OpenParent:
    """A parent that was opened: reading it is recorded as an input of the child."""

    origin: Event
    """The materialization that is named as the parent: a policy, or a promoted model."""

    policy: Input | None
    """The policy that weights or statistics are read from; None where the promoted model has all that is needed."""

    champion: Input | None
    """The promoted model that the weights are read from; None where the parent is a policy."""

    only_seed: int | None
    """The member that all seeds start from; None: each starts from its own."""

    spec: PolicySpec
    """How it acts."""

    @property
    def name(self) -> str:
        """Asset and partition, for errors."""
        return f"{self.origin.asset}[{self.origin.partition}]"

    def seed_for(self, seed: int) -> int:
        """The parent's member that a child's seed starts from."""
        return seed if self.only_seed is None else self.only_seed

    def lacking(self, seeds: Iterable[int]) -> list[int]:
        """Members that children with these seeds need and the parent does not have, in ascending order."""
        if self.champion is not None or self.policy is None:
            return []
        there = member_seeds(self.policy.artifact)
        return sorted({self.seed_for(seed) for seed in seeds}.difference(there))

    def origin_of(self, seed: int) -> dict[str, Any]:
        """What a child's seed starts from, as it is recorded."""
        return {
            "asset": self.origin.asset,
            "partition": self.origin.partition,
            "data_version": self.origin.data_version,
            "member_seed": self.seed_for(seed),
            **self.bytes_of(seed),
        }

    def bytes_of(self, seed: int) -> dict[str, str]:
        """Checksums of all that a child's seed starts from: two that are equal give equal children."""
        number = self.seed_for(seed)
        if self.champion is not None:
            found = {"weights_sha256": champion_weights(self.champion.artifact)}
        else:
            assert self.policy is not None, "a parent that is no champion is a policy"
            found = {"weights_sha256": self.policy.artifact.checksum(policy_file(number))}
        if self.spec.normalizes_observations and self.policy is not None:
            found["statistics_sha256"] = self.policy.artifact.checksum(optimizer_file(number))
        return found

    def load(self, seed: int) -> ParentWeights:
        """Read what a child's seed starts with.

        Raises:
            CorruptObject: the bytes are not those that were written.
            ObjectNotFound: they are gone.
            StoreUnavailable: the disk refused.
        """
        number = self.seed_for(seed)
        if self.champion is not None:
            _, tensors = promoted_member(self.champion.artifact)
        else:
            assert self.policy is not None, "a parent that is no champion is a policy"
            _, tensors = trained_member(self.policy.artifact, number)
        moments = None
        if self.spec.normalizes_observations:
            assert self.policy is not None, "statistics stand with the policy, which was opened for them"
            moments = load_moments(self.policy.artifact, number)
        return ParentWeights(name=f"{self.name} seed {number}", spec=self.spec, tensors=tensors, moments=moments)


def open_parent(scope: OutputScope, parent: Parent, *, env_key: str, seeds: Iterable[int]) -> OpenParent:
    """Find and open what a cell starts from; it becomes an input of the cell, with all its owners.

    Args:
        scope: of the cell's policy.
        parent: what its recipe says.
        env_key: the cell's environment.
        seeds: the members that it asks for.

    Raises:
        ParentMissing: the policy is not trained yet, or lacks a member that is needed.
        InputNotFound: the champion that is meant is not on record any more.
        CorruptObject: the parent's manifest or the history of champions is damaged.
        ObjectNotFound: the parent's manifest is gone.
        StoreUnavailable: the disk refused.
    """
    place = parent.env_of(env_key)
    if parent.is_champion:
        return _open_champion(scope, place, generation=(parent.generations or {}).get(place, 0))
    partition = f"{place}|{parent.hparam}"
    event = scope.find(POLICIES, partition)
    if event is None:
        raise ParentMissing(scope.partition, partition, "which is not trained yet")
    policy = scope.open(event)
    opened = OpenParent(
        origin=event,
        policy=policy,
        champion=None,
        only_seed=parent.member_seed,
        spec=PolicySpec.from_json(policy.artifact.facts["policy"]),
    )
    lacking = opened.lacking(seeds)
    if lacking:
        reason = describe_lack(lacking, member_seeds(policy.artifact))
        raise ParentMissing(scope.partition, partition, reason, event.event_id)
    return opened


def describe_lack(lacking: Iterable[int], there: Iterable[int]) -> str:
    """Why a parent will not do, in words that follow its name."""
    return (
        f"which has the seeds {', '.join(map(str, there))} and not {', '.join(map(str, lacking))} (train these there, "
        "or name one for all with member_seed)"
    )


def _open_champion(scope: OutputScope, env: str, *, generation: int) -> OpenParent:
    reigns = scope.champions(env).standing().reigns
    reign = next((reign for reign in reigns if reign.generation == generation), None)
    model = None if reign is None else scope.find_version(PROMOTED, env, reign.data_version)
    if reign is None or model is None:
        raise InputNotFound(
            f"{scope.asset}[{scope.partition}] starts from champion {generation} of '{env}', which is not on record "
            "any more: launch the sweep again to start from the champion that reigns now"
        )
    champion = scope.open(model)
    spec, _ = promoted_member(champion.artifact)
    return OpenParent(
        origin=model,
        policy=_policy_of(scope, reign) if spec.normalizes_observations else None,
        champion=champion,
        only_seed=reign.member_seed,
        spec=spec,
    )


def _policy_of(scope: OutputScope, reign: Champion) -> Input:
    """The policy that a champion's weights were copied from; the statistics behind its normaliser stand there alone."""
    partition = f"{reign.env}|{reign.hparam}"
    event = scope.find_version(POLICIES, partition, ArtifactRef.from_json(reign.policy).data_version)
    if event is None:
        raise InputNotFound(
            f"{scope.asset}[{scope.partition}] starts from champion {reign.generation} of '{reign.env}', and needs "
            f"{POLICIES}[{partition}], which it was copied from, for the statistics of its observations: that version "
            "is not on record any more; start from a policy by its key"
        )
    return scope.open(event)
