"""One thing that people want to be told of."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from rl_assets.config.alerts import AlertKind

_TITLES: dict[AlertKind, str] = {
    "promoted": "promoted",
    "staged": "staged",
    "rolled_back": "rolled back",
    "vacated": "nobody is in production",
    "held": "held by its gates",
    "failed": "failed its gates",
    "run_failed": "run failed",
}


@dataclass(frozen=True, kw_only=True)
class Alert:
    """What happened, with pseudonyms and keys only."""

    kind: AlertKind
    env: str
    """Env key; empty where a run belongs to none."""
    sentence: str
    numbers: Mapping[str, float | int | str]
    """What was measured, by name."""
    links: Mapping[str, str]
    """What it is -> its address in the UI; empty where the UI's address is not known."""
    event_id: int
    """Of the event that it tells of: a receiver that gets an alert twice knows it by this and the kind."""
    at: float
    """Seconds since 1970, UTC."""

    @property
    def title(self) -> str:
        """A few words."""
        return f"{self.env}: {_TITLES[self.kind]}" if self.env else _TITLES[self.kind]

    @property
    def text(self) -> str:
        """All of it for a person."""
        numbers = ", ".join(f"{name} {value}" for name, value in self.numbers.items())
        links = [f"{name}: {address}" for name, address in self.links.items()]
        return "\n".join([self.title, self.sentence, *([numbers] if numbers else []), *links])

    def to_json(self) -> dict[str, Any]:
        """Plain data, as webhooks get it."""
        return asdict(self) | {"title": self.title}
