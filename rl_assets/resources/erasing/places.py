"""Where an order works: partitions on which nobody may work meanwhile, and records that go."""

from collections.abc import Iterable
from pathlib import Path

from rl_assets.config.sweep_plan import SweepPlan
from rl_assets.erasure.plan import ErasurePlan
from rl_assets.errors import StoreError, UnknownPartition
from rl_assets.resources.demand import read_demand
from rl_assets.resources.erasing.estate import Estate
from rl_assets.resources.erasing.quarantined import open_event
from rl_assets.resources.event_log import Event
from rl_assets.resources.lineage_log import OBSERVED_AS
from rl_assets.resources.redaction.doomed import Doomed

_CELL_ASSETS = ("trained_policies", "policy_evaluations")
_ENV_ASSETS = ("eval_leaderboards", "gate_evaluations", "promoted_models")
_RECORDED_AS = {version: asset for asset, version in OBSERVED_AS.items()}
"""What lineage calls observations -> the asset that Dagster has them under."""


def places_of(estate: Estate, plan: ErasurePlan) -> dict[str, frozenset[str]]:
    """Asset -> partitions that what goes is of, or would be made of next.

    Cells that sweeps ask for on the data count as theirs whether or not they were trained.
    """
    found: dict[str, set[str]] = {}
    for event in plan.erased:
        found.setdefault(_RECORDED_AS.get(event.asset, event.asset), set()).add(event.partition or "")
    cells = asked_cells(estate, plan) | found.get("trained_policies", set())
    for asset in _CELL_ASSETS:
        found.setdefault(asset, set()).update(cells)
    for asset in _ENV_ASSETS:
        found.setdefault(asset, set()).update(cell.split("|")[0] for cell in cells)
    found.setdefault("datasets", set()).update(plan.scope.datasets)
    return {asset: frozenset(partitions) for asset, partitions in found.items()}


def source_places(estate: Estate, keys: Iterable[str]) -> tuple[Path, ...]:
    """Files and folders that the datasets were registered from and that are still there: the client's, not ours."""
    found: dict[Path, None] = {}
    for key in keys:
        try:
            path = estate.register.dataset(key).path
        except UnknownPartition:
            continue
        if path is not None and Path(path).exists():
            found[Path(path)] = None
    return tuple(found)


def asked_cells(estate: Estate, plan: ErasurePlan) -> set[str]:
    """Cells that any live sweep asks for and that read the scope's datasets, or start from what goes."""
    erased = {event.partition or "" for event in plan.erased if event.asset == "trained_policies"}
    cells: set[str] = set()
    for event in read_demand(estate.log).sweeps.values():
        sweep = sweep_plan(estate, event)
        if sweep is None:
            continue
        for env in sweep.envs:
            tainted = {hparam for hparam, recipe in sweep.recipes.items() if recipe.dataset in plan.scope.datasets} | {
                hparam for hparam in sweep.recipes if f"{env}|{hparam}" in erased
            }
            cells |= {f"{env}|{hparam}" for hparam in _with_children(sweep, tainted)}
    return cells


def doomed_records(estate: Estate, plan: ErasurePlan) -> Doomed:
    """What Dagster must not remember any more; also where something was only planned, or failed."""
    kept = {(shared.asset, shared.partition or "") for shared in plan.kept_shared}
    events: dict[str, set[int]] = {}
    partitions: dict[str, set[str]] = {}
    for event in plan.erased:
        asset, partition = _RECORDED_AS.get(event.asset, event.asset), event.partition or ""
        events.setdefault(asset, set()).add(event.event_id)
        if (event.asset, partition) not in kept:
            partitions.setdefault(asset, set()).add(partition)
    for asset in ("sweep_configs", "sweep_reports"):
        partitions.setdefault(asset, set()).update(plan.keys.sweep)
    envs = estate.instance.get_dynamic_partitions("env")
    for asset in _CELL_ASSETS:
        partitions.setdefault(asset, set()).update(f"{env}|{hparam}" for env in envs for hparam in plan.keys.hparam)
    _drop_kept(partitions, kept)
    keys = {
        "dataset": frozenset(plan.keys.dataset),
        "sweep": frozenset(plan.keys.sweep),
        "hparam": frozenset(plan.keys.hparam),
        "env": frozenset(plan.keys.env),
    }
    names = {*plan.keys.hparam, *plan.keys.sweep}
    if plan.scope.kind != "subject":
        names |= set(plan.scope.datasets)
    if plan.scope.is_whole_client:
        names.add(plan.scope.pseudonym)
    for asset in _CELL_ASSETS:
        names |= partitions.get(asset, set())
    return Doomed(
        events={asset: frozenset(ids) for asset, ids in events.items()},
        partitions={asset: frozenset(found) for asset, found in partitions.items()},
        dynamic_keys={name: found for name, found in keys.items() if found},
        names=frozenset(names),
    )


def _drop_kept(partitions: dict[str, set[str]], kept: Iterable[tuple[str, str]]) -> None:
    for asset, partition in kept:
        partitions.get(_RECORDED_AS.get(asset, asset), set()).discard(partition)


def sweep_plan(estate: Estate, event: Event) -> SweepPlan | None:
    """What a sweep asks for; None where its bytes are gone or damaged."""
    try:
        return SweepPlan.model_validate_json(open_event(estate.store, event).read("plan.json"))
    except (StoreError, KeyError):
        return None


def _with_children(sweep: SweepPlan, tainted: set[str]) -> set[str]:
    """Recipes, and all of the same sweep that start from them."""
    found = set(tainted)
    while True:
        further = {
            hparam
            for hparam, recipe in sweep.recipes.items()
            if hparam not in found and recipe.init_from is not None and recipe.init_from.hparam in found
        }
        if not further:
            return found
        found |= further
