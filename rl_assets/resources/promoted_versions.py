"""A version of a model as the graph shows it: its artifact, its inputs, and the transition that it follows from."""

from collections.abc import Mapping
from typing import Any

from rl_assets.errors import CorruptObject, InputNotFound
from rl_assets.resources.event_log import TRANSITION_KEY, Event, EventLog
from rl_assets.resources.inputs import Input, OutputScope, Publication
from rl_assets.store.artifacts import Artifact, ArtifactRef
from rl_assets.store.bundles import CHAMPION_FILE, policy_file
from rl_assets.store.standing import Champion
from rl_assets.store.transitions import ModelVersion, Transition

PROMOTED = "promoted_models"


def publish_version(
    scope: OutputScope,
    policy: Input,
    *,
    hparam: str,
    member_seed: int,
    verdict_id: str,
    verdict: Event | None,
    metadata: Mapping[str, Any],
) -> tuple[Publication, ModelVersion]:
    """Write one member's exact weights as a promoted model.

    Args:
        scope: of `promoted_models`; it has opened the policy and all evidence.
        policy: that the weights are copied from.
        hparam: its recipe.
        member_seed: the member.
        verdict_id: data version of the verdict that justifies it, or `by hand`.
        verdict: that verdict, where it is known.
        metadata: what else the UI shows.

    Raises:
        ObjectNotFound: the weights are gone.
        CorruptObject: the weights are damaged.
        StoreUnavailable: the disk refused.
    """
    artifact = policy.artifact
    weights = artifact.checksum(policy_file(member_seed))
    publication = scope.publish(
        kind="promoted_model",
        files={CHAMPION_FILE: artifact.read(policy_file(member_seed))},
        facts=model_facts(artifact, hparam=hparam, member_seed=member_seed, verdict=verdict_id),
        config_hash=(verdict or policy.event).metadata["rl/config_hash"],
        metadata={
            "hparam": hparam,
            "member_seed": member_seed,
            "weights_sha256": weights,
            "verdict_id": verdict_id,
            **metadata,
        },
    )
    model = ModelVersion(
        hparam=hparam,
        member_seed=member_seed,
        policy=artifact.ref.to_json(),
        data_version=publication.data_version,
        weights_sha256=weights,
    )
    return publication, model


def model_facts(policy: Artifact, *, hparam: str, member_seed: int, verdict: str) -> dict[str, Any]:
    """What a promoted model says of itself; with its weights it decides its data version."""
    return {
        "env": policy.facts["env"],
        "hparam": hparam,
        "member_seed": member_seed,
        "policy": policy.facts["policy"],
        "verdict": verdict,
    }


def as_champion(publication: Publication, champion: Champion) -> Publication:
    """A version's publication with the reign that began with it."""
    return publication.with_metadata(
        {
            "stage": "production",
            "action": champion.action,
            "generation": champion.generation,
            "promoted_at": champion.promoted_at,
            "actor": champion.actor,
            "actor_is_verified": champion.is_verified,
            "role": champion.role or "none needed",
            "reason": champion.reason,
            TRANSITION_KEY: champion.transition,
        }
    )


def as_staged(publication: Publication, staging: Transition, number: int) -> Publication:
    """A version's publication with the staging that it waits in."""
    return publication.with_metadata(
        {
            "stage": "staging",
            "action": staging.action,
            "staged_at": staging.at,
            "actor": staging.actor,
            "reason": staging.reason,
            TRANSITION_KEY: number,
        }
    )


def publish_again(scope: OutputScope, model: ModelVersion, *, env: str, verdict_id: str, log: EventLog) -> Publication:
    """Publish a version that stands in the history once more, from an earlier record of it or from its policy.

    Raises:
        InputNotFound: neither the version nor its policy is in the event log.
        ObjectNotFound: the policy's bytes are gone.
        CorruptObject: the policy's bytes are damaged, or make another version.
        StoreUnavailable: the disk refused.
    """
    recorded = recorded_version(model, env=env, log=log)
    if recorded is not None:
        return scope.republish(recorded)
    policy = scope.open(find_policy(model, env=env, log=log))
    verdict = next((gate for gate in log.history("gate_evaluations", env) if gate.data_version == verdict_id), None)
    if verdict is not None:
        scope.open(verdict, is_evidence=True)
    publication, made = publish_version(
        scope,
        policy,
        hparam=model.hparam,
        member_seed=model.member_seed,
        verdict_id=verdict_id,
        verdict=verdict,
        metadata={},
    )
    if made.data_version != model.data_version:
        raise CorruptObject(
            f"{PROMOTED}[{env}]: the policy of '{model.hparam}' gives '{made.data_version[:12]}', and the history "
            f"names '{model.data_version[:12]}': put its files back from a backup; `rlctl doctor` names them"
        )
    return publication


def recorded_version(model: ModelVersion, *, env: str, log: EventLog) -> Event | None:
    """The newest record in the event log of a version, in production or staged."""
    events = [*log.history(PROMOTED, env), *log.observed(PROMOTED, env)]
    return max(
        (event for event in events if event.data_version == model.data_version),
        key=lambda event: event.event_id,
        default=None,
    )


def find_policy(model: ModelVersion, *, env: str, log: EventLog) -> Event:
    """The newest materialization of the policy that a version was copied from.

    Raises:
        InputNotFound: the event log does not know it.
    """
    version, cell = ArtifactRef.from_json(model.policy).data_version, f"{env}|{model.hparam}"
    events = [event for event in log.history("trained_policies", cell) if event.data_version == version]
    if not events:
        raise InputNotFound(
            f"{PROMOTED}[{env}] needs trained_policies[{cell}] with data version '{version[:12]}', which is not in the "
            "event log: was it wiped? Materialize the partition again"
        )
    return events[-1]
