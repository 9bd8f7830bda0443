"""Which code computes: compiled kernels where they can, torch everywhere else."""

import os
from collections.abc import Mapping, Sequence
from typing import Literal, cast, get_args

import numpy as np

from rl_assets.errors import InvalidConfig
from rl_assets.rl.actor_critics import ActorCritics, AutogradActorCritics, NetworkShape
from rl_assets.rl.compiler import has_numba
from rl_assets.rl.distributions import ActionDistribution
from rl_assets.rl.networks.mlp import MLPShape

Backend = Literal["fused", "torch"]

BACKEND_VARIABLE = "RL_ASSETS_BACKEND"
"""Environment variable that makes everything compute in torch, or refuses to compute otherwise than fused."""


def choose_backend(shape: NetworkShape) -> Backend:
    """Choose how a network computes on this machine.

    Raises:
        InvalidConfig: the environment variable asks for what does not exist or cannot be.
    """
    asked = os.environ.get(BACKEND_VARIABLE, "")
    if asked not in {"", *get_args(Backend)}:
        raise InvalidConfig(
            f"{BACKEND_VARIABLE} is {asked!r}: expected one of {', '.join(get_args(Backend))}, or nothing for the "
            "fastest"
        )
    can_fuse = isinstance(shape, MLPShape) and has_numba()
    if asked == "fused" and isinstance(shape, MLPShape) and not can_fuse:
        raise InvalidConfig(
            f"{BACKEND_VARIABLE} is 'fused' but numba is not installed: install it, or unset the variable"
        )
    return "fused" if can_fuse and asked != "torch" else "torch"


def make_actor_critics(
    shape: NetworkShape,
    distribution: ActionDistribution,
    members: Sequence[Mapping[str, np.ndarray]],
    *,
    backend: Backend,
) -> ActorCritics:
    """Load the networks of several members."""
    if backend == "torch":
        return AutogradActorCritics(shape, distribution, members)
    from rl_assets.rl.fused import FusedActorCritics  # numba takes a while to import, and may be missing

    return FusedActorCritics(cast("MLPShape", shape), distribution, members)
