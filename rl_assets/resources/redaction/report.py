"""What a redaction did."""

from collections import Counter
from dataclasses import dataclass, field


@dataclass(kw_only=True)
class Counts:
    """Counts while a redaction is at work."""

    deleted: Counter[str] = field(default_factory=Counter)
    cleaned: Counter[str] = field(default_factory=Counter)

    def delete(self, table: str, count: int = 1) -> None:
        """Some rows or files of a kind were deleted."""
        if count > 0:
            self.deleted[table] += count

    def clean(self, table: str, count: int = 1) -> None:
        """Some rows or files of a kind lost what named the erased."""
        if count > 0:
            self.cleaned[table] += count


@dataclass(frozen=True, kw_only=True)
class RedactionReport:
    """What was done by one call; a call after a kill reports what was left to do."""

    deleted: dict[str, int]
    """Table, or kind of file -> rows or files that were deleted."""

    cleaned: dict[str, int]
    """Table, or kind of file -> rows or files that stay without what named the erased."""

    runs_removed: tuple[str, ...]
    """Ids of runs that served nobody else, sorted."""

    runs_cleaned: tuple[str, ...]
    """Ids of runs that served others too, or that spoke of the erased, sorted."""

    keeps_elsewhere: str
    """For an officer: where bytes may be that no statement to this database reaches."""
