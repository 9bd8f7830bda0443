"""The question that the gates of an environment answer: may this member's exact weights replace those?"""

from collections.abc import Sequence
from typing import Any

import dagster as dg
import numpy as np

from rl_assets.config.canonical import config_hash
from rl_assets.config.evaluation import GatesConfig
from rl_assets.config.keys import short_hash
from rl_assets.errors import InputNotFound
from rl_assets.resources.cells import read_plan
from rl_assets.resources.demand import read_demand
from rl_assets.resources.event_log import EventLog
from rl_assets.resources.inputs import Input, OutputScope, Publication
from rl_assets.rl.envs.catalogue import describe_env
from rl_assets.rl.evaluation import EpisodeRecords
from rl_assets.rl.seeding import gate_seeds
from rl_assets.rl.trials import first_episodes
from rl_assets.statistics.estimates import Sample
from rl_assets.statistics.gates import GateDecision, beats_champion, combine, floor_gate, hold
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
MEETS_FLOOR = "meets_floor"
BEATS_CHAMPION = "beats_champion"


class GateQuestion:
    """Candidate, champion and gates of one environment, read in the scope of its gate evaluation.

    Raises:
        InputNotFound: there is no leaderboard yet, or its candidate is not asked for any more.
    """

    def __init__(self, scope: OutputScope, *, env: str, log: EventLog) -> None:
        self._scope = scope
        self._log = log
        self._env_key = env
        self._board = scope.read("eval_leaderboards", env, is_evidence=True)
        self._candidate: dict[str, Any] = self._board.artifact.facts["candidate"]
        self._policy = open_evaluated_policy(scope, self._board, env=env, log=log)
        self._champion = self._read_champion()
        sweep = read_demand(log).sweep_for(env, self._candidate["hparam"])
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
        asked = self._gates.model_copy(update={"promote_to": "production"})  # where a pass leads is no part of it
        return short_hash(
            [self._env_key, self._weights, self._champion_weights, config_hash(asked), self._is_deterministic]
        )

    def answer(self) -> tuple[Publication, tuple[GateDecision, ...]]:
        """The verdict with its decisions: the first answer to this very question if there is one, else a new one."""
        earlier = self._earlier_answer()
        if earlier is None:
            episodes = self._play()
            files = {EPISODES_FILE: encode_episodes(dict(enumerate(episodes)))}
            facts = self._decide([records.returns for records in episodes])
        else:
            files = {EPISODES_FILE: earlier.read(EPISODES_FILE)}
            facts = earlier.facts
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
                "num_episodes": self._gates.num_episodes,
                **facts["mean_returns"],
                "reasons": dg.MetadataValue.md(
                    "\n".join(f"- **{item.name}** {item.verdict}: {item.reason}" for item in decisions)
                ),
                "was_asked_before": earlier is not None,
                QUESTION_KEY: self.key,
                VERDICT_KEY: facts["verdict"],
            },
        )
        return publication, decisions

    def _earlier_answer(self) -> Artifact | None:
        for event in self._log.history("gate_evaluations", self._env_key):
            if event.metadata.get(QUESTION_KEY) == self.key and self._scope.is_intact(event):
                return self._scope.open(event).artifact
        return None

    def _play(self) -> list[EpisodeRecords]:
        """Fresh episodes of the candidate and the champion on the same starts, each the first of its own stream."""
        seeds = gate_seeds(env_key=self._env_key, question=self.key, num_envs=self._gates.num_episodes)
        contenders = [trained_member(self._policy.artifact, self._candidate["member_seed"])]
        if self._champion is not None:
            contenders.append(promoted_member(self._champion.artifact))
        return first_episodes(self._env, contenders, seeds=seeds, deterministic=self._is_deterministic)

    def _decide(self, returns: Sequence[Sample]) -> dict[str, Any]:
        decisions = (self._decide_floor(returns[0]), self._decide_champion(returns))
        names = ("candidate_mean_return", "champion_mean_return")
        return {
            "env": self._env_key,
            "question": self.key,
            "candidate": self._candidate | {"weights": self._weights},
            "champion_weights": self._champion_weights,
            "champion": None if self._champion is None else self._champion.event.data_version,
            "verdict": combine(decisions),
            "decisions": [decision.to_json() for decision in decisions],
            "mean_returns": {name: float(np.mean(values)) for name, values in zip(names, returns, strict=False)},
        }

    @property
    def _weights(self) -> str:
        return self._policy.artifact.checksum(policy_file(self._candidate["member_seed"]))

    @property
    def _champion_weights(self) -> str | None:
        return None if self._champion is None else champion_weights(self._champion.artifact)

    def _read_champion(self) -> Input | None:
        event = self._scope.find("promoted_models", self._env_key)
        return None if event is None else self._scope.open(event)

    def _decide_floor(self, returns: Sample) -> GateDecision:
        floor = self._gates.floor_of(self._env_key)
        if floor is None:
            floor = describe_env(self._env).reward_threshold
        if floor is None:
            return hold(
                MEETS_FLOOR,
                f"no floor is configured for '{self._env_key}' and Gymnasium publishes no threshold for it: set "
                "gates.floor",
            )
        return floor_gate(returns, floor=floor, confidence=self._gates.confidence, name=MEETS_FLOOR)

    def _decide_champion(self, returns: Sequence[Sample]) -> GateDecision:
        if not self._gates.beats_champion:
            return GateDecision(
                name=BEATS_CHAMPION, verdict="pass", reason="the sweep asks for no comparison", numbers={}
            )
        if len(returns) == 1:
            return GateDecision(name=BEATS_CHAMPION, verdict="pass", reason="there is no champion yet", numbers={})
        if self._weights == self._champion_weights:
            return hold(BEATS_CHAMPION, "the candidate is the reigning champion, byte for byte")
        return beats_champion(returns[0], returns[1], confidence=self._gates.confidence, name=BEATS_CHAMPION)


def open_evaluated_policy(scope: OutputScope, board: Input, *, env: str, log: EventLog) -> Input:
    """Open the very policy whose evaluation put it at the top, by exact event, however much was trained since."""
    cell = f"{env}|{board.artifact.facts['candidate']['hparam']}"
    evaluation = log.at_input(board.event, "policy_evaluations", cell)
    scope.open(evaluation, is_evidence=True)
    return scope.open(log.at_input(evaluation, "trained_policies", cell))
