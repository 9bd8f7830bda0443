"""What names the erased goes, what stays is what it was."""

import json

from rl_assets.resources.redaction.documents import ERASED, Scrubber

SCRUBBER = Scrubber(lambda text: "gone" in text)


def test_entries_of_lists_and_mappings_go_and_single_texts_are_replaced() -> None:
    value = {"keys": ["gone|1", "kept|1"], "by key": {"gone|1": 1, "kept|1": 2}, "note": "was gone", "n": 3}
    assert SCRUBBER.scrub(value) == {"keys": ["kept|1"], "by key": {"kept|1": 2}, "note": ERASED, "n": 3}


def test_a_document_inside_a_text_is_treated_as_one() -> None:
    inner = json.dumps({"CartPole-v1": ["gone", "kept"]})
    assert json.loads(SCRUBBER.scrub({"rl/cells": inner})["rl/cells"]) == {"CartPole-v1": ["kept"]}


def test_what_names_nothing_is_the_very_same_text() -> None:
    text = '{"a":  [1,2],   "b": "kept"}'
    assert SCRUBBER.scrub_text(text) is text


def test_fields_of_dagsters_records_stay_whatever_they_are_called() -> None:
    record = {"__class__": "Gone", "step_key": "gone", "asset_key": {"__class__": "AssetKey", "path": ["gone"]}}
    assert SCRUBBER.scrub(record) == record
    assert SCRUBBER.scrub([{"__class__": "AssetKey", "path": ["gone"]}]) == [
        {"__class__": "AssetKey", "path": ["gone"]}
    ]
    assert SCRUBBER.scrub({"__class__": "Any", "gone": "x"}) == {"__class__": "Any", "gone": "x"}


def test_a_range_that_begins_or_ends_with_the_erased_goes() -> None:
    spans = [{"__class__": "PartitionKeyRange", "start": start, "end": end} for start, end in ("ab", ("a", "gone"))]
    assert SCRUBBER.scrub(spans) == spans[:1]


def test_a_text_that_only_begins_like_a_document_is_a_text() -> None:
    assert SCRUBBER.scrub("[gone: no document") == ERASED
    assert SCRUBBER.scrub("[kept: no document") == "[kept: no document"
