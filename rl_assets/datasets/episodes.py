"""Files to episodes: numpy arrays of what was seen, done and paid, step by step."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

import numpy as np
import numpy.typing as npt

from rl_assets.datasets.formats import DECODERS, Columns
from rl_assets.errors import InvalidDataset

Array = npt.NDArray[Any]
EPISODE_SUFFIXES = frozenset(DECODERS)


@dataclass(frozen=True, kw_only=True)
class Episode:
    """One episode of `length` steps, from its reset to its end or to where the recording stopped."""

    observations: Array
    """`[length, ...]`, seen before each action; the dtype of the file."""
    actions: Array
    """`[length, ...]`, integers or floats."""
    rewards: npt.NDArray[np.float64]
    """`[length]`, after each action, unscaled."""
    terminated: npt.NDArray[np.bool_]
    """`[length]`; the task ended, nothing follows. At most the last is True."""
    truncated: npt.NDArray[np.bool_]
    """`[length]`; time ran out, the future still counts. At most the last is True."""
    next_observations: Array | None
    """`[length, ...]`, seen after each action; None where the file does not say what followed the last one."""

    @property
    def length(self) -> int:
        """Steps."""
        return len(self.rewards)

    @property
    def is_cut(self) -> bool:
        """Whether the recording stopped before the episode did."""
        return not (self.terminated[-1] or self.truncated[-1])


@dataclass(frozen=True, kw_only=True)
class Transitions:
    """The steps of many episodes one after another."""

    observations: Array
    """`[num_steps, ...]`."""
    actions: Array
    """`[num_steps, ...]`."""
    rewards: npt.NDArray[np.float64]
    """`[num_steps]`."""
    terminated: npt.NDArray[np.bool_]
    """`[num_steps]`."""
    truncated: npt.NDArray[np.bool_]
    """`[num_steps]`."""
    episode: npt.NDArray[np.int64]
    """`[num_steps]`; number of the episode that a step belongs to, from 0."""


def holds_episodes(names: Iterable[str]) -> bool:
    """Whether any of these files is in a format of episodes; others are kept as they are and never looked into."""
    return any(_suffix(name) in EPISODE_SUFFIXES for name in names)


def read_episodes(files: Mapping[str, bytes]) -> Iterator[Episode]:
    """Read all episodes, one file at a time, in the order of the files.

    Args:
        files: name -> bytes; the suffix says the format, and files in other formats are passed over.

    Raises:
        InvalidDataset: a file is half-written or damaged, lacks a column, holds another shape or dtype than it
            should or than those before, or an episode goes on after its end.
    """
    layout: tuple[Any, ...] | None = None
    for name in files:
        decode = DECODERS.get(_suffix(name))
        if decode is None:
            continue
        for number, columns in enumerate(decode(files[name], name)):
            where = f"dataset file '{name}', episode {number}"
            episode = _checked_episode(columns, where=where)
            found = tuple((part.shape[1:], part.dtype.name) for part in (episode.observations, episode.actions))
            layout = layout or found
            if found != layout:
                raise InvalidDataset(
                    f"{where}: expected observations and actions as in the first episode, {_spell_layout(layout)}, got "
                    f"{_spell_layout(found)}: register what differs as datasets of their own"
                )
            yield episode


def read_transitions(files: Mapping[str, bytes]) -> Transitions:
    """Read all steps of all episodes into memory.

    Args:
        files: name -> bytes, as for `read_episodes`.

    Raises:
        InvalidDataset: as `read_episodes`, or there is no episode at all.
    """
    episodes = list(read_episodes(files))
    if not episodes:
        raise InvalidDataset(
            f"dataset: expected episodes in files that end in {', '.join(sorted(EPISODE_SUFFIXES))}, found none: "
            "convert its files and register it again"
        )
    return Transitions(
        observations=np.concatenate([episode.observations for episode in episodes]),
        actions=np.concatenate([episode.actions for episode in episodes]),
        rewards=np.concatenate([episode.rewards for episode in episodes]),
        terminated=np.concatenate([episode.terminated for episode in episodes]),
        truncated=np.concatenate([episode.truncated for episode in episodes]),
        episode=np.repeat(np.arange(len(episodes)), [episode.length for episode in episodes]),
    )


def _checked_episode(columns: Columns, *, where: str) -> Episode:
    rewards, terminated, truncated = (columns[name] for name in ("rewards", "terminated", "truncated"))
    length = len(rewards)
    if length == 0:
        raise InvalidDataset(f"{where}: expected at least one step, got none: leave empty episodes out")
    for name, array in columns.items():
        if len(array) != length:
            raise InvalidDataset(
                f"{where}: {name} has {len(array)} steps and rewards have {length}: expected as many; write it again"
            )
    for name in ("observations", "actions"):
        _require(columns[name].dtype.kind in "fiub", f"{name} of numbers", columns[name], where=where)
    _require(rewards.dtype.kind in "fiu" and rewards.ndim == 1, "rewards as one number a step", rewards, where=where)
    for name, flags in (("terminated", terminated), ("truncated", truncated)):
        _require(flags.dtype.kind == "b" and flags.ndim == 1, f"{name} as one boolean a step", flags, where=where)
    following = columns.get("next_observations")
    if following is not None:
        observations = columns["observations"]
        is_alike = (following.shape, following.dtype) == (observations.shape, observations.dtype)
        _require(is_alike, "next_observations like observations", following, where=where)
    ended = np.flatnonzero(terminated | truncated)
    if len(ended) and ended[0] < length - 1:
        raise InvalidDataset(
            f"{where}: ends at step {ended[0]} and has {length} steps: expected an end at the last step alone; give "
            "what follows an episode_id of its own"
        )
    return Episode(
        observations=columns["observations"],
        actions=columns["actions"],
        rewards=rewards.astype(np.float64),
        terminated=terminated,
        truncated=truncated,
        next_observations=following,
    )


def _require(holds: bool, expected: str, array: Array, *, where: str) -> None:
    if not holds:
        raise InvalidDataset(
            f"{where}: expected {expected}, got {array.dtype} of shape {list(array.shape)}: convert it and register "
            "the dataset again"
        )


def _spell_layout(layout: tuple[Any, ...]) -> str:
    return " and ".join(f"{dtype} {list(shape)}" for shape, dtype in layout)


def _suffix(name: str) -> str:
    return PurePosixPath(name).suffix.lower()
