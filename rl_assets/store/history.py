"""What became of an environment's models, when and by whom: numbered entries that are only ever added.

What an erasure takes out of an entry is the one thing that changes afterwards.
"""

from collections.abc import Collection
from dataclasses import replace

from rl_assets.config.keys import check_key
from rl_assets.errors import CorruptObject, InvalidPartitionKey, PromotionConflict
from rl_assets.store.numbered import NumberedEntries
from rl_assets.store.objects import ObjectStore
from rl_assets.store.standing import Champion, Standing, fold
from rl_assets.store.transitions import Transition


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
        self._entries = NumberedEntries(store.root / "champions" / env_key, what=f"champions of '{env_key}'")

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
            if self._entries.append(len(standing) + 1, transition.to_json()):
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
            if self._entries.append(number, attempt.to_json()):
                return number

    def redact(self, erased_versions: Collection[str], *, order: str) -> int:
        """Take all but hashes out of the entries that name erased models, and out of all what erased verdicts said.

        Number, environment, action, outcome, time, actor, role and request of an entry stay, and so does its place in
        the count of generations. Doing it again, also after a kill in between, changes nothing more.

        Args:
            erased_versions: data versions of erased policies, promoted models and verdicts; checksums of weights too,
                where they are known.
            order: who erased them.

        Returns:
            How many entries were changed.

        Raises:
            CorruptObject: the history that stands is damaged.
            StoreUnavailable: the disk refused.
        """
        versions = frozenset(erased_versions)
        entries = dict(enumerate(self.transitions(), start=1))
        doomed = {number: entry for number, entry in entries.items() if entry.names(versions)}
        recipes = {entry.model.hparam for entry in doomed.values() if entry.model is not None}
        changed = {
            number: entry.without_words(order=order)
            for number, entry in entries.items()
            if number not in doomed and _speaks_of(entry, versions=versions, recipes=recipes)
        }
        # Entries that name the models go last: killed in between, the next start still knows the recipes by them.
        changed |= {number: entry.without_model(order=order) for number, entry in doomed.items()}
        for number, entry in changed.items():
            self._entries.replace(number, entry.to_json())
        return len(changed)

    def transitions(self) -> tuple[Transition, ...]:
        """All entries, oldest first, attempts too; empty where nothing was ever tried.

        Raises:
            CorruptObject: an entry is damaged or missing.
            StoreUnavailable: the disk refused.
        """
        whole, flaws = self.inspect()
        for flaw in flaws.values():
            raise flaw
        return tuple(whole.values())

    def standing(self) -> Standing:
        """Which version is in production, which is staged and which are archived.

        Raises:
            CorruptObject: the history is damaged.
            StoreUnavailable: the disk refused.
        """
        return fold(enumerate(self.transitions(), start=1))

    def current(self) -> Champion | None:
        """The version in production; None where nothing was ever promoted, or what was is erased.

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
        bodies, damaged = self._entries.inspect()
        flaws = {self.path(number): error for number, error in damaged.items()}
        whole: dict[int, Transition] = {}
        for number, body in bodies.items():
            try:
                whole[number] = Transition.from_json(body)
                self._refuse_other_env(whole[number])
            except (ValueError, TypeError, KeyError) as error:
                whole.pop(number, None)
                flaws[self.path(number)] = CorruptObject(
                    f"{self._entries.what}: entry {number} is none of this environment ({error}): restore the file "
                    "from a backup"
                )
        return whole, flaws

    def path(self, number: int) -> str:
        """Where an entry stands below the store's root."""
        return f"champions/{self.env_key}/{NumberedEntries.file_name(number)}"

    def _refuse_other_env(self, transition: Transition) -> None:
        if transition.env != self.env_key:
            raise ValueError(f"transition of '{transition.env}': expected one of '{self.env_key}'")


def _speaks_of(entry: Transition, *, versions: Collection[str], recipes: Collection[str]) -> bool:
    """Whether an entry's words may come from what is erased: from a verdict, or about an attempt to promote it."""
    words = f"{entry.reason} {entry.note}"
    is_said = entry.evidence.get("id") in versions or any(recipe in words for recipe in recipes)
    return is_said and entry != entry.without_words(order=entry.erased_by)
