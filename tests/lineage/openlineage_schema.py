"""What version 2-0-2 of the OpenLineage specification asks of a run event, written down from its text.

The facets that we use are closed here to what their own specifications know: `DatasetVersionDatasetFacet` 1-0-1 and
`ParentRunFacet` 1-2-0; custom facets are named by a prefix and carry producer and schema.
"""

from typing import Any

_URI = {"type": "string", "format": "uri", "pattern": "^[a-z][a-z0-9+.-]*:[^ ]+$"}
_FACET = {
    "type": "object",
    "properties": {"_producer": _URI, "_schemaURL": _URI},
    "required": ["_producer", "_schemaURL"],
}
_CUSTOM = {"patternProperties": {"^rlassets_[a-z]+$": {"$ref": "#/$defs/Facet"}}}
_NAMED = {"namespace": {"type": "string", "minLength": 1}, "name": {"type": "string", "minLength": 1}}
_RUN_ID = {"type": "string", "format": "uuid", "pattern": "^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$"}


def _dataset(facets: str) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": _NAMED
        | {
            "facets": {
                "type": "object",
                "properties": {"version": {"$ref": "#/$defs/Version"}},
                "additionalProperties": False,
            },
            facets: {"type": "object", **_CUSTOM, "additionalProperties": False},
        },
        "required": ["namespace", "name"],
        "additionalProperties": False,
    }


SCHEMA: dict[str, Any] = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "$defs": {
        "Facet": _FACET,
        "Version": {
            "allOf": [
                {"$ref": "#/$defs/Facet"},
                {"properties": {"datasetVersion": {"type": "string"}}, "required": ["datasetVersion"]},
            ]
        },
        "Parent": {
            "allOf": [
                {"$ref": "#/$defs/Facet"},
                {
                    "properties": {
                        "run": {"type": "object", "properties": {"runId": _RUN_ID}, "required": ["runId"]},
                        "job": {"type": "object", "properties": _NAMED, "required": ["namespace", "name"]},
                    },
                    "required": ["run", "job"],
                },
            ]
        },
    },
    "type": "object",
    "properties": {
        "eventType": {"enum": ["START", "RUNNING", "COMPLETE", "ABORT", "FAIL", "OTHER"]},
        "eventTime": {
            "type": "string",
            "format": "date-time",
            "pattern": r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)$",
        },
        "producer": _URI,
        "schemaURL": _URI,
        "run": {
            "type": "object",
            "properties": {
                "runId": _RUN_ID,
                "facets": {
                    "type": "object",
                    "properties": {"parent": {"$ref": "#/$defs/Parent"}},
                    **_CUSTOM,
                    "additionalProperties": False,
                },
            },
            "required": ["runId"],
            "additionalProperties": False,
        },
        "job": {
            "type": "object",
            "properties": _NAMED | {"facets": {"type": "object", **_CUSTOM, "additionalProperties": False}},
            "required": ["namespace", "name"],
            "additionalProperties": False,
        },
        "inputs": {"type": "array", "items": _dataset("inputFacets")},
        "outputs": {"type": "array", "items": _dataset("outputFacets")},
    },
    "required": ["eventTime", "producer", "schemaURL", "run", "job"],
    "additionalProperties": False,
}
