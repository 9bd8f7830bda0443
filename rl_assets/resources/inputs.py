"""What was read is what is recorded.

An asset reads only inside `inputs.for_output(asset, partition)`. The scope resolves the exact upstream materialization
before it reads, keeps the list, and is the only way to publish an output: so no output can forget an input, and none
can lend one to its neighbour in the same run.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import dagster as dg

from rl_assets.errors import CorruptObject, ErasedData, InputNotFound, ObjectNotFound, ReadOutsideScope
from rl_assets.lineage.graph import SOURCE_ASSETS
from rl_assets.lineage.records import InputRecord
from rl_assets.resources.event_log import (
    ARTIFACT_KEY,
    ATTACHMENTS_KEY,
    DATA_VERSION_TAG,
    INPUTS_KEY,
    Event,
    EventLog,
)
from rl_assets.resources.integrity import flaws_of
from rl_assets.resources.provenance import provenance
from rl_assets.store.alpha_ledger import AlphaLedger
from rl_assets.store.artifacts import Artifact, ArtifactRef, read_artifact, write_artifact
from rl_assets.store.checkpoints import TrainingCheckpoints, training_name
from rl_assets.store.history import ChampionHistory
from rl_assets.store.objects import ObjectRef, ObjectStore
from rl_assets.store.tombstones import Erased, Tombstones

REUSED_KEY = "rl/reused_from"
FILES_KEY = "rl/files"
MAX_FILES = 20


@dataclass(frozen=True, kw_only=True)
class Input:
    """One upstream materialization and its bytes."""

    event: Event
    artifact: Artifact
    is_evidence: bool
    """Whether it only informed a decision: nothing of its bytes is in the output."""


@dataclass(frozen=True, kw_only=True)
class Publication:
    """An output that stands in the store, ready to be logged with Dagster."""

    asset: str
    partition: str
    data_version: str
    metadata: Mapping[str, Any]

    def as_result(self, check_results: tuple[dg.AssetCheckResult, ...] = ()) -> dg.MaterializeResult:
        """The output of an asset that makes one partition in a run."""
        return dg.MaterializeResult(
            metadata=self.metadata, data_version=dg.DataVersion(self.data_version), check_results=list(check_results)
        )

    def with_metadata(self, further: Mapping[str, Any]) -> "Publication":
        """The same output with more to show."""
        return replace(self, metadata={**self.metadata, **further})

    def as_event(self, partitions: dg.PartitionsDefinition) -> dg.AssetMaterialization:
        """The event of an op that makes many partitions in a run; Dagster adds no dimension tags by itself."""
        tags = {"dagster/partition": self.partition}
        if isinstance(partitions, dg.MultiPartitionsDefinition):
            tags = dict(partitions.get_tags_for_partition_key(self.partition))
        tags.pop("dagster/partition", None)
        return dg.AssetMaterialization(
            asset_key=dg.AssetKey(self.asset),
            partition=self.partition,
            metadata=self.metadata,
            tags={**tags, DATA_VERSION_TAG: self.data_version},
        )

    def as_observation(self) -> dg.AssetObservation:
        """The output of an asset that stands in the store and is not what the asset's partition is now."""
        return dg.AssetObservation(
            asset_key=dg.AssetKey(self.asset),
            partition=self.partition,
            metadata=self.metadata,
            tags={DATA_VERSION_TAG: self.data_version},
        )


