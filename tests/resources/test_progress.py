import json
import os
from pathlib import Path

from rl_assets.resources.progress import STALE_AFTER_S, ProgressBoard


def test_what_a_run_wrote_is_read_by_others_and_forgotten_when_it_ends(tmp_path: Path) -> None:
    writer, reader = ProgressBoard(tmp_path), ProgressBoard(tmp_path)
    writer.write("run-1", "CartPole-v1", {"env_steps_done": 5})
    (state,) = reader.running()
    assert (state["title"], state["env_steps_done"]) == ("CartPole-v1", 5)
    writer.clear("run-1")
    assert list(reader.running()) == []


def test_frequent_writes_are_skipped_but_the_last_one_counts(tmp_path: Path) -> None:
    board = ProgressBoard(tmp_path)
    board.write("run-1", "t", {"env_steps_done": 1})
    board.write("run-1", "t", {"env_steps_done": 2})
    assert [state["env_steps_done"] for state in board.running()] == [1]
    board.write("run-1", "t", {"env_steps_done": 3}, is_last=True)
    assert [state["env_steps_done"] for state in board.running()] == [3]


def test_a_run_that_fell_silent_is_not_shown(tmp_path: Path) -> None:
    board = ProgressBoard(tmp_path)
    board.write("run-1", "t", {})
    path = tmp_path / "run-1.json"
    state = json.loads(path.read_text())
    path.write_text(json.dumps(state | {"written_at": state["written_at"] - STALE_AFTER_S - 1}))
    assert list(board.running()) == []


def test_a_half_written_file_is_never_seen(tmp_path: Path) -> None:
    board = ProgressBoard(tmp_path)
    board.write("run-1", "t", {"x": 1})
    assert os.listdir(tmp_path) == ["run-1.json"]
