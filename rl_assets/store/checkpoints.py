"""Checkpoints of trainings under way: one file each, its name its checksum, gone when the training is published.

A file lies at `checkpoints/<owners' namespace>/<training>/<update>-<sha256>.safetensors`, so that all that is kept of a
client's trainings stands in one folder, a damaged file is told by its name, and two writers of one training, which
write the same numbers, cannot hurt each other.
"""

import dataclasses
import hashlib
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from rl_assets.config.canonical import canonical_json
from rl_assets.errors import CorruptObject, ErasedData, StoreUnavailable
from rl_assets.rl.checkpoints import BestPolicy, Checkpoint
from rl_assets.store.atomic import refusals_explained, staged_file, sweep_leftovers
from rl_assets.store.namespaces import namespace_of
from rl_assets.store.objects import ObjectStore
from rl_assets.store.tensors import decode_tensors, encode_tensors, read_note

FOLDER = "checkpoints"
NUM_KEPT = 2
"""Newest checkpoints of a training that are kept: if one is damaged, the other still helps."""

_NAME = re.compile(r"(?P<update>[0-9]{12})-(?P<sha256>[0-9a-f]{64})\.safetensors")
_PARTS = ("tensors", "optimizer_state", "history", "best")


@dataclass(frozen=True, kw_only=True)
class CheckpointFile:
    """One file that claims to be a checkpoint."""

    path: Path
    update: int
    sha256: str


class TrainingCheckpoints:
    """The checkpoints of one training.

    Args:
        store: where; any number of processes may use it at once.
        training: name of the training, hex digits that stand for all that decides its numbers.
        owners: pseudonyms of all clients whose data the training descends from.
        keeps_all: keep every checkpoint, not the newest alone.
        on_damage: is told of a file that cannot be used.
        refuse: raises `ErasedData` where what the training stands on was erased; the owners are asked about anyway.
    """

    def __init__(
        self,
        store: ObjectStore,
        *,
        training: str,
        owners: frozenset[str],
        keeps_all: bool = False,
        on_damage: Callable[[CorruptObject], None] | None = None,
        refuse: Callable[[], None] | None = None,
    ) -> None:
        self._store, self._owners, self._training = store, owners, training
        self._also_refuse = refuse or (lambda: None)
        self._namespace_folder = store.root / FOLDER / namespace_of(owners)
        self._folder = self._namespace_folder / training
        self._keeps_all = keeps_all
        self._on_damage = on_damage or (lambda _: None)

    def save(self, checkpoint: Checkpoint) -> None:
        """Keep a checkpoint; it stands when this returns, and older ones may go.

        Raises:
            ErasedData: what the training stands on was erased; none of its checkpoints stays.
            StoreUnavailable: the disk refused; what was kept before still stands.
        """
        data = encode_checkpoint(checkpoint)
        target = self._folder / f"{checkpoint.update:012d}-{hashlib.sha256(data).hexdigest()}.safetensors"
        try:
            self._refuse_erased()
            try:
                self._write(target, data)
            except StoreUnavailable:
                self._refuse_erased()  # an eraser may have taken the folder away
                raise
            self._refuse_erased()
        except ErasedData:
            self.forget()
            raise

    def _write(self, target: Path, data: bytes) -> None:
        with refusals_explained(f"keep checkpoint '{target}'"):
            self._store.namespaces.record(self._owners)
            self._folder.mkdir(parents=True, exist_ok=True)
            with staged_file(self._namespace_folder, data) as temporary:
                temporary.replace(target)
            # The folder is not synced: a power cut may cost the newest checkpoint, and so time, but never the result.
            if not self._keeps_all:
                for file in self.files()[:-NUM_KEPT]:
                    file.path.unlink(missing_ok=True)

    def _refuse_erased(self) -> None:
        self._store.tombstones.refuse(owners=self._owners, what=f"checkpoints of training '{self._training[:12]}'")
        self._also_refuse()

    def newest(self) -> Checkpoint | None:
        """Read the newest checkpoint that is whole; None where there is none.

        Any older one leads to the same bytes in the end, so a damaged one costs time and nothing else.

        Raises:
            ErasedData: what the training stands on was erased.
            StoreUnavailable: the disk refused.
        """
        self._refuse_erased()
        for file in reversed(self.files()):
            try:
                checkpoint = read_checkpoint(file)
            except CorruptObject as error:
                self._on_damage(error)
                continue
            if checkpoint is not None:
                return checkpoint
        return None

    def all(self) -> list[Checkpoint]:
        """Read all checkpoints, the oldest first.

        Raises:
            ErasedData: what the training stands on was erased.
            CorruptObject: one is damaged.
            StoreUnavailable: the disk refused.
        """
        self._refuse_erased()
        found = [read_checkpoint(file) for file in self.files()]
        return [checkpoint for checkpoint in found if checkpoint is not None]

    def files(self) -> list[CheckpointFile]:
        """The files of this training, the oldest first."""
        return list_checkpoints(self._folder)

    def forget(self) -> None:
        """Remove all checkpoints of this training.

        Raises:
            StoreUnavailable: the disk refused.
        """
        with refusals_explained(f"remove the checkpoints in '{self._folder}'"):
            sweep_leftovers(self._namespace_folder)
            for file in self.files():
                file.path.unlink(missing_ok=True)
            if self._folder.is_dir() and not any(self._folder.iterdir()):
                self._folder.rmdir()


