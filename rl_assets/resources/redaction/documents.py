"""Dagster's records are JSON documents: what names the erased is taken out of them so that Dagster still reads them."""

import json
from collections.abc import Callable
from typing import Any

ERASED = "Erased."
"""Stands where a text was that told of erased data."""

STRUCTURE = frozenset(
    {
        "__class__", "__enum__", "event_type_value", "step_key", "step_handle", "solid_handle", "step_kind_value",
        "pipeline_name", "job_name", "run_id", "label", "cls_name", "asset_key", "check_name", "log_key", "status",
        "origin", "selector_id", "repository_origin", "job_origin_id",
    }
)  # fmt: skip
"""Fields that say what a record is, in words of Dagster or of our code; no data stands in them."""


class Scrubber:
    """Takes what names the erased out of documents.

    Entries of lists and mappings go; single texts become `ERASED`; a document inside a text is treated as one.

    Args:
        names_erased: says whether a text names anything that is erased.
    """

    def __init__(self, names_erased: Callable[[str], bool]) -> None:
        self._names_erased = names_erased

    def scrub(self, value: Any) -> Any:
        """A value without what names the erased; the very same value where nothing does."""
        if isinstance(value, str):
            return self._text(value)
        if isinstance(value, list):
            return self._list(value)
        if isinstance(value, dict):
            if value.get("__class__") == "AssetKey":
                return value
            return {
                name: self.scrub(part) if isinstance(part, dict | list) and name not in STRUCTURE else part
                for name, part in self.scrub_fields(value).items()
            }
        return value

    def scrub_fields(self, document: dict[str, Any]) -> dict[str, Any]:
        """A mapping with its own texts scrubbed and its deeper parts as given; entries named after the erased go."""
        is_record = "__class__" in document  # its fields are Dagster's
        return {
            name: self._text(part) if isinstance(part, str) and name not in STRUCTURE else part
            for name, part in document.items()
            if is_record or not self._names_erased(name)
        }

    def scrub_text(self, text: str) -> str:
        """A document written as JSON; the very same text where nothing in it names the erased."""
        return self._text(text)

    def _text(self, text: str) -> str:
        inner = document_in(text)
        if inner is not None:
            clean = self.scrub(inner)
            return text if clean == inner else json.dumps(clean)
        return ERASED if self._names_erased(text) else text

    def _list(self, values: list[Any]) -> list[Any]:
        return [self.scrub(value) for value in values if not self._goes(value)]

    def _goes(self, value: Any) -> bool:
        """Whether an entry of a list goes as a whole: a name, or a range of partitions that begins or ends with one."""
        if isinstance(value, str):
            return document_in(value) is None and self._names_erased(value)
        if isinstance(value, dict) and value.get("__class__") == "PartitionKeyRange":
            return self._names_erased(value["start"]) or self._names_erased(value["end"])
        return False


def document_in(text: str) -> dict[str, Any] | list[Any] | None:
    """The mapping or list that a text is the JSON of, if it is."""
    if not text.startswith(("{", "[")):
        return None
    try:
        found = json.loads(text)
    except ValueError:
        return None
    return found if isinstance(found, dict | list) else None
