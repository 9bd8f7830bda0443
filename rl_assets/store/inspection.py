"""Every object against its checksum, every need against its object. Nothing is written.

Objects are read in small pieces, one after the other. What is kept in memory grows with the number of objects and of
those who need them (less than a kilobyte each), never with the size of an object.
"""

import posixpath
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from rl_assets.errors import CorruptObject, ObjectNotFound, StoreError, StoreUnavailable
from rl_assets.store.artifacts import ArtifactRef, read_artifact
from rl_assets.store.atomic import is_lock, is_staged
from rl_assets.store.claims import Claim, Finding, Holder
from rl_assets.store.objects import ObjectRef, ObjectStore, StoredFile

MAX_PATHS = 20
"""Paths that are listed of each kind of harmless file."""


@dataclass(kw_only=True)
class Tally:
    """How many files of a kind there are, and the first of them."""

    count: int = 0
    size_bytes: int = 0
    paths: list[str] = field(default_factory=list)

    def add(self, file: StoredFile) -> None:
        """Count a file."""
        self.count += 1
        self.size_bytes += file.size_bytes
        if len(self.paths) < MAX_PATHS:
            self.paths.append(file.path)


class Inspection:
    """One look at a whole store: first `claim` what is needed, then `check_objects` once.

    Args:
        store: what to look at.
        started_at: seconds since 1970, UTC, before the first claim was collected: an object that is younger and that
            nobody claims may belong to a run that is at work.
    """

    def __init__(self, store: ObjectStore, *, started_at: float) -> None:
        self.findings: list[Finding] = []
        self.objects = Tally()
        """Objects that were read and compared with their checksums."""
        self.unnamed = Tally()
        """Whole objects that nobody needs."""
        self.leftovers = Tally()
        """What killed writers left in the staging folders."""
        self.strangers = Tally()
        """Files among the objects that the store did not write."""
        self.num_unread_artifacts = 0
        """Artifacts whose manifest cannot be read, so that their files are not known and count as unnamed."""
        self._store = store
        self._started_at = started_at
        self._needs: dict[str, list[tuple[int, Holder]]] = {}
        self._files: dict[ObjectRef, tuple[ObjectRef, ...]] = {}
        self._staged: dict[str, list[StoredFile]] = {}

    def claim(self, claims: Iterable[Claim | Finding]) -> None:
        """Note who needs which object; of an artifact, all its files."""
        for claim in claims:
            if isinstance(claim, Finding):
                self.findings.append(claim)
                continue
            if self._store.is_being_erased(claim.ref):
                continue
            refs = (claim.ref, *self._files_of(claim)) if claim.is_artifact else (claim.ref,)
            for ref in refs:
                self._needs.setdefault(ref.path, []).append((ref.size_bytes, claim.holder))

    def check_objects(self, *, on_bytes: Callable[[int], None] = lambda _: None) -> None:
        """Read every object of the store, compare it with its checksum, and look for what is needed and not there.

        Args:
            on_bytes: is told the size of each object when it has been read.
        """
        for file in self._store.files("", on_refusal=self._refused):
            if is_staged(file.path):
                self._staged.setdefault(posixpath.dirname(file.path), []).append(file)
            elif file.path.startswith("objects/") and not is_lock(file.path):
                self._check(file)
                on_bytes(file.size_bytes)
        for path, needs in self._needs.items():
            self._look_for(path, needs)
        self._needs.clear()
        for folder, files in self._staged.items():
            if not self._store.is_being_written(folder):
                for file in files:
                    if self._store.has_file(file.path):
                        self.leftovers.add(file)

    def _files_of(self, claim: Claim) -> tuple[ObjectRef, ...]:
        """The files of an artifact; none where its manifest cannot be read, which `check_objects` will find."""
        if claim.ref not in self._files:
            self._files[claim.ref] = ()
            try:
                artifact = read_artifact(self._store, ArtifactRef(manifest=claim.ref))
                self._files[claim.ref] = tuple(artifact.files.values())
            except StoreError as error:
                self.num_unread_artifacts += 1
                if isinstance(error, CorruptObject) and self._is_whole(claim.ref):
                    self.findings.append(
                        Finding(
                            kind="wrong record",
                            path=claim.ref.path,
                            what=f"{claim.holder.name}: {error}",
                            needed_by=(claim.holder.name,),
                            is_current=claim.holder.is_current,
                            to_do=claim.holder.remedy or "restore the record from a backup",
                        )
                    )
        return self._files[claim.ref]

    def _is_whole(self, ref: ObjectRef) -> bool:
        try:
            self._store.verify(ref)
        except StoreError:
            return False
        return True

    def _check(self, file: StoredFile) -> None:
        ref = ObjectRef.at(file.path, size_bytes=file.size_bytes)
        if ref is None:
            self.strangers.add(file)
            return
        needs = self._needs.pop(ref.path, [])
        self.objects.add(file)
        try:
            self._store.verify(ref)
        except ObjectNotFound:
            if needs:
                self._needs[ref.path] = needs
            return
        except (CorruptObject, StoreUnavailable) as error:
            self._report(ref.path, error, [holder for _, holder in needs])
            return
        misled = [holder for size_bytes, holder in needs if size_bytes != ref.size_bytes]
        if misled:
            error = CorruptObject(f"object '{ref.path}' is whole, but its size is recorded wrongly")
            self._report(ref.path, error, misled)
        if not needs and file.modified_at < self._started_at:
            self.unnamed.add(file)

    def _look_for(self, path: str, needs: list[tuple[int, Holder]]) -> None:
        """Look again for an object that was not among the files: it may have been put there in the meantime."""
        ref = ObjectRef.at(path, size_bytes=needs[0][0])
        assert ref is not None, "only references are noted"
        try:
            self._store.verify(ref)
        except (ObjectNotFound, CorruptObject, StoreUnavailable) as error:
            self._report(path, error, [holder for _, holder in needs])

    def _report(self, path: str, error: StoreError, holders: list[Holder]) -> None:
        current = [holder for holder in holders if holder.is_current]
        remedies = [holder.remedy for holder in current if holder.remedy]
        if isinstance(error, StoreUnavailable):
            kind, to_do = "unreadable", "make it readable, then run `rlctl doctor` again"
        else:
            kind = "missing object" if isinstance(error, ObjectNotFound) else "damaged object"
            to_do = "put the file back from a backup"
            if remedies:
                to_do += f", or {remedies[0]}"
            elif not holders:
                to_do = "nothing needs it: delete the file"
            elif not current:
                to_do += "; nothing that stands now needs it, only the record of the past is incomplete"
        self.findings.append(
            Finding(
                kind=kind,
                path=path,
                what=str(error),
                needed_by=tuple(dict.fromkeys(holder.name for holder in holders)),
                is_current=bool(current),
                to_do=to_do,
            )
        )

    def _refused(self, path: str, error: StoreUnavailable) -> None:
        self._report(path, error, [])
