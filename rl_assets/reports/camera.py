"""Filming in a child process: drawing may end the process that draws, and must cost no more than the video.

The program is `python -m rl_assets.reports.camera`, started by `Camera`.
"""

import sys
import time
from collections.abc import Callable
from pathlib import Path

from rl_assets.errors import EnvironmentFault, NotFilmed
from rl_assets.reports.videos import Video, make_video
from rl_assets.rl.child import ChildProcess, connect_to_parent
from rl_assets.rl.population import single_thread
from rl_assets.rl.replay import Replay

SILENCE_S = 120.0
"""Seconds without a sign of life after which the child counts as hung."""

MAX_FILMING_S = 600.0
"""Seconds that playing and filming one episode may take."""

BEAT = "still filming"
"""A sign of life of the child."""

_BEAT_EVERY_S = 0.5


class Camera:
    """Films one episode after the other in one child process, started with the first; close it after use.

    Args:
        on_wait: called several times a second while a film is made; may raise to give it up.
    """

    def __init__(self, *, on_wait: Callable[[], None] = lambda: None) -> None:
        self._on_wait = on_wait
        self._child: ChildProcess | None = None
        self._is_broken_by = ""

    def film(self, replay: Replay) -> Video:
        """Play a recorded episode again and film it.

        Raises:
            NotFilmed: it cannot be drawn here, was not the same again, or took too long. Once the child has died or
                hung, nothing more is tried.
        """
        if self._is_broken_by:
            raise NotFilmed(f"not tried again: {self._is_broken_by}")
        try:
            if self._child is None:
                self._child = ChildProcess(__name__)
            self._child.send(replay)
            answer = self._wait(self._child)
        except (EnvironmentFault, TimeoutError) as error:
            self.close()
            advice = "; MuJoCo's environments need OpenGL to be drawn" if isinstance(error, EnvironmentFault) else ""
            self._is_broken_by = f"'{replay.env.id}' cannot be filmed on this machine ({error}){advice}"
            raise NotFilmed(self._is_broken_by) from error
        if isinstance(answer, NotFilmed):
            raise answer
        return answer

    def close(self) -> None:
        """End the child; safe to call twice."""
        if self._child is not None:
            self._child.close()
            self._child = None

    def __enter__(self) -> "Camera":
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    def _wait(self, child: ChildProcess) -> Video | NotFilmed:
        gives_up_at = time.monotonic() + MAX_FILMING_S
        while isinstance(answer := child.receive(timeout_s=SILENCE_S), str):
            self._on_wait()
            if time.monotonic() > gives_up_at:
                raise TimeoutError(f"the film was not done within {MAX_FILMING_S:g} s")
        return answer


def main() -> None:
    """Film for the parent that started this process, until it is gone."""
    connection = connect_to_parent()
    sent_at = 0.0

    def beat() -> None:
        nonlocal sent_at
        if time.monotonic() - sent_at >= _BEAT_EVERY_S:
            connection.send(BEAT)
            sent_at = time.monotonic()

    try:
        with single_thread():
            while True:
                replay: Replay = connection.recv()
                try:
                    connection.send(make_video(replay, folder=Path.cwd(), on_step=beat))
                except NotFilmed as error:
                    connection.send(error)
                except (EnvironmentFault, OSError) as error:
                    connection.send(NotFilmed(f"'{replay.env.id}' cannot be filmed: {error}"))
    except (EOFError, ConnectionError):
        sys.exit(0)


if __name__ == "__main__":
    main()
