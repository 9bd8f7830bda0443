"""The question that the gates of an environment answer: may this member's exact weights replace those?"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import dagster as dg
import numpy as np

from rl_assets.config.canonical import config_hash
from rl_assets.config.evaluation import GatesConfig
from rl_assets.config.keys import short_hash
from rl_assets.errors import InputNotFound
from rl_assets.resources.cells import read_plan
from rl_assets.resources.demand import read_demand
from rl_assets.resources.event_log import Event, EventLog
from rl_assets.resources.gate_setup import champions_policy, gate_providers, metrics_to_play, rules_for
from rl_assets.resources.inputs import Input, Inputs, OutputScope, Publication
from rl_assets.resources.stages import FLAWS_KEY, GATES_KEY, gates_version
from rl_assets.rl.evaluation import EpisodeRecords, join_episodes
from rl_assets.rl.policy import PolicySpec
from rl_assets.rl.seeding import gate_seeds
from rl_assets.rl.trials import first_episodes
from rl_assets.statistics.gate_rules import BEATS_CHAMPION, IS_INTACT, POWER_IMPROVEMENT, GateRules, power_to_see
from rl_assets.statistics.gates import GateDecision, combine, hold
from rl_assets.statistics.spending import MAX_LOOKS, alpha_of_test, decide_by_looks
from rl_assets.store.artifacts import Artifact
from rl_assets.store.bundles import (
    EPISODES_FILE,
    champion_weights,
    encode_episodes,
    policy_file,
    promoted_member,
    trained_member,
)

QUESTION_KEY = "rl/question"
VERDICT_KEY = "rl/verdict"
Facts = dict[str, Any]
Contender = tuple[PolicySpec, Mapping[str, Any]]
"""Spec and tensors of one policy."""


class GateQuestion:
    """Candidate, champion and gates of one environment, read in the scope of its gate evaluation.

    Args:
        scope: of `gate_evaluations` in this environment.
        env: env key.
        inputs: the event log and the store behind the scope.
        renewal: why what was answered before is asked again with fresh episodes; empty: it is not.
        asked_by: who asks again.

    Raises:
        InputNotFound: there is no leaderboard yet, or its candidate is not asked for any more.
    """

    def __init__(self, scope: OutputScope, *, env: str, inputs: Inputs, renewal: str = "", asked_by: str = "") -> None:
        self._scope = scope
        self._inputs = inputs
        self._env_key = env
        self._renewal, self._asked_by = renewal.strip(), asked_by
        self._board = scope.read("eval_leaderboards", env, is_evidence=True)
        self._candidate: dict[str, Any] = self._board.artifact.facts["candidate"]
        self._champion = self._read_champion()
        self._flaws, self._policy = self._read_policy()
        sweep = read_demand(inputs.log).sweep_for(env, self._candidate["hparam"])
        if sweep is None:
            raise InputNotFound(
                f"the candidate '{self._candidate['hparam']}' of '{env}' is not asked for by any sweep any more: "
                "materialize eval_leaderboards again"
            )
        plan = read_plan(scope, sweep, is_evidence=True)
        self._env = plan.envs[env]
        self._gates: GatesConfig = plan.gates
        self._is_deterministic = plan.evaluation.deterministic

    @property
    def key(self) -> str:
        """The same for the same two sets of weights under the same gates; it also decides the episodes' seeds."""
        words = [self._env_key, self._weights, self._champion_weights, self._gates_version]
        return short_hash([*words, self._renewal] if self._renewal else words)

    def answer(self, *, asked_at: datetime) -> tuple[Publication, tuple[GateDecision, ...]]:
        """The verdict with its decisions: the first answer to this very question if there is one, else a new one.

        Args:
            asked_at: with a time zone; goes to the ledger of tests alone.

        Raises:
            GateFault: an installed gate or a metric misbehaved.
            EnvironmentFault: an episode could not be played.
        """
        if self._flaws:
            flawed = GateDecision(name=IS_INTACT, verdict="fail", reason="; ".join(self._flaws), numbers={})
            return self._publish(self._facts((flawed,)), {}, question="")
        reason = self._reason_not_to_play()
        if reason is not None:
            return self._publish(self._facts((_intact(), hold(BEATS_CHAMPION, reason))), {}, question="")
        earlier = self._earlier_answer()
        if earlier is not None:
            files = {EPISODES_FILE: earlier.read(EPISODES_FILE)}
            return self._publish(earlier.facts, files, question=self.key, was_asked_before=True)
        facts, episodes = self._judge(asked_at)
        return self._publish(facts, {EPISODES_FILE: encode_episodes(dict(enumerate(episodes)))}, question=self.key)

    def _reason_not_to_play(self) -> str | None:
        """Why no episodes are worth playing, or None."""
        if self._weights == self._champion_weights:
            return "the candidate is the reigning champion, byte for byte"
        rollback = self._inputs.champions(self._env_key).was_rolled_back(self._weights or "")
        if rollback is not None:
            return (
                f"{rollback.actor} rolled these very weights back on {rollback.at[:10]} ({rollback.reason}): only a "
                f"person may promote them again, with `rlctl promote {self._env_key}`"
            )
        return None

    def _earlier_answer(self) -> Artifact | None:
        for event in self._inputs.log.history("gate_evaluations", self._env_key):
            if event.metadata.get(QUESTION_KEY) == self.key and self._scope.is_intact(event):
                return self._scope.open(event).artifact
        return None

    def _judge(self, asked_at: datetime) -> tuple[Facts, list[EpisodeRecords]]:
        """Claim a test of this reign, then look at fresh episodes until the gates can tell."""
        assert self._policy is not None, "a flawed candidate is never judged"
        contenders = self._contenders()
        rules = self._rules()
        ledger = self._inputs.alpha_ledger(self._env_key, reign=self._inputs.champions(self._env_key).reign())
        test = ledger.claim(self.key, claimed_at=asked_at.isoformat(timespec="seconds"))
        alpha = alpha_of_test(test.number, confidence=self._gates.confidence)
        episodes: list[EpisodeRecords] = []

        def ask(look: int, confidence: float) -> tuple[GateDecision, ...]:
            fresh = self._play(contenders, look)
            episodes[:] = [join_episodes(parts) for parts in zip(episodes, fresh, strict=True)] if episodes else fresh
            return rules.decide(episodes[0], episodes[1] if len(episodes) > 1 else None, confidence=confidence)

        decisions, looks = decide_by_looks(ask, alpha=alpha)
        decisions = tuple(self._with_power(decision, episodes, alpha) for decision in decisions)
        spent = {"reign": ledger.reign, "test": test.number, "alpha": alpha, "looks": looks}
        return self._facts((_intact(), *decisions), episodes, spent), episodes

    def _rules(self) -> GateRules:
        assert self._policy is not None
        reigning = champions_policy(self._champion, log=self._inputs.log)
        return rules_for(
            self._gates,
            env=self._env,
            env_key=self._env_key,
            candidate=(self._policy.artifact, self._candidate["member_seed"]),
            champion=None
            if reigning is None
            else (self._scope.open(reigning[0], is_evidence=True).artifact, reigning[1]),
        )

    def _contenders(self) -> Sequence[Contender]:
        """The candidate and the champion, read before a test is claimed: what cannot be read spends nothing."""
        assert self._policy is not None
        contenders = [trained_member(self._policy.artifact, self._candidate["member_seed"])]
        if self._champion is not None:
            contenders.append(promoted_member(self._champion.artifact))
        return contenders

    def _play(self, contenders: Sequence[Contender], look: int) -> list[EpisodeRecords]:
        """A look's fresh episodes of the candidate and the champion on the same starts, each the first of a stream."""
        num = self._gates.num_episodes
        seeds = gate_seeds(env_key=self._env_key, question=self.key, num_envs=num * MAX_LOOKS)
        return first_episodes(
            self._env,
            contenders,
            seeds=seeds[(look - 1) * num : look * num],
            deterministic=self._is_deterministic,
            metrics=metrics_to_play(self._gates),
        )

    def _with_power(self, decision: GateDecision, episodes: Sequence[EpisodeRecords], alpha: float) -> GateDecision:
        """Let a comparison tell what it could have seen."""
        if decision.name != BEATS_CHAMPION or len(episodes) < 2 or not decision.numbers:
            return decision
        power = power_to_see(
            episodes[0].returns, episodes[1].returns, num_episodes=self._gates.num_episodes, alpha=alpha
        )
        if power is None:
            return decision
        told = (
            f"{decision.reason} (an improvement of {POWER_IMPROVEMENT:g} standard deviations between episodes is seen "
            f"in {100 * power:.3g} % of cases)"
        )
        numbers = {**decision.numbers, "power": power}
        return GateDecision(name=decision.name, verdict=decision.verdict, reason=told, numbers=numbers)

    def _facts(
        self,
        decisions: Sequence[GateDecision],
        episodes: Sequence[EpisodeRecords] = (),
        spent: Mapping[str, Any] | None = None,
    ) -> Facts:
        names = ("candidate_mean_return", "champion_mean_return")
        return {
            "env": self._env_key,
            "question": self.key if episodes else None,
            "renewal": self._renewal,
            "candidate": self._candidate | {"weights": self._weights},
            "champion_weights": self._champion_weights,
            "champion": None if self._champion is None else self._champion.event.data_version,
            "verdict": combine(decisions),
            "decisions": [decision.to_json() for decision in decisions],
            "mean_returns": {
                name: float(np.mean(records.returns)) for name, records in zip(names, episodes, strict=False)
            },
            "num_episodes": len(episodes[0].returns) if episodes else 0,
            "spent": dict(spent or {}),
        }

    def _publish(
        self, facts: Mapping[str, Any], files: Mapping[str, bytes], *, question: str, was_asked_before: bool = False
    ) -> tuple[Publication, tuple[GateDecision, ...]]:
        decisions = tuple(GateDecision.from_json(item) for item in facts["decisions"])
        publication = self._scope.publish(
            kind="gate_evaluation",
            files=files,
            facts=facts,
            config_hash=config_hash(self._gates),
            metadata={
                "verdict": facts["verdict"],
                "candidate": self._candidate["hparam"],
                "member_seed": self._candidate["member_seed"],
                "num_episodes": facts["num_episodes"],
                **facts["spent"],
                **facts["mean_returns"],
                "reasons": dg.MetadataValue.md(
                    "\n".join(f"- **{item.name}** {item.verdict}: {item.reason}" for item in decisions)
                ),
                "was_asked_before": was_asked_before,
                QUESTION_KEY: question,
                VERDICT_KEY: facts["verdict"],
                GATES_KEY: self._gates_version,
                **({"asked_by": self._asked_by} if self._asked_by else {}),
                **({"plugins": dg.MetadataValue.json(gate_providers(self._gates))} if self._gates.plugins else {}),
                **({FLAWS_KEY: dg.MetadataValue.json(list(self._flaws))} if self._flaws else {}),
            },
        )
        return publication, decisions

    @property
    def _gates_version(self) -> str:
        return gates_version(self._gates, is_deterministic=self._is_deterministic)

    @property
    def _weights(self) -> str | None:
        if self._policy is None:
            return None
        return self._policy.artifact.checksum(policy_file(self._candidate["member_seed"]))

    @property
    def _champion_weights(self) -> str | None:
        return None if self._champion is None else champion_weights(self._champion.artifact)

    def _read_champion(self) -> Input | None:
        if self._inputs.champions(self._env_key).standing().vacated is not None:
            return None  # the log may still hold what reigned before
        event = self._scope.find("promoted_models", self._env_key)
        return None if event is None else self._scope.open(event)

    def _read_policy(self) -> tuple[tuple[str, ...], Input | None]:
        """What is wrong with the candidate, or the candidate where nothing is."""
        try:
            evaluation, policy = evaluated_policy(self._board, env=self._env_key, log=self._inputs.log)
        except InputNotFound as error:
            return (str(error),), None
        flaws = self._scope.flaws(policy)
        if flaws:
            return flaws, None
        self._scope.open(evaluation, is_evidence=True)
        return (), self._scope.open(policy)


def open_evaluated_policy(scope: OutputScope, board: Input, *, env: str, log: EventLog) -> Input:
    """Open the very policy whose evaluation put it at the top, by exact event, however much was trained since."""
    evaluation, policy = evaluated_policy(board, env=env, log=log)
    scope.open(evaluation, is_evidence=True)
    return scope.open(policy)


def evaluated_policy(board: Input, *, env: str, log: EventLog) -> tuple[Event, Event]:
    """The evaluation that put a leaderboard's candidate at the top, and the policy that was evaluated.

    Raises:
        InputNotFound: the log has lost one of them.
    """
    cell = f"{env}|{board.artifact.facts['candidate']['hparam']}"
    evaluation = log.at_input(board.event, "policy_evaluations", cell)
    return evaluation, log.at_input(evaluation, "trained_policies", cell)


def _intact() -> GateDecision:
    reason = "all files have their checksums, and the chain down to the datasets is complete"
    return GateDecision(name=IS_INTACT, verdict="pass", reason=reason, numbers={})
