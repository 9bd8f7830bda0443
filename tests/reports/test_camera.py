"""Drawing may end the process that draws: the camera's child, and nothing else."""

import dataclasses
import os
import signal

import pytest

from rl_assets.errors import NotFilmed, ReplayDiffers
from rl_assets.reports import camera as cameras
from rl_assets.reports.camera import Camera
from tests.reports.filmed_episodes import recorded_episode


def test_one_child_films_again_and_again_and_tells_what_is_not_the_same() -> None:
    replay = recorded_episode("CartPole-v1")
    other = dataclasses.replace(replay, episode=dataclasses.replace(replay.episode, episode_return=-5.0))
    with Camera() as camera:
        first = camera.film(replay)
        child = camera._child
        with pytest.raises(ReplayDiffers, match="the record says -5 in"):
            camera.film(other)
        assert camera.film(replay) == first
        assert camera._child is child
    assert first.num_frames == replay.episode.length + 1
    assert camera._child is None


def test_what_cannot_be_drawn_costs_its_video_alone() -> None:
    undrawn = recorded_episode("FrozenLake-v1")
    with Camera() as camera:
        with pytest.raises(
            NotFilmed, match=r"'FrozenLake-v1' cannot be filmed: .* could not be drawn: render not impl"
        ):
            camera.film(undrawn)
        assert camera.film(recorded_episode("CartPole-v1")).num_frames > 1


@pytest.mark.skipif(any(name in os.environ for name in ("DISPLAY", "MUJOCO_GL")), reason="OpenGL may be there")
def test_an_environment_that_kills_who_draws_it_is_told_and_not_tried_again() -> None:
    replay = recorded_episode("Ant-v4", num_episodes=1)
    with Camera() as camera:
        with pytest.raises(NotFilmed, match=r"'Ant-v4' cannot be filmed on this machine \(process \d+ .*need OpenGL"):
            camera.film(replay)
        assert camera._child is None
        with pytest.raises(NotFilmed, match=r"^not tried again: 'Ant-v4'"):
            camera.film(replay)
        assert camera._child is None


def test_a_child_that_hangs_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    replay = recorded_episode("CartPole-v1")
    with Camera() as camera:
        camera.film(replay)
        child = camera._child
        assert child is not None
        monkeypatch.setattr(cameras, "SILENCE_S", 0.2)
        os.kill(child.pid, signal.SIGSTOP)
        with pytest.raises(NotFilmed, match=r"said nothing for 0\.2 s"):
            camera.film(replay)
        assert not os.path.exists(f"/proc/{child.pid}")


def test_whoever_waits_may_give_up(monkeypatch: pytest.MonkeyPatch) -> None:
    def stop() -> None:
        raise KeyboardInterrupt

    with Camera(on_wait=stop) as camera, pytest.raises(KeyboardInterrupt):
        camera.film(recorded_episode("Pendulum-v1"))
    assert camera._child is None
