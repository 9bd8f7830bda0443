"""Successive halving: all recipes train to a rung, those that are behind stop there, the others go on.

Who stops depends on the histories alone, so a sweep that was killed and launched again decides as it would have; and
as every member trains as it would alone, those that go on end with the bytes that they would have had without halving.

Source:
    Jamieson and Talwalkar, "Non-stochastic best arm identification and hyperparameter optimization", arXiv:1502.07943.
"""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from rl_assets.config.environment import EnvConfig
from rl_assets.config.halving import HalvingConfig
from rl_assets.config.recipe import Recipe
from rl_assets.rl.checkpoints import Checkpoints, updates_done
from rl_assets.rl.envs.spaces import EnvSpaces
from rl_assets.rl.outcomes import MemberFailure, RecipeOutcome, RecipeStop
from rl_assets.rl.plan import Member, TrainingPlan, num_updates, plan_training, updates_per_segment

History = Mapping[str, np.ndarray]


@dataclass(frozen=True, kw_only=True)
class Contender:
    """A recipe that is compared."""

    recipe: Recipe
    members: tuple[Member, ...]
    """Seeds to train."""
    histories: tuple[History, ...] = ()
    """Of seeds that were trained before."""


def train_by_halves(
    env: EnvConfig,
    contenders: Mapping[str, Contender],
    halving: HalvingConfig,
    *,
    spaces: EnvSpaces,
    num_processes: int,
    checkpoints: Checkpoints,
    run: Callable[[TrainingPlan], Iterator[RecipeOutcome]],
) -> Iterator[RecipeOutcome]:
    """Train the recipes rung by rung, and those that are left to the end.

    Args:
        env: the environment.
        contenders: by hparam key; one whose seeds are all trained is compared and nothing else.
        halving: when and how many.
        spaces: the environment's spaces.
        num_processes: processes to use at most.
        checkpoints: where members go on from rung to rung.
        run: carries out a plan, with these checkpoints.

    Yields:
        Each recipe when it fails, stops or is done.
    """
    left = dict(contenders)

    def train(rung: int | None) -> Iterator[RecipeOutcome]:
        """Train everybody who is left to a rung, or to the end."""
        members: list[Member] = []
        starts: dict[int, int] = {}
        stops: dict[int, int] = {}
        for member in (member for contender in left.values() for member in contender.members):
            start = updates_done(member, checkpoints.load(member))
            stop = num_updates(member.recipe) if rung is None else rung_update(member.recipe, rung)
            if start < stop or rung is None:
                starts[len(members)], stops[len(members)] = start, stop
                members.append(member)
        if members:
            yield from run(
                plan_training(env, members, num_processes=num_processes, spaces=spaces, starts=starts, stops=stops)
            )

    for number, rung in enumerate(halving.rungs, start=1):
        for outcome in train(rung):
            if any(isinstance(member, MemberFailure) for member in outcome.members):
                del left[outcome.hparam]
                yield outcome
        scores = {
            hparam: score_at(contender, rung, checkpoints)
            for hparam, contender in left.items()
            if rung_update(contender.recipe, rung) < num_updates(contender.recipe)
        }
        for hparam, stop in stops_at(scores, number=number, steps=rung, keep=halving.keep).items():
            contender = left.pop(hparam)
            if contender.members:
                yield RecipeOutcome(hparam=hparam, members=(), stop=stop)
    yield from train(None)


def rung_update(recipe: Recipe, rung: int) -> int:
    """Updates that a recipe does until a rung: whole segments, and no more than its budget takes."""
    segment = updates_per_segment(recipe)
    return min(num_updates(recipe), max(1, math.ceil(rung / (segment * recipe.algorithm.samples_per_update))) * segment)


def score_at(contender: Contender, rung: int, checkpoints: Checkpoints) -> float | None:
    """Mean over a recipe's seeds of the mean training return in the last segment before a rung.

    Returns:
        None where a seed finished no episode in that segment: it cannot be judged, and so it is not.
    """
    update = rung_update(contender.recipe, rung)
    begin = max(0, update - updates_per_segment(contender.recipe))
    histories: list[Mapping[str, Any]] = list(contender.histories)
    for member in contender.members:
        checkpoint = checkpoints.load(member)
        if checkpoint is None:
            return None
        histories.append(checkpoint.history)
    means = []
    for history in histories:
        episodes = np.asarray(history["episodes"][begin:update])
        if not episodes.sum():
            return None
        returns = np.asarray(history["mean_return"][begin:update])[episodes > 0]
        means.append(np.average(returns, weights=episodes[episodes > 0]))
    return float(np.mean(means))


def stops_at(scores: Mapping[str, float | None], *, number: int, steps: int, keep: float) -> dict[str, RecipeStop]:
    """The recipes that stop at a rung; those that cannot be judged, and ties with the last that goes on, go on.

    Args:
        scores: of all that reached the rung.
        number: of the rung, from 1.
        steps: of the rung.
        keep: share of the recipes that goes on, rounded up.
    """
    known: Sequence[tuple[str, float]] = sorted(
        ((hparam, score) for hparam, score in scores.items() if score is not None), key=lambda item: -item[1]
    )
    places = max(1, math.ceil(keep * len(scores))) - (len(scores) - len(known))
    if len(known) <= max(1, places):
        return {}
    bar = known[max(1, places) - 1][1]
    return {
        hparam: RecipeStop(rung=number, steps=steps, score=score, bar=bar, rank=rank, num_recipes=len(scores))
        for rank, (hparam, score) in enumerate(known, start=1)
        if score < bar
    }