class OutputScope:
    """Everything that one output reads, and the door through which it is published."""

    def __init__(self, *, asset: str, partition: str, log: EventLog, store: ObjectStore) -> None:
        self.asset = asset
        self.partition = partition
        self._log = log
        self._store = store
        self._inputs: dict[tuple[str, str, int], Input] = {}
        self._is_open = True

    @property
    def inputs(self) -> tuple[InputRecord, ...]:
        """What was read so far, in the order of reading."""
        return tuple(
            InputRecord(
                asset=item.event.asset,
                partition=item.event.partition,
                event_id=item.event.event_id,
                data_version=item.event.data_version,
                role="evidence" if item.is_evidence else "data",
            )
            for item in self._inputs.values()
        )

    @property
    def owners(self) -> frozenset[str]:
        """Pseudonyms of all clients whose data goes into the output."""
        return frozenset().union(*(item.artifact.owners for item in self._inputs.values() if not item.is_evidence))

    def read(self, asset: str, partition: str, *, is_evidence: bool = False) -> Input:
        """Open the newest materialization of an upstream partition and record it.

        Args:
            asset: the upstream asset.
            partition: its partition.
            is_evidence: it informs a decision and nothing of it goes into the output, as a leaderboard in a promotion.

        Raises:
            ReadOutsideScope: the scope is closed.
            InputNotFound: the partition was never materialized, or not by us.
            ErasedData: it was erased.
            CorruptObject: the artifact's bytes are not those that were written.
        """
        event = self.find(asset, partition)
        if event is None:
            raise InputNotFound(
                f"{self.asset}[{self.partition}] needs {asset}[{partition}], which was never materialized: "
                "materialize it first"
            )
        return self.open(event, is_evidence=is_evidence)

    def open(self, event: Event, *, is_evidence: bool = False) -> Input:
        """Open exactly this materialization and record it.

        Raises:
            ReadOutsideScope: the scope is closed.
            InputNotFound: it names no artifact.
            ErasedData: it was erased.
            CorruptObject: the artifact's bytes are not those that were written.
        """
        self._refuse_if_closed(f"{event.asset}[{event.partition}]")
        self._refuse_erased_event(event)
        place = (event.asset, event.partition, event.event_id)
        if place not in self._inputs:
            reference = event.metadata.get(ARTIFACT_KEY)
            if reference is None:
                raise InputNotFound(
                    f"{event.asset}[{event.partition}] (event {event.event_id}) names no artifact: it was logged by "
                    "other means; "
                    "materialize it again"
                )
            artifact = read_artifact(
                self._store, ArtifactRef.from_json(reference), name=f"{event.asset}[{event.partition}]"
            )
            self._inputs[place] = Input(event=event, artifact=artifact, is_evidence=is_evidence)
        elif self._inputs[place].is_evidence and not is_evidence:
            self._inputs[place] = replace(self._inputs[place], is_evidence=False)
        return self._inputs[place]

    def find(self, asset: str, partition: str) -> Event | None:
        """The newest materialization of a partition, without reading its bytes."""
        self._refuse_if_closed(f"{asset}[{partition}]")
        return self._log.latest(asset, partition)

    def find_version(self, asset: str, partition: str, data_version: str) -> Event | None:
        """The newest record of exactly this version of a partition, without reading its bytes."""
        self._refuse_if_closed(f"{asset}[{partition}]")
        events = (event for event in self._log.versions(asset, partition) if event.data_version == data_version)
        return max(events, key=lambda event: event.event_id, default=None)

    def champions(self, env: str) -> ChampionHistory:
        """The append-only history of an environment's champions; it holds names and hashes, and is no input."""
        self._refuse_if_closed(f"the champions of '{env}'")
        return ChampionHistory(self._store, env)

    def is_intact(self, event: Event) -> bool:
        """Whether an artifact and all its files are still in the store; nothing of it is read for the output.

        What is erased is not intact, whether or not its bytes are gone already.
        """
        reference = event.metadata.get(ARTIFACT_KEY)
        if reference is None:
            return False
        try:
            self._refuse_erased_event(event)
            artifact = read_artifact(self._store, ArtifactRef.from_json(reference))
        except (ObjectNotFound, CorruptObject, ErasedData):
            return False
        return artifact.is_whole()

    def is_erased(self, event: Event) -> bool:
        """Whether an order erased a materialization; nothing of it is read for the output."""
        try:
            self._refuse_erased_event(event)
        except ErasedData:
            return True
        return False

    def flaws(self, policy: Event) -> tuple[str, ...]:
        """What is wrong with a policy's bytes or the chain of what it was made from; nothing is read for the output."""
        return flaws_of(policy, log=self._log, store=self._store)

    def has_attachments(self, event: Event) -> bool:
        """Whether all that is attached to a materialization is in the store; what never was attached is not missed."""
        try:
            for entry in event.metadata.get(ATTACHMENTS_KEY, {}).values():
                self._store.verify(ObjectRef.from_json(entry))
        except (ObjectNotFound, CorruptObject, ValueError):
            return False
        return True

    def publish(
        self,
        *,
        kind: str,
        files: Mapping[str, bytes],
        facts: Mapping[str, Any],
        config_hash: str,
        metadata: Mapping[str, Any],
        owners: frozenset[str] = frozenset(),
        attachments: Mapping[str, bytes] | None = None,
    ) -> Publication:
        """Write the artifact under the owners of all data that was read, and describe it for the event log.

        Args:
            kind: what the artifact is, such as `trained_policy`.
            files: name -> bytes.
            facts: JSON that belongs to the artifact and so to its data version; no clock in it.
            config_hash: hash of the configuration that decided the output.
            metadata: what the UI shows; not part of the data version.
            owners: further owners; only a source of data has any.
            attachments: name -> bytes of files that tell more and differ from one making to the next, such as timings
                and videos; they stand in the store under the same owners and are not part of the data version.

        Raises:
            ReadOutsideScope: the scope is closed.
            ErasedData: data that was read, or its owner's, was erased, before or meanwhile; nothing of it stays.
            StoreUnavailable: the disk refused.
        """
        self._refuse_if_closed("its output")
        self.refuse_if_erased(owners=owners)
        new: list[ObjectRef] = []
        everybody = self.owners | owners
        try:
            reference = write_artifact(self._store, kind=kind, files=files, facts=facts, owners=everybody, new=new)
            attached = {
                name: self._store.put(data, owners=everybody, new=new) for name, data in (attachments or {}).items()
            }
            listing = self._list_files(reference, attached)
            self.refuse_if_erased(owners=owners)
        except ErasedData:
            self._store.remove(new)
            raise
        return Publication(
            asset=self.asset,
            partition=self.partition,
            data_version=reference.data_version,
            metadata={
                **metadata,
                INPUTS_KEY: dg.MetadataValue.json([record.to_json() for record in self.inputs]),
                ARTIFACT_KEY: dg.MetadataValue.json(reference.to_json()),
                **(
                    {ATTACHMENTS_KEY: dg.MetadataValue.json({name: ref.to_json() for name, ref in attached.items()})}
                    if attached
                    else {}
                ),
                FILES_KEY: listing,
                "rl/config_hash": config_hash,
                **{name: _entry(value) for name, value in provenance().items()},
            },
        )

    def _list_files(self, reference: ArtifactRef, attached: Mapping[str, ObjectRef]) -> dg.TableMetadataValue:
        """Where attachments and the files of an artifact stand, for someone who wants to open one."""
        artifact = read_artifact(self._store, reference)
        columns = [dg.TableColumn("file"), dg.TableColumn("object")]
        paths = {name: ref.path for name, ref in attached.items()}
        paths |= {name: artifact.path(name) for name in artifact.file_names}
        rows = [
            dg.TableRecord({"file": name, "object": str(self._store.root / path)})
            for name, path in list(paths.items())[:MAX_FILES]
        ]
        return dg.MetadataValue.table(rows, schema=dg.TableSchema(columns))

    def republish(self, event: Event) -> Publication:
        """Log what was made before again: the old bytes, the old inputs, the old provenance.

        Raises:
            ReadOutsideScope: the scope is closed.
            ErasedData: it, or data that it was made from, was erased.
        """
        self._refuse_if_closed("its output")
        self._refuse_erased_event(event)
        self._refuse_erased(_data_inputs(event.inputs or ()))
        return Publication(
            asset=event.asset,
            partition=event.partition,
            data_version=event.data_version,
            metadata={**event.entries, REUSED_KEY: event.metadata.get(REUSED_KEY, event.event_id)},
        )

    def checkpoints(
        self, facts: Mapping[str, Any], *, keeps_all: bool, on_damage: Callable[[CorruptObject], None]
    ) -> TrainingCheckpoints:
        """Where a training under way is kept, under the owners of all data that was read.

        Args:
            facts: JSON of all that decides its numbers.
            keeps_all: keep every checkpoint, not the newest alone.
            on_damage: is told of a checkpoint that cannot be used.

        Raises:
            ReadOutsideScope: the scope is closed.
            ErasedData: data that was read was erased.
        """
        self._refuse_if_closed("its checkpoints")
        self.refuse_if_erased()
        return TrainingCheckpoints(
            self._store,
            training=training_name(facts),
            owners=self.owners,
            keeps_all=keeps_all,
            on_damage=on_damage,
            refuse=self.refuse_if_erased,
        )

    def refuse_if_erased(self, *, owners: frozenset[str] = frozenset()) -> None:
        """Refuse to go on where data that was read so far was erased, or the output itself must not be made again.

        What only informed a decision is no reason. A scope that is closed is asked too: what it read stays what it was.

        Args:
            owners: further owners of the output.

        Raises:
            ErasedData: it was; asset, partition and order are named.
        """
        self._refuse_erased(_data_inputs(self.inputs), owners=self.owners | owners)

    def close(self) -> None:
        """Refuse all further reading and publishing."""
        self._is_open = False

    def _refuse_erased(self, events: Sequence[Erased], *, owners: frozenset[str] = frozenset()) -> None:
        self._store.tombstones.refuse(
            owners=owners,
            datasets=[self.partition] if self.asset in SOURCE_ASSETS else [],
            data_versions=[event.data_version for event in events],
            events=events,
            what=f"{self.asset}[{self.partition}]",
        )

    def _refuse_erased_event(self, event: Event) -> None:
        """Refuse a materialization that an order erased; equal bytes that were made of other data are others."""
        self._store.tombstones.refuse(
            datasets=[event.partition] if event.asset in SOURCE_ASSETS else [],
            data_versions=[event.data_version],
            events=[_identity(event)],
            what=f"{event.asset}[{event.partition}]",
        )

    def _refuse_if_closed(self, what: str) -> None:
        if not self._is_open:
            raise ReadOutsideScope(
                f"the scope of {self.asset}[{self.partition}] is closed, so reading or writing {what} would go "
                "unrecorded: "
                "do it inside `inputs.for_output(...)`"
            )


