"""What Dagster's records need of the store, over all events of all assets."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from rl_assets.errors import InvalidPartitionKey, StoreUnavailable
from rl_assets.resources.event_log import ARTIFACT_KEY, ATTACHMENTS_KEY, TRANSITION_KEY, Event, EventLog
from rl_assets.store.artifacts import ArtifactRef
from rl_assets.store.claims import Claim, Finding, Holder
from rl_assets.store.history import ChampionHistory
from rl_assets.store.objects import ObjectRef, ObjectStore
from rl_assets.store.standing import fold
from rl_assets.store.tombstones import Erased, Tombstones

PROMOTED = "promoted_models"


@dataclass(kw_only=True)
class Records:
    """One walk over the event log, in pages; what it needs to remember are names and references.

    Args:
        log: what Dagster remembers.
        assets: in the order of the lifecycle, so that what is made first is named first.
        on_event: is told of each event.
    """

    log: EventLog
    assets: Sequence[str]
    on_event: Callable[[], None] = lambda: None
    tombstones: Tombstones | None = None
    """What is erased needs nothing any more; None where nothing can be."""
    count: int = 0
    """Events that were looked at."""
    promotions: dict[tuple[str, int], str] = field(default_factory=dict)
    """Env key and number of the history's entry -> data version of the promoted model, as Dagster's records say."""

    def claims(self) -> Iterator[Claim | Finding]:
        """What each materialization needs, the newest event of a partition for those that name the same artifact."""
        for asset in self.assets:
            newest: dict[str, int] = {}
            needs: dict[tuple[str, ArtifactRef], int] = {}
            attached: dict[tuple[str, str, ObjectRef], int] = {}
            wrong: dict[str, tuple[int, str]] = {}
            for event in self.log.history(asset):
                self.count += 1
                self.on_event()
                if asset == PROMOTED:
                    number = event.metadata.get(TRANSITION_KEY, event.metadata.get("generation"))
                    if type(number) is int:
                        self.promotions[event.partition, number] = event.data_version
                if self._is_erased(event):
                    continue
                newest[event.partition] = event.event_id
                try:
                    needs[event.partition, _reference(event)] = event.event_id
                    for name, ref in _attachments(event).items():
                        attached[event.partition, name, ref] = event.event_id
                except (ValueError, TypeError) as error:
                    wrong[event.partition] = (event.event_id, str(error))
            for (partition, reference), event_id in needs.items():
                yield Claim(
                    ref=reference.manifest, holder=_holder(asset, partition, event_id, newest), is_artifact=True
                )
            for (partition, name, ref), event_id in attached.items():
                holder = _holder(asset, partition, event_id, newest, part=f", attachment '{name}'")
                yield Claim(ref=ref, holder=holder, is_artifact=False)
            for partition, (event_id, what) in wrong.items():
                if newest[partition] == event_id:
                    yield Finding(
                        kind="wrong record",
                        path="",
                        what=f"{asset}[{partition}] (event {event_id}): {what}",
                        needed_by=(f"{asset}[{partition}]",),
                        is_current=True,
                        to_do=f"materialize {asset} of '{partition}' again",
                    )

    def _is_erased(self, event: Event) -> bool:
        """Whether an order erased an event whose record is still there, as between two steps of an erasure."""
        identity = Erased(
            asset=event.asset, partition=event.partition, event_id=event.event_id, data_version=event.data_version
        )
        return self.tombstones is not None and self.tombstones.order_of_event(identity) is not None

    def compare_champions(self, store: ObjectStore, *, started_at: float) -> Iterator[Finding]:
        """Where histories of champions and records of promotions, once all are walked over, contradict each other.

        Args:
            store: where the histories are.
            started_at: seconds since 1970, UTC, before the walk; later promotions are left alone.
        """
        for env in sorted({*store.folders("champions"), *(env for env, _ in self.promotions)}):
            try:
                history = ChampionHistory(store, env)
                kept, flaws = history.inspect()
            except (InvalidPartitionKey, StoreUnavailable):
                continue  # no history of ours, or told by those who claim objects for it
            for (place, number), data_version in self.promotions.items():
                path = history.path(number)
                if place != env or path in flaws:
                    continue
                if number in kept and kept[number].remains is not None:
                    continue  # erased; its record goes too
                model = kept[number].model if number in kept else None
                if model is None:
                    yield Finding(
                        kind="missing entry",
                        path=path,
                        what=f"promotion {number} of '{env}' is recorded, and its entry in the history is gone",
                        needed_by=(f"champions of '{env}'", f"{PROMOTED}[{env}]"),
                        is_current=True,
                        to_do="put the file back from a backup; until then nothing is promoted in "
                        f"'{env}' and `rlctl champion {env}` names an earlier champion",
                    )
                elif model.data_version != data_version:
                    yield Finding(
                        kind="wrong record",
                        path=path,
                        what=f"the entry names promoted model {model.data_version}, and the record of the "
                        f"promotion names {data_version}",
                        needed_by=(f"champions of '{env}'", f"{PROMOTED}[{env}]"),
                        is_current=True,
                        to_do="restore Dagster's storage and the store from backups of the same time",
                    )
            reigning = fold(kept.items()).production
            if reigning is not None and not flaws:
                began_at = datetime.fromisoformat(reigning.promoted_at).timestamp()
                if (env, reigning.transition) not in self.promotions and began_at < int(started_at):
                    yield Finding(
                        kind="unfinished promotion",
                        path=history.path(reigning.transition),
                        what=f"champion {reigning.generation} of '{env}' stands in the history, and no record of "
                        "Dagster tells of its promotion: the run was killed in between, or the record was wiped",
                        needed_by=(f"{PROMOTED}[{env}]",),
                        is_current=True,
                        to_do=f"materialize {PROMOTED} of '{env}' again",
                    )


def _holder(asset: str, partition: str, event_id: int, newest: Mapping[str, int], *, part: str = "") -> Holder:
    """A materialization that needs an object, given the newest event of each partition."""
    is_newest = newest[partition] == event_id
    name = f"{asset}[{partition}]{part}"
    return Holder(
        name=name if is_newest else f"{name} (event {event_id}, superseded)",
        is_current=is_newest,
        remedy=f"materialize {asset} of '{partition}' again" if is_newest else "",
    )


def _reference(event: Event) -> ArtifactRef:
    """The artifact that an event names.

    Raises:
        ValueError: it names none, or says something else than its data version does.
    """
    raw = event.metadata.get(ARTIFACT_KEY)
    if raw is None:
        raise ValueError("it names no artifact: it was logged by other means")
    reference = ArtifactRef.from_json(raw)
    if event.data_version != reference.data_version:
        raise ValueError(
            f"its data version is {event.data_version or '(none)'}, and its artifact's is {reference.data_version}"
        )
    return reference


def _attachments(event: Event) -> dict[str, ObjectRef]:
    """The objects that are attached to an event, by name.

    Raises:
        ValueError, TypeError: what it says of them is malformed.
    """
    raw = event.metadata.get(ATTACHMENTS_KEY, {})
    if not isinstance(raw, dict):
        raise ValueError(f"its attachments are {raw!r}: expected a mapping of name to object")
    return {name: ObjectRef.from_json(entry) for name, entry in raw.items()}
