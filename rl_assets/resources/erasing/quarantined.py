"""Reading what is quarantined: for the eraser alone, who has to know what a manifest names to remove it."""

from collections.abc import Iterator
from dataclasses import dataclass

from rl_assets.resources.event_log import ARTIFACT_KEY, Event
from rl_assets.store.artifacts import Artifact, ArtifactRef, parse_manifest
from rl_assets.store.objects import ObjectRef, ObjectStore


@dataclass(frozen=True, kw_only=True)
class Quarantined:
    """An artifact whose bytes nobody else can read any more."""

    artifact: Artifact
    store: ObjectStore

    @property
    def file_names(self) -> tuple[str, ...]:
        """Names of the files in alphabetical order."""
        return self.artifact.file_names

    def read(self, name: str) -> bytes:
        """One file's bytes.

        Raises:
            StoreError: they are gone or damaged, or the disk refused.
        """
        return self.store.get(self.artifact.files[name], even_erased=True)


def open_quarantined(store: ObjectStore, reference: ArtifactRef) -> Quarantined:
    """Open an artifact, quarantined or not.

    Raises:
        StoreError: its manifest is gone or damaged, or the disk refused.
    """
    data = store.get(reference.manifest, even_erased=True)
    return Quarantined(artifact=parse_manifest(store, reference, data), store=store)


def open_event(store: ObjectStore, event: Event) -> Quarantined:
    """Open what a materialization names, quarantined or not.

    Raises:
        KeyError: it names nothing.
        StoreError: its manifest is gone or damaged, or the disk refused.
    """
    return open_quarantined(store, ArtifactRef.from_json(event.metadata[ARTIFACT_KEY]))


def files_of(store: ObjectStore, reference: ArtifactRef) -> Iterator[ObjectRef]:
    """The objects that an artifact's manifest names, and the manifest.

    Raises:
        StoreError: the manifest is damaged, or the disk refused.
    """
    yield from open_quarantined(store, reference).artifact.files.values()
    yield reference.manifest
