"""Small trainings that several tests need."""

from collections.abc import Callable
from typing import Any

import pytest
import torch

from rl_assets.config.guardrails import GuardrailsConfig
from rl_assets.config.network import NetworkConfig
from rl_assets.config.ppo import PPOConfig
from rl_assets.config.recipe import Recipe, hparam_key
from rl_assets.rl import supervision
from rl_assets.rl.child import ChildProcess
from rl_assets.rl.plan import Member

MakeMember = Callable[..., Member]


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture
def make_member() -> MakeMember:
    """Build a member with a tiny budget; algorithm fields by keyword, guardrails and time as a mapping and a number."""

    def make(
        seed: int = 0,
        *,
        total_timesteps: int = 256,
        segment_steps: int = 128,
        hidden_sizes: tuple[int, ...] = (8, 8),
        guardrails: dict[str, Any] | None = None,
        max_wall_time_s: float | None = None,
        **algorithm: Any,
    ) -> Member:
        recipe = Recipe(
            algorithm=PPOConfig(**({"num_envs": 4, "num_steps": 16, "num_minibatches": 2} | algorithm)),
            network=NetworkConfig(hidden_sizes=hidden_sizes),
            total_timesteps=total_timesteps,
            segment_steps=segment_steps,
            guardrails=GuardrailsConfig(**(guardrails or {})),
            dataset="c-1.d1",
        )
        return Member(recipe=recipe, hparam=hparam_key(recipe), seed=seed, max_wall_time_s=max_wall_time_s)

    return make


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[ChildProcess]:
    """Every worker process that a training starts, in order."""
    workers: list[ChildProcess] = []

    class Recorded(ChildProcess):
        def __init__(self, module: str) -> None:
            super().__init__(module)
            workers.append(self)

    monkeypatch.setattr(supervision, "ChildProcess", Recorded)
    return workers