class Inputs:
    """Opens output scopes on one instance and store."""

    def __init__(self, *, log: EventLog, store: ObjectStore) -> None:
        self.log = log
        self._store = store

    @property
    def tombstones(self) -> Tombstones:
        """What was erased, and by whose order."""
        return self._store.tombstones

    @contextmanager
    def for_output(self, asset: str, partition: str) -> Iterator[OutputScope]:
        """Open the scope of one output; it closes with the block."""
        scope = OutputScope(asset=asset, partition=partition, log=self.log, store=self._store)
        try:
            yield scope
        finally:
            scope.close()

    def champions(self, env: str) -> ChampionHistory:
        """The append-only history of an environment's champions."""
        return ChampionHistory(self._store, env)

    def alpha_ledger(self, env: str, *, reign: int) -> AlphaLedger:
        """The tests that were made in an environment while a champion reigned."""
        return AlphaLedger(self._store, env, reign=reign)


def _data_inputs(records: Iterable[InputRecord]) -> list[Erased]:
    """The materializations whose bytes go into an output."""
    return [_identity(record) for record in records if record.role == "data"]


def _identity(item: Event | InputRecord) -> Erased:
    return Erased(asset=item.asset, partition=item.partition, event_id=item.event_id, data_version=item.data_version)


def _entry(value: Any) -> Any:
    return dg.MetadataValue.json(value) if isinstance(value, dict) else value
