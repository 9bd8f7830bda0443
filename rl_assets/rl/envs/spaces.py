"""What a policy sees and does in an environment."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from rl_assets.errors import UnsupportedEnvironment
from rl_assets.rl.envs.library import without_box_warnings

UNLIMITED_EPISODE_STEPS = 2**31 - 1
MAX_OPTIONS = 512
"""Labels with up to this many options are seen one-hot, others as a number from 0 to 1."""

MAX_JOINT_CHOICES = 16_384
"""Combinations up to which several choices with one mask over all their combinations count as a single choice."""

MAX_FLAT_SIZE = 65_536
"""Numbers in a flat observation beyond which a perceptron is no sensible network."""

MIN_IMAGE_SIDE = 36
"""Pixels below which a picture is seen as flat numbers: the convolutions need that many."""

MASK_NAMES = ("action_mask", "legal_action_mask")

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
class MultiDiscreteActions:
    """Several choices at once, each among options that are numbered from 0."""

    ns: tuple[int, ...]

    @property
    def label(self) -> str:
        """Short text for errors and tables."""
        return f"MultiDiscrete({'x'.join(map(str, self.ns))})"


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


ActionSpace = DiscreteActions | MultiDiscreteActions | BoxActions


@dataclass(frozen=True, kw_only=True)
class ObservationPart:
    """One array of an observation, and how it becomes numbers in a flat vector."""

    path: tuple[str, ...]
    """Keys that lead to it; empty where the observation is one array."""

    shape: tuple[int, ...]
    """Its shape for one environment."""

    options: int
    """Options of a label that is seen one-hot; 0 for numbers."""

    scale: float
    """What numbers are multiplied with."""

    @property
    def size(self) -> int:
        """Numbers in the flat vector."""
        return math.prod(self.shape) * max(self.options, 1)


@dataclass(frozen=True, kw_only=True)
class MaskSource:
    """Where an environment tells which actions it allows."""

    path: tuple[str, ...]
    """Keys that lead to it."""

    is_info: bool
    """Whether it stands in the step's info, else in the observation."""


@dataclass(frozen=True, kw_only=True)
class ActionEncoding:
    """How an environment wants to be told an action."""

    shape: tuple[int, ...]
    """Shape of one action."""

    dtype: str
    """NumPy's name of its dtype."""

    starts: tuple[int, ...] = ()
    """The first option of each choice; empty where all begin at 0."""

    joint: tuple[int, ...] = ()
    """Numbers of options of the choices that the policy makes as a single one; empty where it makes them apart."""


@dataclass(frozen=True, kw_only=True)
class EnvSpaces:
    """What an environment shows, takes and publishes."""

    observation_shape: tuple[int, ...]
    """Shape of one observation as a policy sees it: a flat vector, or an image of three dimensions."""

    observation_dtype: str
    """float32 for vectors, uint8 for images."""

    parts: tuple[ObservationPart, ...]
    """What the flat vector is made of, in order; empty for an image."""

    actions: ActionSpace
    """What the policy chooses from."""

    encoding: ActionEncoding
    """How its choice is told to the environment."""

    mask: MaskSource | None
    """Where the environment tells which actions it allows, if it does."""

    num_players: int
    """Players in one game."""

    reward_threshold: float | None
    """Mean return at which Gymnasium, or else EnvPool, calls the task solved; None where neither does, and where
    options make it another task."""

    max_episode_steps: int | None
    """Steps after which an episode is truncated; None where it may go on for ever."""

    @property
    def is_image(self) -> bool:
        """Whether observations are images, for a convolutional network."""
        return len(self.observation_shape) == 3

    def to_json(self) -> dict[str, Any]:
        """Return plain data that `from_json` reads back."""
        return asdict(self) | {"actions": actions_to_json(self.actions)}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> "EnvSpaces":
        """Rebuild from `to_json`, also after a detour through JSON, which knows lists only."""
        encoding, mask = data["encoding"], data["mask"]
        return cls(
            observation_shape=tuple(data["observation_shape"]),
            observation_dtype=data["observation_dtype"],
            parts=tuple(
                ObservationPart(**{**part, "path": tuple(part["path"]), "shape": tuple(part["shape"])})
                for part in data["parts"]
            ),
            actions=actions_from_json(data["actions"]),
            encoding=ActionEncoding(
                shape=tuple(encoding["shape"]),
                dtype=encoding["dtype"],
                starts=tuple(encoding["starts"]),
                joint=tuple(encoding["joint"]),
            ),
            mask=None if mask is None else MaskSource(path=tuple(mask["path"]), is_info=mask["is_info"]),
            num_players=data["num_players"],
            reward_threshold=data["reward_threshold"],
            max_episode_steps=data["max_episode_steps"],
        )


