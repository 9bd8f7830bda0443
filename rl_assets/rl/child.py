"""Children of our own, processes and threads, that talk over one socket and leave no parent waiting for ever."""

import os
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable
from multiprocessing.connection import Connection, Pipe
from pathlib import Path
from typing import Any, cast

from rl_assets.errors import EnvironmentFault

_PACKAGE_ROOT = Path(__file__).resolve().parents[2]
_GRACE_S = 2.0

_KEEP_FREED_MEMORY = {"MALLOC_TRIM_THRESHOLD_": str(256 << 20), "MALLOC_MMAP_THRESHOLD_": str(32 << 20)}
"""Tells glibc to reuse activations of a megabyte instead of asking the system for blank pages in every update."""


class ChildProcess:
    """Runs one of our modules as `python -m <module> <fd>` in an empty folder.

    The module is started afresh instead of forked (threads and native libraries do not survive a fork) and without
    `multiprocessing`'s spawn (which would import the caller's main program again). When the child dies, its end of the
    socket closes: `receive` raises instead of waiting.
    """

    def __init__(self, module: str) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="rl-assets-")
        self._stderr = tempfile.TemporaryFile()  # noqa: SIM115 (closed in close)
        self.connection, theirs = Pipe()
        paths = [str(_PACKAGE_ROOT), os.environ.get("PYTHONPATH", "")]
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-m", module, str(theirs.fileno())],
            pass_fds=[theirs.fileno()],
            stdin=subprocess.DEVNULL,
            stdout=self._stderr,
            stderr=self._stderr,
            cwd=self._folder.name,
            env={**_KEEP_FREED_MEMORY, **os.environ, "PYTHONPATH": os.pathsep.join(filter(None, paths))},
        )
        theirs.close()

    @property
    def pid(self) -> int:
        """Process id."""
        return self._process.pid

    def send(self, message: Any) -> None:
        """Send one message.

        Raises:
            EnvironmentFault: the child is dead.
        """
        try:
            self.connection.send(message)
        except OSError as error:
            raise EnvironmentFault(self.describe_death()) from error

    def receive(self, *, timeout_s: float | None = None) -> Any:
        """Wait for the next message.

        Raises:
            EnvironmentFault: the child died; says how, and the last thing it wrote.
            TimeoutError: nothing came in time.
        """
        try:
            if not self.connection.poll(timeout_s):
                raise TimeoutError(f"process {self.pid} said nothing for {timeout_s:g} s")
            return self.connection.recv()
        except (EOFError, ConnectionError) as error:
            raise EnvironmentFault(self.describe_death()) from error

    def describe_death(self) -> str:
        """Say how the child ended and what it wrote last; ends it if it still runs."""
        try:
            code = self._process.wait(timeout=_GRACE_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            code = self._process.wait()
        how = f"was killed by {signal.Signals(-code).name}" if code < 0 else f"exited with status {code}"
        self._stderr.seek(0)
        lines = self._stderr.read()[-4000:].decode(errors="replace").strip().splitlines()
        return f"process {self.pid} {how}" + (f": {lines[-1].strip()[:300]}" if lines else "")

    def close(self) -> None:
        """End the child if it still runs and release everything; safe to call twice."""
        self.connection.close()
        if self._process.poll() is None:
            self._process.terminate()
            try:
                self._process.wait(timeout=_GRACE_S)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        self._stderr.close()
        self._folder.cleanup()

    def __enter__(self) -> "ChildProcess":
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()


class ChildThread:
    """Runs a function in a thread of this process, and is talked to like a `ChildProcess`.

    It starts at once, where a process has to import everything first. When the connection is closed, the function
    meets an error with its next message and ends. One that hangs is left behind; it cannot be ended.
    """

    def __init__(self, serve: Callable[[Connection], None]) -> None:
        self._serve = serve
        self._error: BaseException | None = None
        self.connection, self._theirs = Pipe()
        self._thread = threading.Thread(target=self._run, name=serve.__qualname__, daemon=True)
        self._thread.start()

    def send(self, message: Any) -> None:
        """Send one message.

        Raises:
            EnvironmentFault: the thread has ended.
        """
        try:
            self.connection.send(message)
        except OSError as error:
            raise EnvironmentFault(self.describe_death()) from error

    def receive(self) -> Any:
        """Wait for the next message.

        Raises:
            EnvironmentFault: the thread has ended.
            Exception: whatever ended it.
        """
        try:
            return self.connection.recv()
        except (EOFError, ConnectionError) as error:
            self._thread.join(_GRACE_S)
            if self._error is not None:
                raise self._error from None
            raise EnvironmentFault(self.describe_death()) from error

    def describe_death(self) -> str:
        """Say how the thread ended."""
        return f"thread '{self._thread.name}' " + ("hangs" if self._thread.is_alive() else "ended without a result")

    def close(self) -> None:
        """Let the thread end, and wait a little for it; safe to call twice."""
        self.connection.close()
        self._thread.join(_GRACE_S)

    def _run(self) -> None:
        try:
            self._serve(cast("Connection", self._theirs))
        except (EOFError, ConnectionError):
            pass  # the parent wants no more of it
        except BaseException as error:
            self._error = error
        finally:
            self._theirs.close()


def connect_to_parent() -> Connection:
    """Open the socket that `ChildProcess` handed to this process, and leave Ctrl-C to the parent."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    return Connection(int(sys.argv[1]))
