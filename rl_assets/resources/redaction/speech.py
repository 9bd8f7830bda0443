"""Which lines of a log that two clients share may stay."""

from collections.abc import Iterable
from typing import Any

from rl_assets.resources.redaction.documents import ERASED, STRUCTURE, Scrubber
from rl_assets.resources.redaction.names import Names

_UNTOUCHED = frozenset({"ASSET_MATERIALIZATION", "ASSET_OBSERVATION", "ASSET_CHECK_EVALUATION"})
_OUTPUTS = frozenset({"STEP_OUTPUT", "HANDLED_OUTPUT"})
"""Each repeats all metadata of what was made."""
_PLANS = frozenset({"ASSET_MATERIALIZATION_PLANNED", "ASSET_CHECK_EVALUATION_PLANNED"})


class Speech:
    """Cleans the log of one run.

    Args:
        erased: what must not be told of any more.
        kept: partitions of others that the run served.
        is_shared: the run worked on erased data, so that a line which names nobody may hold numbers of it; otherwise
            only lines that speak of the erased are replaced.
    """

    def __init__(self, erased: Names, kept: Iterable[str], *, is_shared: bool) -> None:
        self._names_erased = erased.stand_in if is_shared else erased.are_meant_in
        self._kept = Names(kept)
        self._is_shared = is_shared

    def clean_text(self, text: str, *, is_users: bool) -> str:
        """A text without the lines that go.

        Args:
            text: any number of lines.
            is_users: whether code of ours or of a user wrote it, and not Dagster: then it may hold numbers.
        """
        lines = text.split("\n")
        if not any(self._goes(line, is_users=is_users) for line in lines):
            return text
        if not self._is_shared:
            return "\n".join(ERASED if self._names_erased(line) else line for line in lines)
        return "\n".join([ERASED, *(line for line in lines if self._is_of_others(line))])

    def clean_event(self, entry: dict[str, Any]) -> dict[str, Any]:
        """An event of the log as Dagster stores it, with what may stay; equal to what was given where all may.

        Materializations, observations and checks stay or go as a whole, which is decided elsewhere.
        """
        event = entry.get("dagster_event")
        kind = None if event is None else event.get("event_type_value")
        if kind in _UNTOUCHED:
            return entry
        if event is not None and kind in _PLANS:
            return {**entry, "dagster_event": self._clean_plan(event)}
        if event is not None and kind in _OUTPUTS and self._is_shared:
            data = event.get("event_specific_data") or {}
            event = {**event, "event_specific_data": {**data, "metadata_entries": []}}
        is_users = event is None
        clean = dict(entry)
        for field in ("user_message", "message"):
            clean[field] = self.clean_text(entry.get(field) or "", is_users=is_users)
        clean["error_info"] = self._clean_part(entry.get("error_info"))
        if event is not None:
            clean["dagster_event"] = {
                **event,
                "message": self.clean_text(event.get("message") or "", is_users=False),
                "event_specific_data": self._clean_part(event.get("event_specific_data")),
                "logging_tags": Scrubber(self._names_erased).scrub(event.get("logging_tags") or {}),
            }
        return clean

    def _goes(self, line: str, *, is_users: bool) -> bool:
        if not line.strip() or line == ERASED:
            return False
        return self._names_erased(line) or (is_users and self._is_shared and not self._kept.stand_in(line))

    def _is_of_others(self, line: str) -> bool:
        return self._kept.stand_in(line) and not self._names_erased(line)

    def _clean_plan(self, event: dict[str, Any]) -> dict[str, Any]:
        data = event["event_specific_data"]
        subset = Scrubber(self._names_erased).scrub(data.get("partitions_subset"))
        return {**event, "event_specific_data": {**data, "partitions_subset": subset}}

    def _clean_part(self, part: Any) -> Any:
        """A part of an event: errors and failures word by word, all else where it names the erased."""
        if isinstance(part, list):
            return [self._clean_part(item) for item in part]
        if not isinstance(part, dict):
            return Scrubber(self._names_erased).scrub(part)
        kind = part.get("__class__")
        if kind == "SerializableErrorInfo":
            return self._clean_error(part)
        if kind == "UserFailureData":
            return self._clean_failure(part)
        scrubber = Scrubber(self._names_erased)
        return {
            name: self._clean_part(value) if isinstance(value, dict | list) and name not in STRUCTURE else value
            for name, value in scrubber.scrub_fields(part).items()
        }

    def _clean_error(self, error: dict[str, Any]) -> dict[str, Any]:
        message = self.clean_text(error.get("message") or "", is_users=True)
        stack = error.get("stack") or []
        is_told = message != error.get("message") or any(self._names_erased(frame) for frame in stack)
        clean = {**error, "message": message, "stack": [] if is_told else stack}
        for field in ("cause", "context"):
            if isinstance(error.get(field), dict):
                clean[field] = self._clean_error(error[field])
        return clean

    def _clean_failure(self, failure: dict[str, Any]) -> dict[str, Any]:
        scrubber = Scrubber(self._names_erased)
        entries = [scrubber.scrub(entry) for entry in failure.get("metadata_entries") or []]
        if self._is_shared:
            entries = [entry for entry in entries if self._kept.stand_in(str(entry))]
        return {
            **failure,
            "description": self.clean_text(failure.get("description") or "", is_users=True) or None,
            "metadata_entries": entries,
        }
