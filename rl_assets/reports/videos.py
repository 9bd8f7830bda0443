"""Evaluation episodes as short videos."""

import contextlib
import itertools
import math
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import imageio_ffmpeg
import numpy as np

from rl_assets.rl.replay import Replay, replay_frames

FRAMES_PER_S = 30
MAX_FRAMES = 600
"""Twenty seconds; of longer episodes only every second step is drawn, every third, and so on."""

MAX_SIDE = 400
"""Pixels; larger frames are shrunk by a whole number."""

_ENCODING = [
    *("-c:v", "libx264", "-pix_fmt", "yuv420p", "-preset", "veryfast", "-crf", "25"),
    *("-threads", "1", "-fflags", "+bitexact", "-flags:v", "+bitexact", "-movflags", "+faststart"),
]


@dataclass(frozen=True, kw_only=True)
class Video:
    """A whole episode as an mp4 (H.264) file."""

    data: bytes
    num_frames: int
    steps_per_frame: int
    """Environment steps from one frame to the next."""

    width: int
    """Pixels."""

    height: int
    """Pixels."""

    @property
    def seconds(self) -> float:
        """How long it takes to watch."""
        return self.num_frames / FRAMES_PER_S


def make_video(replay: Replay, *, folder: Path, on_step: Callable[[], None] | None = None) -> Video:
    """Play a recorded episode again and encode what is drawn.

    Only for a process that may end without warning; `rl_assets.reports.camera.Camera` has one.

    Args:
        replay: the episode.
        folder: for the file while it grows.
        on_step: called after every step of the environment: a sign of life.

    Raises:
        ReplayDiffers: it was not the same again.
        EnvironmentFault: it cannot be drawn, or failed.
        OSError: the encoder failed.
    """
    steps_per_frame = math.ceil(replay.episode.length / MAX_FRAMES)
    path = folder / "episode.mp4"
    frames = replay_frames(replay, every=steps_per_frame, on_step=on_step)
    num_frames, (height, width) = _encode((shrink(frame) for frame in frames), path)
    data = path.read_bytes()
    path.unlink()
    return Video(data=data, num_frames=num_frames, steps_per_frame=steps_per_frame, width=width, height=height)


def shrink(frame: np.ndarray) -> np.ndarray:
    """Bring a frame to at most `MAX_SIDE` pixels a side by averaging squares, and to even sides, as H.264 wants them.

    Args:
        frame: `[height, width, 3]` uint8.

    Returns:
        `[height', width', 3]` uint8, contiguous; what does not fill a square at the right and the bottom is cut off.
    """
    factor = math.ceil(max(frame.shape[:2]) / MAX_SIDE)
    height, width = (side // factor // 2 * 2 for side in frame.shape[:2])
    rows = np.zeros((height, width * factor, 3), np.uint16 if factor <= 16 else np.uint32)  # 16 x 16 x 255 fits
    for row in range(factor):
        rows += frame[row : height * factor : factor, : width * factor]
    total = np.full((height, width, 3), factor**2 // 2, rows.dtype)
    for column in range(factor):
        total += rows[:, column::factor]
    return (total // factor**2).astype(np.uint8)


def _encode(frames: Iterator[np.ndarray], path: Path) -> tuple[int, tuple[int, int]]:
    """Write frames to a file; how many there were, and their height and width."""
    first = next(frames)
    height, width = first.shape[:2]
    raw = ["-f", "rawvideo", "-pix_fmt", "rgb24", "-s", f"{width}x{height}", "-r", str(FRAMES_PER_S), "-i", "-"]
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-y", "-loglevel", "error", *raw, *_ENCODING, str(path)]
    num_frames = 0
    with tempfile.TemporaryFile() as told:
        # An encoder that has died breaks the pipe; how it ended is asked afterwards.
        with (
            contextlib.suppress(BrokenPipeError),
            subprocess.Popen(command, stdin=subprocess.PIPE, stdout=told, stderr=told) as encoder,
        ):
            assert encoder.stdin is not None
            for frame in itertools.chain([first], frames):
                encoder.stdin.write(frame.tobytes())
                num_frames += 1
        if encoder.returncode:
            told.seek(0)
            lines = told.read().decode(errors="replace").strip().splitlines()
            raise OSError(
                f"ffmpeg exited with status {encoder.returncode}: {lines[-1] if lines else 'it said nothing'}"
            )
    return num_frames, (height, width)