def actions_to_json(actions: ActionSpace) -> dict[str, Any]:
    """Return plain data for an action space; infinite bounds are None."""
    if isinstance(actions, DiscreteActions):
        return {"kind": "discrete", "n": actions.n}
    if isinstance(actions, MultiDiscreteActions):
        return {"kind": "multi_discrete", "ns": list(actions.ns)}
    return {"kind": "box", "low": [_finite(x) for x in actions.low], "high": [_finite(x) for x in actions.high]}


def actions_from_json(data: Mapping[str, Any]) -> ActionSpace:
    """Rebuild an action space from `actions_to_json`."""
    if data["kind"] == "discrete":
        return DiscreteActions(n=data["n"])
    if data["kind"] == "multi_discrete":
        return MultiDiscreteActions(ns=tuple(data["ns"]))
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
        observation, action_space = spec.observation_space, spec.action_space
    mask, mask_shape = _find_mask(observation, spec)
    is_image = _is_image(observation)
    parts = () if is_image else tuple(_read_parts(observation, mask, env_id=env_id))
    size = sum(part.size for part in parts)
    if size > MAX_FLAT_SIZE:
        raise UnsupportedEnvironment(
            f"env '{env_id}' shows {size} numbers that are no single image: expected at most {MAX_FLAT_SIZE}; "
            f"{CHOOSE_ANOTHER}"
        )
    actions, encoding, is_masked = _read_actions(action_space, mask_shape, env_id=env_id)
    steps = int(spec.config.max_episode_steps)
    return EnvSpaces(
        observation_shape=tuple(int(n) for n in observation.shape) if is_image else (size,),
        observation_dtype="uint8" if is_image else "float32",
        parts=parts,
        actions=actions,
        encoding=encoding,
        mask=mask if is_masked else None,
        num_players=players,
        reward_threshold=reward_threshold,
        max_episode_steps=steps if 0 < steps < UNLIMITED_EPISODE_STEPS else None,
    )


def flatten_observations(parts: tuple[ObservationPart, ...], observations: Any) -> np.ndarray:
    """Lay the parts of a batch of observations side by side.

    Args:
        parts: what to take.
        observations: an array `[num_envs, ...]`, or a mapping of such arrays, which may be nested.

    Returns:
        `[num_envs, size]` float32.
    """
    columns = []
    for part in parts:
        array = np.asarray(follow(observations, part.path))
        if part.options:
            labels = array.reshape(len(array), -1).astype(np.int64)
            one_hot = labels[:, :, None] == np.arange(part.options)
            columns.append(one_hot.reshape(len(array), -1).astype(np.float32))
        elif array.dtype == np.float32 and part.scale == 1:
            columns.append(array.reshape(len(array), -1))
        else:
            with np.errstate(over="ignore"):  # a float64 beyond float32 becomes infinite, which the caller looks for
                numbers = array.reshape(len(array), -1).astype(np.float32)
            columns.append(numbers if part.scale == 1 else numbers * np.float32(part.scale))
    return columns[0] if len(columns) == 1 else np.concatenate(columns, axis=1)


def encode_actions(spaces: EnvSpaces, actions: np.ndarray) -> np.ndarray:
    """Tell policies' actions as the environment wants to be told them.

    Args:
        spaces: of the environment.
        actions: `[num_envs]` or `[num_envs, action_size]`.

    Returns:
        `[num_envs, *encoding.shape]`.
    """
    encoding = spaces.encoding
    if encoding.joint:
        actions = np.stack(np.unravel_index(actions, encoding.joint), axis=1)
    if encoding.starts:
        actions = actions + np.array(encoding.starts)
    if not encoding.shape:
        return actions
    return actions.astype(encoding.dtype, copy=False).reshape(len(actions), *encoding.shape)


def decode_actions(spaces: EnvSpaces, actions: np.ndarray) -> np.ndarray:
    """Read actions that an environment was told, as policies choose them: the other way round than `encode_actions`.

    Args:
        spaces: of the environment.
        actions: `[num_steps, *encoding.shape]`, within the environment's bounds.

    Returns:
        `[num_steps, action_size]` int64 choices that begin at 0, or float32.
    """
    encoding = spaces.encoding
    flat = actions.reshape(len(actions), -1)
    if isinstance(spaces.actions, BoxActions):
        return flat.astype(np.float32)
    choices = flat.astype(np.int64)
    if encoding.starts:
        choices = choices - np.array(encoding.starts)
    return np.ravel_multi_index(tuple(choices.T), encoding.joint)[:, None] if encoding.joint else choices


