"""Whether a member may go on: numbers that are not finite, what its watches see, and the target at which it is done."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np

from rl_assets.config.guardrails import GuardrailsConfig
from rl_assets.errors import GradientExploded, MemberDiverged, PolicyJumped, ValueExploded
from rl_assets.rl.distributions import SQUASHED_REACH
from rl_assets.rl.envs.spaces import ActionSpace, BoxActions
from rl_assets.rl.rollout import Rollout
from rl_assets.rl.watches import (
    Alarm,
    CappedWatch,
    DeviationWatch,
    EntropyWatch,
    ReturnWatch,
    RewardWatch,
    Row,
    SaturationWatch,
    TargetWatch,
    UsualWatch,
    Watch,
)

LEVELS = ("reward_min", "reward_max", "saturated_actions")
"""Columns of the history that a rollout gives before anything is learned from it."""

_SQUASHED_BOUND = math.atanh(SQUASHED_REACH)


@dataclass(frozen=True, kw_only=True)
class EarlyStop:
    """Where a member reached its target."""

    update: int
    """Its last update, the first being 0."""

    env_steps: int
    """Environment steps that it had taken by then."""

    mean_return: float
    """Mean return of its latest training episodes."""

    target_return: float
    """What was asked for."""


class Guardrails:
    """One member's guardrails; all that they know is from the rows that they were shown.

    Args:
        config: what is watched, and the limits.
        actions: the environment's actions.
        acts: whether the member acts while it trains. One that copies a demonstrator is watched for its losses alone:
            it is paid nothing, and may well become certain.
    """

    def __init__(self, config: GuardrailsConfig, actions: ActionSpace, *, acts: bool = True) -> None:
        self._rollout_watches = _rollout_watches(config, actions) if acts else []
        self._update_watches = _update_watches(config, actions) if acts else _loss_watches(config)
        self._target = (
            None
            if config.target_return is None
            else TargetWatch(target=config.target_return, episodes=config.target_episodes)
        )

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Guardrails) and vars(self) == vars(other)

    __hash__ = None  # pyright: ignore[reportAssignmentType]

    def judge_rollout(self, levels: Row) -> Alarm | None:
        """Take in the next rollout's `LEVELS`, and say whether it is reason to stop before anything is learned."""
        return _first([watch.judge(levels) for watch in self._rollout_watches])

    def judge_update(self, row: Row) -> Alarm | None:
        """Take in the next update's row, and say whether it is reason to stop."""
        return _first([watch.judge(row) for watch in self._update_watches])

    def reached_target(self, row: Row, update: int) -> EarlyStop | None:
        """Take in the next update's row and its number, and say whether the member has reached its target."""
        mean = None if self._target is None else self._target.reached(row)
        if self._target is None or mean is None:
            return None
        return EarlyStop(
            update=update, env_steps=int(row["env_steps"]), mean_return=mean, target_return=self._target.target
        )

    def replay(self, rows: Iterable[Row]) -> EarlyStop | None:
        """Take in all rows of a member that no guardrail stopped, from the first on, as if it lived through them again.

        Returns:
            Where the last of them reached the target; None where it did not.
        """
        stop = None
        for update, row in enumerate(rows):
            self.judge_rollout(row)
            self.judge_update(row)
            stop = self.reached_target(row, update)
        return stop


def find_divergence(quantities: Mapping[str, np.ndarray], member: int) -> tuple[str, float, float] | None:
    """Look through one member's numbers.

    Args:
        quantities: arrays by name, each `[members, ...]`, in the order in which trouble would spread.
        member: index of the member.

    Returns:
        The first quantity that holds NaN or infinity, the first such value, and the share of its numbers that are not
        finite; None if all are.
    """
    for name, array in quantities.items():
        own = array[member]
        is_finite = np.isfinite(own)
        if not is_finite.all():
            return name, float(own[~is_finite][0]), float(1 - is_finite.mean())
    return None


def find_divergences(quantities: Mapping[str, np.ndarray]) -> dict[int, tuple[str, float, float]]:
    """Look through everybody's numbers, as `find_divergence` does for one; integers are finite unseen.

    Returns:
        Index of each member with trouble -> what `find_divergence` found.
    """
    suspects = {
        name: array for name, array in quantities.items() if array.dtype.kind == "f" and not np.isfinite(array).all()
    }
    if not suspects:
        return {}
    found = {member: find_divergence(suspects, member) for member in range(len(next(iter(suspects.values()))))}
    return {member: finding for member, finding in found.items() if finding is not None}


