"""The command on an installation of its own, in this process."""

import sys
from pathlib import Path
from typing import Any

import pytest

from rl_assets.cli.app import main
from tests.conftest import PROJECT


@pytest.fixture
def rlctl(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Any:
    """Run a command on an installation of its own; returns exit code, standard output and standard error."""
    home = tmp_path / "dagster"
    home.mkdir()
    (home / "dagster.yaml").write_text("telemetry: {enabled: false}\nnux: {enabled: false}\n")
    for name, value in {"DAGSTER_HOME": home, "RL_ASSETS_HOME": tmp_path / "state", "RL_ASSETS_ROOT": PROJECT}.items():
        monkeypatch.setenv(name, str(value))

    def run(*words: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["rlctl", *map(str, words)])
        with pytest.raises(SystemExit) as stop:
            main()
        captured = capsys.readouterr()
        code = stop.value.code
        return code if isinstance(code, int) else 0, captured.out, captured.err

    return run
