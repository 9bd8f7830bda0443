"""What the UI says of a training in which a seed is stuck."""

import base64
import json
import re
from dataclasses import replace

import numpy as np
import pytest

from rl_assets.config.environment import EnvConfig
from rl_assets.config.network import NetworkConfig
from rl_assets.config.ppo import PPOConfig
from rl_assets.config.recipe import Recipe
from rl_assets.defs.assets.policy_metadata import describe_origins, describe_stops, describe_training
from rl_assets.errors import EnvironmentFault, MemberDiverged, PolicyJumped
from rl_assets.rl.envs.catalogue import describe_env
from rl_assets.rl.guardrails import EarlyStop
from rl_assets.rl.outcomes import MemberFailure, TrainedMember
from rl_assets.rl.plan import Member, TrainingPlan, plan_training
from rl_assets.rl.training import train
from tests.rl.demonstrators import cloning_member, made_up


@pytest.fixture(scope="module")
def trained() -> tuple[TrainingPlan, dict[int, TrainedMember]]:
    recipe = Recipe(
        algorithm=PPOConfig(num_envs=4, num_steps=32),
        network=NetworkConfig(hidden_sizes=(8,)),
        total_timesteps=256,
        dataset="d",
    )
    plan = plan_training(EnvConfig(id="CartPole-v1"), [Member(recipe=recipe, hparam="h", seed=seed) for seed in (0, 1)])
    (outcome,) = train(plan)
    return plan, {member.seed: member for member in outcome.members if isinstance(member, TrainedMember)}


def picture_of(metadata) -> str:
    (data,) = re.findall(r"base64,([A-Za-z0-9+/=]+)", metadata["learning_curve"].md_str)
    return base64.b64decode(data).decode()


def test_the_mean_over_all_seeds_is_charted(trained) -> None:
    plan, members = trained
    metadata = describe_training(members, plan)
    last = [member.history["mean_return"][-1] for member in members.values()]
    assert metadata["training_mean_return"] == pytest.approx(np.mean(last), abs=0.01)
    assert "of 2 seeds" not in picture_of(metadata)


def test_a_seed_that_never_finished_an_episode_is_told_and_no_mean_is_made_without_it(trained) -> None:
    plan, members = trained
    history = members[1].history | {"mean_return": np.full_like(members[1].history["mean_return"], np.nan)}
    metadata = describe_training(members | {1: replace(members[1], history=history)}, plan)
    assert "training_mean_return" not in metadata
    assert "Mean return of training episodes, 1 of 2 seeds" in picture_of(metadata)
    assert [record.data["last_mean_return"] is None for record in metadata["members"].records] == [False, True]


def test_a_member_that_reached_its_target_has_a_row_and_the_others_have_none(trained) -> None:
    plan, members = trained
    assert "early_stops" not in describe_training(members, plan)
    stop = EarlyStop(update=3, env_steps=508, mean_return=12.5, target_return=10.0)
    metadata = describe_training(members | {1: replace(members[1], early_stop=stop)}, plan)
    assert [row.data for row in metadata["early_stops"].records] == [
        {"seed": 1, "update": 3, "env_steps": 508, "mean_return": 12.5, "target_return": 10.0}
    ]
    assert metadata["num_early_stops"] == 1


def test_stops_are_told_as_json_can_say_them_and_faults_are_none() -> None:
    failures = [
        MemberFailure(seed=0, error=PolicyJumped("m", 3, "the KL", 2e5, "at most 1000")),
        MemberFailure(seed=1, error=EnvironmentFault("the pool died")),
        MemberFailure(seed=2, error=MemberDiverged("m", 4, "a reward", float("nan"), share=0.25)),
    ]
    jumped, diverged = describe_stops("CartPole-v1|h", failures)
    assert jumped == {
        "partition": "CartPole-v1|h",
        "member_seed": 0,
        "error": "PolicyJumped",
        "guardrail": "max_kl",
        "update": 3,
        "quantity": "the KL",
        "value": 2e5,
        "expected": "at most 1000",
    }
    assert (diverged["member_seed"], diverged["value"], diverged["share"]) == (2, "nan", 0.25)
    assert json.loads(json.dumps([jumped, diverged], allow_nan=False)) == [jumped, diverged]


def test_what_each_seed_started_from_is_a_short_table_in_the_order_of_seeds() -> None:
    assert describe_origins({}) == {}
    origin = {
        "asset": "trained_policies",
        "partition": "E|p",
        "data_version": "0123456789abcdef",
        "weights_sha256": "f",
    }
    table = describe_origins({str(seed): origin | {"member_seed": seed} for seed in range(29, -1, -1)})["parents"]
    assert [record.data["seed"] for record in table.records] == list(range(20))
    assert table.records[3].data == {
        "seed": 3, "starts_from": "trained_policies[E|p]", "version": "0123456789ab", "member_seed": 3,
    }  # fmt: skip


def test_a_training_without_episodes_shows_how_unlikely_it_finds_what_was_demonstrated() -> None:
    spaces = describe_env(EnvConfig(id="CartPole-v1"))
    plan = plan_training(EnvConfig(id="CartPole-v1"), [cloning_member(0), cloning_member(1)])
    (outcome,) = train(plan, demonstrations={"c-1.d1": made_up(spaces)})
    members = {member.seed: member for member in outcome.members if isinstance(member, TrainedMember)}
    metadata = describe_training(members, plan)
    assert "Negative log-likelihood of demonstrated actions" in picture_of(metadata)
    assert "no episode has ended yet" not in picture_of(metadata)
    assert "training_mean_return" not in metadata
    assert (metadata["env_steps"], metadata["steps_per_s"] > 0) == (0, True)
