"""Exactly what one erasure would take, named by an id that changes with it."""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal, Self

from rl_assets.config.canonical import canonical_json
from rl_assets.erasure.scope import ErasureScope
from rl_assets.errors import ErasureRefused, PlanStale

_NAMED_AT_MOST = 5

MADE_AGAIN = frozenset({"eval_leaderboards", "gate_evaluations", "sweep_reports"})
"""Assets that are derived from all that is left, and are made again after an erasure."""


@dataclass(frozen=True, kw_only=True)
class EventIdentity:
    """One materialization: what it is of, which event it is, and which bytes it names."""

    asset: str
    partition: str | None
    event_id: int
    data_version: str

    def __str__(self) -> str:
        return f"{self.asset}:{self.partition}@{self.event_id}"


@dataclass(frozen=True, kw_only=True)
class ChampionChange:
    """An environment that loses the version in production, or versions that were."""

    env: str
    erased_generations: tuple[int, ...]
    """Reigns whose weights go, oldest first."""
    production: int | None
    """Generation of the reign in production; None where nothing is."""
    replacement: int | None
    """Generation of the reign that takes over where the one in production goes; None where nothing does."""

    @property
    def action(self) -> Literal["keep", "roll_back", "vacate"]:
        """What happens to production."""
        if self.production not in self.erased_generations:
            return "keep"
        return "vacate" if self.replacement is None else "roll_back"


@dataclass(frozen=True, kw_only=True)
class SharedPartition:
    """A partition of which some events go and others stay."""

    asset: str
    partition: str | None
    kept: tuple[int, ...]
    """Ids of the events that stay."""
    shared_versions: tuple[str, ...]
    """Data versions that an event that goes and one that stays both name: their bytes must stay."""


