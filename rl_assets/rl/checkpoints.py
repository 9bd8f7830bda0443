"""One member between two segments: all that is needed to train on as if nothing had happened."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from rl_assets.errors import InexactResume
from rl_assets.rl.envs.spaces import EnvSpaces
from rl_assets.rl.numerics import numerics_fingerprint
from rl_assets.rl.plan import Member, learning_backend, num_updates, policy_spec


@dataclass(frozen=True, kw_only=True)
class BestPolicy:
    """A member as it was at the end of its best segment."""

    update: int
    """Updates done by then."""

    mean_return: float
    """Mean over the training episodes that ended in that segment."""

    tensors: Mapping[str, np.ndarray]
    """All that acting as it did needs."""


@dataclass(frozen=True, kw_only=True)
class Checkpoint:
    """One member at the end of a segment.

    Environments and random streams are no part of it: both are made anew from the seed and the update's number when
    the next segment starts, whether or not the training was interrupted.
    """

    update: int
    """Updates done."""

    is_final: bool
    """Whether the member is trained to its end."""

    env_steps: int
    """Real environment steps taken."""

    tensors: Mapping[str, np.ndarray]
    """Parameters and, where there is one, the observation normaliser."""

    optimizer_state: Mapping[str, np.ndarray]
    """Adam's moments and steps and the normalisers' statistics."""

    history: Mapping[str, np.ndarray]
    """One value for each update so far."""

    best: BestPolicy | None
    """The best segment's end; None where that is this very checkpoint, or no episode has ended yet."""

    numerics: Mapping[str, Any]
    """Fingerprint of what computed the latest segment."""

    inexact_resumes: tuple[Mapping[str, Any], ...] = ()
    """Where the training went on under another fingerprint than before: `update` and the `numerics` until then."""

    wall_time_s: float = 0.0
    """Seconds trained so far; says nothing about the numbers."""


def updates_done(member: Member, checkpoint: Checkpoint | None) -> int:
    """Updates that a member need not do again; a final checkpoint leaves none."""
    if checkpoint is None:
        return 0
    return num_updates(member.recipe) if checkpoint.is_final else checkpoint.update


def refuse_other_numerics(checkpoint: Checkpoint, member: Member, spaces: EnvSpaces) -> None:
    """Refuse a checkpoint that was computed under another numerics fingerprint than the member would be here.

    Raises:
        InexactResume: going on would give other bits than going on where it began; names the differences.
    """
    here = numerics_fingerprint(learning_backend(member.recipe, policy_spec(member.recipe, spaces)))
    if checkpoint.numerics != here:
        differences = ", ".join(
            f"{name} was {checkpoint.numerics.get(name)} and is {here.get(name)}"
            for name in sorted({*checkpoint.numerics, *here})
            if checkpoint.numerics.get(name) != here.get(name)
        )
        raise InexactResume(
            f"member '{member.label}' was interrupted after update {checkpoint.update} under other numerics "
            f"({differences}): expected the same, or other bits would come out; go on where it began, allow it with "
            "--allow-inexact (allow_inexact in the launchpad), which is recorded, or start again with retrain"
        )


class Checkpoints(Protocol):
    """Where checkpoints are kept."""

    def load(self, member: Member) -> Checkpoint | None:
        """Read a member's newest checkpoint; None where there is none that can be read."""
        ...

    def save(self, member: Member, checkpoint: Checkpoint) -> None:
        """Keep a member's checkpoint; it stands when this returns."""
        ...
