"""What one materialization was and what it read, as plain records."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Self, get_args

from rl_assets.errors import LineageError

Role = Literal["data", "evidence"]
_ROLES = get_args(Role)


@dataclass(frozen=True, kw_only=True, slots=True)
class InputRecord:
    """One materialization that was read, resolved before reading.

    Raises:
        LineageError: a field has the wrong type.
    """

    asset: str
    partition: str | None
    event_id: int
    data_version: str
    role: Role = "data"
    """`data` where bytes that were read go into the output; `evidence` where they only informed a decision, as the
    leaderboard and the gate do in a promotion."""

    def __post_init__(self) -> None:
        _check_identity(self)
        if self.role not in _ROLES:
            raise LineageError(f"input record {_identity(self)}: role {self.role!r} is neither data nor evidence")

    def to_json(self) -> dict[str, Any]:
        """Plain data, as in the `rl/inputs` metadata."""
        return self.identity() | {"role": self.role}

    def identity(self) -> dict[str, Any]:
        """Which materialization was read: asset, partition, event id and data version."""
        return _identity(self)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """Read back what `to_json` wrote.

        Raises:
            LineageError: a field is missing, unknown or of the wrong type.
        """
        expected = {"asset", "partition", "event_id", "data_version", "role"}
        _check_fields(data, expected=expected, what="input record")
        return cls(**data)


@dataclass(frozen=True, kw_only=True, slots=True)
class Materialization:
    """One event of the log: something was made, and this is what it was made from.

    Raises:
        LineageError: a field has the wrong type.
    """

    asset: str
    partition: str | None
    event_id: int
    data_version: str
    inputs: tuple[InputRecord, ...] | None
    """What was read; empty if nothing was; None if nobody recorded it, which is not the same."""
    facts: Mapping[str, Any] = field(default_factory=dict)
    """Anything else worth showing in a trace, such as commit, config hash and seeds."""

    def __post_init__(self) -> None:
        _check_identity(self)

    def to_json(self) -> dict[str, Any]:
        """Plain data for an index or a command."""
        inputs = None if self.inputs is None else [record.to_json() for record in self.inputs]
        return _identity(self) | {"inputs": inputs, "facts": dict(self.facts)}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """Read back what `to_json` wrote.

        Raises:
            LineageError: a field is missing, unknown or of the wrong type.
        """
        expected = {"asset", "partition", "event_id", "data_version", "inputs", "facts"}
        _check_fields(data, expected=expected, what="materialization record")
        inputs = data["inputs"]
        if not (inputs is None or isinstance(inputs, list)):
            raise LineageError(f"materialization {data['event_id']!r}: inputs {inputs!r} are neither a list nor null")
        records = None if inputs is None else tuple(InputRecord.from_json(entry) for entry in inputs)
        return cls(**{**data, "inputs": records})

    def summary(self) -> dict[str, Any]:
        """Asset, partition, event id and data version: what a query lists."""
        return _identity(self)


def _identity(record: InputRecord | Materialization) -> dict[str, Any]:
    return {
        "asset": record.asset,
        "partition": record.partition,
        "event_id": record.event_id,
        "data_version": record.data_version,
    }


def _check_identity(record: InputRecord | Materialization) -> None:
    is_right = (
        isinstance(record.asset, str)
        and (record.partition is None or isinstance(record.partition, str))
        and type(record.event_id) is int
        and isinstance(record.data_version, str)
    )
    if not is_right:
        raise LineageError(
            f"{type(record).__name__} {_identity(record)}: expected asset and data version as text, partition as text "
            "or null, event id as a whole number: the record was not written by this package"
        )


def _check_fields(data: Mapping[str, Any], *, expected: set[str], what: str) -> None:
    if not isinstance(data, Mapping) or set(data) != expected:
        raise LineageError(
            f"{what} {data!r}: expected exactly the fields {', '.join(sorted(expected))}: "
            "the record was not written by this package"
        )
