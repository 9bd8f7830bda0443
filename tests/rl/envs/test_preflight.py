from dataclasses import replace

import numpy as np
import pytest

from rl_assets.config.environment import EnvConfig
from rl_assets.errors import UnsupportedEnvironment
from rl_assets.rl.envs import preflight
from rl_assets.rl.envs.catalogue import describe_env
from rl_assets.rl.envs.preflight import check_env, try_out


def test_a_sound_environment_passes_and_is_remembered(monkeypatch):
    env = EnvConfig(id="CartPole-v1", options={"max_episode_steps": 7})
    assert check_env(env).max_episode_steps == 7
    monkeypatch.setattr(preflight, "ChildProcess", None)
    assert check_env(env).max_episode_steps == 7


def test_an_option_that_kills_the_process_kills_only_the_child():
    with pytest.raises(UnsupportedEnvironment, match=r"obs_dim=1 kills the process .* was killed by SIGABRT"):
        check_env(EnvConfig(id="AdroitHandDoor-v1", options={"obs_dim": 1}))


def test_an_environment_that_does_not_start_is_refused_with_its_reason():
    with pytest.raises(UnsupportedEnvironment, match="could not be built: Unsupported H1 history_len"):
        describe_env(EnvConfig(id="H1InplaceGaitTracking-v1", options={"history_len": 0}))


def test_options_that_break_the_numbers_are_refused():
    with pytest.raises(UnsupportedEnvironment, match="not finite after 1 random steps"):
        describe_env(EnvConfig(id="HalfCheetah-v4", options={"ctrl_cost_weight": 1e300}))


def test_an_option_that_never_comes_back_is_given_up():
    with pytest.raises(UnsupportedEnvironment, match="did not finish 32 steps within 1 s"):
        check_env(EnvConfig(id="Ant-v4", options={"frame_skip": 1_000_000}), timeout_s=1.0)


def test_slow_imports_do_not_count_as_the_environments_time(monkeypatch):
    class Parent:
        def send(self, message):
            done.append("ready" if message == "ready" else "verdict")

        def recv(self):
            return EnvConfig(id="CartPole-v1")

    done = []
    monkeypatch.setattr(preflight, "connect_to_parent", Parent)
    monkeypatch.setattr(preflight, "import_envpool", lambda: done.append("import"))
    preflight.main()
    assert done == ["import", "ready", "verdict"]


def test_numbers_that_are_not_finite_are_refused(monkeypatch):
    real = preflight.EnvironmentPool.reset

    def reset(self):
        views = real(self)
        return replace(views, observations=views.observations * np.float32(np.nan))

    monkeypatch.setattr(preflight.EnvironmentPool, "reset", reset)
    with pytest.raises(UnsupportedEnvironment, match="not finite after 0 random steps"):
        try_out(EnvConfig(id="CartPole-v1"))
