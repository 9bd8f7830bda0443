"""What a policy sees and does in an environment."""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from rl_assets.errors import UnsupportedEnvironment
from rl_assets.rl.envs.library import without_box_warnings

UNLIMITED_EPISODE_STEPS = 2**31 - 1
CHOOSE_ANOTHER = "choose another environment, such as CartPole-v1, LunarLander-v3 or HalfCheetah-v4"


@dataclass(frozen=True, kw_only=True)
class DiscreteActions:
    """A choice among `n` actions, numbered from 0."""

    n: int

    @property
    def label(self) -> str:
        """Short text for errors and tables."""
        return f"Discrete({self.n})"


@dataclass(frozen=True, kw_only=True)
class BoxActions:
    """A vector of numbers within bounds; a bound may be infinite."""

    low: tuple[float, ...]
    high: tuple[float, ...]

    @property
    def size(self) -> int:
        """Numbers in one action."""
        return len(self.low)

    @property
    def label(self) -> str:
        """Short text for errors and tables."""
        return f"Box({self.size})"


ActionSpace = DiscreteActions | BoxActions


@dataclass(frozen=True, kw_only=True)
class EnvSpaces:
    """What an environment shows, takes and publishes."""

    observation_shape: tuple[int, ...]
    """Shape of one observation; a flat vector for now."""

    observation_dtype: str
    """NumPy's name of the observation's dtype."""

    actions: ActionSpace
    """What the policy chooses from."""

    num_players: int
    """Players in one game."""

    reward_threshold: float | None
    """Mean return at which Gymnasium, or else EnvPool, calls the task solved; None where neither does, and where
    options make it another task."""

    max_episode_steps: int | None
    """Steps after which an episode is truncated; None where it may go on for ever."""

    def to_json(self) -> dict[str, Any]:
        """Return plain data that `from_json` reads back."""
        return {
            "observation_shape": list(self.observation_shape),
            "observation_dtype": self.observation_dtype,
            "actions": actions_to_json(self.actions),
            "num_players": self.num_players,
            "reward_threshold": self.reward_threshold,
            "max_episode_steps": self.max_episode_steps,
        }

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> "EnvSpaces":
        """Rebuild from `to_json`."""
        return cls(
            observation_shape=tuple(data["observation_shape"]),
            observation_dtype=data["observation_dtype"],
            actions=actions_from_json(data["actions"]),
            num_players=data["num_players"],
            reward_threshold=data["reward_threshold"],
            max_episode_steps=data["max_episode_steps"],
        )


def actions_to_json(actions: ActionSpace) -> dict[str, Any]:
    """Return plain data for an action space; infinite bounds are None."""
    if isinstance(actions, DiscreteActions):
        return {"kind": "discrete", "n": actions.n}
    return {"kind": "box", "low": [_finite(x) for x in actions.low], "high": [_finite(x) for x in actions.high]}


def actions_from_json(data: dict[str, Any]) -> ActionSpace:
    """Rebuild an action space from `actions_to_json`."""
    if data["kind"] == "discrete":
        return DiscreteActions(n=data["n"])
    return BoxActions(
        low=tuple(-math.inf if x is None else float(x) for x in data["low"]),
        high=tuple(math.inf if x is None else float(x) for x in data["high"]),
    )


def read_spaces(spec: Any, *, env_id: str, reward_threshold: float | None) -> EnvSpaces:
    """Read the spaces from EnvPool's spec of an environment.

    Args:
        spec: what `envpool.make_spec` returned.
        env_id: for errors.
        reward_threshold: the published mean return at which the task counts as solved, if any.

    Raises:
        UnsupportedEnvironment: several players, or spaces that no network of ours takes yet.
    """
    players = int(spec.config.max_num_players)
    if players != 1:
        raise UnsupportedEnvironment(
            f"env '{env_id}' is a game for {players} players: this version trains single-player environments only; "
            f"{CHOOSE_ANOTHER}"
        )
    with without_box_warnings():
        observation, actions = spec.observation_space, spec.action_space
    kind = type(observation).__name__
    if kind == "Dict":
        names = ", ".join(str(name) for name in observation.spaces)
        raise UnsupportedEnvironment(
            f"env '{env_id}' shows several observations ({names}): this version expects one flat vector of numbers; "
            f"{CHOOSE_ANOTHER}"
        )
    if kind != "Box" or len(observation.shape) != 1:
        are_images = kind == "Box" and observation.dtype == np.uint8
        what = f"images {observation.shape}" if are_images else f"observations {observation}"
        raise UnsupportedEnvironment(
            f"env '{env_id}' shows {what}: this version expects one flat vector of numbers; {CHOOSE_ANOTHER}"
        )
    steps = int(spec.config.max_episode_steps)
    return EnvSpaces(
        observation_shape=tuple(int(n) for n in observation.shape),
        observation_dtype=str(observation.dtype),
        actions=_read_actions(actions, env_id=env_id),
        num_players=players,
        reward_threshold=reward_threshold,
        max_episode_steps=steps if 0 < steps < UNLIMITED_EPISODE_STEPS else None,
    )


def _read_actions(space: Any, *, env_id: str) -> ActionSpace:
    if type(space).__name__ == "Discrete":
        if int(space.start) != 0:
            raise UnsupportedEnvironment(
                f"env '{env_id}' numbers its actions from {space.start}: expected 0; {CHOOSE_ANOTHER}"
            )
        return DiscreteActions(n=int(space.n))
    if type(space).__name__ != "Box" or len(space.shape) != 1 or not np.issubdtype(space.dtype, np.floating):
        raise UnsupportedEnvironment(
            f"env '{env_id}' takes actions {space}: expected one choice (Discrete) or one vector of floats (Box); "
            f"{CHOOSE_ANOTHER}"
        )
    return BoxActions(low=tuple(map(float, space.low)), high=tuple(map(float, space.high)))


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
