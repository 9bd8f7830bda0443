"""Evaluation episodes as short videos."""

import itertools
import math
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

_ENCODING = ["-preset", "veryfast", "-threads", "1", "-fflags", "+bitexact", "-flags:v", "+bitexact"]


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
    writer = imageio_ffmpeg.write_frames(
        str(path),
        (width, height),
        fps=FRAMES_PER_S,
        codec="libx264",
        quality=5,
        macro_block_size=2,
        ffmpeg_log_level="error",
        output_params=list(_ENCODING),
    )
    num_frames = 0
    try:
        writer.send(None)
        for frame in itertools.chain([first], frames):
            writer.send(frame.tobytes())
            num_frames += 1
    finally:
        writer.close()
    return num_frames, (height, width)
