"""A `rlctl` of its own, in an installation of its own, that is there to be killed."""

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import dagster as dg
from ruamel.yaml import YAML

from rl_assets.api.installation import Installation
from rl_assets.defs.graph import build_definitions
from rl_assets.resources.home import Home
from rl_assets.resources.progress import ProgressBoard
from rl_assets.store.artifacts import Artifact, ArtifactRef, read_artifact
from rl_assets.store.objects import ObjectStore

PROJECT = Path(__file__).parents[2]
LIMIT_S = 300


class Victim:
    """One installation in a folder, and commands that run there in processes that can be killed."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.home = Home(root=PROJECT, state=folder / "state", store_url=str(folder / "state" / "store"))
        self.instance_folder = folder / "instance"
        for path in (self.home.state, self.instance_folder):
            path.mkdir(parents=True, exist_ok=True)
        (self.instance_folder / "dagster.yaml").write_text("telemetry:\n  enabled: false\n")

    def write_sweep(self, document: Mapping[str, Any]) -> Path:
        """Put a sweep into a file that no sensor watches."""
        path = self.folder / f"{document['name']}.yaml"
        with path.open("w") as file:
            YAML(typ="safe").dump(dict(document), file)
        return path

    def start(self, *words: str) -> subprocess.Popen[str]:
        """Start `rlctl` as the head of a process group of its own; its output goes to a file."""
        with (self.folder / "output").open("a") as output:
            return subprocess.Popen(
                [Path(sys.executable).parent / "rlctl", *words],
                cwd=self.folder,
                env={
                    **os.environ,
                    "PYTHONPATH": str(PROJECT),
                    "RL_ASSETS_ROOT": str(PROJECT),
                    "RL_ASSETS_HOME": str(self.home.state),
                    "DAGSTER_HOME": str(self.instance_folder),
                },
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                text=True,
                start_new_session=True,
            )

    def run(self, *words: str) -> None:
        """Run `rlctl` to its end, which must be a good one."""
        process = self.start(*words)
        try:
            code = process.wait(LIMIT_S)
        finally:
            kill_group(process)
        assert code == 0, (code, self.output)

    def kill_at(self, is_time: Callable[[], bool], *words: str, only_parent: bool = False) -> bool:
        """Start `rlctl` and kill it with its workers, or without them; say whether it was still at work."""
        process = self.start(*words)
        deadline = time.monotonic() + LIMIT_S
        while process.poll() is None and not is_time() and time.monotonic() < deadline:
            time.sleep(0.01)
        was_at_work = process.poll() is None
        if only_parent:
            process.send_signal(signal.SIGKILL)
        else:
            kill_group(process)
        process.wait()
        return was_at_work

    @property
    def share_trained(self) -> float:
        """Part of its steps that the training under way has taken; 0 where none is."""
        states = list(ProgressBoard(self.home.progress_folder).running())
        return max((state["env_steps_done"] / max(1, state["env_steps_total"]) for state in states), default=0.0)

    @property
    def num_checkpoints(self) -> int:
        """Checkpoints that stand."""
        return len(list((self.home.state / "store").rglob("checkpoints/**/*.safetensors")))

    @property
    def output(self) -> str:
        """All that the commands have said so far."""
        return (self.folder / "output").read_text()

    @contextmanager
    def open(self) -> Iterator[Installation]:
        """Look at the installation from here."""
        with dg.DagsterInstance.from_config(str(self.instance_folder)) as instance:
            yield Installation(home=self.home, instance=instance, definitions=build_definitions(self.home))

    def artifacts(self, asset: str) -> dict[str, Artifact]:
        """The newest artifact of each partition."""
        store = ObjectStore(self.home.store_url)
        with self.open() as installation:
            return {
                partition: read_artifact(store, ArtifactRef.from_json(event.metadata["rl/artifact"]))
                for partition, event in installation.log.newest(asset).items()
            }

    def materializations(self, asset: str) -> dict[str, int]:
        """How often each partition was materialized."""
        counts: dict[str, int] = {}
        with self.open() as installation:
            page = installation.instance.fetch_materializations(dg.AssetKey(asset), limit=10_000)
            for record in page.records:
                counts[str(record.partition_key)] = counts.get(str(record.partition_key), 0) + 1
        return counts


def kill_group(process: subprocess.Popen[str]) -> None:
    """Kill a command and everything that it started."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)


def trained_bytes(victim: Victim) -> dict[tuple[str, str], str]:
    """Checksums of all that was trained and evaluated, by recipe without its owner and by file.

    The key of a recipe holds its client's pseudonym in its hash, which differs between installations.
    """
    found = {}
    for asset in ("trained_policies", "policy_evaluations"):
        for partition, artifact in victim.artifacts(asset).items():
            recipe = partition.rpartition("-")[0]
            for name in artifact.file_names:
                found[recipe, f"{asset}/{name}"] = artifact.checksum(name)
    return found


def dice() -> random.Random:
    """Random numbers from a seed that is printed, and may be given to see the same faults again."""
    seed = int(os.environ.get("RL_ASSETS_FAULT_SEED") or time.time_ns() % 10**9)
    print(f"faults are drawn from RL_ASSETS_FAULT_SEED={seed}")
    return random.Random(seed)
