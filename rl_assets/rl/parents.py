"""What a training may start from instead of fresh weights: one member of a policy that was trained before."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from rl_assets.errors import ParentMismatch
from rl_assets.rl.normalization import RunningMoments
from rl_assets.rl.policy import PolicySpec


@dataclass(frozen=True, kw_only=True, eq=False)
class ParentWeights:
    """One trained member, as far as another training goes on from it.

    Actor, critic and the observation normaliser are taken over; the optimizer and the reward scaler start fresh, since
    they belong to a loss and to rewards that may be others now.
    """

    name: str
    """What it is called in errors."""

    spec: PolicySpec
    """How it acts."""

    tensors: Mapping[str, np.ndarray]
    """Parameters and, where there is one, the observation normaliser's `[observation_size]` mean and factor."""

    moments: RunningMoments | None
    """Statistics behind the observation normaliser, to go on counting from; None where there is none."""

    def check(self, spec: PolicySpec, *, child: str) -> None:
        """Refuse a training whose policies would read these weights otherwise.

        Args:
            spec: how the policies to train act.
            child: what they are called.

        Raises:
            ParentMismatch: names the first thing in which they differ.
        """
        refuse_misfit(self.spec, spec, parent=self.name, child=child)


def refuse_misfit(found: PolicySpec, expected: PolicySpec, *, parent: str, child: str) -> None:
    """Refuse weights for policies that would see, compute or act otherwise than the policy that they come from.

    Args:
        found: how the parent acts.
        expected: how the policies to train act.
        parent: what the parent is called.
        child: what the policies to train are called.

    Raises:
        ParentMismatch: names both and the first thing in which they differ.
    """
    ours, theirs = _described(expected), _described(found)
    for what, wanted in ours.items():
        if theirs[what] != wanted:
            raise ParentMismatch(
                f"{child} cannot start from {parent}: expected {what} {wanted}, got {theirs[what]}: choose another "
                "parent, or train with the same network and spaces as it was"
            )


def _described(spec: PolicySpec) -> dict[str, str]:
    """All that decides what weights mean, in words; two specs that differ differ in these."""
    plain = spec.to_json()
    return {
        "observations of shape": "x".join(map(str, spec.observation_shape)),
        "actions": spec.actions.label,
        "action bounds and choices": str(plain["actions"]),
        **{f"network.{name}": str(value) for name, value in plain["network"].items()},
        "normalize_observations": str(spec.normalizes_observations).lower(),
        "squash_actions": str(spec.squashes_actions).lower(),
    }
