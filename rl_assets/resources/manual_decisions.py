"""A person's decision about production: who may take it, and how it is carried out or refused, with a trace of it."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Literal

from rl_assets.config.roles import Role
from rl_assets.datasets.register import ClientRegister
from rl_assets.errors import BadInput, CorruptObject, ObjectNotFound, PromotionRefused, RoleMissing, UnknownPartition
from rl_assets.resources.actors import Actor, Roles
from rl_assets.resources.event_log import EventLog
from rl_assets.resources.inputs import OutputScope, Publication
from rl_assets.resources.manual_promotion import choose_member, choose_version
from rl_assets.resources.promoted_versions import as_champion, publish_version
from rl_assets.store.history import ChampionHistory
from rl_assets.store.standing import Champion
from rl_assets.store.transitions import Transition

ROLE: Role = "promoter"

_VERBS = {"promote": "promote in", "roll_back": "roll back"}


@dataclass(frozen=True, kw_only=True)
class Decision:
    """What a person wants in production, and why."""

    env: str
    action: Literal["promote", "roll_back"]
    actor: Actor
    reason: str
    hparam: str | None = None
    """Recipe to promote; None: what is staged, else what the gates held."""
    member_seed: int | None = None
    to_generation: int | None = None
    """Reign to roll back to; None: the newest archived one that is whole."""
    expected_generation: int | None = None
    """How often production had changed when it was decided; None: whatever stands when it is carried out."""
    request: str = ""
    """Id of the run, or of the first of those that it retries."""

    def check(self, *, register: ClientRegister, roles: Roles, log: EventLog) -> None:
        """Refuse a decision without a reason, a known environment or the right to take it.

        Raises:
            BadInput: no reason is given, or it names a client.
            UnknownPartition: nothing was ever trained in the environment.
            RoleMissing: the actor does not hold the role.
        """
        if not self.reason.strip():
            raise BadInput(
                f"a decision about production in '{self.env}' needs a reason, as the history keeps it: "
                "add --reason TEXT"
            )
        register.refuse_client_names(self.reason, field="reason")
        envs = sorted({cell.split("|")[0] for cell in log.latest_ids("trained_policies")})
        if self.env not in envs:
            raise UnknownPartition(
                f"nothing was ever trained in env '{self.env}': expected one of {', '.join(envs) or '(none yet)'}"
            )
        roles.require(self.actor, ROLE, to=f"{_VERBS[self.action]} '{self.env}'")

    def attempt(self, note: str, *, role: str = ROLE) -> Transition:
        """The entry of this decision in the history where it was refused.

        Args:
            note: why.
            role: in which the actor asked; empty where it was not held.
        """
        return Transition(
            env=self.env,
            action=self.action,
            outcome="refused",
            model=None,
            actor=self.actor.name,
            is_verified=self.actor.is_verified,
            role=role,
            at=datetime.now(UTC).isoformat(timespec="seconds"),
            reason=self.reason,
            request=self.request,
            note=note,
        )


@contextmanager
def refusals_noted(decision: Decision, history: ChampionHistory) -> Iterator[None]:
    """Leave a trace of what is refused in the block; what names nothing that exists leaves none."""
    try:
        yield
    except (PromotionRefused, CorruptObject, ObjectNotFound) as error:
        asked = f" (asked for recipe '{decision.hparam}')" if decision.hparam is not None else ""
        role = "" if isinstance(error, RoleMissing) else ROLE
        history.note(decision.attempt(f"{error}{asked}", role=role))
        raise


def carry_out(scope: OutputScope, decision: Decision, *, history: ChampionHistory, log: EventLog) -> Publication | None:
    """Change production as a person decided.

    Args:
        scope: of `promoted_models` in this environment.
        decision: checked.
        history: the environment's models.
        log: what Dagster remembers.

    Returns:
        The new champion, to be logged; None where an earlier run of the same request changed production.

    Raises:
        PromotionConflict: somebody else changed production since it was decided; the attempt is in the history.
        PromotionRefused: the version cannot take over.
        StoreError: its bytes are gone or damaged.
        LineageError: its record is gone.
        UnknownPartition: there is no such recipe or seed.
    """
    if any(entry.request == decision.request and entry.changes_production for entry in history.transitions()):
        return None
    expected = decision.expected_generation
    expected = history.reign() if expected is None else expected
    attempt = decision.attempt("")
    if decision.action == "promote":
        chosen = choose_member(
            scope, env=decision.env, hparam=decision.hparam, seed=decision.member_seed, history=history, log=log
        )
        publication, model = publish_version(
            scope,
            chosen.policy,
            hparam=chosen.hparam,
            member_seed=chosen.member_seed,
            verdict_id=chosen.evidence["id"],
            verdict=chosen.verdict,
            metadata={},
        )
        evidence = chosen.evidence
    else:
        target, recorded = choose_version(
            scope, env=decision.env, generation=decision.to_generation, history=history, log=log
        )
        publication, model = scope.republish(recorded), target.model
        evidence = {**target.verdict, "rolled_back_to": target.generation}
    number = history.append(
        replace(attempt, outcome="done", model=model, evidence=evidence), expected_generation=expected
    )
    return as_champion(publication, _reign_of(number, history))


def _reign_of(number: int, history: ChampionHistory) -> Champion:
    """The reign that an entry began; somebody else's may have followed."""
    return next(reign for reign in history.standing().reigns if reign.transition == number)
