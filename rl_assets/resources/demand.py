"""Which cells the sweeps ask for."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from rl_assets.config.parent import Parent
from rl_assets.resources.event_log import Event, EventLog

CELLS_KEY = "rl/cells"


@dataclass(frozen=True, kw_only=True)
class Demand:
    """The live sweeps, and with them every combination of env and hparam that somebody asked for."""

    sweeps: Mapping[str, Event]
    """Sweep key -> its newest materialization, newest first."""

    def sweep_for(self, env: str, hparam: str) -> Event | None:
        """The newest sweep that asks for a cell; None for a hole, which is never trained."""
        return next((event for event in self.sweeps.values() if asks_for(event, env, hparam)), None)

    def hparams_by_env(self) -> dict[str, tuple[str, ...]]:
        """Env key -> the recipes that any sweep asks for in it, in order of first asking."""
        asked: dict[str, dict[str, None]] = {}
        for event in reversed(list(self.sweeps.values())):
            for env in envs_of(event):
                asked.setdefault(env, {}).update(dict.fromkeys(hparams_of(event, env)))
        return {env: tuple(hparams) for env, hparams in asked.items()}


def read_demand(log: EventLog) -> Demand:
    """Read the newest materialization of each sweep that still has a partition."""
    live = set(log.instance.get_dynamic_partitions("sweep"))
    events = [event for sweep, event in log.newest("sweep_configs").items() if sweep in live]
    events.sort(key=lambda event: event.event_id, reverse=True)
    return Demand(sweeps={event.partition: event for event in events})


def cells_metadata(
    envs: Iterable[str], hparams: Iterable[str], parents: Mapping[str, Parent] | None = None
) -> dict[str, Any]:
    """What a sweep writes on its materialization: it asks for the product of envs and hparams.

    Args:
        envs: env keys.
        hparams: hparam keys.
        parents: hparam key -> the policy that the recipe starts from, of those that start from one.
    """
    chains = {
        hparam: {"hparam": parent.hparam, **({} if parent.env is None else {"env": parent.env})}
        for hparam, parent in (parents or {}).items()
    }
    return {"envs": list(envs), "hparams": list(hparams), **({"parents": chains} if chains else {})}


def parent_of(sweep: Event, env: str, hparam: str) -> str | None:
    """Partition of the policy that a cell of a sweep starts from; None where it is none, or a champion."""
    parent = sweep.metadata.get(CELLS_KEY, {}).get("parents", {}).get(hparam)
    return None if parent is None else f"{parent.get('env', env)}|{parent['hparam']}"


def envs_of(sweep: Event) -> tuple[str, ...]:
    """Env keys that a sweep asks for."""
    return tuple(sweep.metadata.get(CELLS_KEY, {}).get("envs", ()))


def hparams_of(sweep: Event, env: str) -> tuple[str, ...]:
    """Hparam keys that a sweep asks for in an env."""
    cells = sweep.metadata.get(CELLS_KEY, {})
    return tuple(cells.get("hparams", ())) if env in cells.get("envs", ()) else ()


def asks_for(sweep: Event, env: str, hparam: str) -> bool:
    """Whether a sweep asks for a cell."""
    cells = sweep.metadata.get(CELLS_KEY, {})
    return env in cells.get("envs", ()) and hparam in cells.get("hparams", ())
