from typing import Any

import pytest

from rl_assets.cli import printing
from rl_assets.cli.lineage_tables import print_backward, print_diff, print_forward, print_index


@pytest.fixture(autouse=True)
def wide(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(printing.console, "width", 200)


def event(event_id: int, asset: str, partition: str = "x") -> dict[str, Any]:
    return {"asset": asset, "partition": partition, "event_id": event_id, "data_version": f"{event_id:064x}"}


def test_promoted_models_come_first_and_doubts_last(capsys: pytest.CaptureFixture[str]) -> None:
    print_forward(
        {
            "of": {"asset": "datasets", "partition": "x", "event_id": 1},
            "promoted": [event(3, "promoted_models", "Pong-v5")],
            "materializations": [event(number, "trained_policies") for number in range(1, 41)],
            "possibly_affected": [event(99, "trained_policies", "old")],
        }
    )
    lines = capsys.readouterr().out.splitlines()
    assert lines[:2] == ["made from datasets:x, event 1 alone", "promoted models: Pong-v5 (event 3)"]
    (more,) = [number for number, line in enumerate(lines) if "and 10 more" in line]
    (doubt,) = [number for number, line in enumerate(lines) if "possibly affected" in line]
    assert more < doubt
    assert any("old" in line for line in lines[doubt:])


@pytest.mark.parametrize("files", [None, [{"file": "000000.npz", "sha256": "ab" * 32, "size_bytes": 1234}]])
def test_a_trace_says_what_is_missing_and_that_it_is_not_complete(
    capsys: pytest.CaptureFixture[str], files: list[dict[str, Any]] | None
) -> None:
    made = {"commit": "c0ffee" * 7, "dirty": True, "config_hash": None, "seeds": [0, 1], "member_seed": None}
    print_backward(
        {
            "of": event(2, "promoted_models"),
            "is_complete": False,
            "steps": [event(2, "promoted_models") | made, event(1, "datasets") | made | {"files": files}],
            "missing": [event(7, "sweep_configs")],
            "erased": [event(8, "gate_evaluations") | {"order": "e-0123456789"}],
            "unrecorded": [event(2, "promoted_models")],
        }
    )
    out = capsys.readouterr().out
    assert ("ab" * 32 in out) if files else ("no longer has their list" in out)
    assert "missing: sweep_configs:x@7" in out
    assert "evidence that is gone: gate_evaluations:x@8 was erased by order e-0123456789" in out
    assert "not recorded: what promoted_models:x@2 read" in out
    assert out.endswith("NOT complete: see the lines above\n")
    assert "0, 1" in out


@pytest.mark.parametrize(
    ("recipe", "words"),
    [({"algorithm.target_kl": [None, 0.1]}, "algorithm.target_kl"), ({}, "the same"), (None, "not both can be read")],
)
def test_a_difference_says_what_differs(
    capsys: pytest.CaptureFixture[str], recipe: dict[str, Any] | None, words: str
) -> None:
    sides = {
        name: {"model": event(number, "promoted_models"), "clients": [], "alone": [event(number, "datasets")]}
        for name, number in (("first", 1), ("second", 2))
    }
    pair = {"asset": "datasets", "partition": "x", "first": event(1, "datasets"), "second": event(2, "datasets")}
    print_diff({**sides, "shared": [], "other_versions": [pair], "recipe": recipe, "is_complete": False})
    out = capsys.readouterr().out
    assert words in out
    assert "another version of datasets:x: 000000000000 (event 1) and 000000000000 (event 2)" in out
    assert "NOT complete" in out


def test_an_index_says_what_had_changed(capsys: pytest.CaptureFixture[str]) -> None:
    answer = {"file": "/f", "num_events": 5, "num_added": 2, "num_changed": 1, "removed": {"datasets": 3}}
    print_index(answer | {"rebuilt_because": None, "differing_events": [4]})
    out = capsys.readouterr().out
    assert "2 new, 1 changed" in out
    assert "3 of datasets are gone" in out
    assert "events 4 differ" in out
    print_index(answer | {"rebuilt_because": "it was damaged", "differing_events": []})
    assert "built again: it was damaged" in capsys.readouterr().out
