"""One entry in the history of an environment's models: who wanted which weights where, why, and what came of it."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from datetime import datetime
from typing import Any, Literal, Self, get_args

from rl_assets.store.artifacts import ArtifactRef

Action = Literal["stage", "promote", "roll_back"]
Outcome = Literal["done", "lost", "refused"]
"""`done`; `lost` to somebody who changed production first; `refused` by a rule."""

BY_HAND = "by hand"
"""In the place of a verdict's id where no verdict justified a promotion."""

_DONE: dict[Action, str] = {"stage": "staged", "promote": "promoted", "roll_back": "rolled back to"}
_ATTEMPTED: dict[Action, str] = {"stage": "staging", "promote": "promotion", "roll_back": "rollback"}


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
class Transition:
    """A change of an environment's models, or an attempt at one.

    Raises:
        ValueError: the action or outcome is unknown, the time has no zone, or what was done names no model.
    """

    env: str
    action: Action
    outcome: Outcome = "done"
    model: ModelVersion | None
    """None only where it was refused before the model was found."""
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

    def __post_init__(self) -> None:
        if self.action not in get_args(Action) or self.outcome not in get_args(Outcome):
            raise ValueError(f"transition of '{self.env}': '{self.action}' with outcome '{self.outcome}' is unknown")
        if datetime.fromisoformat(self.at).tzinfo is None:
            raise ValueError(f"transition of '{self.env}': at {self.at!r} lacks a time zone: add one")
        if self.model is None and self.outcome == "done":
            raise ValueError(f"transition of '{self.env}': what was done must name its model")

    @property
    def changes_production(self) -> bool:
        """Whether other weights serve since."""
        return self.outcome == "done" and self.action != "stage"

    @property
    def title(self) -> str:
        """What happened in a few words, such as `promoted` or `rollback refused`."""
        return _DONE[self.action] if self.outcome == "done" else f"{_ATTEMPTED[self.action]} {self.outcome}"

    def to_json(self) -> dict[str, Any]:
        """Plain data for the history's files and for commands."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """Read back what `to_json` wrote.

        Raises:
            ValueError: a field is missing, unknown or malformed.
        """
        _refuse_other_fields(cls, data)
        model = data["model"]
        if model is not None:
            _refuse_other_fields(ModelVersion, model)
        return cls(**{**data, "model": None if model is None else ModelVersion(**model)})


def _refuse_other_fields(kind: type, data: Mapping[str, Any]) -> None:
    expected = {item.name for item in fields(kind)}
    if set(data) != expected:
        raise ValueError(f"{kind.__name__}: expected the fields {sorted(expected)}, got {sorted(data)}")
