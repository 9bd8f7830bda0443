"""What two models stand on, side by side."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from rl_assets.lineage.graph import SOURCE_ASSETS, LineageGraph, Trace
from rl_assets.lineage.records import Materialization

POLICY_ASSET = "trained_policies"


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """The ancestries of two materializations; what only informed a decision is left out of both.

    The same bytes of the same partition are one thing, also where they were logged twice.
    """

    first: Trace
    second: Trace
    shared: tuple[Materialization, ...]
    """What both stand on, by the first's events, newest first."""
    only_first: tuple[Materialization, ...]
    only_second: tuple[Materialization, ...]

    @property
    def other_versions(self) -> tuple[tuple[Materialization, Materialization], ...]:
        """Pairs of the same partition in different data versions, such as a dataset before and after it changed."""
        newest: dict[tuple[str, str | None], Materialization] = {}
        for step in reversed(self.only_second):
            newest[step.asset, step.partition] = step
        return tuple(
            (step, newest[step.asset, step.partition])
            for step in self.only_first
            if (step.asset, step.partition) in newest
        )

    @property
    def policies(self) -> tuple[Materialization | None, Materialization | None]:
        """The trained policies that each model is, or was copied from."""
        return _policy_of(self.first), _policy_of(self.second)

    @property
    def is_complete(self) -> bool:
        """Whether nothing is missing or unrecorded on either side, so that `only` means only."""
        return self.first.is_complete and self.second.is_complete


def compare_ancestry(graph: LineageGraph, first: int, second: int) -> Comparison:
    """Compare what two materializations stand on.

    Args:
        graph: of the whole log.
        first: event id.
        second: event id.

    Raises:
        UnknownPartition: there is no such event.
    """
    one, other = graph.trace(first, with_evidence=False), graph.trace(second, with_evidence=False)
    ones, others = _contents(one.steps), _contents(other.steps)
    return Comparison(
        first=one,
        second=other,
        shared=tuple(step for step in one.steps if _content(step) in others),
        only_first=tuple(step for step in one.steps if _content(step) not in others),
        only_second=tuple(step for step in other.steps if _content(step) not in ones),
    )


def clients_of(steps: Iterable[Materialization]) -> tuple[str, ...]:
    """Pseudonyms of the clients whose datasets are among the steps, sorted."""
    return tuple(sorted({(step.partition or "").partition(".")[0] for step in steps if step.asset in SOURCE_ASSETS}))


def differing_fields(first: Mapping[str, Any], second: Mapping[str, Any], *, prefix: str = "") -> dict[str, Any]:
    """Field of two nested configurations, joined by dots -> its two values, where they differ.

    A field that one of them lacks has the value None there.
    """
    found: dict[str, Any] = {}
    for name in sorted(first.keys() | second.keys()):
        one, other = first.get(name), second.get(name)
        if isinstance(one, Mapping) and isinstance(other, Mapping):
            found |= differing_fields(one, other, prefix=f"{prefix}{name}.")
        elif one != other:
            found[f"{prefix}{name}"] = [one, other]
    return found


def _content(step: Materialization) -> tuple[str, str | None, str]:
    return step.asset, step.partition, step.data_version


def _contents(steps: Iterable[Materialization]) -> set[tuple[str, str | None, str]]:
    return {_content(step) for step in steps}


def _policy_of(trace: Trace) -> Materialization | None:
    """The model itself, or the policy among what it read; not a policy that this one was trained from."""
    model = trace.steps[0]
    if model.asset == POLICY_ASSET:
        return model
    read = {record.event_id for record in model.inputs or () if record.role == "data"}
    return next((step for step in trace.steps if step.asset == POLICY_ASSET and step.event_id in read), None)
