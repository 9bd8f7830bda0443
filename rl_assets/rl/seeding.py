"""Seeds that depend on what is trained, never on who trains beside it, where or when."""

import hashlib
from enum import IntEnum

import numpy as np

PURPOSE_SHIFT = 29
_HASH_MASK = (1 << PURPOSE_SHIFT) - 1


class Purpose(IntEnum):
    """What environment episodes are for; episodes of different purposes never share a seed."""

    TRAIN = 0
    """Learning."""

    SELECT = 1
    """Ranking recipes and choosing the member to serve."""

    GATE = 2
    """Deciding a promotion."""

    AUDIT = 3
    """Looking again at what is served."""


def env_seeds(*, purpose: Purpose, env_key: str, member_seed: int, num_envs: int, segment: int = 0) -> list[int]:
    """Choose the seed of each environment stream of one member.

    The purpose fills the two highest of 31 bits; below it stands a hash of (env key, member seed, segment, env index).
    A stream's seed does not change with the number of streams.

    Args:
        purpose: what the episodes are for.
        env_key: key of the environment configuration.
        member_seed: the member's training seed.
        num_envs: streams wanted.
        segment: number of the training segment, 0 for the first.

    Returns:
        `num_envs` distinct int32 seeds, all >= 0.
    """
    return _distinct_seeds(purpose, [env_key, str(int(member_seed)), str(int(segment))], num_envs)


def gate_seeds(*, env_key: str, question: str, num_envs: int, purpose: Purpose = Purpose.GATE) -> list[int]:
    """Choose fresh environment seeds for one gate question, such as `<candidate bytes>:<champion bytes>:<look>`.

    Returns:
        `num_envs` distinct int32 seeds, all >= 0, that no training or selection pool uses.
    """
    return _distinct_seeds(purpose, [env_key, question], num_envs)


def member_stream(*, member_seed: int, role: str, counter: int = 0) -> np.random.Generator:
    """Open a member's own random stream for one role at one point, such as its actions in update 17.

    Streams are addressed, not carried along: a training resumed at update 17 draws what an uninterrupted one drew.
    """
    digest = hashlib.sha256(_join(["member", str(int(member_seed)), role, str(int(counter))])).digest()
    return np.random.Generator(np.random.SFC64(int.from_bytes(digest[:16], "little")))


def _distinct_seeds(purpose: Purpose, words: list[str], num_envs: int) -> list[int]:
    if num_envs < 1:
        raise ValueError(f"num_envs is {num_envs}: expected at least 1")
    seeds: list[int] = []
    taken: set[int] = set()
    for index in range(num_envs):
        attempt = 0
        while (seed := _hash_seed(purpose, [*words, str(index), str(attempt)])) in taken:
            attempt += 1
        taken.add(seed)
        seeds.append(seed)
    return seeds


def _hash_seed(purpose: Purpose, words: list[str]) -> int:
    digest = hashlib.sha256(_join(words)).digest()
    return (int(purpose) << PURPOSE_SHIFT) | (int.from_bytes(digest[:8], "little") & _HASH_MASK)


def _join(words: list[str]) -> bytes:
    """Length-prefixed, so that no two different lists of words are the same bytes."""
    return "".join(f"{len(word)}:{word}" for word in words).encode()
