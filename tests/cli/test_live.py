import os
import tempfile
import time
from pathlib import Path

import pytest

from rl_assets.cli import live
from rl_assets.cli.live import live_progress, open_console
from rl_assets.resources.progress import ProgressBoard

STATE = {
    "plan": "plan for CartPole-v1: 4 members in 1 group",
    "env_steps_done": 50_000,
    "env_steps_total": 100_000,
    "steps_per_s": 1234.0,
    "mean_return": None,
}


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
    state = STATE | {"mean_return": 12.5}
    board.write("run-1", "CartPole-v1: 4 members", state)
    with live_progress(board, console):
        for _ in range(100):
            if "12.5" in shown.getvalue():
                break
            time.sleep(0.05)
    assert "CartPole-v1: 4 members" in shown.getvalue()
    assert "1,234 steps/s" in shown.getvalue()
    assert shown.getvalue().count("plan for CartPole-v1: 4 members in 1 group") == 1, "told once, however often asked"


def lines_of(board: ProgressBoard, *, is_terminal: bool, is_watching: bool) -> list[str]:
    """What is printed while a training stands still for a while and then gets on."""
    from io import StringIO

    from rich.console import Console

    shown = StringIO()
    console = Console(file=shown, force_terminal=is_terminal, width=140)
    with live_progress(board, console, is_watching=lambda: is_watching):
        for done in (50_000, 50_000, 60_000):
            board.write("run-1", "CartPole-v1: 4 members", STATE | {"env_steps_done": done}, is_last=True)
            time.sleep(0.15)
    return [line for line in shown.getvalue().splitlines() if "4 members, " in line]


@pytest.mark.parametrize(("is_terminal", "is_watching"), [(False, False), (False, True), (True, True)])
def test_off_a_terminal_or_beside_a_daemon_a_line_tells_what_got_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, is_terminal: bool, is_watching: bool
) -> None:
    monkeypatch.setattr(live, "POLL_EVERY_S", 0.01)
    monkeypatch.setattr(live, "TELL_EVERY_S", 0.0)
    lines = lines_of(ProgressBoard(tmp_path), is_terminal=is_terminal, is_watching=is_watching)
    assert len(lines) == 2
    assert "CartPole-v1: 4 members, 50,000 of 100,000 steps, 1,234 steps/s" in lines[0]
    assert "60,000 of 100,000 steps" in lines[1]


def test_on_a_terminal_that_shows_the_bars_no_line_is_printed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "POLL_EVERY_S", 0.01)
    monkeypatch.setattr(live, "TELL_EVERY_S", 0.0)
    assert lines_of(ProgressBoard(tmp_path), is_terminal=True, is_watching=False) == []