def follow(tree: Any, path: tuple[str, ...]) -> Any:
    """Look up what keys lead to in nested mappings."""
    for name in path:
        tree = tree[name]
    return tree


def _is_image(space: Any) -> bool:
    if type(space).__name__ != "Box" or len(space.shape) != 3 or space.dtype != np.uint8:
        return False
    sides = space.shape[:2] if space.shape[-1] < space.shape[0] else space.shape[1:]
    return min(sides) >= MIN_IMAGE_SIDE


def _leaves(space: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    if type(space).__name__ == "Dict":
        for name, inner in space.spaces.items():
            yield from _leaves(inner, (*path, str(name)))
    else:
        yield path, space


def _find_mask(observation: Any, spec: Any) -> tuple[MaskSource | None, tuple[int, ...]]:
    """Where the mask of allowed actions stands, and its shape."""
    for path, space in _leaves(observation):
        if path and path[-1] in MASK_NAMES:
            return MaskSource(path=path, is_info=False), tuple(int(n) for n in space.shape)
    for name in MASK_NAMES:
        declared = spec.state_array_spec.get(f"info:{name}")
        if declared is not None:
            return MaskSource(path=(name,), is_info=True), tuple(int(n) for n in declared.shape)
    return None, ()


def _read_parts(observation: Any, mask: MaskSource | None, *, env_id: str) -> Iterator[ObservationPart]:
    for path, space in _leaves(observation):
        if mask is not None and not mask.is_info and path == mask.path:
            continue
        kind = type(space).__name__
        if kind == "Discrete":
            one_hot = int(space.n) <= MAX_OPTIONS
            yield ObservationPart(
                path=path, shape=(), options=int(space.n) if one_hot else 0, scale=1.0 if one_hot else 1 / int(space.n)
            )
        elif kind in {"Box", "MultiBinary"} and not _is_image(space):
            shape = tuple(int(n) for n in space.shape)
            yield ObservationPart(path=path, shape=shape, options=0, scale=1 / 255 if space.dtype == np.uint8 else 1.0)
        else:
            what = f"images {space.shape} beside other observations" if _is_image(space) else f"observations {space}"
            where = f" ({'.'.join(path)})" if path else ""
            raise UnsupportedEnvironment(
                f"env '{env_id}' shows {what}{where}: expected one image, or numbers and labels; {CHOOSE_ANOTHER}"
            )


def _read_actions(space: Any, mask_shape: tuple[int, ...], *, env_id: str) -> tuple[ActionSpace, ActionEncoding, bool]:
    """The actions as a policy sees them and as the environment takes them, and whether the mask fits them."""
    kind = type(space).__name__
    if kind == "Discrete":
        if int(space.start) != 0:
            raise UnsupportedEnvironment(
                f"env '{env_id}' numbers its actions from {space.start}: expected 0; {CHOOSE_ANOTHER}"
            )
        n = int(space.n)
        return DiscreteActions(n=n), ActionEncoding(shape=(), dtype="int64"), math.prod(mask_shape) == n
    shape = tuple(int(n) for n in space.shape) if space.shape is not None else ()
    if kind == "Box" and np.issubdtype(space.dtype, np.floating) and shape:
        low, high = (tuple(float(x) for x in np.ravel(bound)) for bound in (space.low, space.high))
        return BoxActions(low=low, high=high), ActionEncoding(shape=shape, dtype=str(space.dtype)), False
    if kind == "Box" and np.issubdtype(space.dtype, np.integer) and shape:
        low, high = np.ravel(space.low).astype(np.int64), np.ravel(space.high).astype(np.int64)
        ns = tuple(int(n) for n in high - low + 1)
        starts = tuple(int(start) for start in low) if low.any() else ()
        is_apart = mask_shape == (len(ns), ns[0]) and len(set(ns)) == 1
        if mask_shape == ns and not is_apart and math.prod(ns) <= MAX_JOINT_CHOICES:
            encoding = ActionEncoding(shape=shape, dtype=str(space.dtype), starts=starts, joint=ns)
            return DiscreteActions(n=math.prod(ns)), encoding, True
        encoding = ActionEncoding(shape=shape, dtype=str(space.dtype), starts=starts)
        return MultiDiscreteActions(ns=ns), encoding, is_apart
    raise UnsupportedEnvironment(
        f"env '{env_id}' takes actions {space}: expected choices (Discrete, or a vector of whole numbers) or a vector "
        f"of floats (Box); {CHOOSE_ANOTHER}"
    )


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