def training_name(facts: Mapping[str, Any]) -> str:
    """Name a training after all that decides its numbers: 32 hex digits.

    Args:
        facts: JSON data: environment, recipe, seed, and the data versions of what it learns from.
    """
    return hashlib.sha256(canonical_json(dict(facts))).hexdigest()[:32]


def list_checkpoints(folder: Path) -> list[CheckpointFile]:
    """The checkpoint files in one training's folder, the oldest first."""
    with refusals_explained(f"look for checkpoints in '{folder}'"):
        try:
            paths = sorted(folder.iterdir())
        except FileNotFoundError:
            return []
    matches = [(path, _NAME.fullmatch(path.name)) for path in paths]
    return [
        CheckpointFile(path=path, update=int(match["update"]), sha256=match["sha256"])
        for path, match in matches
        if match is not None
    ]


def read_checkpoint(file: CheckpointFile) -> Checkpoint | None:
    """Read one file, checked against the checksum in its name; None where it has just been removed.

    Raises:
        CorruptObject: the bytes are not those that were written.
        StoreUnavailable: the disk refused.
    """
    with refusals_explained(f"read checkpoint '{file.path}'"):
        try:
            data = file.path.read_bytes()
        except FileNotFoundError:
            return None
    digest = hashlib.sha256(data).hexdigest()
    if digest != file.sha256:
        raise CorruptObject(
            f"checkpoint '{file.path}' is damaged: expected bytes with SHA-256 {file.sha256}, got {len(data)} bytes "
            f"with {digest}: remove it; the training goes on from an older one, or from the beginning, to the same "
            "result"
        )
    return decode_checkpoint(data, source=f"checkpoint '{file.path}'")


def encode_checkpoint(checkpoint: Checkpoint) -> bytes:
    """Encode a checkpoint as safetensors, with all that is no array in its header."""
    best = checkpoint.best
    arrays = {
        "tensors": checkpoint.tensors,
        "optimizer_state": checkpoint.optimizer_state,
        "history": checkpoint.history,
        "best": {} if best is None or best.update == checkpoint.update else best.tensors,
    }
    facts = {
        field.name: getattr(checkpoint, field.name)
        for field in dataclasses.fields(checkpoint)
        if field.name not in arrays
    }
    facts["inexact_resumes"] = list(checkpoint.inexact_resumes)
    facts["best"] = None if best is None else {"update": best.update, "mean_return": best.mean_return}
    named = {f"{part}/{name}": array for part, own in arrays.items() for name, array in own.items()}
    return encode_tensors(named, note=canonical_json(facts).decode())


def decode_checkpoint(data: bytes, *, source: str) -> Checkpoint:
    """Read back what `encode_checkpoint` wrote.

    Raises:
        CorruptObject: the bytes are no checkpoint.
    """
    named = decode_tensors(data, source=source)
    parts: dict[str, dict[str, np.ndarray]] = {part: {} for part in _PARTS}
    try:
        facts = json.loads(read_note(data, source=source))
        for name, array in named.items():
            part, _, own = name.partition("/")
            parts[part][own] = array
        told, update = facts.pop("best"), facts["update"]
        best = None
        if told is not None:
            best = BestPolicy(**told, tensors=parts["tensors"] if told["update"] == update else parts["best"])
        facts["inexact_resumes"] = tuple(facts["inexact_resumes"])
        return Checkpoint(
            tensors=parts["tensors"],
            optimizer_state=parts["optimizer_state"],
            history=parts["history"],
            best=best,
            **facts,
        )
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise CorruptObject(
            f"{source} is no checkpoint of this version ({error}): remove it; the training starts from the beginning"
        ) from error
