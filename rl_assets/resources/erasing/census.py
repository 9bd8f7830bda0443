"""What an erasure would take, as things stand: the premises of its plan, gathered from log, store and register."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from rl_assets.datasets.subjects import ErasedSubject, excludes, mentions, subjects_of
from rl_assets.erasure.plan import ErasurePlan
from rl_assets.erasure.planning import ChampionFacts, LivePartitions, plan_erasure
from rl_assets.erasure.scope import ErasureScope
from rl_assets.errors import ErasureRefused, ObjectNotFound, UnknownPartition
from rl_assets.lineage.graph import LineageGraph
from rl_assets.lineage.records import Materialization
from rl_assets.resources.demand import envs_of, hparams_of
from rl_assets.resources.erasing.estate import Estate
from rl_assets.resources.erasing.quarantined import open_event
from rl_assets.resources.event_log import Event
from rl_assets.resources.lineage_log import DagsterLineageLog
from rl_assets.store.artifacts import ArtifactRef
from rl_assets.store.history import ChampionHistory
from rl_assets.store.tombstones import Erased


@dataclass(frozen=True, kw_only=True)
class Wish:
    """What somebody wants erased, by pseudonym and key."""

    scope: ErasureScope
    subject: ErasedSubject | None = None
    """Who, where the scope is one data subject."""


def wish_client(estate: Estate, pseudonym: str) -> Wish:
    """Erase all of a client: every dataset that the register or the event log ever knew.

    Raises:
        ErasureRefused: that is no pseudonym.
    """
    known = {key for key in _dataset_keys(estate) if key.startswith(f"{pseudonym}.")}
    return Wish(scope=ErasureScope(pseudonym=pseudonym, datasets=tuple(known), is_whole_client=True))


def wish_datasets(estate: Estate, keys: Iterable[str]) -> Wish:
    """Erase some datasets of one client.

    Raises:
        ErasureRefused: they belong to several clients.
        UnknownPartition: there is no such dataset.
    """
    wanted, known = sorted(set(keys)), _dataset_keys(estate)
    for key in wanted:
        order = estate.store.tombstones.order_of_dataset(key)
        if key not in known and order is not None:
            raise ErasureRefused(f"dataset '{key}' was erased by order {order}: nothing is left of it")
        if key not in known:
            raise UnknownPartition(f"dataset '{key}' is not known here: `rlctl dataset list` shows those that are")
    owners = sorted({key.split(".")[0] for key in wanted})
    if len(owners) != 1:
        raise ErasureRefused(
            f"datasets of {len(owners)} clients ({', '.join(owners)}): expected those of one; erase them one client "
            "after another, as each gets a certificate of its own"
        )
    return Wish(scope=ErasureScope(pseudonym=owners[0], datasets=tuple(wanted)))


def wish_subject(estate: Estate, subject: str, pseudonym: str, keys: Iterable[str] = ()) -> Wish:
    """Erase one data subject from a client's datasets, or from some of them.

    Raises:
        ErasureRefused: none of the datasets holds the subject, or a file that cannot be rewritten names it.
        InvalidDataset: the subject is no text that could be one, or a file of a dataset cannot be read.
    """
    erased = ErasedSubject.of(subject)
    known = {key for key in _dataset_keys(estate) if key.startswith(f"{pseudonym}.")}
    wanted = sorted(set(keys) or known)
    holding = [key for key in wanted if any(_holds(estate, event, erased) for event in _versions(estate, key))]
    for key in wanted:
        for event in _versions(estate, key):
            _refuse_unwritable(estate, event, subject)
    if not holding:
        raise ErasureRefused(
            f"no dataset of client '{pseudonym}' holds episodes about that subject (the name is not repeated here): "
            "expected it as the column 'subject' of a dataset has it; a dataset without that column says nothing "
            "about anybody, so erase the dataset or let the client say whose its episodes are"
        )
    scope = ErasureScope(pseudonym=pseudonym, datasets=tuple(holding), subject_digest=erased.digest)
    return Wish(scope=scope, subject=erased)


def make_plan(
    estate: Estate, wish: Wish, *, include_possibly_affected: bool | None, order: str | None = None
) -> ErasurePlan:
    """Say exactly what an erasure would take as things stand; changes nothing.

    Args:
        estate: where.
        wish: what is to go.
        include_possibly_affected: whether what is of unknown origin goes too; None leaves it open.
        order: the order that is carried out, if one is: what read anything that it has erased goes too, although the
            records of that are gone.

    Raises:
        StoreError: a dataset's or a sweep's bytes cannot be read, so that nobody can say what is in it.
        LineageError: the event log cannot be read.
    """
    graph, _ = estate.index.graph()
    holding: set[int] = set()
    if wish.subject is not None:
        for key in wish.scope.datasets:
            holding |= {event.event_id for event in _versions(estate, key) if _holds(estate, event, wish.subject)}
    own_sweeps = (
        []
        if wish.subject is not None
        else [
            event.event_id
            for event in graph.events
            if event.asset == "sweep_configs" and _is_only_about(event, wish.scope)
        ]
    )
    return plan_erasure(
        graph,
        wish.scope,
        champions=_champions(estate),
        log_id=DagsterLineageLog(estate.log).log_id,
        live=_live_partitions(estate),
        include_possibly_affected=include_possibly_affected,
        holding_subject=holding,
        naming_only=[*own_sweeps, *([] if order is None else _readers_of_erased(estate, graph, order))],
    )


def _dataset_keys(estate: Estate) -> set[str]:
    """Every dataset that is registered, has a partition or was ever materialized."""
    registered = {key for client in estate.register.names() for key in estate.register.datasets_of(client)}
    live = set(estate.instance.get_dynamic_partitions("dataset"))
    return registered | live | set(estate.log.latest_ids("datasets"))


def _versions(estate: Estate, key: str) -> list[Event]:
    return list(estate.log.history("datasets", key))


def _holds(estate: Estate, event: Event, subject: ErasedSubject) -> bool:
    """Whether a version of a dataset holds a subject; one whose bytes an order erased counts as if it did."""
    try:
        artifact = open_event(estate.store, event)
    except ObjectNotFound:
        identity = Erased(
            asset=event.asset, partition=event.partition, event_id=event.event_id, data_version=event.data_version
        )
        if estate.store.tombstones.order_of_event(identity) is None:
            raise
        return True
    is_meant = excludes([subject])
    return any(is_meant(name) for file in artifact.file_names for name in subjects_of(artifact.read(file), file))


def _refuse_unwritable(estate: Estate, event: Event, subject: str) -> None:
    artifact = open_event(estate.store, event)
    for file in artifact.file_names:
        data = artifact.read(file)
        if mentions(data, subject) and not subjects_of(data, file):
            raise ErasureRefused(
                f"dataset '{event.partition}': file '{file}' names that subject (whose name is not repeated here), and "
                "no column of it says which episodes are about whom: expected the column 'subject'; take the subject "
                "out of the client's files and register them again, or erase the whole dataset"
            )


def _readers_of_erased(estate: Estate, graph: LineageGraph, order: str) -> list[int]:
    """Events that data of what an order erased went into: logged while its records were removed."""
    tombstones = estate.store.tombstones
    return [
        event.event_id
        for event in graph.events
        if any(
            record.role == "data"
            and tombstones.order_of_event(
                Erased(
                    asset=record.asset,
                    partition=record.partition,
                    event_id=record.event_id,
                    data_version=record.data_version,
                )
            )
            == order
            for record in event.inputs or ()
        )
    ]


def _is_only_about(sweep: Materialization, scope: ErasureScope) -> bool:
    """Whether a sweep names datasets of the scope and no others, so that nothing is left for it to ask for."""
    named = {record.partition for record in sweep.inputs or () if record.asset == "datasets"}
    return bool(named) and named <= set(scope.datasets)


def _champions(estate: Estate) -> dict[str, list[ChampionFacts]]:
    found: dict[str, list[ChampionFacts]] = {}
    for env in estate.store.folders("champions"):
        standing = ChampionHistory(estate.store, env).standing()
        found[env] = [
            ChampionFacts(
                generation=reign.generation,
                is_in_production=reign == standing.production,
                hparam=reign.hparam,
                policy_version=ArtifactRef.from_json(reign.policy).data_version,
                data_version=reign.data_version,
                weights_sha256=reign.weights_sha256,
                can_serve=reign.weights_sha256 not in standing.rolled_back,
            )
            for reign in standing.reigns
        ]
    return found


def _live_partitions(estate: Estate) -> LivePartitions:
    keys = {
        name: frozenset(estate.instance.get_dynamic_partitions(name)) for name in ("dataset", "sweep", "hparam", "env")
    }
    cells: Mapping[str, list[tuple[str, str]]] = {
        event.partition: [(env, hparam) for env in envs_of(event) for hparam in hparams_of(event, env)]
        for event in estate.log.newest("sweep_configs").values()
    }
    return LivePartitions(**keys, cells_by_sweep=cells)
