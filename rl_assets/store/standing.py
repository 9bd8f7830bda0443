"""Which version is in production, which is staged and which are archived: a fold over the transitions.

A reign whose model was erased counts as a generation and is none of the versions any more. Where it was the last one,
nothing is in production, as after vacating.
"""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Self

from rl_assets.store.transitions import Action, ModelVersion, Transition


@dataclass(frozen=True, kw_only=True)
class Champion:
    """One reign: the exact weights that an environment serves or served, and what justified them."""

    env: str
    hparam: str
    member_seed: int
    policy: Mapping[str, Any]
    """The policy that the weights were copied from, as `ArtifactRef.to_json()`."""
    data_version: str
    """Of the promoted model."""
    weights_sha256: str
    verdict: Mapping[str, Any]
    """The verdict's `id` and `decisions`, or what stands in their place."""
    promoted_at: str
    """ISO 8601 with a time zone."""
    actor: str
    is_verified: bool
    role: str
    reason: str
    action: Action
    """`promote` or `roll_back`."""
    generation: int
    """How many times production had changed when this reign began, itself included."""
    transition: int
    """Number of the entry in the history, from 1."""

    @classmethod
    def begun_by(cls, transition: Transition, *, generation: int, number: int) -> Self:
        """The reign that a change of production began."""
        model = transition.model
        assert model is not None, "what was done names its model"
        return cls(
            env=transition.env,
            hparam=model.hparam,
            member_seed=model.member_seed,
            policy=model.policy,
            data_version=model.data_version,
            weights_sha256=model.weights_sha256,
            verdict=transition.evidence,
            promoted_at=transition.at,
            actor=transition.actor,
            is_verified=transition.is_verified,
            role=transition.role,
            reason=transition.reason,
            action=transition.action,
            generation=generation,
            transition=number,
        )

    def is_same(self, other: "Champion") -> bool:
        """Whether another reign served the same weights."""
        return self.weights_sha256 == other.weights_sha256

    @property
    def model(self) -> ModelVersion:
        """The exact weights alone."""
        return ModelVersion(
            hparam=self.hparam,
            member_seed=self.member_seed,
            policy=self.policy,
            data_version=self.data_version,
            weights_sha256=self.weights_sha256,
        )

    def to_json(self) -> dict[str, Any]:
        """Plain data for commands."""
        return asdict(self)


@dataclass(frozen=True, kw_only=True)
class Standing:
    """Where an environment's versions are."""

    reigns: tuple[Champion, ...] = ()
    """Every reign whose model was not erased, oldest first."""
    generation: int = 0
    """How many times production changed: by a reign, erased since or not, or by vacating."""
    erased: Mapping[int, str] = field(default_factory=dict)
    """Generation of a reign whose model was erased -> the order."""
    vacated: Transition | None = None
    """The change since which nothing serves: vacating, or a reign whose model was erased; None where something serves,
    or nothing ever did."""
    staging: Transition | None = None
    """The staging of the version that waits for a decision."""
    staging_number: int = 0
    """Number of that entry in the history; 0 where nothing is staged."""
    rolled_back: Mapping[str, Transition]
    """SHA-256 of weights that a rollback ended, and that were not put into production since -> that rollback."""

    @property
    def production(self) -> Champion | None:
        """The version that is served."""
        last = self.reigns[-1] if self.reigns else None
        return last if last is not None and last.generation == self.generation else None

    @property
    def archived(self) -> tuple[Champion, ...]:
        """Versions that were in production and are not, each by its newest reign, newest first."""
        current = [] if self.production is None else [self.production]
        newest: list[Champion] = []
        for reign in reversed(self.reigns):
            if not any(reign.is_same(other) for other in [*current, *newest]):
                newest.append(reign)
        return tuple(newest)


def fold(transitions: Iterable[tuple[int, Transition]]) -> Standing:
    """Where the versions are after these transitions.

    Args:
        transitions: number and entry, oldest first; attempts that came to nothing change nothing.
    """
    reigns: list[Champion] = []
    generation, serving = 0, ""
    erased: dict[int, str] = {}
    vacated: Transition | None = None
    staging: tuple[int, Transition] | None = None
    rolled_back: dict[str, Transition] = {}
    for number, transition in transitions:
        if transition.outcome != "done":
            continue
        model, remains = transition.model, transition.remains
        if transition.action == "stage":
            staging = None if model is None else (number, transition)
            continue
        generation += 1
        if transition.action == "roll_back" and serving:
            rolled_back[serving] = transition
        serving = model.weights_sha256 if model else remains.weights_sha256 if remains else ""
        rolled_back.pop(serving, None)
        if model is None:
            vacated = transition
            if remains is not None:
                erased[generation] = transition.erased_by
            continue
        vacated = None
        if staging is not None and staging[1].model == model:
            staging = None
        reigns.append(Champion.begun_by(transition, generation=generation, number=number))
    return Standing(
        reigns=tuple(reigns),
        generation=generation,
        erased=erased,
        vacated=vacated,
        staging=staging[1] if staging else None,
        staging_number=staging[0] if staging else 0,
        rolled_back=rolled_back,
    )
