"""What becomes of production where a champion's data is erased: an untainted version takes over, or nobody does."""

from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime

import dagster as dg

from rl_assets.erasure.plan import ChampionChange, ErasurePlan
from rl_assets.errors import LineageError, PromotionConflict, StoreError
from rl_assets.resources.erasing.estate import Estate
from rl_assets.resources.event_log import TRANSITION_KEY
from rl_assets.resources.inputs import Inputs, Publication
from rl_assets.resources.promoted_versions import PROMOTED, as_champion, publish_again
from rl_assets.store.history import ChampionHistory
from rl_assets.store.standing import Champion
from rl_assets.store.transitions import Transition

ROLE = "eraser"


@dataclass(frozen=True, kw_only=True)
class Succession:
    """What was done in one environment."""

    env: str
    action: str
    """`roll_back` or `vacate`."""
    generation: int | None
    """Of the reign that serves again; None where nothing does."""


class Champions:
    """Changes production on behalf of an order; doing it again changes nothing.

    Args:
        estate: where.
        order: id of the order, which every entry names.
        actor: who confirmed it.
        is_verified: whether somebody vouched for the actor.
        on_event: is told what became of production.
    """

    def __init__(
        self, estate: Estate, *, order: str, actor: str, is_verified: bool, on_event: Callable[[str], None]
    ) -> None:
        self._estate, self._order, self._actor, self._is_verified = estate, order, actor, is_verified
        self._tell = on_event

    def succeed(self, changes: Iterable[ChampionChange]) -> None:
        """Take erased champions out of production.

        Raises:
            StoreError: a history is damaged, or cannot be written.
        """
        for change in changes:
            history = ChampionHistory(self._estate.store, change.env)
            if change.action == "keep" or change.production is None or self._ours(history) is not None:
                continue
            # Where somebody changed production since it was planned, they did so with what is not erased.
            if history.standing().generation == change.production:
                target = self._servable(change, history)
                with suppress(PromotionConflict):
                    history.append(self._transition(change.env, target), expected_generation=change.production)

    def announce(self, changes: Iterable[ChampionChange]) -> tuple[Succession, ...]:
        """Tell Dagster's log, and so the UI and those who are told of things, what became of production.

        Raises:
            StoreError: a history is damaged, or the bytes of a version that took over are.
        """
        found = []
        for change in changes:
            history = ChampionHistory(self._estate.store, change.env)
            done = self._ours(history)
            if done is not None:
                found.append(self._record(change.env, history, done))
        return tuple(found)

    def redact(self, plan: ErasurePlan) -> int:
        """Leave hashes alone in the histories' entries on what goes.

        Returns:
            How many entries changed.

        Raises:
            StoreError: a history is damaged, or cannot be written.
        """
        versions = frozenset(event.data_version for event in plan.erased)
        store = self._estate.store
        return sum(
            ChampionHistory(store, env).redact(versions, order=self._order) for env in store.folders("champions")
        )

    def _ours(self, history: ChampionHistory) -> Transition | None:
        """What this order has done in an environment."""
        entries = history.transitions()
        return next((entry for entry in entries if entry.request == self._order and entry.outcome == "done"), None)

    def _servable(self, change: ChampionChange, history: ChampionHistory) -> Champion | None:
        """The newest version that was in production, is not erased and is whole, from the planned one down."""
        if change.replacement is None:
            return None
        standing = history.standing()
        able = [
            reign
            for reign in reversed(standing.reigns)
            if reign.generation not in change.erased_generations and reign.weights_sha256 not in standing.rolled_back
        ]
        for reign in able:
            try:
                self._publish(change.env, reign)
            except (StoreError, LineageError) as error:
                self._tell(f"{change.env}: generation {reign.generation} cannot take over: {error}")
            else:
                return reign
        return None

    def _transition(self, env: str, target: Champion | None) -> Transition:
        return Transition(
            env=env,
            action="vacate" if target is None else "roll_back",
            model=None if target is None else target.model,
            actor=self._actor,
            is_verified=self._is_verified,
            role=ROLE,
            at=datetime.now(UTC).isoformat(timespec="seconds"),
            reason=f"the champion's data was erased by order {self._order}",
            evidence={} if target is None else {**target.verdict, "rolled_back_to": target.generation},
            request=self._order,
        )

    def _record(self, env: str, history: ChampionHistory, done: Transition) -> Succession:
        """One record, unless the log has it."""
        number, log = history.transitions().index(done) + 1, self._estate.log
        records = [*log.versions(PROMOTED, env), *(item for item in log.vacancies(PROMOTED) if item.partition == env)]
        known = any(event.metadata.get(TRANSITION_KEY) == number for event in records)
        if done.action == "vacate":
            if not known:
                self._estate.instance.report_runless_asset_event(_vacancy(done, number))
                self._tell(
                    f"{env}: nobody is in production any more: no version is left that did not stand on the data"
                )
            return Succession(env=env, action="vacate", generation=None)
        began = next(reign for reign in history.standing().reigns if reign.transition == number)
        if not known:
            self._log(as_champion(self._publish(env, began), began))
            self._tell(f"{env}: rolled back to {began.hparam}, member of seed {began.member_seed}")
        return Succession(env=env, action="roll_back", generation=began.generation)

    def _publish(self, env: str, reign: Champion) -> Publication:
        inputs = Inputs(log=self._estate.log, store=self._estate.store)
        with inputs.for_output(PROMOTED, env) as scope:
            return publish_again(
                scope, reign.model, env=env, verdict_id=str(reign.verdict.get("id")), log=self._estate.log
            )

    def _log(self, publication: Publication) -> None:
        self._estate.instance.report_runless_asset_event(
            publication.as_event(dg.DynamicPartitionsDefinition(name="env"))
        )


def _vacancy(done: Transition, number: int) -> dg.AssetObservation:
    """A record that nothing is in production, for the UI and for those who are told."""
    return dg.AssetObservation(
        asset_key=dg.AssetKey(PROMOTED),
        partition=done.env,
        metadata={
            "stage": "vacated",
            "action": done.action,
            "actor": done.actor,
            "actor_is_verified": done.is_verified,
            "role": done.role,
            "reason": done.reason,
            TRANSITION_KEY: number,
        },
    )
