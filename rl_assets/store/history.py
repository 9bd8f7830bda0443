"""Who was champion of an environment, since when and why: numbered entries that are only ever added."""

import hashlib
import json
import os
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from datetime import datetime
from typing import Any, Self

from rl_assets.config.canonical import canonical_json
from rl_assets.config.keys import check_key
from rl_assets.errors import CorruptObject, InvalidPartitionKey, PromotionConflict
from rl_assets.store.artifacts import ArtifactRef
from rl_assets.store.atomic import refusals_explained, staged_file, sweep_leftovers, sync_folder
from rl_assets.store.objects import ObjectStore

_ENTRY_NAME = re.compile(r"(\d{6,})\.json")


@dataclass(frozen=True, kw_only=True)
class Champion:
    """One reign: the exact weights that an environment serves, and what justified them.

    Raises:
        ValueError: the generation is below 1, the time has no zone, or the policy is no artifact reference.
    """

    env: str
    hparam: str
    member_seed: int
    policy: Mapping[str, Any]
    """The weights, as `ArtifactRef.to_json()`."""
    data_version: str
    verdict: Mapping[str, Any]
    """The gate's verdict and its evidence, or what a person gave in its place."""
    promoted_at: str
    """ISO 8601 with a time zone."""
    actor: str
    reason: str
    generation: int
    """Position in the environment's history, from 1."""

    def __post_init__(self) -> None:
        ArtifactRef.from_json(self.policy)
        if self.generation < 1:
            raise ValueError(f"champion of '{self.env}': generation {self.generation} is below 1")
        if datetime.fromisoformat(self.promoted_at).tzinfo is None:
            raise ValueError(f"champion of '{self.env}': promoted_at {self.promoted_at!r} lacks a time zone: add one")

    def to_json(self) -> dict[str, Any]:
        """Plain data for the history's files and for commands."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """Read back what `to_json` wrote.

        Raises:
            ValueError: a field is missing, unknown or malformed.
        """
        expected = {field.name for field in fields(cls)}
        if set(data) != expected:
            raise ValueError(f"champion entry: expected the fields {sorted(expected)}, got {sorted(data)}")
        return cls(**data)


class ChampionHistory:
    """The champions of one environment, oldest first; adding one is a compare-and-swap.

    Raises:
        InvalidPartitionKey: the environment key cannot be a partition or a folder.
    """

    def __init__(self, store: ObjectStore, env_key: str) -> None:
        check_key(env_key, kind="env")
        if not env_key.strip("."):
            raise InvalidPartitionKey(f"env key '{env_key}' is all dots: expected a name such as 'CartPole-v1'")
        self.env_key = env_key
        self._folder = store.root / "champions" / env_key

    def append(self, entry: Champion, *, expected_generation: int) -> Champion:
        """Add an entry if the current generation is still the one that the decision was based on.

        Args:
            entry: its generation must be `expected_generation + 1`.
            expected_generation: that of `current()` when the decision was made, 0 when there was none.

        Raises:
            PromotionConflict: somebody else promoted since; the history is as they left it.
            ValueError: the entry is for another environment or generation.
            CorruptObject: the history that stands is damaged.
            StoreUnavailable: the disk refused.
        """
        if entry.env != self.env_key or entry.generation != expected_generation + 1:
            raise ValueError(
                f"champion entry for '{entry.env}', generation {entry.generation}: "
                f"expected '{self.env_key}', generation {expected_generation + 1}"
            )
        current = self.current()
        standing = current.generation if current else 0
        if standing != expected_generation:
            raise self._conflict(expected_generation=expected_generation, standing=str(standing))
        body = entry.to_json()
        data = canonical_json({"entry": body, "sha256": hashlib.sha256(canonical_json(body)).hexdigest()})
        with refusals_explained(f"write champion {entry.generation} of '{self.env_key}' in '{self._folder}'"):
            sweep_leftovers(self._folder)
            with staged_file(self._folder, data) as temporary:
                try:
                    os.link(temporary, self._folder / f"{entry.generation:06d}.json")
                except FileExistsError as error:
                    raise self._conflict(
                        expected_generation=expected_generation, standing=f"{entry.generation} or later"
                    ) from error
            sync_folder(self._folder)
        return entry

    def entries(self) -> tuple[Champion, ...]:
        """All entries, oldest first; empty when nothing was ever promoted.

        Raises:
            CorruptObject: an entry is damaged or missing.
            StoreUnavailable: the disk refused.
        """
        contents = self._read()
        champions = sorted((self._decode(name, data) for name, data in contents.items()), key=lambda c: c.generation)
        generations = [champion.generation for champion in champions]
        if generations != list(range(1, len(champions) + 1)):
            raise CorruptObject(
                f"champions of '{self.env_key}' in '{self._folder}': expected generations 1 to {len(champions)}, "
                f"got {generations}: restore the missing files from a backup"
            )
        return tuple(champions)

    def current(self) -> Champion | None:
        """The newest entry, or None when nothing was ever promoted.

        Raises:
            CorruptObject: the history is damaged.
            StoreUnavailable: the disk refused.
        """
        entries = self.entries()
        return entries[-1] if entries else None

    def inspect(self) -> tuple[tuple[Champion, ...], dict[str, CorruptObject]]:
        """The entries that are whole, oldest first, and what is wrong with each of the others.

        Returns:
            Champions, and path below the store's root -> what is wrong with the file or that it is missing. A history
            that lost its newest entries looks whole from inside.

        Raises:
            StoreUnavailable: the disk refused.
        """
        whole: dict[int, Champion] = {}
        flaws: dict[str, CorruptObject] = {}
        contents = self._read()
        for name, data in contents.items():
            try:
                champion = self._decode(name, data)
                whole[champion.generation] = champion
            except CorruptObject as error:
                flaws[self.path(int(name.removesuffix(".json")))] = error
        numbers = {int(name.removesuffix(".json")) for name in contents}
        for number in sorted(set(range(1, max(numbers, default=0) + 1)) - numbers):
            flaws[self.path(number)] = CorruptObject(
                f"champion entry {number} of '{self.env_key}' is missing in '{self._folder}' while later ones are "
                "there: restore the file from a backup"
            )
        return tuple(whole[number] for number in sorted(whole)), flaws

    def path(self, generation: int) -> str:
        """Where an entry stands below the store's root."""
        return f"champions/{self.env_key}/{generation:06d}.json"

    def _read(self) -> dict[str, bytes]:
        """File name -> bytes of all entries, in alphabetical order."""
        with refusals_explained(f"read the champions of '{self.env_key}' in '{self._folder}'"):
            try:
                names = sorted(path.name for path in self._folder.iterdir() if _ENTRY_NAME.fullmatch(path.name))
            except FileNotFoundError:
                return {}
            return {name: (self._folder / name).read_bytes() for name in names}

    def _decode(self, name: str, data: bytes) -> Champion:
        try:
            record = json.loads(data)
            champion = Champion.from_json(record["entry"])
            is_whole = record["sha256"] == hashlib.sha256(canonical_json(record["entry"])).hexdigest()
            if not is_whole or champion.env != self.env_key or name != f"{champion.generation:06d}.json":
                raise ValueError("its checksum, environment or number does not match")
        except (ValueError, TypeError, KeyError) as error:
            raise CorruptObject(
                f"champion entry '{self._folder / name}' is damaged ({error}): restore the file from a backup"
            ) from error
        return champion

    def _conflict(self, *, expected_generation: int, standing: str) -> PromotionConflict:
        return PromotionConflict(
            f"promotion in '{self.env_key}' was decided against generation {expected_generation}, "
            f"but the current one is {standing}: evaluate against the new champion and try again"
        )
