"""Changing production by hand, each time with a reason, and the history of that and of what sensors did."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import dagster as dg

from rl_assets.api.drive import error_of, execute, reason_of, tell_receivers
from rl_assets.api.installation import Installation
from rl_assets.api.queries import champion
from rl_assets.defs.partitions import ENVS, add_keys
from rl_assets.errors import PromotionError, UnknownPartition
from rl_assets.resources.actors import Actor, Roles, acting_as, os_user
from rl_assets.resources.inputs import Inputs
from rl_assets.resources.manual_decisions import Decision, refusals_noted
from rl_assets.resources.manual_promotion import choose_member, choose_version
from rl_assets.store.history import ChampionHistory
from rl_assets.store.objects import ObjectStore

PROMOTED = "promoted_models"


def promote(
    installation: Installation,
    env: str,
    hparam: str | None = None,
    *,
    seed: int | None = None,
    reason: str,
    actor: Actor | None = None,
    on_event: Callable[[str], None] | None = None,
) -> dict[str, Any]:
    """Put one member's exact weights into production by hand.

    Args:
        installation: where.
        env: env key.
        hparam: recipe; None: what is staged, else the newest candidate that the gates held.
        seed: member of the recipe; None: its best on selection episodes.
        reason: kept in the history for good; no clients' names.
        actor: who decides; None: the operating system's user, as a claim.
        on_event: is told what was chosen.

    Returns:
        The new champion, as `champion` does.

    Raises:
        BadInput: no reason, or one that names a client; or the environment, recipe or seed does not exist. Nothing was
            launched.
        PromotionRefused: a rule forbids it; nothing was launched, and the attempt is in the history.
        PromotionConflict: somebody else changed production in the meantime; the attempt is in the history.
        StoreError: the member's bytes are gone or damaged.
    """
    decision = Decision(
        env=env,
        action="promote",
        actor=actor or os_user(),
        reason=reason,
        hparam=hparam,
        member_seed=seed,
    )
    history, inputs = _history(installation, env), _inputs(installation)
    expected = _check(installation, decision, history)
    with refusals_noted(decision, history), inputs.for_output(PROMOTED, env) as scope:
        chosen = choose_member(scope, env=env, hparam=hparam, seed=seed, history=history, log=installation.log)
    verdict = chosen.evidence.get("verdict")
    judged = f"the gates' verdict on it is {verdict}" if verdict else "no gate has judged it"
    (on_event or (lambda _: None))(
        f"promoting {chosen.origin} in '{env}': {chosen.hparam}, member of seed {chosen.member_seed}; {judged}"
    )
    target = {"hparam": chosen.hparam, "member_seed": chosen.member_seed}
    return _carry_out(installation, decision, target, expected_generation=expected)


def rollback(
    installation: Installation,
    env: str,
    *,
    to: int | None = None,
    reason: str,
    actor: Actor | None = None,
    on_event: Callable[[str], None] | None = None,
) -> dict[str, Any]:
    """Put an earlier version back into production.

    Args:
        installation: where.
        env: env key.
        to: the generation to go back to; None: the newest archived version that is whole and was not rolled back.
        reason: kept in the history for good; no clients' names.
        actor: who decides; None: the operating system's user, as a claim.
        on_event: is told what was chosen.

    Returns:
        The new champion, as `champion` does.

    Raises:
        BadInput: no reason, or one that names a client; or the environment does not exist. Nothing was launched.
        PromotionRefused: there is nothing to roll back to, or a rule forbids it; nothing was launched, and the attempt
            is in the history.
        PromotionConflict: somebody else changed production in the meantime; the attempt is in the history.
    """
    decision = Decision(env=env, action="roll_back", actor=actor or os_user(), reason=reason, to_generation=to)
    history, inputs = _history(installation, env), _inputs(installation)
    expected = _check(installation, decision, history)
    with refusals_noted(decision, history), inputs.for_output(PROMOTED, env) as scope:
        target, _ = choose_version(scope, env=env, generation=to, history=history, log=installation.log)
    (on_event or (lambda _: None))(
        f"rolling '{env}' back to generation {target.generation}: {target.hparam}, member of seed {target.member_seed}"
    )
    return _carry_out(installation, decision, {"to_generation": target.generation}, expected_generation=expected)


def history(installation: Installation, env: str) -> dict[str, Any]:
    """Every change of an environment's models, every attempt at one and every verdict, and what stands now.

    Returns:
        `{"env", "generation", "production", "vacated", "staging", "archived", "transitions", "verdicts"}`; `vacated` is
        the transition since which nothing serves, if there is one; production and archived
        versions are as `champion` gives them, a transition has its `number`, its `title` and the fields of
        `Transition`. Verdicts have `at`, `id`, `verdict`, `hparam`, `member_seed`, `decisions`, and where they were
        asked for again the `renewal` and who `asked_by`; one that was given again stands once, and one that is erased
        not at all. Both lists are oldest first.

    Raises:
        UnknownPartition: nothing was ever judged, promoted, staged or tried there.
        CorruptObject: the history is damaged.
    """
    kept = _history(installation, env)
    transitions, standing = kept.transitions(), kept.standing()
    verdicts = _verdicts(installation, env)
    if not transitions and not verdicts:
        known = sorted(installation.log.latest_ids("gate_evaluations"))
        raise UnknownPartition(
            f"no history for env '{env}': expected one of {', '.join(known) or '(none yet)'}; it begins with the first "
            "verdict"
        )
    return {
        "env": env,
        "generation": standing.generation,
        "production": None if standing.production is None else standing.production.to_json(),
        "vacated": None if standing.vacated is None else standing.vacated.to_json(),
        "staging": None if standing.staging is None else standing.staging.to_json(),
        "archived": [version.to_json() for version in standing.archived],
        "transitions": [
            {"number": number, "title": entry.title} | entry.to_json()
            for number, entry in enumerate(transitions, start=1)
        ],
        "verdicts": verdicts,
    }


def _verdicts(installation: Installation, env: str) -> list[dict[str, Any]]:
    """What the gates of an environment said, oldest first."""
    found: dict[str, dict[str, Any]] = {}
    with _inputs(installation).for_output("query", env) as scope:
        for event in installation.log.history("gate_evaluations", env):
            if event.data_version not in found and not scope.is_erased(event):
                facts = scope.open(event).artifact.facts
                found[event.data_version] = {
                    "at": datetime.fromtimestamp(event.timestamp, UTC).isoformat(timespec="seconds"),
                    "id": event.data_version,
                    "verdict": facts["verdict"],
                    "hparam": facts["candidate"]["hparam"],
                    "member_seed": facts["candidate"]["member_seed"],
                    "decisions": facts["decisions"],
                    "renewal": facts["renewal"],
                    "asked_by": event.metadata.get("asked_by", ""),
                }
    return list(found.values())


def _check(installation: Installation, decision: Decision, history: ChampionHistory) -> int:
    """Refuse what cannot be right or may not be asked; the generation that reigns as the decision is made."""
    home = installation.home
    with refusals_noted(decision, history):
        decision.check(
            register=installation.register, roles=Roles(file=home.roles_file, state=home.state), log=installation.log
        )
    return history.reign()


def _carry_out(
    installation: Installation, decision: Decision, target: dict[str, Any], *, expected_generation: int
) -> dict[str, Any]:
    """Let a run of `promoted_models` carry the decision out in this process."""
    config = {
        "action": decision.action,
        "actor": decision.actor.name,
        "reason": decision.reason,
        "expected_generation": expected_generation,
        **target,
    }
    add_keys(installation.instance, ENVS, [decision.env])
    with tell_receivers(installation), acting_as(decision.actor):
        result = execute(
            installation,
            assets=[dg.AssetKey(PROMOTED)],
            partition=decision.env,
            tags={"rl/env": decision.env},
            run_config={"ops": {PROMOTED: {"config": config}}},
        )
    if not result.success:
        raise error_of(result) or PromotionError(f"{decision.env}: {reason_of(result)}")
    return champion(installation, decision.env)


def _history(installation: Installation, env: str) -> ChampionHistory:
    return ChampionHistory(ObjectStore(installation.home.store_url), env)


def _inputs(installation: Installation) -> Inputs:
    return Inputs(log=installation.log, store=ObjectStore(installation.home.store_url))
