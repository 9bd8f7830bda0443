"""What became of an environment's models, when and by whom: numbered entries that are only ever added."""

import hashlib
import json
import os
import re
from dataclasses import replace
from typing import Any

from rl_assets.config.canonical import canonical_json
from rl_assets.config.keys import check_key
from rl_assets.errors import CorruptObject, InvalidPartitionKey, PromotionConflict
from rl_assets.store.atomic import refusals_explained, staged_file, sweep_leftovers, sync_folder
from rl_assets.store.objects import ObjectStore
from rl_assets.store.standing import Champion, Standing, fold
from rl_assets.store.transitions import Transition

_ENTRY_NAME = re.compile(r"(\d{6,})\.json")


class ChampionHistory:
    """The transitions of one environment's models, oldest first; a change of production is a compare-and-swap.

    Raises:
        InvalidPartitionKey: the environment key cannot be a partition or a folder.
    """

    def __init__(self, store: ObjectStore, env_key: str) -> None:
        check_key(env_key, kind="env")
        if not env_key.strip("."):
            raise InvalidPartitionKey(f"env key '{env_key}' is all dots: expected a name such as 'CartPole-v1'")
        self.env_key = env_key
        self._folder = store.root / "champions" / env_key

    def append(self, transition: Transition, *, expected_generation: int) -> int:
        """Carry out a transition if production is still as it was when that was decided; else note that it was lost.

        Args:
            transition: with outcome `done`.
            expected_generation: that of `current()` when the decision was made, 0 when there was none.

        Returns:
            The number of its entry, from 1.

        Raises:
            PromotionConflict: production was changed since; it is as they left it, and this attempt is in the history.
            ValueError: the transition is for another environment, or did not come about.
            CorruptObject: the history that stands is damaged.
            StoreUnavailable: the disk refused.
        """
        if transition.outcome != "done":
            raise ValueError(f"transition of '{transition.env}': its outcome is '{transition.outcome}': `note` it")
        self._refuse_other_env(transition)
        while True:
            standing = self.transitions()
            generation = fold(enumerate(standing, start=1)).generation
            if generation != expected_generation:
                error = PromotionConflict(
                    f"promotion in '{self.env_key}' was decided against generation {expected_generation}, "
                    f"but the current one is {generation}: look at who reigns now with "
                    f"`rlctl history {self.env_key}`, evaluate against the new champion and try again"
                )
                self.note(replace(transition, outcome="lost", note=str(error)))
                raise error
            if self._link(transition, len(standing) + 1):
                return len(standing) + 1

    def note(self, attempt: Transition) -> int:
        """Note an attempt that changed nothing.

        Args:
            attempt: with outcome `lost` or `refused`.

        Returns:
            The number of its entry, from 1.

        Raises:
            ValueError: the attempt is for another environment, or succeeded.
            CorruptObject: the history that stands is damaged.
            StoreUnavailable: the disk refused.
        """
        if attempt.outcome == "done":
            raise ValueError(f"transition of '{attempt.env}': what was done is not noted but appended")
        self._refuse_other_env(attempt)
        while True:
            number = len(self.transitions()) + 1
            if self._link(attempt, number):
                return number

    def transitions(self) -> tuple[Transition, ...]:
        """All entries, oldest first, attempts too; empty where nothing was ever tried.

        Raises:
            CorruptObject: an entry is damaged or missing.
            StoreUnavailable: the disk refused.
        """
        entries = dict(self._decode(name, data) for name, data in self._read().items())
        if sorted(entries) != list(range(1, len(entries) + 1)):
            raise CorruptObject(
                f"history of '{self.env_key}' in '{self._folder}': expected entries 1 to {len(entries)}, "
                f"got {sorted(entries)}: restore the missing files from a backup"
            )
        return tuple(entries[number] for number in sorted(entries))

    def standing(self) -> Standing:
        """Which version is in production, which is staged and which are archived.

        Raises:
            CorruptObject: the history is damaged.
            StoreUnavailable: the disk refused.
        """
        return fold(enumerate(self.transitions(), start=1))

    def current(self) -> Champion | None:
        """The version in production, or None where nothing was ever promoted.

        Raises:
            CorruptObject: the history is damaged.
            StoreUnavailable: the disk refused.
        """
        return self.standing().production

    def reign(self) -> int:
        """How many times production changed; 0 before the first promotion.

        Raises:
            CorruptObject: the history is damaged.
            StoreUnavailable: the disk refused.
        """
        return self.standing().generation

    def was_rolled_back(self, weights_sha256: str) -> Transition | None:
        """The rollback that ended the reign of these weights, unless they were put into production again since.

        Raises:
            CorruptObject: the history is damaged.
            StoreUnavailable: the disk refused.
        """
        return self.standing().rolled_back.get(weights_sha256)

    def inspect(self) -> tuple[dict[int, Transition], dict[str, CorruptObject]]:
        """The entries that are whole, by number, and what is wrong with each of the others.

        Returns:
            Entries, and path below the store's root -> what is wrong with the file or that it is missing. A history
            that lost its newest entries looks whole from inside.

        Raises:
            StoreUnavailable: the disk refused.
        """
        whole: dict[int, Transition] = {}
        flaws: dict[str, CorruptObject] = {}
        contents = self._read()
        for name, data in contents.items():
            try:
                number, transition = self._decode(name, data)
                whole[number] = transition
            except CorruptObject as error:
                flaws[self.path(_number_of(name))] = error
        numbers = {_number_of(name) for name in contents}
        for number in sorted(set(range(1, max(numbers, default=0) + 1)) - numbers):
            flaws[self.path(number)] = CorruptObject(
                f"champion entry {number} of '{self.env_key}' is missing in '{self._folder}' while later ones are "
                "there: restore the file from a backup"
            )
        return {number: whole[number] for number in sorted(whole)}, flaws

    def path(self, number: int) -> str:
        """Where an entry stands below the store's root."""
        return f"champions/{self.env_key}/{number:06d}.json"

    def _link(self, transition: Transition, number: int) -> bool:
        """Write an entry under its number; False where somebody else took the number."""
        body = {"entry": transition.to_json(), "number": number}
        data = canonical_json(body | {"sha256": _checksum(body)})
        with refusals_explained(f"write champion entry {number} of '{self.env_key}' in '{self._folder}'"):
            sweep_leftovers(self._folder)
            with staged_file(self._folder, data) as temporary:
                try:
                    os.link(temporary, self._folder / f"{number:06d}.json")
                except FileExistsError:
                    return False
            sync_folder(self._folder)
        return True

    def _read(self) -> dict[str, bytes]:
        """File name -> bytes of all entries, in alphabetical order."""
        with refusals_explained(f"read the champions of '{self.env_key}' in '{self._folder}'"):
            try:
                names = sorted(path.name for path in self._folder.iterdir() if _ENTRY_NAME.fullmatch(path.name))
            except FileNotFoundError:
                return {}
            return {name: (self._folder / name).read_bytes() for name in names}

    def _decode(self, name: str, data: bytes) -> tuple[int, Transition]:
        try:
            record = json.loads(data)
            if set(record) == {"entry", "sha256"}:  # written before there were stages
                number, signed = record["entry"]["generation"], record["entry"]
                transition = Transition.from_reign(record["entry"])
            else:
                number, signed = record["number"], {"entry": record["entry"], "number": record["number"]}
                transition = Transition.from_json(record["entry"])
            is_whole = record["sha256"] == _checksum(signed)
            if not is_whole or transition.env != self.env_key or name != f"{number:06d}.json":
                raise ValueError("its checksum, environment or number does not match")
        except (ValueError, TypeError, KeyError) as error:
            raise CorruptObject(
                f"champion entry '{self._folder / name}' is damaged ({error}): restore the file from a backup"
            ) from error
        return number, transition

    def _refuse_other_env(self, transition: Transition) -> None:
        if transition.env != self.env_key:
            raise ValueError(f"transition of '{transition.env}': expected one of '{self.env_key}'")


def _checksum(value: Any) -> str:
    return hashlib.sha256(canonical_json(value)).hexdigest()


def _number_of(name: str) -> int:
    return int(name.removesuffix(".json"))
