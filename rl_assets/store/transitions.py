"""One entry in the history of an environment's models: who wanted which weights where, why, and what came of it."""

from collections.abc import Container, Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from datetime import datetime
from typing import Any, Literal, Self, TypeVar, get_args

from rl_assets.store.artifacts import ArtifactRef

Action = Literal["stage", "promote", "roll_back", "vacate"]
"""Vacating leaves production without a model: what served is erased, and nothing untainted could take over."""

Outcome = Literal["done", "lost", "refused"]
"""`done`; `lost` to somebody who changed production first; `refused` by a rule."""

_Part = TypeVar("_Part", "ModelVersion", "ErasedModel")

BY_HAND = "by hand"
"""In the place of a verdict's id where no verdict justified a promotion."""

_DONE: dict[Action, str] = {
    "stage": "staged",
    "promote": "promoted",
    "roll_back": "rolled back to",
    "vacate": "vacated",
}
_ATTEMPTED: dict[Action, str] = {
    "stage": "staging",
    "promote": "promotion",
    "roll_back": "rollback",
    "vacate": "vacating",
}


@dataclass(frozen=True, kw_only=True)
class ModelVersion:
    """The exact weights of one member, and the promoted model that holds them.

    Raises:
        ValueError: the policy is no artifact reference.
    """

    hparam: str
    member_seed: int
    policy: Mapping[str, Any]
    """The policy that the weights were copied from, as `ArtifactRef.to_json()`."""
    data_version: str
    """Of the promoted model."""
    weights_sha256: str
    """Of the member's tensors; empty in entries from before weights were noted."""

    def __post_init__(self) -> None:
        ArtifactRef.from_json(self.policy)


@dataclass(frozen=True, kw_only=True)
class ErasedModel:
    """What stays of a version in an entry when it is erased: hashes."""

    policy: str
    """Data version of the policy that the weights were copied from."""
    data_version: str
    """Of the promoted model."""
    weights_sha256: str


@dataclass(frozen=True, kw_only=True)
class Transition:
    """A change of an environment's models, or an attempt at one.

    Raises:
        ValueError: the action or outcome is unknown, the time has no zone, what was done names no model, or vacating
            names one.
    """

    env: str
    action: Action
    outcome: Outcome = "done"
    model: ModelVersion | None
    """None where it was refused before the model was found, where it is erased, and where production was vacated."""
    actor: str
    """A person, or the sensor that asked."""
    is_verified: bool = False
    """Whether somebody vouched for the actor's identity; otherwise it is only claimed."""
    role: str = ""
    """The role under which the actor acted; empty where a verdict needs none."""
    at: str
    """ISO 8601 with a time zone."""
    reason: str
    """The actor's words, or the gates'."""
    evidence: Mapping[str, Any] = field(default_factory=dict)
    """The verdict's `id` and `decisions`; the id is `by hand` where no verdict was asked."""
    request: str = ""
    """Id of the run that did it, or of the first of those that it retries: one request is carried out once."""
    note: str = ""
    """Why it was lost or refused."""
    erased_by: str = ""
    """The order that took words and numbers out of this entry; empty where it is as it was written."""
    remains: ErasedModel | None = None
    """What stays of an erased model; None where the model is not erased."""

    def __post_init__(self) -> None:
        if self.action not in get_args(Action) or self.outcome not in get_args(Outcome):
            raise ValueError(f"transition of '{self.env}': '{self.action}' with outcome '{self.outcome}' is unknown")
        if datetime.fromisoformat(self.at).tzinfo is None:
            raise ValueError(f"transition of '{self.env}': at {self.at!r} lacks a time zone: add one")
        if self.action == "vacate":
            if self.model is not None or self.remains is not None:
                raise ValueError(
                    f"transition of '{self.env}': vacating puts no model into production, so it names none"
                )
        elif self.model is None and self.remains is None and self.outcome == "done":
            raise ValueError(f"transition of '{self.env}': what was done must name its model")

    @property
    def changes_production(self) -> bool:
        """Whether other weights serve since."""
        return self.outcome == "done" and self.action != "stage"

    @property
    def title(self) -> str:
        """What happened in a few words, such as `promoted` or `rollback refused`."""
        return _DONE[self.action] if self.outcome == "done" else f"{_ATTEMPTED[self.action]} {self.outcome}"

    def names(self, versions: Container[str]) -> bool:
        """Whether the entry's model is one of these data versions, was copied from one, or has one's weights."""
        model = self.model
        if model is None:
            return False
        policy = ArtifactRef.from_json(model.policy).data_version
        return any(known in versions for known in (model.data_version, policy, model.weights_sha256))

    def without_model(self, *, order: str) -> Self:
        """What stays of the entry when its model is erased: what happened, who did it and when, and hashes."""
        assert self.model is not None, "only a model that is there is erased"
        remains = ErasedModel(
            policy=ArtifactRef.from_json(self.model.policy).data_version,
            data_version=self.model.data_version,
            weights_sha256=self.model.weights_sha256,
        )
        return replace(self.without_words(order=order), model=None, remains=remains)

    def without_words(self, *, order: str) -> Self:
        """The entry without reasons, notes and decisions; of the verdict its id stays."""
        evidence = {"id": self.evidence["id"]} if "id" in self.evidence else {}
        # An entry that lost its words to an earlier order keeps the name of that one.
        return replace(self, reason="", note="", evidence=evidence, erased_by=self.erased_by or order)

    def to_json(self) -> dict[str, Any]:
        """Plain data for the history's files and for commands."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """Read back what `to_json` wrote.

        Entries from before anything could be erased lack the last two fields.

        Raises:
            ValueError: a field is missing, unknown or malformed.
        """
        data = {"erased_by": "", "remains": None, **data}
        _refuse_other_fields(cls, data)
        return cls(
            **{**data, "model": _read(ModelVersion, data["model"]), "remains": _read(ErasedModel, data["remains"])}
        )


def _read(kind: type[_Part], data: Mapping[str, Any] | None) -> _Part | None:
    if data is None:
        return None
    _refuse_other_fields(kind, data)
    return kind(**data)


def _refuse_other_fields(kind: type, data: Mapping[str, Any]) -> None:
    expected = {item.name for item in fields(kind)}
    if set(data) != expected:
        raise ValueError(f"{kind.__name__}: expected the fields {sorted(expected)}, got {sorted(data)}")
