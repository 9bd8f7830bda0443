import os
import tempfile
import time
from pathlib import Path

import pytest

from rl_assets.cli.live import live_progress, open_console
from rl_assets.resources.progress import ProgressBoard


def test_the_console_still_speaks_while_a_step_captures_standard_error(capfd: pytest.CaptureFixture[str]) -> None:
    saved = os.dup(2)
    with open_console() as console, tempfile.TemporaryFile() as captured:
        os.dup2(captured.fileno(), 2)
        try:
            console.print("training goes on")
            console.file.flush()
        finally:
            os.dup2(saved, 2)
            os.close(saved)
        captured.seek(0)
        assert captured.read() == b""
    assert "training goes on" in capfd.readouterr().err


def test_progress_of_a_running_training_is_shown_and_removed(tmp_path: Path) -> None:
    from io import StringIO

    from rich.console import Console

    board, shown = ProgressBoard(tmp_path), StringIO()
    console = Console(file=shown, force_terminal=True, width=140)
    state = {"env_steps_done": 50_000, "env_steps_total": 100_000, "steps_per_s": 1234.0, "mean_return": 12.5}
    board.write("run-1", "CartPole-v1: 4 members", state)
    with live_progress(board, console):
        for _ in range(100):
            if "12.5" in shown.getvalue():
                break
            time.sleep(0.05)
    assert "CartPole-v1: 4 members" in shown.getvalue()
    assert "1,234 steps/s" in shown.getvalue()
