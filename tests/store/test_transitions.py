from dataclasses import replace

import pytest

from rl_assets.store.transitions import Transition
from tests.store.model_entries import entry, version


@pytest.mark.parametrize(
    "kept",
    [
        entry(),
        entry(model=None, outcome="refused", note="no role"),
        entry(action="vacate", model=None),
        entry().without_model(order="e-00000000aa"),
    ],
)
def test_an_entry_survives_json(kept: Transition):
    assert Transition.from_json(kept.to_json()) == kept


def test_an_entry_from_before_anything_could_be_erased_is_read():
    old = {name: value for name, value in entry().to_json().items() if name not in ("erased_by", "remains")}
    assert Transition.from_json(old) == entry()


def test_an_erased_model_leaves_hashes_and_who_did_what_when():
    whole = entry(
        is_verified=True, role="promoter", request="run-1", note="words", evidence={"id": "v", "decisions": [1]}
    )
    erased = whole.without_model(order="e-00000000aa")
    assert erased.to_json() == whole.to_json() | {
        "model": None,
        "remains": {"policy": "a" * 64, "data_version": "b" * 64, "weights_sha256": "b" * 64},
        "reason": "",
        "note": "",
        "evidence": {"id": "v"},
        "erased_by": "e-00000000aa",
    }
    assert erased.changes_production


def test_words_that_are_gone_stay_with_the_order_that_took_them_first():
    once = entry(evidence={}).without_words(order="e-00000000aa")
    assert (once.model, once.reason, once.evidence) == (version(), "", {})
    assert once.without_words(order="e-00000000bb") == once


@pytest.mark.parametrize("named", ["b" * 64, "a" * 64, "c" * 64])
def test_an_entry_names_a_model_by_its_version_its_policy_or_its_weights(named: str):
    kept = entry(model=version(weights_sha256="c" * 64))
    assert kept.names({named})
    assert not kept.names({"f" * 64})
    assert not entry(model=None, outcome="refused").names({named})


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
        ({"action": "vacate"}, "vacating puts no model into production"),
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
        ("vacate", "done", "vacated", True),
        ("vacate", "lost", "vacating lost", False),
        ("promote", "lost", "promotion lost", False),
        ("roll_back", "refused", "rollback refused", False),
    ],
)
def test_an_entry_says_what_it_is_and_whether_other_weights_serve_since(action, outcome, title, changes):
    kept = entry(action=action, outcome=outcome, **({"model": None} if action == "vacate" else {}))
    assert (kept.title, kept.changes_production) == (title, changes)
