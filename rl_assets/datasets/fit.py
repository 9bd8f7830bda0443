"""Whether a dataset's episodes could have been played in an environment: shapes, dtypes and the range of actions."""

import math
from collections.abc import Sequence

import numpy as np

from rl_assets.datasets.summary import EpisodeSummary, Layout
from rl_assets.errors import InvalidDataset
from rl_assets.rl.envs.spaces import BoxActions, DiscreteActions, EnvSpaces

_TOLERANCE = 1e-6
"""Share of the range by which an action may lie beyond a bound: rounding to float32 does that."""


def refuse_misfit(summary: EpisodeSummary, spaces: EnvSpaces, *, env: str, what: str) -> None:
    """Refuse episodes that do not fit an environment, with all that does not.

    Observations fit in the environment's own shape, or as the flat vector that a policy sees.

    Args:
        summary: of all episodes.
        spaces: of the environment.
        env: its id, for the error.
        what: what to call the dataset in the error.

    Raises:
        InvalidDataset: names what was expected and what came.
    """
    misfits = [*_observation_misfits(summary.observations, spaces), *_action_misfits(summary.actions, spaces)]
    if misfits:
        raise InvalidDataset(
            f"{what} does not fit env '{env}': {'; '.join(misfits)}: register it with the environment that it was "
            "recorded in, or convert it"
        )


def _observation_misfits(found: Layout, spaces: EnvSpaces) -> list[str]:
    accepted = [(spaces.observation_shape, "u" if spaces.is_image else "f")]
    if len(spaces.parts) == 1:
        part = spaces.parts[0]
        accepted.insert(0, (part.shape, "iu" if part.options or part.scale != 1 else "f"))
    kind = np.dtype(found.dtype).kind
    if any(found.shape == shape and kind in kinds for shape, kinds in accepted):
        return []
    spelled = list(dict.fromkeys(_spell(shape, kinds) for shape, kinds in accepted))
    return [f"expected observations {' or '.join(spelled)}, got {found.label}"]


def _action_misfits(found: Layout, spaces: EnvSpaces) -> list[str]:
    shape, actions = spaces.encoding.shape, spaces.actions
    is_box = isinstance(actions, BoxActions)
    kinds = "f" if is_box else "iu"
    if found.shape != shape or np.dtype(found.dtype).kind not in kinds:
        return [f"expected actions {_spell(shape, kinds)} ({actions.label}), got {found.label}"]
    if found.num_nan or found.num_infinite:
        bad = found.num_nan + found.num_infinite
        return [f"expected finite actions, got {bad} of {found.num_numbers} numbers that are NaN or infinite"]
    if isinstance(actions, BoxActions):
        low, high = np.array(actions.low), np.array(actions.high)
        slack = _TOLERANCE * np.maximum(1.0, np.maximum(np.abs(low), np.abs(high)))
        slack[~np.isfinite(slack)] = 0.0
        return _out_of_range(found, low - slack, high + slack, bounds=(low, high))
    if spaces.encoding.joint:
        ns: Sequence[int] = spaces.encoding.joint
    else:
        ns = (actions.n,) if isinstance(actions, DiscreteActions) else actions.ns
    low = np.array(spaces.encoding.starts or (0,) * len(ns))
    return _out_of_range(found, low, low + np.array(ns) - 1)


def _out_of_range(
    found: Layout, low: np.ndarray, high: np.ndarray, *, bounds: tuple[np.ndarray, np.ndarray] | None = None
) -> list[str]:
    lowest, highest = found.low.reshape(-1), found.high.reshape(-1)
    wrong = np.flatnonzero((lowest < low) | (highest > high))
    if not len(wrong):
        return []
    at = int(wrong[0])
    shown_low, shown_high = bounds or (low, high)
    which = f" number {at}" if len(lowest) > 1 else ""
    expected = f"expected action{which} between {shown_low[at]:g} and {shown_high[at]:g}"
    return [f"{expected}, got {lowest[at]:g} to {highest[at]:g}"]


def _spell(shape: tuple[int, ...], kinds: str) -> str:
    name = {"f": "floats", "u": "uint8", "iu": "whole numbers"}[kinds]
    return f"{name} of shape {list(shape)}" if math.prod(shape) != 1 or shape else name
