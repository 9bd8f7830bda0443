"""What a person wants in production, found and checked: a member of a recipe, or an earlier version.

The checks are made twice: by the command, before anything is launched, and by the run, which may come from the UI.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from rl_assets.config.environment import EnvConfig, env_key
from rl_assets.errors import (
    BadInput,
    LineageError,
    NothingToPromote,
    NothingToRollBackTo,
    PromotionRefused,
    StoreError,
    UnknownPartition,
)
from rl_assets.resources.event_log import Event, EventLog
from rl_assets.resources.inputs import Input, OutputScope
from rl_assets.resources.promoted_versions import find_policy, recorded_version
from rl_assets.resources.promotion import verdict_evidence
from rl_assets.rl.envs.catalogue import describe_env
from rl_assets.rl.policy import PolicySpec
from rl_assets.store.bundles import load_episodes, member_seeds, policy_file, trained_member
from rl_assets.store.history import ChampionHistory
from rl_assets.store.standing import Champion
from rl_assets.store.transitions import BY_HAND

NAMED = "the recipe that was named"


@dataclass(frozen=True, kw_only=True)
class ChosenMember:
    """A member that can serve, opened in the scope of the promotion."""

    policy: Input
    hparam: str
    member_seed: int
    verdict: Event | None
    """The newest verdict on exactly these weights; None where the gates never saw them."""
    evidence: Mapping[str, Any]
    origin: str
    """How it was found, such as `the staged version`."""


def choose_member(
    scope: OutputScope, *, env: str, hparam: str | None, seed: int | None, history: ChampionHistory, log: EventLog
) -> ChosenMember:
    """Find the member to promote and check that it can serve this environment.

    Args:
        scope: of `promoted_models` in this environment.
        env: env key.
        hparam: recipe; None: what is staged, else the newest candidate that the gates held.
        seed: member of the recipe; None: its best on selection episodes.
        history: the environment's models.
        log: what Dagster remembers.

    Raises:
        UnknownPartition: the environment, the recipe or the seed does not exist.
        NothingToPromote: nothing is staged and the gates held nothing, or it was rolled back.
        PromotionRefused: it reigns already, or it was trained for another environment or other spaces.
        InputNotFound: the record of its policy is gone.
        ObjectNotFound: its bytes are gone.
        CorruptObject: its bytes are damaged.
    """
    if hparam is None:
        if seed is not None:
            raise PromotionRefused(f"seed {seed} of which recipe of '{env}'? Name the recipe too")
        policy, hparam, seed, origin = _standing_candidate(scope, env=env, history=history, log=log)
    else:
        policy, origin = scope.open(_newest_policy(env, hparam, log)), NAMED
        seed = _best_member(scope, policy, env=env, log=log) if seed is None else seed
    if seed not in member_seeds(policy.artifact):
        raise UnknownPartition(
            f"recipe '{hparam}' of '{env}' has no member of seed {seed}: expected one of "
            f"{', '.join(map(str, member_seeds(policy.artifact)))}"
        )
    _refuse_unfit(policy, seed, env=env)
    weights = policy.artifact.checksum(policy_file(seed))
    standing = history.standing()
    if standing.production is not None and standing.production.weights_sha256 == weights:
        raise PromotionRefused(
            f"'{hparam}', member of seed {seed}, is the champion of '{env}' already, byte for byte "
            f"(generation {standing.generation}): there is nothing to do"
        )
    rolled_back = standing.rolled_back.get(weights)
    if rolled_back is not None and origin != NAMED:
        raise NothingToPromote(
            f"'{hparam}', member of seed {seed}, was rolled back in '{env}' at {rolled_back.at} "
            f"({rolled_back.reason}): name the recipe to promote it all the same"
        )
    verdict = _newest_verdict(scope, env=env, hparam=hparam, seed=seed, weights=weights, log=log)
    evidence = (
        {"id": BY_HAND, "decisions": []}
        if verdict is None
        else verdict_evidence(verdict.event.data_version, verdict.artifact.facts)
    )
    return ChosenMember(
        policy=policy,
        hparam=hparam,
        member_seed=seed,
        verdict=None if verdict is None else verdict.event,
        evidence=evidence,
        origin=origin,
    )


def choose_version(
    scope: OutputScope, *, env: str, generation: int | None, history: ChampionHistory, log: EventLog
) -> tuple[Champion, Event]:
    """Find the earlier version to go back to, and its record.

    Args:
        scope: of `promoted_models` in this environment.
        env: env key.
        generation: the reign to go back to; None: the newest archived version whose bytes are whole and that was not
            rolled back itself.
        history: the environment's models.
        log: what Dagster remembers.

    Raises:
        UnknownPartition: there never was such a generation.
        NothingToRollBackTo: there is no earlier version, or it is erased, or its bytes or its record are gone.
        PromotionRefused: it reigns already.
    """
    standing = history.standing()
    if standing.generation == 0:
        raise NothingToRollBackTo(f"'{env}' never had a champion, so there is nothing to roll back from")
    if generation is not None:
        if not 1 <= generation <= standing.generation:
            raise UnknownPartition(
                f"'{env}' has no generation {generation}: expected one from 1 to {standing.generation}; see "
                f"`rlctl history {env}`"
            )
        target = next((reign for reign in standing.reigns if reign.generation == generation), None)
        if target is None:
            order = standing.erased.get(generation)
            raise NothingToRollBackTo(
                f"generation {generation} of '{env}' "
                + (f"was erased by order {order}" if order else "was vacated, so nothing served")
                + f": choose another; see `rlctl history {env}`"
            )
        if standing.production is not None and target.is_same(standing.production):
            raise PromotionRefused(
                f"generation {generation} of '{env}' is what reigns already (generation {standing.generation}): "
                "choose another"
            )
        return target, _whole_record(scope, target, log=log)
    passed_over = []
    for target in standing.archived:
        if target.weights_sha256 in standing.rolled_back:
            passed_over.append(f"generation {target.generation} was rolled back itself")
            continue
        try:
            return target, _whole_record(scope, target, log=log)
        except NothingToRollBackTo as error:
            passed_over.append(str(error))
    raise NothingToRollBackTo(
        f"'{env}' has no earlier version to roll back to"
        + (f": {'; '.join(passed_over)}; name one with --to" if passed_over else "; its first champion reigns")
    )


def _whole_record(scope: OutputScope, target: Champion, *, log: EventLog) -> Event:
    recorded = recorded_version(target.model, env=target.env, log=log)
    if recorded is None:
        raise NothingToRollBackTo(f"the record of generation {target.generation} is not in the event log")
    if scope.is_erased(recorded):
        raise NothingToRollBackTo(f"generation {target.generation} is erased")
    if not scope.is_intact(recorded):
        raise NothingToRollBackTo(
            f"the bytes of generation {target.generation} are lost or damaged: `rlctl doctor` names the files"
        )
    return recorded


def _standing_candidate(
    scope: OutputScope, *, env: str, history: ChampionHistory, log: EventLog
) -> tuple[Input, str, int, str]:
    """Policy, recipe and seed of what is staged, else of the newest candidate that the gates did not fail."""
    staging = history.standing().staging
    if staging is not None and staging.model is not None:
        model = staging.model
        policy = scope.open(find_policy(model, env=env, log=log))
        return policy, model.hparam, model.member_seed, "the staged version"
    gate = log.latest("gate_evaluations", env)
    if gate is None:
        known = sorted(log.latest_ids("gate_evaluations"))
        raise UnknownPartition(
            f"nothing was ever judged in env '{env}': expected one of {', '.join(known) or '(none yet)'}; run a sweep "
            "there first, or name a recipe"
        )
    facts = scope.open(gate, is_evidence=True).artifact.facts
    candidate = facts["candidate"]
    if facts["verdict"] == "fail":
        raise NothingToPromote(
            f"nothing is staged in '{env}', and its newest candidate '{candidate['hparam']}', member of seed "
            f"{candidate['member_seed']}, failed its gates: name the recipe to promote it all the same"
        )
    board = scope.open(log.at_input(gate, "eval_leaderboards", env), is_evidence=True)
    cell = f"{env}|{candidate['hparam']}"
    evaluation = log.at_input(board.event, "policy_evaluations", cell)
    policy = scope.open(log.at_input(evaluation, "trained_policies", cell))
    words = {"hold": "the newest candidate, which the gates held", "pass": "the newest candidate, which passed"}
    return policy, candidate["hparam"], candidate["member_seed"], words[facts["verdict"]]


def _newest_policy(env: str, hparam: str, log: EventLog) -> Event:
    found = log.latest("trained_policies", f"{env}|{hparam}")
    if found is not None:
        return found
    cells = [cell.split("|") for cell in log.latest_ids("trained_policies")]
    elsewhere = sorted(other for other, recipe in cells if recipe == hparam)
    if elsewhere:
        raise PromotionRefused(
            f"recipe '{hparam}' was trained in {', '.join(elsewhere)} and not in '{env}': a policy serves only the "
            "environment that it was trained in"
        )
    known = sorted(recipe for other, recipe in cells if other == env)
    if not known:
        envs = ", ".join(sorted({other for other, _ in cells})) or "(none yet)"
        raise UnknownPartition(f"nothing was ever trained in env '{env}': expected one of {envs}")
    raise UnknownPartition(f"no recipe '{hparam}' was trained in '{env}': expected one of {', '.join(known)}")


def _best_member(scope: OutputScope, policy: Input, *, env: str, log: EventLog) -> int:
    """The only member, or the one with the highest mean on selection episodes of exactly these bytes."""
    seeds = member_seeds(policy.artifact)
    if len(seeds) == 1:
        return seeds[0]
    for event in reversed(list(log.history("policy_evaluations", policy.event.partition))):
        read = {(item.asset, item.data_version) for item in event.inputs or ()}
        if ("trained_policies", policy.event.data_version) in read:
            episodes = load_episodes(scope.open(event, is_evidence=True).artifact)
            means = {seed: float(np.mean(records.returns)) for seed, records in episodes.items()}
            return min(means, key=lambda seed: (-means[seed], seed))
    raise PromotionRefused(
        f"{policy.event.partition} in '{env}' was not evaluated yet, so none of its members {seeds} is the best: name "
        "one with --seed"
    )


def _newest_verdict(
    scope: OutputScope, *, env: str, hparam: str, seed: int, weights: str, log: EventLog
) -> Input | None:
    """The newest verdict on exactly these weights."""
    for gate in reversed(list(log.history("gate_evaluations", env))):
        if (gate.metadata.get("candidate"), gate.metadata.get("member_seed")) != (hparam, seed):
            continue
        try:
            verdict = scope.open(gate, is_evidence=True)
        except (LineageError, StoreError):
            continue
        if verdict.artifact.facts["candidate"]["weights"] == weights:
            return verdict
    return None


def _refuse_unfit(policy: Input, seed: int, *, env: str) -> None:
    """Refuse a member whose bytes cannot be read, or that does not fit the environment as it is now."""
    name = f"policy '{policy.event.partition}'"
    config = EnvConfig.model_validate(policy.artifact.facts["env"])
    if env_key(config) != env:
        raise PromotionRefused(
            f"{name} was trained in '{env_key(config)}' and cannot serve '{env}': choose one that was trained there"
        )
    spec, _ = trained_member(policy.artifact, seed)
    try:
        spaces = describe_env(config)
    except BadInput as error:
        raise PromotionRefused(f"{name} cannot serve: {error}") from error
    now = PolicySpec.for_env(spaces, network=spec.network, normalizes_observations=spec.normalizes_observations)
    if (spec.actions, spec.observation_shape) != (now.actions, now.observation_shape):
        raise PromotionRefused(
            f"{name} sees {spec.observation_shape} and acts in {spec.actions.label}, but env '{env}' shows "
            f"{now.observation_shape} and takes {now.actions.label}: retrain it or choose another recipe"
        )
