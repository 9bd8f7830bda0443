"""The examination of an installation: every object against its checksum, every record against its object."""

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any, Literal

from rl_assets.api.installation import Installation
from rl_assets.api.queries import ASSETS
from rl_assets.resources.records import Records
from rl_assets.store.claims import CLAIMANTS, Finding
from rl_assets.store.inspection import Inspection
from rl_assets.store.objects import ObjectStore

_NOTES = {
    "leftovers": "left by killed writers; the next write beside them removes them",
    "unnamed": "whole objects that no record names: what a killed run had written, or what a run at work has not "
    "named yet; they are harmless and are used again when the same bytes are written",
    "perhaps unnamed": "whole objects that no record names, or files of artifacts whose manifest is lost or damaged "
    "(see the findings): keep them",
    "strangers": "files among the objects that the store did not write; they are never read: move them away",
}


@dataclass(frozen=True, kw_only=True)
class Examined:
    """How far an examination is."""

    phase: Literal["records", "objects"]
    done: int
    """Records, or bytes of objects."""
    total: int | None
    """All of them; None where it is not known beforehand."""


def examine(installation: Installation, *, on_progress: Callable[[Examined], None] | None = None) -> dict[str, Any]:
    """Check the whole store and all our records in Dagster; nothing is written.

    Runs may be at work meanwhile: what they have written and not yet recorded is no finding.

    Args:
        installation: what to examine.
        on_progress: is told after each record and each object.

    Returns:
        `{"is_healthy", "store", "num_records", "num_objects", "size_bytes", "seconds", "findings", "notes"}`, where
        `seconds` is the time that reading the objects took. A finding is `{"kind", "path", "what", "needed_by",
        "is_current", "to_do"}`, those that hit what stands now first; a note of harmless files is `{"kind", "meaning",
        "count", "size_bytes", "paths"}`.

    Raises:
        StoreUnavailable: the store cannot be looked at at all.
    """
    tell = on_progress or (lambda _: None)
    store = ObjectStore(installation.home.store_url)
    started_at = time.time()
    inspection = Inspection(store, started_at=started_at)
    records = Records(
        log=installation.log,
        assets=ASSETS,
        tombstones=store.tombstones,
        on_event=lambda: tell(Examined(phase="records", done=records.count, total=None)),
    )
    seconds = 0.0
    if store.folders("objects"):
        inspection.claim(records.claims())
        for claimant in CLAIMANTS:
            inspection.claim(claimant(store))
        inspection.claim(records.compare_champions(store, started_at=started_at))
        began = time.monotonic()
        _check_objects(inspection, store, tell)
        seconds = time.monotonic() - began
    else:
        claims = sum(1 for claim in records.claims() if isinstance(claim, Finding) or claim.is_artifact)
        if claims:
            inspection.claim([_missing_store(store, claims)])
    findings = sorted(inspection.findings, key=lambda finding: not finding.is_current)
    unnamed = "perhaps unnamed" if inspection.num_unread_artifacts else "unnamed"
    tallies = {"leftovers": inspection.leftovers, unnamed: inspection.unnamed, "strangers": inspection.strangers}
    return {
        "is_healthy": not findings,
        "store": str(store.root),
        "num_records": records.count,
        "num_objects": inspection.objects.count,
        "size_bytes": inspection.objects.size_bytes,
        "seconds": round(seconds, 3),
        "findings": [asdict(finding) | {"needed_by": list(finding.needed_by)} for finding in findings],
        "notes": [
            {"kind": kind, "meaning": _NOTES[kind]} | asdict(tally) for kind, tally in tallies.items() if tally.count
        ],
    }


def _check_objects(inspection: Inspection, store: ObjectStore, tell: Callable[[Examined], None]) -> None:
    total = sum(file.size_bytes for file in store.files("objects", on_refusal=lambda *_: None))
    done = 0

    def add(size_bytes: int) -> None:
        nonlocal done
        done += size_bytes
        tell(Examined(phase="objects", done=done, total=total))

    inspection.check_objects(on_bytes=add)


def _missing_store(store: ObjectStore, num_claims: int) -> Finding:
    return Finding(
        kind="missing store",
        path="",
        what=f"{num_claims} records name artifacts, and the store at '{store.root}' holds no object at all",
        needed_by=("everything",),
        is_current=True,
        to_do="mount the store's disk, set RL_ASSETS_STORE to where the store is, or put it back from a backup",
    )
