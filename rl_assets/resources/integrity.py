"""Is a policy what its record says, down to the datasets it was trained on?"""

from rl_assets.errors import CorruptObject, ErasedData, LineageError, ObjectNotFound
from rl_assets.lineage.graph import SOURCE_ASSETS
from rl_assets.resources.event_log import ARTIFACT_KEY, Event, EventLog
from rl_assets.store.artifacts import ArtifactRef, read_artifact
from rl_assets.store.objects import ObjectStore


def flaws_of(policy: Event, *, log: EventLog, store: ObjectStore) -> tuple[str, ...]:
    """What is wrong with a policy's bytes, or missing from the chain of what it was made from.

    All files of the policy are compared with their checksums; of what it was made from the manifests are read, and the
    events must stand in the log as they were recorded, down to the sources.

    Args:
        policy: a materialization of `trained_policies`.
        log: what Dagster remembers.
        store: where the bytes are.

    Returns:
        One sentence for each flaw; empty where all is well.

    Raises:
        StoreUnavailable: the disk refused, so that nobody can tell.
    """
    flaws: list[str] = []
    seen: set[int] = set()
    waiting = [policy]
    while waiting:
        event = waiting.pop()
        if event.event_id in seen:
            continue
        seen.add(event.event_id)
        name = f"{event.asset}[{event.partition}] (event {event.event_id})"
        flaws += _flaws_of_bytes(event, name=name, store=store, reads_files=event is policy)
        if event.inputs is None and event.asset not in SOURCE_ASSETS:
            flaws.append(f"{name} does not say what it was made from")
        for record in event.inputs or ():
            if record.role == "evidence":
                continue
            try:
                read = log.at(record.asset, record.partition or "", record.event_id)
            except LineageError as error:
                flaws.append(f"{name} was made from what is gone: {error}")
                continue
            if read.data_version != record.data_version:
                flaws.append(
                    f"{name} was made from version '{record.data_version[:12]}' of {record.asset}[{record.partition}], "
                    f"but its event {record.event_id} holds '{read.data_version[:12]}'"
                )
            waiting.append(read)
    return tuple(flaws)


def _flaws_of_bytes(event: Event, *, name: str, store: ObjectStore, reads_files: bool) -> list[str]:
    reference = event.metadata.get(ARTIFACT_KEY)
    if reference is None:
        return [f"{name} names no artifact"]
    try:
        artifact = read_artifact(store, ArtifactRef.from_json(reference), name=name)
        if reads_files:
            for file in artifact.file_names:
                store.verify(artifact.files[file])
    except (ObjectNotFound, CorruptObject, ErasedData) as error:
        return [str(error)]
    return []
