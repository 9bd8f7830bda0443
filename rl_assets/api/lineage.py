"""Questions about lineage: what went into what, what stands on what, and how two models differ in that."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Any

import rl_assets
from rl_assets.api.installation import Installation
from rl_assets.api.queries import champion
from rl_assets.errors import CorruptObject, ObjectNotFound, UnknownPartition
from rl_assets.lineage.comparison import Comparison, clients_of, compare_ancestry, differing_fields
from rl_assets.lineage.graph import SOURCE_ASSETS, LineageGraph, Trace
from rl_assets.lineage.index import IndexNews, LineageIndex
from rl_assets.lineage.openlineage import run_events
from rl_assets.lineage.records import InputRecord, Materialization
from rl_assets.lineage.reference import Reference
from rl_assets.resources.event_log import ARTIFACT_KEY
from rl_assets.resources.lineage_log import DagsterLineageLog
from rl_assets.store.artifacts import Artifact, ArtifactRef, read_artifact
from rl_assets.store.atomic import refusals_explained
from rl_assets.store.objects import ObjectStore
from rl_assets.store.tombstones import Erased

_TOLD = {
    "commit": "rl/commit",
    "dirty": "rl/dirty",
    "package_version": "rl/package_version",
    "image_digest": "rl/image_digest",
    "config_hash": "rl/config_hash",
    "seeds": "rl/seeds",
    "member_seed": "member_seed",
    "numerics": "rl/numerics",
    "reused_from": "rl/reused_from",
    "run_id": "run_id",
}


class Lineage:
    """Answers about lineage, all from one look at the event log.

    The index in the installation's state folder is compared with the log when the first question is asked, and brought
    up to it.

    Args:
        installation: whose log, register and store.
    """

    def __init__(self, installation: Installation) -> None:
        self._installation = installation
        self.index = LineageIndex(installation.home.lineage_folder, DagsterLineageLog(installation.log))

    @property
    def graph(self) -> LineageGraph:
        """Everything in the log, without facts."""
        return self._opened[0]

    @property
    def news(self) -> IndexNews:
        """What was found when the index was compared with the log; its `warnings` belong before every answer."""
        return self._opened[1]

    @cached_property
    def _opened(self) -> tuple[LineageGraph, IndexNews]:
        return self.index.graph()

    def of_client(self, client_id: str) -> dict[str, list[Any]]:
        """Everything that a client's data went into, by exact materialization.

        Returns:
            `datasets`, `materializations`, `promoted` and `possibly_affected`, as `LineageGraph.client_query` does.

        Raises:
            UnknownClient: no client of that name is registered.
        """
        keys = self._installation.register.datasets_of(client_id)
        return self.graph.client_query(keys)

    def forward(self, reference: str) -> dict[str, Any]:
        """Everything that was made from a partition, or with `@EVENT` from that materialization alone.

        Returns:
            `of` (asset, partition, event id or None), `promoted`, `materializations`, `possibly_affected`.

        Raises:
            BadInput: the reference has none of the known forms.
            UnknownPartition: the log has nothing of that name.
        """
        place = Reference.parse(reference)
        asset, partition = place.asset, place.partition
        if asset is None:
            event = place.resolve(self.graph)
            asset, partition = event.asset, event.partition
        found = self.graph.forward(asset, partition, place.event_id)
        return {"of": {"asset": asset, "partition": partition, "event_id": place.event_id}} | {
            name: found[name] for name in ("promoted", "materializations", "possibly_affected")
        }

    def backward(self, reference: str) -> dict[str, Any]:
        """The complete chain that one materialization stands on, down to the files of the datasets.

        Returns:
            `of`; `is_complete`; `steps`, newest first, each with what made it, its `inputs`, and for datasets `files`
            (neutral name, SHA-256, bytes), None where the store no longer has them; `missing` inputs that the log no
            longer holds; `erased` evidence with the `order` that erased it, which passed no data on; `unrecorded` steps
            that do not say what they read.

        Raises:
            BadInput: the reference has none of the known forms.
            UnknownPartition: the log has nothing of that name.
        """
        trace = self.graph.trace(Reference.parse(reference).resolve(self.graph).event_id)
        orders = {record: self._order_that_erased(record) for record in trace.missing}
        erased = {record: order for record, order in orders.items() if order is not None and record.role == "evidence"}
        missing = [record for record in trace.missing if record not in erased]
        return {
            "of": trace.steps[0].summary(),
            "is_complete": not missing and not trace.unrecorded,
            "steps": self._steps(trace),
            "missing": [record.to_json() for record in missing],
            "erased": [record.to_json() | {"order": order} for record, order in erased.items()],
            "unrecorded": [step.summary() for step in trace.unrecorded],
        }

    def compare(self, first: str, second: str) -> dict[str, Any]:
        """How the ancestries of two models differ; what only informed a decision is left out of both.

        Returns:
            `first` and `second`, each with the model, its `clients`, its `policy`, and the steps that it stands on
            `alone`; `shared` steps; `other_versions` of the same partition; `recipe`, field -> both values, None where
            a recipe cannot be read; `is_complete`, without which `alone` may be too long.

        Raises:
            BadInput: a reference has none of the known forms.
            UnknownPartition: the log has nothing of that name.
        """
        ids = [Reference.parse(text).resolve(self.graph).event_id for text in (first, second)]
        found = compare_ancestry(self.graph, *ids)
        facts = self.index.facts(step.event_id for step in (*found.first.steps, *found.second.steps))
        return {
            "first": self._side(found.first, found.policies[0], found.only_first, facts),
            "second": self._side(found.second, found.policies[1], found.only_second, facts),
            "shared": [step.summary() for step in found.shared],
            "other_versions": [
                {"asset": one.asset, "partition": one.partition, "first": one.summary(), "second": other.summary()}
                for one, other in found.other_versions
            ],
            "recipe": self._recipes(found),
            "is_complete": found.is_complete,
        }

    def export(self, file: Path) -> int:
        """Write all materializations as OpenLineage run events, one JSON document in each line.

        Returns:
            Number of events written, two for each materialization.

        Raises:
            StoreUnavailable: the file cannot be written.
        """
        events = self.graph.events
        facts = self.index.facts(event.event_id for event in events)
        described = (_with_facts(event, facts) for event in events)
        lines = [
            json.dumps(event, sort_keys=True)
            for event in run_events(
                described,
                log_id=DagsterLineageLog(self._installation.log).log_id,
                package_version=rl_assets.__version__,
            )
        ]
        with refusals_explained(f"write '{file}'"):
            file.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
        return len(lines)

    def events_of(self, answer: Mapping[str, Any]) -> list[dict[str, Any]]:
        """The materializations of an answer with what made them and what they read, oldest first."""
        listed = answer.get("materializations", answer.get("steps", ()))
        events = [self.graph.event(item["event_id"]) for item in listed]
        facts = self.index.facts(event.event_id for event in events)
        return [self._step(_with_facts(event, facts)) for event in sorted(events, key=lambda event: event.event_id)]

    def _order_that_erased(self, record: InputRecord) -> str | None:
        """The order of erasure that took an input that the log no longer holds; None where none did."""
        tombstones = ObjectStore(self._installation.home.store_url).tombstones
        return tombstones.order_of_event(
            Erased(
                asset=record.asset,
                partition=record.partition,
                event_id=record.event_id,
                data_version=record.data_version,
            )
        )

    def _steps(self, trace: Trace) -> list[dict[str, Any]]:
        facts = self.index.facts(step.event_id for step in trace.steps)
        return [
            self._step(_with_facts(step, facts)) | ({"files": self._files(step)} if step.asset in SOURCE_ASSETS else {})
            for step in trace.steps
        ]

    def _step(self, step: Materialization) -> dict[str, Any]:
        """One materialization with what made it; what was not recorded is None."""
        recorded_at = step.facts.get("timestamp")
        return (
            step.summary()
            | {name: step.facts.get(key) for name, key in _TOLD.items()}
            | {
                "recorded_at": None
                if recorded_at is None
                else datetime.fromtimestamp(recorded_at, tz=UTC).isoformat(timespec="seconds"),
                "inputs": None if step.inputs is None else [record.to_json() for record in step.inputs],
            }
        )

    def _side(
        self,
        trace: Trace,
        policy: Materialization | None,
        alone: Iterable[Materialization],
        facts: Mapping[int, Mapping[str, Any]],
    ) -> dict[str, Any]:
        return {
            "model": trace.steps[0].summary(),
            "clients": list(clients_of(trace.steps)),
            "policy": None if policy is None else self._step(_with_facts(policy, facts)),
            "alone": [step.summary() for step in alone],
            "missing": [record.to_json() for record in trace.missing],
        }

    def _recipes(self, found: Comparison) -> dict[str, Any] | None:
        """Where the recipes of two models differ, read from the policies' own artifacts."""
        recipes: list[Mapping[str, Any]] = []
        for policy in found.policies:
            artifact = None if policy is None else self._artifact(policy)
            if artifact is None or "recipe" not in artifact.facts:
                return None
            recipes.append(artifact.facts["recipe"])
        return differing_fields(*recipes)

    def _files(self, step: Materialization) -> list[dict[str, Any]] | None:
        """Checksums of a dataset's files by the neutral names that the store gave them."""
        artifact = self._artifact(step)
        if artifact is None:
            return None
        return [
            {"file": name, "sha256": ref.sha256, "size_bytes": ref.size_bytes}
            for name, ref in sorted(artifact.files.items())
        ]

    def _artifact(self, step: Materialization) -> Artifact | None:
        reference = self._reference(step)
        if reference is None:
            return None
        try:
            return read_artifact(
                ObjectStore(self._installation.home.store_url), ArtifactRef.from_json(reference), name=str(step.asset)
            )
        except (CorruptObject, ObjectNotFound, ValueError):  # gone, damaged, or never a reference of ours
            return None

    def _reference(self, step: Materialization) -> Mapping[str, Any] | None:
        return self.index.facts([step.event_id]).get(step.event_id, {}).get(ARTIFACT_KEY)


