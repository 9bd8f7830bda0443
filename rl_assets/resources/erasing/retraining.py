"""What an erasure took from others, and how to train it again without the data: sweeps, and what they cost."""

import statistics
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal, Self

from rl_assets.config.keys import MAX_KEY_LENGTH
from rl_assets.config.sequence import SequenceStep
from rl_assets.config.sweep import SweepConfig
from rl_assets.config.sweep_plan import SweepPlan
from rl_assets.erasure.plan import ErasurePlan
from rl_assets.errors import RlAssetsError
from rl_assets.resources.demand import envs_of, hparams_of, read_demand
from rl_assets.resources.erasing.estate import Estate
from rl_assets.resources.erasing.places import asked_cells, sweep_plan
from rl_assets.resources.event_log import Event
from rl_assets.resources.sweep_library import SweepLibrary


@dataclass(frozen=True, kw_only=True)
class RetrainingItem:
    """One sweep whose policies went, and what asks for them again."""

    sweep: str
    """That asked for them."""
    how: Literal["again", "without", "by hand"]
    """`again`: the same sweep on what is left of its dataset; `without`: `config`, which leaves out what was erased;
    `by hand`: its definition is gone."""
    config: Mapping[str, Any] | None
    """The sweep that leaves out what was erased, as plain data; its datasets are keys."""
    cells: tuple[str, ...]
    """Policies that went, or that cannot be trained as they were asked for."""
    env_steps: int
    """Environment steps of the trainings that this asks for."""
    seconds: float | None
    """How long that takes on a machine like the one that trained them; None where nobody knows."""

    def to_json(self) -> dict[str, Any]:
        """Plain data."""
        return asdict(self) | {"cells": list(self.cells)}


@dataclass(frozen=True, kw_only=True)
class RetrainingPlan:
    """All that can be trained again after an erasure."""

    items: tuple[RetrainingItem, ...]

    @property
    def env_steps(self) -> int:
        """Environment steps in all."""
        return sum(item.env_steps for item in self.items)

    @property
    def seconds(self) -> float | None:
        """How long it takes, one after another; None where nobody knows."""
        known = [item.seconds for item in self.items if item.seconds is not None]
        return sum(known) if known and len(known) == len(self.items) else None

    def to_json(self) -> dict[str, Any]:
        """Plain data for the ledger and for commands."""
        return {
            "items": [item.to_json() for item in self.items],
            "env_steps": self.env_steps,
            "seconds": self.seconds,
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """Read back what `to_json` wrote."""
        return cls(items=tuple(RetrainingItem(**{**item, "cells": tuple(item["cells"])}) for item in data["items"]))


def plan_retraining(estate: Estate, plan: ErasurePlan, *, order: str) -> RetrainingPlan:
    """Say what the sweeps that stay lose, and what would train it again without the data.

    Args:
        estate: where; the records of what goes are still there.
        plan: of the erasure.
        order: its id, which new sweeps carry in their names.
    """
    lost = asked_cells(estate, plan) | {
        event.partition or "" for event in plan.erased if event.asset == "trained_policies"
    }
    going = set(plan.keys.sweep)
    library = SweepLibrary(files=estate.home.sweeps_folder, submitted=estate.home.submitted_sweeps_folder)
    speeds = _speeds(estate, plan)
    gone = {key for tombstone in estate.store.tombstones.all() for key in tombstone.datasets}
    demand = read_demand(estate.log)
    asked_for = {cell for sweep, event in demand.sweeps.items() if sweep not in going for cell in _cells(event)}
    items = []
    # The oldest first: what a training starts from was asked for before it.
    for sweep, event in reversed(list(demand.sweeps.items())):
        asked = sweep_plan(estate, event)
        cells = sorted(lost & set(_cells(event)))
        if asked is None or sweep in going or not cells:
            continue
        if not _needs_what_is_gone(asked, gone, asked_for):
            items.append(_item(sweep, "again", None, cells, asked.recipes.values(), asked, speeds))
            continue
        asked_for -= set(cells)  # they come back under other keys, if at all
        try:
            config = _without(library.load(sweep), asked, gone, order=order)
        except RlAssetsError:
            items.append(_item(sweep, "by hand", None, cells, (), asked, speeds))
            continue
        if config is not None:
            kept = [recipe for recipe in asked.recipes.values() if recipe.dataset not in gone]
            items.append(_item(sweep, "without", config, cells, kept, asked, speeds))
    return RetrainingPlan(items=tuple(items))


def _needs_what_is_gone(asked: SweepPlan, gone: Collection[str], asked_for: Collection[str]) -> bool:
    """Whether a sweep reads a dataset that is erased for good, or starts from a policy that nobody asks for."""
    return any(recipe.dataset in gone for recipe in asked.recipes.values()) or any(
        f"{parent.env_of(env)}|{parent.hparam}" not in asked_for
        for parent in asked.parents.values()
        for env in asked.envs
    )


def _without(config: SweepConfig, asked: SweepPlan, erased: Collection[str], *, order: str) -> SweepConfig | None:
    """The same sweep without the steps on erased data and without a parent that goes; None where nothing is left."""
    first = next(iter(asked.recipes.values())).dataset if not isinstance(config.dataset, str) else config.dataset
    changes: dict[str, Any] = {"name": _named_after(config.name, order), "dataset": first, "init_from": None}
    if config.sequence:
        steps = [step for step in config.sequence if (step.dataset or first) not in erased]
        if not steps:
            return None
        if first in erased:
            changes["dataset"] = first = str(steps[0].dataset)
        changes["sequence"] = tuple(_fresh(step) if number == 0 else step for number, step in enumerate(steps))
    elif first in erased:
        return None
    return config.model_copy(update=changes)


def _fresh(step: SequenceStep) -> SequenceStep:
    """A first step that starts from nothing that was erased."""
    return step.model_copy(update={"init_from": None})


def _named_after(name: str, order: str) -> str:
    ending = f"-without-{order.removeprefix('e-')}"
    return f"{name[: MAX_KEY_LENGTH - len(ending)]}{ending}"


def _item(
    sweep: str,
    how: Literal["again", "without", "by hand"],
    config: SweepConfig | None,
    cells: Sequence[str],
    recipes: Iterable[Any],
    asked: SweepPlan,
    speeds: Mapping[str, float],
) -> RetrainingItem:
    steps_each = sum(recipe.total_timesteps for recipe in recipes) * len(asked.seeds)
    durations = [steps_each / speeds[env] for env in asked.envs if env in speeds]
    return RetrainingItem(
        sweep=sweep,
        how=how,
        config=None if config is None else config.model_dump(mode="json"),
        cells=tuple(cells),
        env_steps=steps_each * len(asked.envs),
        seconds=sum(durations) if durations and len(durations) == len(asked.envs) else None,
    )


def _cells(sweep: Event) -> list[str]:
    return [f"{env}|{hparam}" for env in envs_of(sweep) for hparam in hparams_of(sweep, env)]


def _speeds(estate: Estate, plan: ErasurePlan) -> dict[str, float]:
    """Env key -> median of the steps per second with which what goes was trained there."""
    ids = [event.event_id for event in plan.erased if event.asset == "trained_policies"]
    found: dict[str, list[float]] = {}
    for event in estate.log.by_id("trained_policies", ids):
        speed = event.metadata.get("steps_per_s")
        if isinstance(speed, int | float) and speed > 0:
            found.setdefault(event.partition.split("|")[0], []).append(float(speed))
    return {env: statistics.median(speeds) for env, speeds in found.items()}
