"""What is taken over from a parent, what is not, and what is refused."""

import dataclasses

import numpy as np
import pytest

from rl_assets.config.environment import EnvConfig
from rl_assets.config.network import NetworkConfig
from rl_assets.config.ppo import PPOConfig
from rl_assets.config.recipe import Recipe, hparam_key
from rl_assets.errors import ParentMismatch
from rl_assets.rl.backend import BACKEND_VARIABLE
from rl_assets.rl.envs.catalogue import describe_env
from rl_assets.rl.envs.spaces import BoxActions, DiscreteActions
from rl_assets.rl.normalization import RunningMoments
from rl_assets.rl.outcomes import TrainedMember
from rl_assets.rl.parents import ParentWeights
from rl_assets.rl.plan import Member, plan_training, policy_spec
from rl_assets.rl.policy import NORMALIZER_MEAN, NORMALIZER_SCALE
from rl_assets.rl.population import Population, train_population
from rl_assets.rl.training import train
from rl_assets.store.checkpoints import decode_checkpoint, encode_checkpoint
from tests.rl.kept import Kept

CASES = [
    ("CartPole-v1", "fused"),
    ("CartPole-v1", "torch"),
    ("Pendulum-v1", "fused"),
    ("Pendulum-v1", "torch"),
    ("CarRacing-v3", "torch"),
]
"""One choice and floats, perceptrons and convolutions."""


def member(seed: int, *, normalizes: bool = True, **settings: object) -> Member:
    algorithm = PPOConfig(
        num_envs=2,
        num_steps=16,
        num_minibatches=2,
        update_epochs=2,
        normalize_observations=normalizes,
        **settings,  # pyright: ignore[reportArgumentType]
    )
    network = NetworkConfig(hidden_sizes=(8,), image_features=16)
    recipe = Recipe(algorithm=algorithm, network=network, total_timesteps=96, segment_steps=32, dataset="c-1.d1")
    return Member(recipe=recipe, hparam=hparam_key(recipe), seed=seed)


def run(env_id, members, *, parents=None, starts=None, on_segment=None):
    env = EnvConfig(id=env_id)
    results = train_population(
        env=env,
        spaces=describe_env(env),
        members=members,
        parents=parents,
        starts=starts,
        on_update=lambda report: None,
        on_segment=on_segment,
    )
    assert all(isinstance(result, TrainedMember) for result in results), results
    return results


def weights_of(trained: TrainedMember) -> ParentWeights:
    names = ("mean", "variance", "count")
    state = trained.optimizer_state
    return ParentWeights(
        name=f"parent seed {trained.seed}",
        spec=trained.spec,
        tensors=trained.tensors,
        moments=RunningMoments.from_arrays({name: state[f"observations.{name}"] for name in names})
        if trained.spec.normalizes_observations
        else None,
    )


def bytes_of(result: TrainedMember) -> dict[str, bytes]:
    parts = {"tensors": result.tensors, "state": result.optimizer_state, "history": result.history}
    return {f"{part}.{name}": array.tobytes() for part, arrays in parts.items() for name, array in arrays.items()}


@pytest.fixture(params=CASES, ids=lambda case: "-".join(case))
def family(request, monkeypatch):
    """An environment, three trained parents and the members that are to start from them."""
    env_id, backend = request.param
    monkeypatch.setenv(BACKEND_VARIABLE, backend)
    parents = [weights_of(trained) for trained in run(env_id, [member(seed) for seed in range(3)])]
    return env_id, parents, [member(seed, learning_rate=3e-3, discount=0.9) for seed in range(3)]


def test_a_child_is_its_solo_run_and_the_same_every_time(family):
    env_id, parents, children = family
    together = [bytes_of(result) for result in run(env_id, children, parents=parents)]
    assert [bytes_of(result) for result in run(env_id, children, parents=parents)] == together
    for index in (0, 2):
        (alone,) = run(env_id, [children[index]], parents=[parents[index]])
        assert bytes_of(alone) == together[index]


def test_children_and_fresh_members_train_side_by_side_without_a_trace(family):
    env_id, parents, children = family
    mixed = run(env_id, children, parents=[parents[0], None, parents[2]])
    (fresh,) = run(env_id, [children[1]])
    (child,) = run(env_id, [children[2]], parents=[parents[2]])
    assert bytes_of(mixed[1]) == bytes_of(fresh)
    assert bytes_of(mixed[2]) == bytes_of(child)
    assert bytes_of(mixed[0]) != bytes_of(run(env_id, [children[0]])[0])


def test_a_child_that_goes_on_from_its_checkpoint_ends_with_the_same_bytes(family):
    env_id, parents, children = family
    segments = []
    whole = run(env_id, children, parents=parents, on_segment=lambda now: segments.append(now.checkpoints()))
    kept = [decode_checkpoint(encode_checkpoint(segments[1][index]), source="a checkpoint") for index in range(3)]
    rest = run(env_id, children, starts=kept)
    assert [bytes_of(result) for result in rest] == [bytes_of(result) for result in whole]


