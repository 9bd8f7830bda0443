"""From lineage to the plan of an erasure: what descends from the data, who takes over, which keys nothing needs."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from rl_assets.erasure.plan import ChampionChange, ErasurePlan, EventIdentity, KeysToRemove, SharedPartition
from rl_assets.erasure.scope import ErasureScope
from rl_assets.errors import ErasureRefused
from rl_assets.lineage.graph import PROMOTED_ASSET, LineageGraph
from rl_assets.lineage.records import InputRecord, Materialization

LIFE_CYCLE = (
    "datasets",
    "sweep_configs",
    "trained_policies",
    "policy_evaluations",
    "eval_leaderboards",
    "gate_evaluations",
    "promoted_models",
    "sweep_reports",
)
CELL_ASSETS = frozenset({"trained_policies", "policy_evaluations"})
ENV_ASSETS = frozenset({"eval_leaderboards", "gate_evaluations", "promoted_models"})
SWEEP_ASSETS = frozenset({"sweep_configs", "sweep_reports"})
_PLACE = {asset: position for position, asset in enumerate(LIFE_CYCLE)}

Cell = tuple[str, str]


@dataclass(frozen=True, kw_only=True)
class ChampionFacts:
    """What the plan has to know of one reign."""

    generation: int
    """From 1, in the order of the reigns."""
    is_in_production: bool
    """Whether it is served; true of one reign at most."""
    hparam: str
    policy_version: str
    """Data version of the policy that the weights were copied from."""
    data_version: str
    """Of the promoted model."""
    weights_sha256: str
    """Empty in records from before weights were noted."""
    can_serve: bool = True
    """False where its bytes are damaged, or a rollback ended its reign because it was found unfit."""


@dataclass(frozen=True, kw_only=True)
class LivePartitions:
    """Dynamic partition keys of the instance."""

    dataset: frozenset[str] = frozenset()
    sweep: frozenset[str] = frozenset()
    hparam: frozenset[str] = frozenset()
    env: frozenset[str] = frozenset()
    cells_by_sweep: Mapping[str, Collection[Cell]] = field(default_factory=dict)
    """Sweep -> env and hparam of the cells that it asks for, trained or not."""


def plan_erasure(
    graph: LineageGraph,
    scope: ErasureScope,
    *,
    champions: Mapping[str, Sequence[ChampionFacts]],
    log_id: str,
    live: LivePartitions,
    include_possibly_affected: bool | None = None,
    holding_subject: Collection[int] = (),
    naming_only: Collection[int] = (),
    num_objects: int = 0,
    size_bytes: int = 0,
) -> ErasurePlan:
    """Say exactly what an erasure would take; changes nothing.

    Args:
        graph: of the whole event log.
        scope: what is to go.
        champions: environment -> its reigns, in any order.
        log_id: names the event log.
        live: the dynamic partition keys, and what the sweeps ask for.
        include_possibly_affected: whether events of unrecorded origin go too; None where nobody has decided.
        holding_subject: for a data subject, ids of the dataset events whose episodes hold it; the log need not hold
            them any more.
        naming_only: ids of events that hold none of the data and go all the same, with what descends from them: sweeps
            that name datasets of the scope and no others, so that nothing is left for them to ask for.
        num_objects: how many objects this is, where it was counted.
        size_bytes: their size together.

    Raises:
        ErasureRefused: an event that is said to hold the subject is not of the scope's datasets.
    """
    if scope.kind == "subject":
        affected, possibly = _of_subject(graph, scope, frozenset(holding_subject))
    else:
        answer = graph.client_query(scope.datasets)
        affected = {entry["event_id"] for entry in answer["materializations"]}
        possibly = {entry["event_id"] for entry in answer["possibly_affected"]}
    events = {event.event_id: event for event in graph.events}
    affected |= _closure(graph, events, set(naming_only) & events.keys())
    possibly -= affected
    erased = affected | possibly if include_possibly_affected else affected
    goes = [event for event in graph.events if event.event_id in erased]
    stays = [event for event in graph.events if event.event_id not in erased]
    return ErasurePlan(
        scope=scope,
        log_id=log_id,
        erased=_in_life_cycle(goes),
        champions=_champion_changes(champions, goes),
        possibly_affected=_in_life_cycle(event for event in graph.events if event.event_id in possibly),
        include_possibly_affected=include_possibly_affected if possibly else None,
        kept_shared=_shared(goes, stays),
        keys=_keys_to_remove(scope, live, goes, stays),
        num_objects=num_objects,
        size_bytes=size_bytes,
    )


def _of_subject(graph: LineageGraph, scope: ErasureScope, roots: frozenset[int]) -> tuple[set[int], set[int]]:
    """Events that a subject's data went into, and those of which nobody can say.

    What read a version of these datasets that the log no longer holds is affected where that version held the
    subject, and possibly affected otherwise: nobody can look any more.
    """
    events = {event.event_id: event for event in graph.events}
    for root in sorted(roots & events.keys()):
        if events[root].asset != "datasets" or events[root].partition not in scope.datasets:
            raise ErasureRefused(
                f"event {root} is {events[root].asset}:{events[root].partition}, which is no version of "
                f"{scope.describe()}: name events of those datasets alone"
            )
    starts, doubtful = roots & events.keys(), set()
    for event in graph.events:
        for record in event.inputs or ():
            is_gone = record.asset == "datasets" and not _is_known(events, record)
            if is_gone and record.role == "data" and record.partition in scope.datasets:
                (starts := starts | {event.event_id}) if record.event_id in roots else doubtful.add(event.event_id)
    affected = _closure(graph, events, starts)
    of_unknown_origin = {entry["event_id"] for entry in graph.client_query(())["possibly_affected"]}
    return affected, (of_unknown_origin | _closure(graph, events, doubtful)) - affected


def _closure(graph: LineageGraph, events: Mapping[int, Materialization], starts: Iterable[int]) -> set[int]:
    found: set[int] = set()
    for start in sorted(starts):
        if start not in found:
            event = events[start]
            found |= {e["event_id"] for e in graph.forward(event.asset, event.partition, start)["materializations"]}
    return found


def _is_known(events: Mapping[int, Materialization], record: InputRecord) -> bool:
    event = events.get(record.event_id)
    return event is not None and event.summary() == record.identity()


def _in_life_cycle(events: Iterable[Materialization]) -> tuple[EventIdentity, ...]:
    ordered = sorted(events, key=lambda event: (_PLACE.get(event.asset, len(_PLACE)), event.event_id))
    return tuple(EventIdentity(**event.summary()) for event in ordered)


def _champion_changes(
    champions: Mapping[str, Sequence[ChampionFacts]], goes: Iterable[Materialization]
) -> tuple[ChampionChange, ...]:
    """What becomes of each environment of which a version goes; weights that go take all their reigns with them."""
    erased = {(event.asset, event.partition, event.data_version) for event in goes}
    changes = []
    for env, facts in sorted(champions.items()):
        reigns = sorted(facts, key=lambda reign: reign.generation)
        tainted = {
            reign.generation
            for reign in reigns
            if (PROMOTED_ASSET, env, reign.data_version) in erased
            or ("trained_policies", f"{env}|{reign.hparam}", reign.policy_version) in erased
        }
        weights = {reign.weights_sha256 for reign in reigns if reign.generation in tainted} - {""}
        tainted |= {reign.generation for reign in reigns if reign.weights_sha256 in weights}
        if not tainted:
            continue
        able = [reign.generation for reign in reigns if reign.generation not in tainted and reign.can_serve]
        production = next((reign.generation for reign in reigns if reign.is_in_production), None)
        changes.append(
            ChampionChange(
                env=env,
                erased_generations=tuple(sorted(tainted)),
                production=production,
                replacement=able[-1] if able and production in tainted else None,
            )
        )
    return tuple(changes)


def _shared(goes: Sequence[Materialization], stays: Iterable[Materialization]) -> tuple[SharedPartition, ...]:
    versions: dict[tuple[str, str | None], set[str]] = defaultdict(set)
    for event in goes:
        versions[event.asset, event.partition].add(event.data_version)
    kept: dict[tuple[str, str | None], list[Materialization]] = defaultdict(list)
    for event in stays:
        if (event.asset, event.partition) in versions:
            kept[event.asset, event.partition].append(event)
    places = sorted(kept, key=lambda place: (_PLACE.get(place[0], len(_PLACE)), place[0], place[1] or ""))
    return tuple(
        SharedPartition(
            asset=asset,
            partition=partition,
            kept=tuple(event.event_id for event in kept[asset, partition]),
            shared_versions=tuple(
                sorted({event.data_version for event in kept[asset, partition]} & versions[asset, partition])
            ),
        )
        for asset, partition in places
    )


def _keys_to_remove(
    scope: ErasureScope, live: LivePartitions, goes: Iterable[Materialization], stays: Iterable[Materialization]
) -> KeysToRemove:
    """Keys that only what goes made use of or asked for."""
    used, needed = _keys_of(goes), _keys_of(stays)
    sweeps = live.sweep & used["sweep"] - needed["sweep"]
    for sweep, cells in live.cells_by_sweep.items():
        keys = used if sweep in sweeps else needed if sweep in live.sweep else defaultdict(set)
        for env, hparam in cells:
            keys["env"].add(env)
            keys["hparam"].add(hparam)
    datasets = set() if scope.kind == "subject" else live.dataset & set(scope.datasets)
    return KeysToRemove(
        dataset=tuple(sorted(datasets)),
        sweep=tuple(sorted(sweeps)),
        hparam=tuple(sorted(live.hparam & used["hparam"] - needed["hparam"])),
        env=tuple(sorted(live.env & used["env"] - needed["env"])),
    )


def _keys_of(events: Iterable[Materialization]) -> dict[str, set[str]]:
    """Partitions definition -> its keys that the events are of."""
    keys: dict[str, set[str]] = {"sweep": set(), "hparam": set(), "env": set()}
    for event in events:
        partition = event.partition or ""
        if event.asset in CELL_ASSETS:
            env, _, hparam = partition.partition("|")
            keys["env"].add(env)
            keys["hparam"].add(hparam)
        elif event.asset in ENV_ASSETS:
            keys["env"].add(partition)
        elif event.asset in SWEEP_ASSETS:
            keys["sweep"].add(partition)
    return keys
