"""Parts that other packages bring: entry points by name, never a path in a configuration."""

from collections.abc import Collection
from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points
from typing import Any

from rl_assets.errors import InvalidConfig

GATES = "rl_assets.gates"
METRICS = "rl_assets.metrics"
"""Groups of entry points."""


@dataclass(frozen=True, kw_only=True)
class Plugin:
    """One part that an installed package brings."""

    what: str
    """What kind of part it is, such as `metric`."""
    name: str
    entry_point: EntryPoint

    @property
    def provider(self) -> str:
        """The package and its version."""
        return provider(self.entry_point)

    @property
    def title(self) -> str:
        """What to call it in an error."""
        return f"{self.what} '{self.name}' of {self.provider} ({self.entry_point.value})"

    def load(self) -> Any:
        """Import what the entry point names.

        Raises:
            InvalidConfig: it cannot be imported.
        """
        try:
            return self.entry_point.load()
        except Exception as error:
            raise InvalidConfig(
                f"{self.title} cannot be loaded ({type(error).__name__}: {error}): mend the package"
            ) from error


def plugin_names(group: str) -> tuple[str, ...]:
    """Names of all installed parts of a group, in alphabetical order."""
    return tuple(sorted({point.name for point in entry_points(group=group)}))


def find_plugin(group: str, name: str, *, what: str, built_in: Collection[str] = ()) -> Plugin | None:
    """The installed part of a name, or None.

    Args:
        group: of the entry points.
        name: of the part.
        what: what kind of part it is, for errors.
        built_in: names that no other package may use.

    Raises:
        InvalidConfig: several packages bring a part of that name, or the name is ours.
    """
    found = entry_points(group=group, name=name)
    points = list({(point.value, provider(point)): point for point in found}.values())
    owners = [provider(point) for point in points] + (["rl_assets itself"] if name in built_in else [])
    if points and len(owners) > 1:
        raise InvalidConfig(f"{what} '{name}' is brought by {' and by '.join(owners)}: remove or rename all but one")
    return Plugin(what=what, name=name, entry_point=points[0]) if points else None


def provider(point: EntryPoint) -> str:
    """The package that an entry point comes from, with its version."""
    return "an unnamed package" if point.dist is None else f"{point.dist.name} {point.dist.version}"
