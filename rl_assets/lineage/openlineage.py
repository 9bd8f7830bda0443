"""Materializations as OpenLineage run events, for catalogues that read that format.

The events follow version 2-0-2 of the specification, https://openlineage.io/spec/2-0-2/OpenLineage.json. They carry
keys, versions, hashes and pseudonyms, nothing else.
"""

from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid5

from rl_assets.lineage.records import InputRecord, Materialization

SPECIFICATION = "https://openlineage.io/spec/2-0-2/OpenLineage.json"
_VERSION_FACET = "https://openlineage.io/spec/facets/1-0-1/DatasetVersionDatasetFacet.json"
_PARENT_FACET = "https://openlineage.io/spec/facets/1-2-0/ParentRunFacet.json"
_NAMES = UUID("4c4c3c3f-6d6e-4f0c-9d0e-0a6e5c1f8a52")
_FACTS = {
    "commit": "rl/commit",
    "isDirty": "rl/dirty",
    "packageVersion": "rl/package_version",
    "imageDigest": "rl/image_digest",
    "configHash": "rl/config_hash",
    "seeds": "rl/seeds",
    "reusedFromEvent": "rl/reused_from",
}


def run_events(
    materializations: Iterable[Materialization], *, log_id: str, package_version: str
) -> Iterator[dict[str, Any]]:
    """Two events for each materialization, START and COMPLETE, in the order given.

    A materialization is a run of its own, below the Dagster run that made it: what was read for one partition is never
    told of its neighbour. The log knows when something was finished alone, so both events have that time.

    Args:
        materializations: with `run_id` and `timestamp` among their facts.
        log_id: tells this event log from others; the same log gives the same run ids again.
        package_version: of this package.
    """
    producer = f"urn:rl_assets:{package_version}"
    for event in materializations:
        common = _common(event, log_id=log_id, producer=producer)
        yield {"eventType": "START"} | common
        yield {"eventType": "COMPLETE"} | common


def _common(event: Materialization, *, log_id: str, producer: str) -> dict[str, Any]:
    namespace = f"rl_assets:{log_id}"
    return {
        "eventTime": datetime.fromtimestamp(event.facts["timestamp"], tz=UTC).isoformat(),
        "producer": producer,
        "schemaURL": f"{SPECIFICATION}#/$defs/RunEvent",
        "run": {
            "runId": str(uuid5(_NAMES, f"{log_id} {event.event_id}")),
            "facets": _run_facets(event, namespace=namespace, producer=producer),
        },
        "job": {"namespace": namespace, "name": event.asset, "facets": {}},
        "inputs": [_input(record, namespace=namespace, producer=producer) for record in event.inputs or ()],
        "outputs": [
            _dataset(event, namespace=namespace, producer=producer)
            | {"outputFacets": {"rlassets_event": _facet("OutputDatasetFacet", producer, eventId=event.event_id)}}
        ],
    }


def _run_facets(event: Materialization, *, namespace: str, producer: str) -> dict[str, Any]:
    facts = {name: event.facts[key] for name, key in _FACTS.items() if event.facts.get(key) is not None}
    facets = {
        "rlassets_provenance": _facet("RunFacet", producer, inputsAreRecorded=event.inputs is not None, **facts),
    }
    run_id = event.facts.get("run_id")
    if _is_uuid(run_id):
        facets["parent"] = {
            "_producer": producer,
            "_schemaURL": f"{_PARENT_FACET}#/$defs/ParentRunFacet",
            "run": {"runId": run_id},
            "job": {"namespace": namespace, "name": "dagster"},
        }
    return facets


def _input(record: InputRecord, *, namespace: str, producer: str) -> dict[str, Any]:
    facet = _facet("InputDatasetFacet", producer, eventId=record.event_id, role=record.role)
    return _dataset(record, namespace=namespace, producer=producer) | {"inputFacets": {"rlassets_event": facet}}


def _dataset(record: Materialization | InputRecord, *, namespace: str, producer: str) -> dict[str, Any]:
    version = {
        "_producer": producer,
        "_schemaURL": f"{_VERSION_FACET}#/$defs/DatasetVersionDatasetFacet",
        "datasetVersion": record.data_version,
    }
    return {
        "namespace": namespace,
        "name": f"{record.asset}/{record.partition or ''}".rstrip("/"),
        "facets": {"version": version},
    }


def _facet(kind: str, producer: str, **content: Any) -> Mapping[str, Any]:
    """A facet of our own; its schema is the specification's for that kind, which allows any further field."""
    return {"_producer": producer, "_schemaURL": f"{SPECIFICATION}#/$defs/{kind}", **content}


def _is_uuid(text: Any) -> bool:
    try:
        UUID(str(text))
    except ValueError:
        return False
    return True
