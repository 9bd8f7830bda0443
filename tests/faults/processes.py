"""An installation of its own whose commands are real processes."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import dagster as dg

from rl_assets.resources.event_log import ARTIFACT_KEY, EventLog
from rl_assets.resources.inputs import REUSED_KEY
from rl_assets.resources.progress import ProgressBoard
from rl_assets.store.artifacts import Artifact, ArtifactRef, read_artifact
from rl_assets.store.objects import ObjectStore
from tests.conftest import PROJECT
from tests.defs.tiny_sweeps import tiny_sweep

RLCTL = "from rl_assets.cli.app import main; main()"
WAIT_S = 180.0
SETTINGS = "telemetry: {enabled: false}\nnux: {enabled: false}\n"


@dataclass(frozen=True, kw_only=True)
class Place:
    """Folders of an installation, and what a command needs to know of them."""

    folder: Path

    @property
    def environ(self) -> dict[str, str]:
        """Environment variables of a command."""
        return {
            **os.environ,
            "DAGSTER_HOME": str(self.folder / "dagster"),
            "RL_ASSETS_HOME": str(self.folder / "state"),
            "RL_ASSETS_ROOT": str(PROJECT),
            "PYTHONPATH": str(PROJECT),
        }

    def start(self, *words: object, program: str = RLCTL) -> subprocess.Popen[str]:
        """Start `rlctl`, or another program, with these words, as the head of a process group of its own."""
        return subprocess.Popen(
            [sys.executable, "-c", program, *map(str, words)],
            env=self.environ,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def run(self, *words: object, program: str = RLCTL) -> tuple[int, str, str]:
        """Run `rlctl`, or another program, to its end: exit code, standard output and standard error."""
        process = self.start(*words, program=program)
        out, err = process.communicate(timeout=WAIT_S)
        return process.returncode, out, err

    def instance(self) -> dg.DagsterInstance:
        """What Dagster remembers, freshly read."""
        return dg.DagsterInstance.from_config(str(self.folder / "dagster"))

    def training_run(self) -> dg.DagsterRun | None:
        """The newest run that trains."""
        with self.instance() as instance:
            runs = instance.get_runs(limit=20)
        return next((run for run in runs if "trained_policies" in run.tags.get("rl/assets", "")), None)

    def made(self, asset: str) -> list[tuple[str, str]]:
        """Partition and run of everything that was made and not only logged again, oldest first."""
        with self.instance() as instance:
            page = instance.fetch_materializations(dg.AssetKey(asset), limit=1_000, ascending=True)
        return [
            (str(record.partition_key), record.run_id)
            for record in page.records
            if record.asset_materialization is not None and REUSED_KEY not in record.asset_materialization.metadata
        ]

    def artifacts(self, asset: str) -> dict[str, Artifact]:
        """Partition -> the newest artifact."""
        store = ObjectStore(self.folder / "state" / "store")
        with self.instance() as instance:
            events = EventLog(instance).newest(asset)
        return {
            partition: read_artifact(store, ArtifactRef.from_json(event.metadata[ARTIFACT_KEY]))
            for partition, event in events.items()
        }

    def kill_when(self, is_time: Callable[[], bool], *words: object, spares_workers: bool = False) -> bool:
        """Start `rlctl` and kill it at a moment, with everything that it started or alone; was it still at work?"""
        process = self.start(*words)
        ends_at = time.monotonic() + WAIT_S
        while process.poll() is None and not is_time() and time.monotonic() < ends_at:
            time.sleep(0.01)
        was_at_work = process.poll() is None
        with suppress(ProcessLookupError):
            if spares_workers:
                process.kill()
            else:
                os.killpg(process.pid, signal.SIGKILL)
        process.communicate(timeout=WAIT_S)
        return was_at_work

    @property
    def share_trained(self) -> float:
        """Part of its steps that the training under way has taken; 0 where none is."""
        states = ProgressBoard(self.folder / "state" / "progress").running()
        return max((state["env_steps_done"] / max(1, state["env_steps_total"]) for state in states), default=0.0)

    @property
    def num_checkpoints(self) -> int:
        """Checkpoints that stand."""
        return len(list((self.folder / "state" / "store").rglob("checkpoints/**/*.safetensors")))

    def progress_files(self) -> list[str]:
        """Who is on the progress board."""
        return sorted(path.name for path in (self.folder / "state" / "progress").glob("*.json"))


def make_place(folder: Path) -> Place:
    """An empty installation."""
    (folder / "dagster").mkdir(parents=True)
    (folder / "dagster" / "dagster.yaml").write_text(SETTINGS)
    return Place(folder=folder)


def write_sweep(folder: Path, *, rates: int = 2, slow_sizes: tuple[int, ...] = (), **changes: Any) -> Path:
    """Tiny recipes that finish at once, and where asked for as many with a network that takes long."""
    grid: dict[str, Any] = {"learning_rate": [round(0.001 + 0.0001 * place, 4) for place in range(rates)]}
    if slow_sizes:
        grid["hidden_sizes"] = [[8], list(slow_sizes)]
    sweep = tiny_sweep("faults", seeds=1, grid=grid, **changes)
    path = folder / "faults.yaml"
    path.write_text(json.dumps(sweep.model_dump(mode="json", exclude_none=True)))
    return path


def trained_bytes(place: Place) -> dict[tuple[str, str], str]:
    """Checksums of all that was trained and evaluated, by recipe and file.

    The hash at the end of a recipe's key is left out: it differs between installations, as its client's pseudonym does.
    """
    return {
        (partition.rpartition("-")[0], f"{asset}/{name}"): artifact.checksum(name)
        for asset in ("trained_policies", "policy_evaluations")
        for partition, artifact in place.artifacts(asset).items()
        for name in artifact.file_names
    }


def wait_for(condition: Callable[[], Any], *, seconds: float = WAIT_S) -> Any:
    """Poll until a condition holds and return what it says."""
    ends_at = time.monotonic() + seconds
    while time.monotonic() < ends_at:
        answer = condition()
        if answer:
            return answer
        time.sleep(0.1)
    raise TimeoutError(f"it did not happen within {seconds:g} s: {condition}")


def children_of(pid: int) -> set[int]:
    """Processes that a process started, and theirs."""
    parents: dict[int, list[int]] = {}
    for path in Path("/proc").iterdir():
        if path.name.isdigit():
            try:
                fields = (path / "stat").read_text().rpartition(")")[2].split()
            except (FileNotFoundError, ProcessLookupError):
                continue
            parents.setdefault(int(fields[1]), []).append(int(path.name))
    found, waiting = set(), [pid]
    while waiting:
        for child in parents.get(waiting.pop(), []):
            found.add(child)
            waiting.append(child)
    return found
