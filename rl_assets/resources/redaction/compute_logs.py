"""What steps and sensors wrote to their standard output and error, as Dagster captured it."""

import shutil
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import dagster as dg
from dagster._core.storage.compute_log_manager import ComputeLogManager
from dagster._core.storage.local_compute_log_manager import LocalComputeLogManager

from rl_assets.resources.redaction.documents import ERASED
from rl_assets.resources.redaction.report import Counts

_NEUTRAL = ERASED.encode() + b"\n"
_KIND = "compute logs"
_RUNS_FOLDER = "compute_logs"


class CapturedLogs:
    """The captured logs of one instance: files, or objects of a bucket of which copies may lie in files.

    Older versions of objects are the bucket's: a lifecycle rule has to expire them.
    """

    def __init__(self, instance: dg.DagsterInstance) -> None:
        self._manager: ComputeLogManager = instance.compute_log_manager
        local = self._manager
        if not isinstance(local, LocalComputeLogManager):
            local = getattr(self._manager, "local_manager", None) or getattr(self._manager, "_local_manager", None)
        self._folder = Path(local._base_dir) if isinstance(local, LocalComputeLogManager) else None

    @property
    def is_local(self) -> bool:
        """Whether files are all that there is."""
        return isinstance(self._manager, LocalComputeLogManager)

    def remove(self, run_id: str, counts: Counts) -> None:
        """Delete all that a run wrote."""
        if run_id and not self.is_local:
            self._manager.delete_logs(prefix=[run_id])
        folder = self._of_run(run_id)
        if folder is not None and folder.is_dir():
            counts.delete(_KIND, sum(path.is_file() for path in folder.rglob("*")))
            shutil.rmtree(folder)

    def remove_of_tick(self, log_key: Sequence[str], counts: Counts) -> None:
        """Delete what a sensor wrote in one evaluation."""
        self._manager.delete_logs(log_key=list(log_key))
        counts.delete(_KIND)

    def neutralize(self, run_id: str, goes: Callable[[str], bool], counts: Counts) -> None:
        """Put a neutral line into the place of each log of a run that is not empty.

        Args:
            run_id: of a run that others need to keep.
            goes: says of a text of several lines whether it may not stay.
            counts: is told.
        """
        if run_id and not self.is_local:
            self._manager.delete_logs(prefix=[run_id])
        folder = self._of_run(run_id)
        for path in sorted(folder.rglob("*")) if folder is not None and folder.is_dir() else ():
            if not path.is_file() or path.suffix == ".complete":
                continue
            _neutralize(path, goes, counts)

    def neutralize_ticks(self, goes: Callable[[str], bool], counts: Counts) -> None:
        """Put a neutral line into the place of what sensors wrote, where it may not stay; in files alone."""
        for path in self.files():
            if path.suffix in (".out", ".err") and path.parent.name != _RUNS_FOLDER:
                _neutralize(path, goes, counts)

    def mention(self, names_erased: Callable[[str], bool]) -> Iterator[str]:
        """Ids of the runs whose logs name the erased."""
        for folder in self._folder.iterdir() if self._folder is not None and self._folder.is_dir() else ():
            logs = folder / _RUNS_FOLDER
            if logs.is_dir() and any(
                names_erased(path.read_text(errors="replace")) for path in logs.rglob("*") if path.is_file()
            ):
                yield folder.name

    def files(self) -> Iterator[Path]:
        """All files; Dagster's storage of outputs may share their folder."""
        for path in sorted(self._folder.rglob("*")) if self._folder is not None and self._folder.is_dir() else ():
            if path.is_file():
                yield path

    def _of_run(self, run_id: str) -> Path | None:
        if not run_id or self._folder is None:
            return None
        return self._folder / run_id / _RUNS_FOLDER


def _neutralize(path: Path, goes: Callable[[str], bool], counts: Counts) -> None:
    data = path.read_bytes()
    if data and data != _NEUTRAL and goes(data.decode(errors="replace")):
        path.write_bytes(_NEUTRAL)
        counts.clean(_KIND)
