"""Acting on a verdict: the candidate's exact bytes become the champion, or are staged, once."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from rl_assets.config.evaluation import GatesConfig
from rl_assets.errors import NothingToPromote, PromotionConflict
from rl_assets.resources.cells import read_plan
from rl_assets.resources.event_log import EventLog
from rl_assets.resources.gating import open_evaluated_policy
from rl_assets.resources.inputs import OutputScope, Publication
from rl_assets.resources.promoted_versions import as_champion, as_staged, publish_version
from rl_assets.store.history import ChampionHistory
from rl_assets.store.transitions import Transition


class Promotion:
    """The newest verdict of an environment, and what follows from it.

    Raises:
        InputNotFound: the gates of this environment were never evaluated.
    """

    def __init__(self, scope: OutputScope, *, env: str, history: ChampionHistory, log: EventLog) -> None:
        self._scope = scope
        self._env = env
        self._history = history
        self._log = log
        self._gate = scope.read("gate_evaluations", env, is_evidence=True)
        self._facts: Mapping[str, Any] = self._gate.artifact.facts

    @property
    def verdict_id(self) -> str:
        """Data version of the verdict; each is acted on once."""
        return self._gate.event.data_version

    @property
    def leads_to_staging(self) -> bool:
        """Whether the sweep that asked stages what passes, rather than promoting it."""
        return self._gates.promote_to == "staging"

    @property
    def reason_to_decline(self) -> str | None:
        """Why nothing is to be promoted, or None."""
        if self._facts["verdict"] != "pass":
            reasons = "; ".join(item["reason"] for item in self._facts["decisions"] if item["verdict"] != "pass")
            return f"the verdict is {self._facts['verdict']}: {reasons}"
        return "this verdict was acted on before" if self._acted_on() is not None else None

    def carry_out(self, *, actor: str, request: str = "") -> Publication:
        """Swap the champion, or stage the candidate, and publish it.

        Args:
            actor: the sensor or person that let it happen.
            request: id of the run, or of the first of those that it retries.

        Raises:
            NothingToPromote: the verdict is no pass, or was acted on before.
            PromotionConflict: the champion changed since the gates looked at it; the attempt is in the history.
        """
        if self.reason_to_decline is not None:
            raise NothingToPromote(f"{self._env}: {self.reason_to_decline}")
        board = self._scope.open(self._log.at_input(self._gate.event, "eval_leaderboards", self._env), is_evidence=True)
        policy = open_evaluated_policy(self._scope, board, env=self._env, log=self._log)
        candidate = self._facts["candidate"]
        publication, model = publish_version(
            self._scope,
            policy,
            hparam=candidate["hparam"],
            member_seed=candidate["member_seed"],
            verdict_id=self.verdict_id,
            verdict=self._gate.event,
            metadata={"gate_mean_return": self._facts["mean_returns"]["candidate_mean_return"]},
        )
        transition = Transition(
            env=self._env,
            action="stage" if self.leads_to_staging else "promote",
            model=model,
            actor=actor,
            at=datetime.now(UTC).isoformat(timespec="seconds"),
            reason="; ".join(f"{item['name']}: {item['reason']}" for item in self._facts["decisions"]),
            evidence=verdict_evidence(self.verdict_id, self._facts),
            request=request,
        )
        number = self._history.append(transition, expected_generation=self._compared_generation(transition))
        if transition.action == "stage":
            return as_staged(publication, transition, number)
        began = next(reign for reign in self._history.standing().reigns if reign.transition == number)
        return as_champion(publication, began)

    def _compared_generation(self, transition: Transition) -> int:
        """The reign of the champion that the gates compared the candidate with, which must be the current one."""
        standing = self._history.standing()
        reigning = None if standing.production is None else standing.production.data_version
        if reigning != self._facts["champion"]:
            error = PromotionConflict(
                f"the gates of '{self._env}' compared the candidate with champion {_short(self._facts['champion'])}, "
                f"but {_short(reigning)} reigns now: materialize gate_evaluations of '{self._env}' again"
            )
            self._history.note(replace(transition, outcome="lost", note=str(error)))
            raise error
        return standing.generation

    @property
    def _gates(self) -> GatesConfig:
        """The gates as the sweep that the verdict read says."""
        read = next(item for item in self._gate.event.inputs or () if item.asset == "sweep_configs")
        sweep = self._log.at("sweep_configs", str(read.partition), read.event_id)
        return read_plan(self._scope, sweep, is_evidence=True).gates

    def _acted_on(self) -> Transition | None:
        """The history's entry that this verdict led to, if it did."""
        return next(
            (
                entry
                for entry in self._history.transitions()
                if entry.outcome == "done" and entry.evidence.get("id") == self.verdict_id
            ),
            None,
        )


def verdict_evidence(verdict_id: str, facts: Mapping[str, Any]) -> dict[str, Any]:
    """What a transition keeps of a verdict."""
    return {"id": verdict_id, "verdict": facts["verdict"], "decisions": facts["decisions"]}


def _short(version: str | None) -> str:
    return "none" if version is None else f"'{version[:12]}'"
