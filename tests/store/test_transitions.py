from dataclasses import replace

import pytest

from rl_assets.store.transitions import Transition
from tests.store.model_entries import entry, version


@pytest.mark.parametrize("kept", [entry(), entry(model=None, outcome="refused", note="no role")])
def test_an_entry_survives_json(kept: Transition):
    assert Transition.from_json(kept.to_json()) == kept


def test_unknown_fields_are_refused():
    with pytest.raises(ValueError, match="Transition: expected the fields"):
        Transition.from_json(entry().to_json() | {"colour": "blue"})
    with pytest.raises(ValueError, match="ModelVersion: expected the fields"):
        Transition.from_json(entry().to_json() | {"model": {"colour": "blue"}})


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"at": "2026-01-02T03:04:05"}, "lacks a time zone"),
        ({"at": "yesterday"}, "Invalid isoformat"),
        ({"action": "delete"}, "'delete' with outcome 'done' is unknown"),
        ({"outcome": "perhaps"}, "with outcome 'perhaps' is unknown"),
        ({"model": None}, "what was done must name its model"),
    ],
)
def test_an_entry_that_cannot_be_right_is_refused(change, words: str):
    with pytest.raises(ValueError, match=words):
        replace(entry(), **change)


def test_a_version_without_a_policy_is_refused():
    with pytest.raises(ValueError, match="object reference"):
        version(policy={"sha256": "a" * 64})


@pytest.mark.parametrize(
    ("action", "outcome", "title", "changes"),
    [
        ("stage", "done", "staged", False),
        ("promote", "done", "promoted", True),
        ("roll_back", "done", "rolled back to", True),
        ("promote", "lost", "promotion lost", False),
        ("roll_back", "refused", "rollback refused", False),
    ],
)
def test_an_entry_says_what_it_is_and_whether_other_weights_serve_since(action, outcome, title, changes):
    kept = entry(action=action, outcome=outcome)
    assert (kept.title, kept.changes_production) == (title, changes)