def client_lineage(installation: Installation, client_id: str) -> dict[str, list[Any]]:
    """Everything that a client's data went into, by exact materialization.

    Raises:
        UnknownClient: no client of that name is registered.
    """
    return Lineage(installation).of_client(client_id)


def trace_champion(installation: Installation, env: str, lineage: Lineage | None = None) -> list[dict[str, Any]]:
    """What the champion of an environment stands on, newest first, down to the client's dataset.

    Args:
        installation: whose champion.
        env: its environment.
        lineage: a look at the log that was taken already.

    Raises:
        UnknownPartition: nothing was promoted there yet.
    """
    reference = champion_reference(installation, env)
    steps = (lineage or Lineage(installation)).backward(reference)["steps"]
    register = installation.register
    return [
        {name: step[name] for name in ("asset", "partition", "event_id", "data_version")}
        | ({"client_id": register.dataset(str(step["partition"])).client_id} if step["asset"] == "datasets" else {})
        | {name: step[name] for name in ("commit", "dirty", "config_hash", "run_id")}
        for step in steps
    ]


def champion_reference(installation: Installation, env: str) -> str:
    """How the reigning champion of an environment is named in questions about lineage.

    Raises:
        UnknownPartition: nothing was promoted there yet, or the log has lost the promotion.
    """
    champion(installation, env)
    if installation.log.latest("promoted_models", env) is None:
        raise UnknownPartition(
            f"the promotion of '{env}' is not in the event log: materialize promoted_models of '{env}' again"
        )
    return f"promoted_models:{env}"


def _with_facts(event: Materialization, facts: Mapping[int, Mapping[str, Any]]) -> Materialization:
    return replace(event, facts=facts.get(event.event_id, {}))
