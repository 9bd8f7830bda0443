"""Live progress of running trainings, for anyone who watches: one small file for each run."""

import json
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

WRITE_EVERY_S = 0.5
STALE_AFTER_S = 60.0


class ProgressBoard:
    """Running trainings write here what they have done so far; the command line reads it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._written_at: dict[str, float] = {}

    def write(self, run_id: str, title: str, progress: dict[str, Any], *, is_last: bool = False) -> None:
        """Replace what a run says of itself, at most twice a second."""
        now = time.time()
        if not is_last and now - self._written_at.get(run_id, 0.0) < WRITE_EVERY_S:
            return
        self._written_at[run_id] = now
        self._folder.mkdir(parents=True, exist_ok=True)
        partial = self._folder / f"{run_id}.partial"
        partial.write_text(json.dumps({"run_id": run_id, "title": title, "written_at": now} | progress))
        os.replace(partial, self._folder / f"{run_id}.json")

    def clear(self, run_id: str) -> None:
        """Forget a run that has ended."""
        (self._folder / f"{run_id}.json").unlink(missing_ok=True)
        self._written_at.pop(run_id, None)

    def running(self) -> Iterator[dict[str, Any]]:
        """What each running training says of itself, leaving out those that fell silent."""
        for path in sorted(self._folder.glob("*.json")) if self._folder.is_dir() else ():
            try:
                state = json.loads(path.read_text())
            except FileNotFoundError:
                continue
            if time.time() - state["written_at"] < STALE_AFTER_S:
                yield state