def test_another_parent_makes_another_child(family):
    env_id, parents, children = family
    (one,) = run(env_id, [children[0]], parents=[parents[0]])
    (other,) = run(env_id, [children[0]], parents=[parents[1]])
    assert bytes_of(one) != bytes_of(other)


def test_a_child_begins_as_its_parent_ended_with_a_fresh_optimizer(family):
    env_id, parents, children = family
    env = EnvConfig(id=env_id)
    with Population(env, describe_env(env), children, parents=parents) as born:
        for index, parent in enumerate(parents):
            names = parent.tensors.keys() - (set() if parent.moments else {NORMALIZER_MEAN, NORMALIZER_SCALE})
            begun = born.read(index)
            assert {name: begun[name].tobytes() for name in names} == {
                name: parent.tensors[name].tobytes() for name in names
            }
            assert any(name.startswith("critic") for name in names)
            trainee = born.trainees[index]
            assert trainee.scaler.moments.count < 1, "rewards are scaled from the beginning"
            state = born.checkpoints()[index].optimizer_state if trainee.rows else born._learner.optimizer_state(index)
            assert not any(array.any() for array in state.values()), "no moments, no steps"


def test_the_observation_normaliser_goes_on_counting():
    (parent,) = map(weights_of, run("Pendulum-v1", [member(0)]))
    assert parent.moments is not None
    (child,) = run("Pendulum-v1", [member(0, learning_rate=3e-3)], parents=[parent])
    assert child.optimizer_state["observations.count"] == pytest.approx(parent.moments.count + child.env_steps)
    (fresh,) = run("Pendulum-v1", [member(0, learning_rate=3e-3)])
    assert fresh.optimizer_state["observations.count"] == pytest.approx(fresh.env_steps, abs=1)
    assert not np.array_equal(child.tensors[NORMALIZER_SCALE], fresh.tensors[NORMALIZER_SCALE])


def test_parents_reach_members_through_workers_and_not_those_that_go_on():
    env = EnvConfig(id="Pendulum-v1")
    members = [member(seed) for seed in (0, 1)]
    parents = [weights_of(trained) for trained in run(env.id, members)]
    by_label = {child.label: parents[child.seed] for child in members}
    kept = Kept()
    plan = plan_training(env, members)
    (outcome,) = train(plan, parents=lambda child: by_label[child.label], checkpoints=kept)
    direct = [bytes_of(result) for result in run(env.id, members, parents=parents)]
    assert [bytes_of(result) for result in outcome.members] == direct

    first = Kept()
    first.saved = [saved for saved in kept.saved if saved[1].update == 1]
    asked: list[str] = []
    starts = plan_training(env, members, starts={0: 1, 1: 1})
    (again,) = train(starts, parents=lambda child: asked.append(child.label), checkpoints=first)
    assert [bytes_of(result) for result in again.members] == direct
    assert asked == [], "who goes on needs nothing of its parent"


SPACES = describe_env(EnvConfig(id="Pendulum-v1"))
SPEC = policy_spec(member(0).recipe, SPACES)


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"observation_shape": (4,)}, "expected observations of shape 3, got 4"),
        ({"actions": DiscreteActions(n=2)}, "expected actions Box(1), got Discrete(2)"),
        ({"actions": BoxActions(low=(-1.0,), high=(1.0,))}, "expected action bounds and choices "),
        (
            {"network": NetworkConfig(hidden_sizes=(9,), image_features=16)},
            "expected network.hidden_sizes [8], got [9]",
        ),
        (
            {"network": NetworkConfig(hidden_sizes=(8,), image_features=16, activation="relu")},
            "expected network.activation tanh, got relu",
        ),
        ({"normalizes_observations": False}, "expected normalize_observations true, got false"),
        ({"squashes_actions": True}, "expected squash_actions false, got true"),
    ],
)
def test_a_parent_that_sees_computes_or_acts_otherwise_is_refused_by_name(changed, told):
    parent = ParentWeights(name="the parent", spec=dataclasses.replace(SPEC, **changed), tensors={}, moments=None)
    with pytest.raises(ParentMismatch) as refusal:
        run("Pendulum-v1", [member(0)], parents=[parent])
    assert f"member '{member(0).label}' cannot start from the parent: {told}" in str(refusal.value)


def test_every_field_of_a_spec_is_compared():
    assert {field.name for field in dataclasses.fields(SPEC)} == {
        "network", "observation_shape", "actions", "normalizes_observations", "squashes_actions",
    }  # fmt: skip
    assert set(NetworkConfig.model_fields) == set(SPEC.to_json()["network"])
