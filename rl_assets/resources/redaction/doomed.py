"""What is to go from Dagster's storage, said by asset, event and name."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

from rl_assets.resources.redaction.names import Names

_NO_IDS: frozenset[int] = frozenset()
_NO_KEYS: frozenset[str] = frozenset()


@dataclass(frozen=True, kw_only=True)
class Doomed:
    """All that an erasure takes out of Dagster's storage; the same value may be given again after a kill."""

    events: Mapping[str, frozenset[int]] = field(default_factory=dict)
    """Asset -> storage ids of its materializations and observations that go."""

    partitions: Mapping[str, frozenset[str]] = field(default_factory=dict)
    """Asset -> partitions of which no event of any kind stays."""

    dynamic_keys: Mapping[str, frozenset[str]] = field(default_factory=dict)
    """Name of a dynamic partitions definition -> keys that go."""

    names: frozenset[str] = frozenset()
    """Pseudonyms, keys of datasets, cells, recipes and sweeps that records of others may not tell of any more."""

    @property
    def assets(self) -> tuple[str, ...]:
        """Names of the assets that lose anything, sorted."""
        return tuple(sorted({*self.events, *self.partitions}))

    @cached_property
    def spoken(self) -> Names:
        """The names as they are found in texts."""
        return Names(self.names)

    def holds_event(self, asset: str | None, event_id: int | None) -> bool:
        """Whether a materialization or observation goes."""
        return asset is not None and event_id in self.events.get(asset, _NO_IDS)

    def holds_partition(self, asset: str | None, partition: str | None) -> bool:
        """Whether nothing of a partition stays."""
        return asset is not None and partition in self.partitions.get(asset, _NO_KEYS)
