"""Who needs which object: the records outside the objects' folder that name one.

An object that nobody claims is called unnamed by `rlctl doctor`. So whatever keeps a reference to an object has to
claim it: entries in the store in `CLAIMANTS` below, Dagster's records in `resources/records.py`.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal

from rl_assets.errors import InvalidPartitionKey, StoreError, StoreUnavailable
from rl_assets.store.alpha_ledger import list_ledgers
from rl_assets.store.artifacts import ArtifactRef
from rl_assets.store.checkpoints import FOLDER as CHECKPOINTS_FOLDER
from rl_assets.store.checkpoints import list_checkpoints, read_checkpoint
from rl_assets.store.history import ChampionHistory
from rl_assets.store.objects import ObjectRef, ObjectStore
from rl_assets.store.standing import fold
from rl_assets.store.transitions import ModelVersion

FindingKind = Literal[
    "damaged object",
    "missing object",
    "unreadable",
    "damaged entry",
    "missing entry",
    "damaged checkpoint",
    "wrong record",
    "unfinished promotion",
    "missing store",
]


@dataclass(frozen=True, kw_only=True)
class Holder:
    """Someone who needs an object: a materialization, a champion, an entry."""

    name: str
    """Such as `trained_policies[CartPole-v1|…]`."""
    is_current: bool
    """Whether it stands now; otherwise it is a record of the past."""
    remedy: str = ""
    """How to make its objects again, in the imperative; empty where only a backup has them."""


@dataclass(frozen=True, kw_only=True)
class Claim:
    """A holder's need of one object."""

    ref: ObjectRef
    holder: Holder
    is_artifact: bool
    """Whether the object is an artifact's manifest, so that the files that it names are needed too."""


@dataclass(frozen=True, kw_only=True)
class Finding:
    """Something that is not as it should be, and what to do about it."""

    kind: FindingKind
    path: str
    """Below the store's root; empty where it is about the store as a whole."""
    what: str
    needed_by: tuple[str, ...]
    """Partitions and champions that are hit."""
    is_current: bool
    """Whether something that stands now is hit; otherwise only a record of the past is incomplete."""
    to_do: str


Claimant = Callable[[ObjectStore], Iterator[Claim | Finding]]


def champion_claims(store: ObjectStore) -> Iterator[Claim | Finding]:
    """What the histories of models need: each version's policy and the model that was promoted from it."""
    for env in store.folders("champions"):
        try:
            history = ChampionHistory(store, env)
            entries, flaws = history.inspect()
        except InvalidPartitionKey:
            continue
        except StoreUnavailable as error:
            yield Finding(
                kind="unreadable",
                path=f"champions/{env}",
                what=str(error),
                needed_by=(f"champions of '{env}'",),
                is_current=True,
                to_do="make the folder readable, then run `rlctl doctor` again",
            )
            continue
        for path, error in flaws.items():
            yield Finding(
                kind="damaged entry" if store.has_file(path) else "missing entry",
                path=path,
                what=str(error),
                needed_by=(f"champions of '{env}'",),
                is_current=True,
                to_do=f"put the file back from a backup; until then nothing is promoted in '{env}'",
            )
        standing = fold(entries.items())
        now = {standing.staging_number} | ({standing.production.transition} if standing.production else set())
        for number, entry in entries.items():
            if entry.outcome != "done" or entry.model is None or _is_being_erased(store, entry.model):
                continue
            stands = number in now
            name = f"model of '{env}' {entry.title} in entry {number}"
            remedy = f"materialize promoted_models of '{env}' again" if stands and not flaws else ""
            yield Claim(
                ref=ArtifactRef.from_json(entry.model.policy).manifest,
                holder=Holder(name=f"{name} (its policy)", is_current=stands),
                is_artifact=True,
            )
            model = store.locate(entry.model.data_version)
            if model is not None:
                holder = Holder(name=name, is_current=stands, remedy=remedy)
                yield Claim(ref=model, holder=holder, is_artifact=True)
            else:
                yield Finding(
                    kind="missing object",
                    path=history.path(number),
                    what=f"the promoted model {entry.model.data_version} that this entry names is not in the store",
                    needed_by=(name,),
                    is_current=stands,
                    to_do=f"put the object back from a backup{', or ' + remedy if remedy else ''}",
                )


def _is_being_erased(store: ObjectStore, model: ModelVersion) -> bool:
    """Whether an order that is under way takes a model: its entry will be told the same."""
    is_model_erased = store.tombstones.is_quarantined(model.data_version)
    return is_model_erased or store.is_being_erased(ObjectRef.from_json(model.policy))


def checkpoint_flaws(store: ObjectStore) -> Iterator[Claim | Finding]:
    """Checkpoints of trainings under way that cannot be used; they are files of their own and need no object."""
    for namespace in store.folders(CHECKPOINTS_FOLDER):
        for training in store.folders(f"{CHECKPOINTS_FOLDER}/{namespace}"):
            place = f"{CHECKPOINTS_FOLDER}/{namespace}/{training}"
            for file in list_checkpoints(store.root / place):
                try:
                    read_checkpoint(file)
                except StoreError as error:
                    yield Finding(
                        kind="unreadable" if isinstance(error, StoreUnavailable) else "damaged checkpoint",
                        path=f"{place}/{file.path.name}",
                        what=str(error),
                        needed_by=(f"an interrupted training of '{namespace}', after update {file.update}",),
                        is_current=True,
                        to_do="delete the file; launched again, the training goes on from an older checkpoint or from "
                        "the beginning, to the same result",
                    )


def ledger_flaws(store: ObjectStore) -> Iterator[Claim | Finding]:
    """Entries of the gates' ledgers that are damaged or missing; they are files of their own and need no object."""
    for ledger in list_ledgers(store):
        for path, error in ledger.flaws().items():
            yield Finding(
                kind="damaged entry" if store.has_file(path) else "missing entry",
                path=path,
                what=str(error),
                needed_by=(f"gates of '{ledger.env_key}' in reign {ledger.reign}",),
                is_current=True,
                to_do=f"put the file back from a backup; until then the gates of '{ledger.env_key}' judge nobody new",
            )


CLAIMANTS: tuple[Claimant, ...] = (champion_claims, checkpoint_flaws, ledger_flaws)
"""All that claim objects from within the store. Whoever adds a kind of entry that names objects adds its function."""
