"""`rlctl doctor`: what a person and a program get of it."""

import json
import sys
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from rl_assets.cli import printing
from rl_assets.cli.app import main
from rl_assets.cli.doctor import MAX_FINDINGS, print_examination
from rl_assets.store.objects import ObjectStore
from tests.conftest import PROJECT


@pytest.fixture
def doctor(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Any:
    """Run `rlctl doctor` on an installation of its own; returns exit code, standard output and standard error."""
    (tmp_path / "dagster").mkdir()
    (tmp_path / "dagster" / "dagster.yaml").write_text("telemetry: {enabled: false}\nnux: {enabled: false}\n")
    places = {"DAGSTER_HOME": tmp_path / "dagster", "RL_ASSETS_HOME": tmp_path / "state", "RL_ASSETS_ROOT": PROJECT}
    for name, value in places.items():
        monkeypatch.setenv(name, str(value))

    def run(*words: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["rlctl", "doctor", *words])
        with pytest.raises(SystemExit) as stop:
            main()
        captured = capsys.readouterr()
        code = stop.value.code
        return code if isinstance(code, int) else 0, captured.out, captured.err

    return run


@pytest.fixture
def store(tmp_path: Path) -> ObjectStore:
    return ObjectStore(tmp_path / "state" / "store")


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> StringIO:
    shown = StringIO()
    monkeypatch.setattr(printing, "console", Console(file=shown, width=80))
    return shown


def test_a_healthy_installation_exits_with_0(doctor: Any, store: ObjectStore) -> None:
    store.put(b"abc", owners=frozenset())
    code, out, err = doctor("--json")
    assert (code, err) == (0, "")
    answer = json.loads(out)
    assert (answer["is_healthy"], answer["num_objects"], answer["store"]) == (True, 1, str(store.root))


def test_a_finding_exits_with_1_and_says_where_and_what_to_do(
    doctor: Any, store: ObjectStore, terminal: StringIO
) -> None:
    ref = store.put(b"abc", owners=frozenset())
    (store.root / ref.path).write_bytes(b"abd")
    assert doctor("--json")[0] == 1
    code, _, err = doctor()
    assert (code, err) == (1, "")
    shown = terminal.getvalue()
    assert "1. damaged object, hits nothing" in shown
    assert f"\n  {ref.path}\n" in shown, "a path can be copied whole"
    assert "to do: nothing needs it: delete the file" in shown
    assert shown.endswith("not healthy: see docs/runbooks/store.md\n")


def test_a_store_that_cannot_be_looked_at_exits_with_1_and_says_why(doctor: Any, store: ObjectStore) -> None:
    store.root.parent.mkdir(parents=True)
    store.root.write_text("a file")
    code, out, err = doctor("--json")
    assert (code, out) == (1, "")
    assert "a file stands where a folder is needed" in err


def examination(num_findings: int, **changes: Any) -> dict[str, Any]:
    finding = {
        "kind": "missing object", "path": "objects/x", "what": "it is gone", "is_current": True,
        "needed_by": [f"trained_policies[{letter}]" for letter in "abcde"], "to_do": "put it back",
    }  # fmt: skip
    return {
        "is_healthy": not num_findings, "store": "/s", "num_records": 1, "num_objects": 2, "size_bytes": 3 * 10**9,
        "seconds": 2.0, "findings": [finding] * num_findings, "notes": [],
    } | changes  # fmt: skip


def test_speed_and_counts_are_told(terminal: StringIO) -> None:
    print_examination(examination(0))
    assert terminal.getvalue().splitlines() == [
        "store /s",
        "  2 objects, 3.000 GB read in 2.0 s, 1.50 GB/s; 1 record of Dagster",
        "healthy",
    ]


def test_many_findings_and_holders_are_cut_with_their_count(terminal: StringIO) -> None:
    print_examination(examination(MAX_FINDINGS + 2))
    shown = terminal.getvalue()
    assert "hits trained_policies[a], trained_policies[b], trained_policies[c] and 2 more" in shown
    assert "and 2 more findings; --json lists all" in shown
    assert f"{MAX_FINDINGS + 2} findings" in shown


def test_a_note_says_how_many_and_what_they_mean(terminal: StringIO) -> None:
    note = {"kind": "leftovers", "count": 2, "size_bytes": 7, "paths": ["objects/a"], "meaning": "left by killed ones"}
    print_examination(examination(0, notes=[note]))
    assert "note: 2 files of 7 bytes, such as objects/a: left by killed ones" in terminal.getvalue()
