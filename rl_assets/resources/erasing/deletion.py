"""Bytes go: objects, attachments and checkpoints in the store, pages, videos and kept sweep files beside it."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from rl_assets.erasure.plan import ErasurePlan
from rl_assets.errors import ObjectNotFound, StoreUnavailable
from rl_assets.resources.erasing.estate import Estate
from rl_assets.resources.erasing.quarantined import files_of
from rl_assets.resources.event_log import ARTIFACT_KEY, ATTACHMENTS_KEY, Event
from rl_assets.resources.lineage_log import ASSETS, OBSERVED_AS
from rl_assets.store.artifacts import ArtifactRef
from rl_assets.store.atomic import refusals_explained
from rl_assets.store.history import ChampionHistory
from rl_assets.store.objects import ObjectRef
from rl_assets.store.removal import Removed, remove_artifacts, remove_checkpoints, remove_client
from rl_assets.store.transitions import ModelVersion


@dataclass(frozen=True, kw_only=True)
class Belongings:
    """What the records name, divided into what goes and what stays."""

    doomed: tuple[ArtifactRef, ...]
    attachments: tuple[ObjectRef, ...]
    kept: tuple[ArtifactRef, ...]
    kept_objects: tuple[ObjectRef, ...]


def divide(estate: Estate, plan: ErasurePlan) -> Belongings:
    """Walk over all records and see what each names.

    Raises:
        LineageError: the event log cannot be read.
    """
    going = {event.event_id for event in plan.erased}
    doomed: dict[ArtifactRef, None] = {}
    kept: dict[ArtifactRef, None] = {}
    attachments: dict[ObjectRef, None] = {}
    kept_objects: dict[ObjectRef, None] = {}
    for event in _all_events(estate):
        goes = event.event_id in going
        if ARTIFACT_KEY in event.metadata:
            (doomed if goes else kept)[ArtifactRef.from_json(event.metadata[ARTIFACT_KEY])] = None
        for entry in event.metadata.get(ATTACHMENTS_KEY, {}).values():
            (attachments if goes else kept_objects)[ObjectRef.from_json(entry)] = None
    erased_versions = {event.data_version for event in plan.erased}
    for model in _models(estate):
        for reference in (ArtifactRef.from_json(model.policy), _located(estate, model.data_version)):
            if reference is not None and reference.data_version not in erased_versions:
                kept[reference] = None
    return Belongings(
        doomed=tuple(ref for ref in doomed if ref not in kept),
        attachments=tuple(ref for ref in attachments if ref not in kept_objects),
        kept=tuple(kept),
        kept_objects=tuple(kept_objects),
    )


def doomed_objects(estate: Estate, plan: ErasurePlan, belongings: Belongings) -> Iterator[tuple[ObjectRef, bool]]:
    """Every object that goes and is still there, each once, with whether it is a file that the client gave."""
    staying = needed_paths(estate, belongings)
    sources = {event.data_version for event in plan.erased if event.asset == "datasets"}
    named = [
        (ref, reference.data_version in sources and ref != reference.manifest)
        for reference in belongings.doomed
        for ref in _named_by(estate, reference)
    ]
    named += [(ref, False) for ref in belongings.attachments]
    if plan.scope.is_whole_client:
        named += [(ref, False) for ref in _objects_of_client(estate, plan.scope.pseudonym)]
    seen: set[str] = set()
    for ref, is_source in named:
        if ref.path not in seen and ref.path not in staying:
            seen.add(ref.path)
            yield ref, is_source


def with_sizes(estate: Estate, plan: ErasurePlan) -> ErasurePlan:
    """The same plan with the number of objects that go, and their size."""
    sizes = [ref.size_bytes for ref, _ in doomed_objects(estate, plan, divide(estate, plan))]
    return replace(plan, num_objects=len(sizes), size_bytes=sum(sizes))


def needed_paths(estate: Estate, belongings: Belongings) -> frozenset[str]:
    """Places below the store's root of all objects that something which stays needs."""
    files = {ref.path for reference in belongings.kept for ref in _named_by(estate, reference)}
    return frozenset(files | {ref.path for ref in belongings.kept_objects})


def delete_bytes(estate: Estate, plan: ErasurePlan, belongings: Belongings) -> Removed:
    """Remove the objects; a whole client's namespaces go whatever the records say.

    Raises:
        StoreError: a manifest is damaged, so that nobody can say what it names, or the disk refused.
    """
    removed = remove_artifacts(
        estate.store,
        belongings.doomed,
        attachments=belongings.attachments,
        kept=belongings.kept,
        kept_objects=belongings.kept_objects,
    )
    if plan.scope.is_whole_client:
        return removed + remove_client(estate.store, plan.scope.pseudonym)
    return removed + remove_checkpoints(estate.store, estate.store.namespaces_of(plan.scope.pseudonym))


def delete_renderings(estate: Estate, plan: ErasurePlan) -> int:
    """Remove pages, videos, kept sweep files and progress of what goes; what is left is rendered again.

    Returns:
        How many files were removed.

    Raises:
        StoreUnavailable: the disk refused.
    """
    home, count = estate.home, 0
    for path in _renderings(plan, pages=home.pages_folder, sweeps=home.submitted_sweeps_folder):
        with refusals_explained(f"remove '{path}'"):
            if path.is_file():
                path.unlink()
                count += 1
    for path in home.progress_folder.glob("*.partial") if home.progress_folder.is_dir() else ():
        path.unlink(missing_ok=True)
    return count


def _renderings(plan: ErasurePlan, *, pages: Path, sweeps: Path) -> Iterator[Path]:
    for event in plan.erased:
        env, _, hparam = (event.partition or "").partition("|")
        if event.asset == "eval_leaderboards":
            yield pages / f"leaderboard-{env}.html"
        elif event.asset == "sweep_reports":
            yield pages / f"sweep-{event.partition}.html"
        elif event.asset == "policy_evaluations":
            yield from _matching(pages / "videos" / env, f"{hparam}-")
    for sweep in plan.keys.sweep:
        yield sweeps / f"{sweep}.json"
        yield pages / f"sweep-{sweep}.html"


def _matching(folder: Path, prefix: str) -> Iterable[Path]:
    return [path for path in folder.iterdir() if path.name.startswith(prefix)] if folder.is_dir() else []


def _all_events(estate: Estate) -> Iterator[Event]:
    for asset in ASSETS:
        yield from estate.log.history(asset)
        if asset in OBSERVED_AS:
            yield from estate.log.observed(asset)


def _objects_of_client(estate: Estate, pseudonym: str) -> Iterator[ObjectRef]:
    """Whatever lies in a client's namespaces, named by a record or not."""
    for namespace in estate.store.namespaces_of(pseudonym):
        for file in estate.store.files(f"objects/{namespace}", on_refusal=_raise):
            ref = ObjectRef.at(file.path, size_bytes=file.size_bytes)
            if ref is not None:
                yield ref


def _named_by(estate: Estate, reference: ArtifactRef) -> tuple[ObjectRef, ...]:
    try:
        return tuple(files_of(estate.store, reference))
    except ObjectNotFound:
        return ()  # an earlier start removed it


def _models(estate: Estate) -> Iterator[ModelVersion]:
    for env in estate.store.folders("champions"):
        for entry in ChampionHistory(estate.store, env).transitions():
            if entry.outcome == "done" and entry.model is not None:
                yield entry.model


def _located(estate: Estate, data_version: str) -> ArtifactRef | None:
    ref = estate.store.locate(data_version)
    return None if ref is None else ArtifactRef(manifest=ref)


def _raise(_: str, error: StoreUnavailable) -> None:
    raise error