@dataclass(frozen=True, kw_only=True)
class KeysToRemove:
    """Dynamic partition keys that nothing needs any longer, sorted."""

    dataset: tuple[str, ...] = ()
    sweep: tuple[str, ...] = ()
    hparam: tuple[str, ...] = ()
    env: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class ErasurePlan:
    """All that one erasure would do; it holds pseudonyms and hashes, and no name."""

    scope: ErasureScope
    log_id: str
    """Which event log it was made from."""
    erased: tuple[EventIdentity, ...]
    """Every event that goes: datasets first, then in the order of the life cycle, oldest first within each."""
    champions: tuple[ChampionChange, ...]
    """Every environment of which a version goes."""
    possibly_affected: tuple[EventIdentity, ...]
    """Events whose origin nobody recorded; among `erased` only where they are included."""
    include_possibly_affected: bool | None
    """Whether those go too; None where nobody has decided."""
    kept_shared: tuple[SharedPartition, ...]
    keys: KeysToRemove
    num_objects: int = field(default=0, compare=False)
    size_bytes: int = field(default=0, compare=False)

    @property
    def plan_id(self) -> str:
        """`p-` and twelve hex digits over all that would be done and the log it was read from.

        Left out are sizes, and what is made again without the data anyway: rankings, verdicts and reports, which change
        whenever a neighbour trains in the same environment.
        """
        deeds = self._deeds()
        for name in ("erased", "possibly_affected", "kept_shared"):
            deeds[name] = [item for item in deeds[name] if item["asset"] not in MADE_AGAIN]
        return f"p-{hashlib.sha256(canonical_json(deeds)).hexdigest()[:12]}"

    @property
    def promoted_now(self) -> tuple[ChampionChange, ...]:
        """The environments whose version in production goes."""
        return tuple(change for change in self.champions if change.action != "keep")

    @property
    def counts(self) -> dict[str, int]:
        """Asset -> how many of its events go, in the order of the life cycle."""
        counts: dict[str, int] = {}
        for event in self.erased:
            counts[event.asset] = counts.get(event.asset, 0) + 1
        return counts

    @property
    def is_decided(self) -> bool:
        """Whether nothing is left for the officer to say."""
        return not self.possibly_affected or self.include_possibly_affected is not None

    def confirm(self, plan_id: str, *, shown: "ErasurePlan | None" = None) -> None:
        """Let this plan be executed if it is the one whose id was confirmed, and nothing in it is undecided.

        Args:
            plan_id: the id that the officer gave.
            shown: the plan that had this id, where it is at hand, so that the refusal can say what has changed.

        Raises:
            PlanStale: something would be done that the confirmed plan did not say, or the reverse.
            ErasureRefused: nobody has said whether what is possibly affected goes too.
        """
        if plan_id != self.plan_id:
            difference = f": {explain_stale(shown, self)}" if shown is not None and shown.plan_id == plan_id else ""
            raise PlanStale(
                f"plan '{plan_id}' is not what would be erased now{difference}: nothing was done; print the plan again "
                "and confirm the id that it has then"
            )
        if not self.is_decided:
            raise ErasureRefused(
                f"plan '{plan_id}': the origin of {_named(self.possibly_affected)} was not recorded, so they may or "
                "may not descend from the data: say whether they are erased too, and confirm the plan that this gives"
            )

    def to_json(self) -> dict[str, Any]:
        """Plain data for commands, the ledger and the tombstone."""
        return self._deeds() | {
            "num_objects": self.num_objects,
            "size_bytes": self.size_bytes,
            "plan_id": self.plan_id,
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """Read back what `to_json` wrote.

        Raises:
            ErasureRefused: it is no plan, or not the one that its id names.
        """
        try:
            plan = cls(
                scope=ErasureScope.from_json(data["scope"]),
                log_id=data["log_id"],
                erased=_events(data["erased"]),
                champions=tuple(
                    ChampionChange(**{**entry, "erased_generations": tuple(entry["erased_generations"])})
                    for entry in data["champions"]
                ),
                possibly_affected=_events(data["possibly_affected"]),
                include_possibly_affected=data["include_possibly_affected"],
                kept_shared=tuple(
                    SharedPartition(
                        **{
                            **entry,
                            "kept": tuple(entry["kept"]),
                            "shared_versions": tuple(entry["shared_versions"]),
                        }
                    )
                    for entry in data["kept_shared"]
                ),
                keys=KeysToRemove(**{name: tuple(keys) for name, keys in data["keys"].items()}),
                num_objects=data["num_objects"],
                size_bytes=data["size_bytes"],
            )
            plan_id = data["plan_id"]
        except (KeyError, TypeError, AttributeError) as error:
            raise ErasureRefused(
                f"plan of an erasure: a field is missing, unknown or malformed ({error!r}): make the plan again"
            ) from error
        if plan.plan_id != plan_id:
            raise ErasureRefused(
                f"plan '{plan_id}' holds what has the id '{plan.plan_id}': it was changed after it was made; make it "
                "again, or restore the file from a backup"
            )
        return plan

    def _deeds(self) -> dict[str, Any]:
        return {
            "scope": self.scope.to_json(),
            "log_id": self.log_id,
            "erased": [asdict(event) for event in self.erased],
            "champions": [
                asdict(change) | {"erased_generations": list(change.erased_generations)} for change in self.champions
            ],
            "possibly_affected": [asdict(event) for event in self.possibly_affected],
            "include_possibly_affected": self.include_possibly_affected,
            "kept_shared": [
                asdict(shared) | {"kept": list(shared.kept), "shared_versions": list(shared.shared_versions)}
                for shared in self.kept_shared
            ],
            "keys": {name: list(keys) for name, keys in asdict(self.keys).items()},
        }


def explain_stale(old: ErasurePlan, new: ErasurePlan) -> str:
    """Say what one plan would do that another would not, in one line; a few things are named, the others counted."""
    if old.plan_id == new.plan_id:
        return "nothing has changed"
    said = []
    if old.log_id != new.log_id:
        said.append("it was made from another event log")
    if old.scope != new.scope:
        said.append(f"it was about {old.scope.describe()}, and this is about {new.scope.describe()}")
    if old.include_possibly_affected != new.include_possibly_affected:
        said.append("another decision was taken on what is possibly affected")
    for what, before, after in (
        ("to be erased", old.erased, new.erased),
        ("possibly affected", old.possibly_affected, new.possibly_affected),
        ("champions", _changes(old), _changes(new)),
        ("kept because others share them", _shares(old), _shares(new)),
        ("partition keys", _keys(old), _keys(new)),
    ):
        known, wanted = set(before), set(after)
        for change, items in (
            ("new", [item for item in after if item not in known]),
            ("no more", [item for item in before if item not in wanted]),
        ):
            if items:
                said.append(f"{what}, {change}: {_named(items)}")
    return "; ".join(said)


def _events(entries: Iterable[Mapping[str, Any]]) -> tuple[EventIdentity, ...]:
    return tuple(EventIdentity(**entry) for entry in entries)


def _changes(plan: ErasurePlan) -> list[str]:
    return [
        f"{change.env} {change.action.replace('_', ' ')}"
        + (f" to generation {change.replacement}" if change.action == "roll_back" else "")
        + f" (erased: generations {', '.join(map(str, change.erased_generations))})"
        for change in plan.champions
    ]


def _shares(plan: ErasurePlan) -> list[str]:
    return [f"{shared.asset}:{shared.partition}@{event}" for shared in plan.kept_shared for event in shared.kept]


def _keys(plan: ErasurePlan) -> list[str]:
    return [f"{name} '{key}'" for name, keys in asdict(plan.keys).items() for key in keys]


def _named(items: Iterable[object]) -> str:
    texts = [str(item) for item in items]
    more = len(texts) - _NAMED_AT_MOST
    return ", ".join(texts[:_NAMED_AT_MOST]) + (f" and {more} more" if more > 0 else "")
