"""Acting on a verdict: the candidate's exact bytes become the champion, once."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from rl_assets.errors import NothingToPromote, PromotionConflict
from rl_assets.resources.event_log import EventLog
from rl_assets.resources.gating import open_evaluated_policy
from rl_assets.resources.inputs import OutputScope, Publication
from rl_assets.store.artifacts import Artifact
from rl_assets.store.bundles import CHAMPION_FILE, policy_file
from rl_assets.store.history import Champion, ChampionHistory


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
    def reason_to_decline(self) -> str | None:
        """Why nothing is to be promoted, or None."""
        if self._facts["verdict"] != "pass":
            reasons = "; ".join(item["reason"] for item in self._facts["decisions"] if item["verdict"] != "pass")
            return f"the verdict is {self._facts['verdict']}: {reasons}"
        if self._acted_on() is not None and self._is_logged():
            return "this verdict was acted on before"
        return None

    def carry_out(self, *, actor: str) -> Publication:
        """Swap the champion and publish it.

        A run that died between the swap and its event is completed here: the history's entry is published, not added.

        Raises:
            NothingToPromote: the verdict is no pass, or was acted on before.
            PromotionConflict: the champion changed since the gates looked at it.
        """
        if self.reason_to_decline is not None:
            raise NothingToPromote(f"{self._env}: {self.reason_to_decline}")
        board = self._scope.open(self._log.at_input(self._gate.event, "eval_leaderboards", self._env), is_evidence=True)
        policy = open_evaluated_policy(self._scope, board, env=self._env, log=self._log)
        candidate = self._facts["candidate"]
        publication = self._publish(policy.artifact, candidate)
        entry = self._acted_on() or self._swap(publication, policy.artifact, candidate, actor=actor)
        return publication.with_metadata(
            {
                "generation": entry.generation,
                "promoted_at": entry.promoted_at,
                "actor": entry.actor,
                "reason": entry.reason,
            }
        )

    def _swap(self, publication: Publication, policy: Artifact, candidate: dict[str, Any], *, actor: str) -> Champion:
        """Add the candidate to the history if the champion is still the one that the gates compared it with."""
        current = self._history.current()
        reigning = None if current is None else current.data_version
        if reigning != self._facts["champion"]:
            raise PromotionConflict(
                f"the gates of '{self._env}' compared the candidate with champion {_short(self._facts['champion'])}, "
                "but "
                f"{_short(reigning)} reigns now: materialize gate_evaluations of '{self._env}' again"
            )
        generation = 0 if current is None else current.generation
        return self._history.append(
            Champion(
                env=self._env,
                hparam=candidate["hparam"],
                member_seed=candidate["member_seed"],
                policy=policy.ref.to_json(),
                data_version=publication.data_version,
                verdict={"id": self.verdict_id, "decisions": self._facts["decisions"]},
                promoted_at=datetime.now(UTC).isoformat(timespec="seconds"),
                actor=actor,
                reason="; ".join(f"{item['name']}: {item['reason']}" for item in self._facts["decisions"]),
                generation=generation + 1,
            ),
            expected_generation=generation,
        )

    def _publish(self, policy: Artifact, candidate: dict[str, Any]) -> Publication:
        return self._scope.publish(
            kind="promoted_model",
            files={CHAMPION_FILE: policy.read(policy_file(candidate["member_seed"]))},
            facts=model_facts(
                policy, hparam=candidate["hparam"], member_seed=candidate["member_seed"], verdict=self.verdict_id
            ),
            config_hash=self._gate.event.metadata["rl/config_hash"],
            metadata={
                "hparam": candidate["hparam"],
                "member_seed": candidate["member_seed"],
                "gate_mean_return": self._facts["mean_returns"]["candidate_mean_return"],
                "weights_sha256": policy.checksum(policy_file(candidate["member_seed"])),
                "verdict_id": self.verdict_id,
            },
        )

    def _acted_on(self) -> Champion | None:
        """The history's entry that this verdict led to, if it did."""
        return next((entry for entry in self._history.entries() if entry.verdict.get("id") == self.verdict_id), None)

    def _is_logged(self) -> bool:
        """Whether the promotion that this verdict led to is in the event log too."""
        return any(
            event.metadata.get("verdict_id") == self.verdict_id
            for event in self._log.history("promoted_models", self._env)
        )


def model_facts(policy: Artifact, *, hparam: str, member_seed: int, verdict: str) -> dict[str, Any]:
    """What a promoted model says of itself: enough to act, and which verdict it owes its place to."""
    return {
        "env": policy.facts["env"],
        "hparam": hparam,
        "member_seed": member_seed,
        "policy": policy.facts["policy"],
        "verdict": verdict,
    }


def _short(version: str | None) -> str:
    return "none" if version is None else f"'{version[:12]}'"
