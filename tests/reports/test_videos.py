"""Episodes of a real, untrained policy as mp4."""

import subprocess
from pathlib import Path

import imageio_ffmpeg
import numpy as np
import pytest

from rl_assets.reports import videos
from rl_assets.reports.videos import Video, make_video, shrink
from rl_assets.rl.replay import replay_frames
from tests.reports.filmed_episodes import recorded_episode


def frames_of(video: Video, folder: Path) -> np.ndarray:
    """`[num_frames, height, width, 3]` as a player shows them."""
    path = folder / "shown.mp4"
    path.write_bytes(video.data)
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-i", str(path), "-f", "rawvideo", "-pix_fmt", "rgb24", "-"]
    raw = subprocess.run(command, check=True, capture_output=True).stdout
    path.unlink()
    return np.frombuffer(raw, np.uint8).reshape(-1, video.height, video.width, 3)


def test_a_video_shows_every_step_of_the_episode_in_order(tmp_path: Path) -> None:
    replay = recorded_episode("CartPole-v1")
    video = make_video(replay, folder=tmp_path)
    shown = frames_of(video, tmp_path).astype(int)
    drawn = np.stack([shrink(frame) for frame in replay_frames(replay)]).astype(int)
    assert shown.shape == drawn.shape == (replay.episode.length + 1, video.height, video.width, 3)
    assert video.num_frames == len(drawn)
    assert np.abs(shown - drawn).mean() < 3, "of 255: compression alone"
    assert np.abs(shown[-1] - drawn[-1]).mean() < np.abs(shown[-1] - drawn[0]).mean(), "and in order"
    assert list(tmp_path.iterdir()) == []


def test_a_long_episode_is_thinned_out_and_not_cut_off(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    replay = recorded_episode("Pendulum-v1")
    monkeypatch.setattr(videos, "MAX_FRAMES", 30)
    video = make_video(replay, folder=tmp_path)
    assert replay.episode.length == 200
    assert (video.steps_per_frame, video.num_frames) == (7, 30)
    last = np.stack([shrink(frame) for frame in replay_frames(replay)])[-1].astype(int)
    assert np.abs(frames_of(video, tmp_path)[-1].astype(int) - last).mean() < 3


def test_equal_episodes_give_equal_bytes(tmp_path: Path) -> None:
    replay = recorded_episode("CartPole-v1")
    assert make_video(replay, folder=tmp_path).data == make_video(replay, folder=tmp_path).data


@pytest.mark.parametrize(
    ("shape", "shrunk"),
    [((400, 600), (200, 300)), ((210, 160), (210, 160)), ((401, 801), (132, 266)), ((3, 5), (2, 4))],
)
def test_frames_get_at_most_the_size_and_even_sides(shape: tuple[int, int], shrunk: tuple[int, int]) -> None:
    assert shrink(np.full((*shape, 3), 7, np.uint8)).shape == (*shrunk, 3)


def test_shrinking_takes_the_mean_of_squares(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(videos, "MAX_SIDE", 2)
    frame = np.zeros((4, 4, 3), np.uint8)
    frame[0, :2], frame[1, 0] = 255, 1
    small = shrink(frame)
    assert small[:, :, 0].tolist() == [[128, 0], [0, 0]], "(255 + 255 + 1 + 0) / 4, rounded"


def test_an_encoder_that_fails_says_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    replay = recorded_episode("CartPole-v1")
    monkeypatch.setattr(videos, "_ENCODING", ["-c:v", "no_such_codec"])
    with pytest.raises(OSError, match=r"^ffmpeg exited with status \d+: .*"):
        make_video(replay, folder=tmp_path)
