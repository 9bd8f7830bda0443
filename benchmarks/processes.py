"""Processes of their own for each side: nobody inherits another's imports, threads or memory.

A `Station` is a process that holds one side's set-up and measures when told to, so that sides can take turns after each
has warmed up. `run_programs` times whole processes, imports included. Both tell peak memory: each process's own peak
resident memory, summed over the processes that were alive together. Pages that processes share count once for each.
"""

import importlib
import multiprocessing
import os
import subprocess
import sys
import tempfile
import threading
import time
import traceback
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from benchmarks.errors import CannotMeasure

ROOT = Path(__file__).parents[1]
SAMPLING_INTERVAL_S = 0.1
POLLING_INTERVAL_S = 0.01
CALL_LIMIT_S = 600
"""Seconds after which a side counts as stuck."""

ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")
"""Every side computes on one thread; torch is told so again where it is imported."""


@dataclass(frozen=True, kw_only=True)
class Measurement:
    """What one round of one side gave."""

    steps: int
    """Environment steps taken while the clock ran."""

    seconds: float
    """Wall-clock seconds."""

    @property
    def rate(self) -> float:
        """Steps per second."""
        return self.steps / self.seconds


class Station:
    """One side in a process of its own.

    Args:
        build: what makes the side's set-up, such as `benchmarks.ours:Training`; imported in the new process alone.
        settings: its keyword arguments, plain data.
    """

    def __init__(self, build: str, **settings: Any) -> None:
        context = multiprocessing.get_context("spawn")
        self._connection, theirs = context.Pipe()
        self._output = tempfile.NamedTemporaryFile()  # noqa: SIM115 (closed in close)
        self._process = context.Process(target=_serve, args=(theirs, self._output.name, build, settings))
        previous = {name: os.environ.get(name) for name in ONE_THREAD}
        os.environ |= ONE_THREAD
        try:
            self._process.start()
        finally:
            for name, value in previous.items():
                os.environ.pop(name) if value is None else os.environ.update({name: value})
        theirs.close()
        self._peak = PeakMemory(self._process.pid or 0)

    def call(self, method: str, **arguments: Any) -> Any:
        """Call a method of what was built, and wait for what it returns.

        Raises:
            CannotMeasure: the call failed or did not come back, or the process died; says how.
        """
        try:
            self._connection.send((method, arguments))
            if not self._connection.poll(CALL_LIMIT_S):
                self._process.kill()
                raise CannotMeasure(f"one side did not come back from '{method}' within {CALL_LIMIT_S} s")
            succeeded, result = self._connection.recv()
        except (EOFError, OSError) as error:
            self._process.join(timeout=5)
            wrote = Path(self._output.name).read_bytes()[-2000:].decode(errors="replace")
            raise CannotMeasure(
                f"the process of one side ended with status {self._process.exitcode}:\n{wrote}"
            ) from error
        if not succeeded:
            raise CannotMeasure(f"one side failed:\n{result}")
        return result

    @property
    def peak_memory_mb(self) -> float:
        """Peak memory so far, children included."""
        return self._peak.megabytes

    def close(self) -> None:
        """End the process."""
        self._peak.stop()
        with suppress(OSError):
            self._connection.send(None)
        self._process.join(timeout=10)
        if self._process.is_alive():
            self._process.terminate()
            self._process.join()
        self._connection.close()
        self._output.close()

    def __enter__(self) -> "Station":
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()


class PeakMemory:
    """Follows a process and its descendants until stopped."""

    def __init__(self, pid: int) -> None:
        self._pid, self._bytes, self._stopped = pid, 0, threading.Event()
        self._thread = threading.Thread(target=self._follow, daemon=True)
        self._thread.start()

    @property
    def megabytes(self) -> float:
        """The largest sum seen so far."""
        self._sample()
        return self._bytes / 1e6

    def stop(self) -> None:
        """Look once more, then no longer."""
        self._stopped.set()
        self._thread.join()

    def _follow(self) -> None:
        while not self._stopped.wait(SAMPLING_INTERVAL_S):
            self._sample()
        self._sample()

    def _sample(self) -> None:
        self._bytes = max(self._bytes, sum(map(_peak_bytes, _family(self._pid))))


@dataclass(frozen=True, kw_only=True)
class ProgramsRun:
    """What running some programs took."""

    seconds: float
    """From the first start to the last end."""

    peak_memory_mb: float
    """Of all that ran together."""


def run_programs(programs: Sequence[Sequence[str]], *, at_once: int) -> ProgramsRun:
    """Run Python programs to their ends, some at a time, and time the whole.

    Args:
        programs: arguments for the interpreter, such as `["-m", "benchmarks.sweep", ...]`.
        at_once: how many run side by side.

    Raises:
        CannotMeasure: one of them failed; says what it wrote last.
    """
    waiting, running = list(reversed(programs)), list[tuple[subprocess.Popen[bytes], Any]]()
    started = time.perf_counter()
    peak = PeakMemory(os.getpid())
    already = peak.megabytes  # of the program that measures
    try:
        while waiting or running:
            while waiting and len(running) < at_once:
                output = tempfile.TemporaryFile()  # noqa: SIM115 (closed when the program has ended)
                command = [sys.executable, "-W", "ignore", *waiting.pop()]
                environment = {**os.environ, **ONE_THREAD}
                process = subprocess.Popen(
                    command, cwd=ROOT, env=environment, stdin=subprocess.DEVNULL, stdout=output, stderr=output
                )
                running.append((process, output))
            time.sleep(POLLING_INTERVAL_S)
            for process, output in list(running):
                if process.poll() is None:
                    continue
                running.remove((process, output))
                if process.returncode:
                    output.seek(0)
                    raise CannotMeasure(
                        f"{' '.join(map(str, process.args))} ended with status {process.returncode}:\n"
                        + output.read()[-2000:].decode(errors="replace")
                    )
                output.close()
        return ProgramsRun(seconds=time.perf_counter() - started, peak_memory_mb=peak.megabytes - already)
    finally:
        peak.stop()
        for process, output in running:
            process.terminate()
            process.wait()
            output.close()


def _serve(connection: Connection, output: str, build: str, settings: dict[str, Any]) -> None:
    """Build once, then answer calls; an error is an answer too. What libraries write goes to a file."""
    with open(output, "ab") as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
    built: Any = None
    while (request := connection.recv()) is not None:
        method, arguments = request
        try:
            if built is None:
                module, _, name = build.partition(":")
                built = getattr(importlib.import_module(module), name)(**settings)
            answer = (True, getattr(built, method)(**arguments))
        except Exception:
            answer = (False, traceback.format_exc(limit=-6))
        connection.send(answer)
    if built is not None and hasattr(built, "close"):
        built.close()


def _family(pid: int) -> list[int]:
    """A process and its descendants, as far as they still live."""
    members = [pid]
    for member in members:
        with suppress(OSError):
            for task in Path(f"/proc/{member}/task").iterdir():
                members += map(int, (task / "children").read_text().split())
    return members


def _peak_bytes(pid: int) -> int:
    with suppress(OSError):
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    return 0
