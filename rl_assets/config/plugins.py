"""Parts that other packages bring: entry points by name, never a path in a configuration."""

from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points
from typing import Any

from rl_assets.errors import InvalidConfig

GATES_GROUP = "rl_assets.gates"


@dataclass(frozen=True, kw_only=True)
class Plugin:
    """One part that an installed package brings."""

    name: str
    package: str
    version: str
    entry_point: EntryPoint

    def load(self) -> Any:
        """Import what the entry point names.

        Raises:
            InvalidConfig: it cannot be imported.
        """
        try:
            return self.entry_point.load()
        except (ImportError, AttributeError) as error:
            raise InvalidConfig(
                f"plug-in '{self.name}' of {self.package} {self.version} cannot be imported from "
                f"'{self.entry_point.value}' ({error}): install the package again, or ask its author"
            ) from error


def find_plugins(group: str) -> dict[str, Plugin]:
    """All installed plug-ins of a group, by name in alphabetical order.

    Raises:
        InvalidConfig: two packages bring a plug-in of the same name.
    """
    found: dict[str, Plugin] = {}
    for point in sorted(entry_points(group=group), key=lambda point: (point.name, point.value)):
        package = point.dist.name if point.dist is not None else "an unknown package"
        version = point.dist.version if point.dist is not None else ""
        earlier = found.setdefault(
            point.name, Plugin(name=point.name, package=package, version=version, entry_point=point)
        )
        if earlier.entry_point.value != point.value:
            raise InvalidConfig(
                f"plug-in '{point.name}' of the group '{group}' comes from {earlier.package} and from {package}: "
                "remove one of the two packages"
            )
    return found