def rollout_levels(rollout: Rollout, bounds: np.ndarray) -> np.ndarray:
    """Measure what the guardrails look at before anything is learned.

    Args:
        rollout: what the members did.
        bounds: as `action_bounds` returns them.

    Returns:
        `[members, len(LEVELS)]` float64: least and largest reward of a step, NaN where all were reset steps; share of
        the numbers in bounded actions that lie at or beyond their bounds, NaN where no action has bounds.
    """
    rewards, valid = rollout.rewards, rollout.valid
    levels = np.empty((rewards.shape[1], len(LEVELS)))
    levels[:, 0] = np.where(valid, rewards, np.inf).min(axis=(0, 2))
    levels[:, 1] = np.where(valid, rewards, -np.inf).max(axis=(0, 2))
    levels[levels[:, 0] > levels[:, 1], :2] = np.nan
    bounded = int(np.isfinite(bounds).sum())
    if not bounded:
        levels[:, 2] = np.nan
    else:
        at_bound = (np.abs(rollout.actions) >= bounds).sum(axis=(0, 2, 3))
        levels[:, 2] = at_bound / (rewards.shape[0] * rewards.shape[2] * bounded)
    return levels


def action_bounds(actions: ActionSpace, *, squashes: bool) -> np.ndarray:
    """Where the numbers of actions, as rollouts store them, meet their bounds.

    Args:
        actions: the environment's actions.
        squashes: whether they are squashed into their bounds, of which a thousandth less is as good as the bound.

    Returns:
        `[action_size]` float32, infinite where there is no bound; `[1]` for choices.
    """
    if not isinstance(actions, BoxActions):
        return np.full(1, np.inf, np.float32)
    bounded = np.isfinite(actions.low) & np.isfinite(actions.high)
    return np.where(bounded, _SQUASHED_BOUND if squashes else 1.0, np.inf).astype(np.float32)


def divergence_error(member: str, update: int, finding: tuple[str, float, float]) -> MemberDiverged:
    """The error for what `find_divergence` found."""
    quantity, value, share = finding
    return MemberDiverged(member, update, quantity, value, share=share)


def _first(alarms: list[Alarm | None]) -> Alarm | None:
    return next((alarm for alarm in alarms if alarm is not None), None)


def _rollout_watches(config: GuardrailsConfig, actions: ActionSpace) -> list[Watch]:
    watches: list[Watch] = []
    if config.max_reward is not None or config.max_reward_ratio is not None:
        watches.append(RewardWatch(limit=config.max_reward, ratio=config.max_reward_ratio))
    if config.max_saturated_actions is not None and np.isfinite(action_bounds(actions, squashes=False)).any():
        watches.append(SaturationWatch(limit=config.max_saturated_actions, patience=config.patience))
    return watches


def _update_watches(config: GuardrailsConfig, actions: ActionSpace) -> list[Watch]:
    watches: list[Watch] = []
    if config.max_kl is not None:
        watches.append(
            CappedWatch(
                column="approximate_kl",
                quantity="the approximate KL divergence",
                error=PolicyJumped,
                limit=config.max_kl,
            )
        )
    watches += _loss_watches(config)
    if isinstance(actions, BoxActions):
        if config.min_action_deviation is not None:
            watches.append(
                DeviationWatch(limit=config.min_action_deviation, action_size=actions.size, patience=config.patience)
            )
    elif config.min_entropy is not None:
        watches.append(EntropyWatch(limit=config.min_entropy, patience=config.patience))
    if config.max_return_drop is not None:
        watches.append(ReturnWatch(drop=config.max_return_drop, patience=config.patience))
    return watches


def _loss_watches(config: GuardrailsConfig) -> list[Watch]:
    watches: list[Watch] = []
    if config.max_value_loss_ratio is not None:
        watches.append(
            UsualWatch(
                column="value_loss", quantity="the value loss", error=ValueExploded, ratio=config.max_value_loss_ratio
            )
        )
    if config.max_gradient_ratio is not None:
        watches.append(
            UsualWatch(
                column="gradient_norm",
                quantity="the gradient norm",
                error=GradientExploded,
                ratio=config.max_gradient_ratio,
            )
        )
    return watches
