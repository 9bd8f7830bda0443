"""A parent is one exact materialization, read in the scope of the child."""

from collections.abc import Iterator

import numpy as np
import pytest

from rl_assets import api
from rl_assets.api.installation import Installation
from rl_assets.api.sweeps import launch_sweep
from rl_assets.config.parent import Parent
from rl_assets.errors import InputNotFound, ParentMissing
from rl_assets.resources.cells import CellTraining
from rl_assets.resources.event_log import ARTIFACT_KEY, Event
from rl_assets.resources.inputs import Inputs, OutputScope
from rl_assets.resources.parents import open_parent
from rl_assets.rl.checkpoints import Checkpoint
from rl_assets.rl.numerics import numerics_fingerprint
from rl_assets.store.artifacts import ArtifactRef, read_artifact
from rl_assets.store.bundles import load_member, load_moments
from rl_assets.store.objects import ObjectStore
from tests.defs.tiny_sweeps import GLOBEX, tiny_sweep
from tests.installations import another_installation

ENV = "CartPole-v1"
FIXED = {"num_envs": 4, "num_steps": 32, "hidden_sizes": [8], "normalize_observations": True}
CHILD = f"{ENV}|ppo-child-0123456789"


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """An installation with one promoted policy of two seeds that scales its observations."""
    with another_installation(tmp_path_factory.mktemp("trained") / "one") as installation:
        assert api.run_sweep(installation, tiny_sweep(grid={}, fixed=FIXED)).verdicts == {ENV: "pass"}
        yield installation


@pytest.fixture
def inputs(trained: Installation) -> Inputs:
    return Inputs(log=trained.log, store=ObjectStore(trained.home.store_url))


@pytest.fixture
def scope(inputs: Inputs) -> Iterator[OutputScope]:
    with inputs.for_output("trained_policies", CHILD) as opened:
        yield opened


@pytest.fixture
def policy(trained: Installation) -> Event:
    (event,) = trained.log.newest("trained_policies").values()
    return event


def test_a_seed_starts_from_the_parent_s_member_with_its_own_tensors_and_statistics(
    trained: Installation, scope: OutputScope, policy: Event
) -> None:
    opened = open_parent(scope, Parent(hparam=policy.partition.split("|")[1]), env_key=ENV, seeds=[0, 1])
    artifact = read_artifact(ObjectStore(trained.home.store_url), ArtifactRef.from_json(policy.metadata[ARTIFACT_KEY]))
    for seed in (0, 1):
        weights = opened.load(seed)
        expected = load_member(artifact, seed)
        assert {name: array.tobytes() for name, array in weights.tensors.items()} == {
            name: array.tobytes() for name, array in expected.items()
        }
        assert weights.moments is not None
        assert weights.moments.count == load_moments(artifact, seed).count > 200
        assert np.allclose(weights.moments.scale, weights.tensors["normalizer.scale"])
    assert [(item.asset, item.event_id, item.role) for item in scope.inputs] == [
        ("trained_policies", policy.event_id, "data")
    ]
    assert scope.owners == artifact.owners != frozenset()
    assert opened.bytes_of(0) != opened.bytes_of(1)


def test_one_member_may_be_the_parent_of_all(scope: OutputScope, policy: Event) -> None:
    parent = Parent(hparam=policy.partition.split("|")[1], member_seed=1)
    opened = open_parent(scope, parent, env_key=ENV, seeds=[0, 5, 9])
    assert {opened.seed_for(seed) for seed in (0, 5, 9)} == {1}
    assert opened.load(0).name == f"trained_policies[{policy.partition}] seed 1"


def test_a_member_that_is_not_there_and_a_policy_that_is_not_there_are_told_apart(
    scope: OutputScope, policy: Event
) -> None:
    with pytest.raises(ParentMissing, match="has the seeds 0, 1 and not 4, 5") as lacking:
        open_parent(scope, Parent(hparam=policy.partition.split("|")[1]), env_key=ENV, seeds=[0, 4, 5])
    assert lacking.value.seen == policy.event_id
    with pytest.raises(ParentMissing, match="which is not trained yet") as absent:
        open_parent(scope, Parent(hparam="ppo-none-0123456789"), env_key=ENV, seeds=[0])
    assert (absent.value.seen, absent.value.parent) == (0, f"{ENV}|ppo-none-0123456789")


def test_a_champion_is_that_of_the_named_generation_or_none(
    trained: Installation, scope: OutputScope, policy: Event
) -> None:
    opened = open_parent(scope, Parent(hparam="champion", generations={ENV: 1}), env_key=ENV, seeds=[0, 1])
    model = trained.log.latest("promoted_models", ENV)
    assert model is not None
    assert opened.origin.event_id == model.event_id
    assert opened.bytes_of(0) == opened.bytes_of(1)
    assert opened.bytes_of(0)["weights_sha256"] == model.metadata["weights_sha256"]
    assert {(item.asset, item.event_id) for item in scope.inputs} == {
        ("promoted_models", model.event_id),
        ("trained_policies", policy.event_id),
    }
    with pytest.raises(InputNotFound, match="starts from champion 2 of 'CartPole-v1', which is not on record any more"):
        open_parent(scope, Parent(hparam="champion", generations={ENV: 2}), env_key=ENV, seeds=[0])


def test_checkpoints_of_a_child_count_for_nothing_once_its_parent_has_other_bytes(
    trained: Installation, inputs: Inputs, policy: Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    hparam = policy.partition.split("|")[1]
    sweep = launch_sweep(trained, tiny_sweep("child", grid={}, fixed=FIXED, init_from=hparam, dataset=GLOBEX))
    (child,) = sweep.metadata["rl/cells"]["hparams"]

    def cell_in(scope: OutputScope) -> CellTraining:
        return CellTraining(scope, env_key=ENV, hparam=child, sweep=sweep, datasets={}, on_damage=print)

    checkpoint = Checkpoint(
        update=1,
        is_final=False,
        env_steps=128,
        tensors={"a": np.zeros(1, np.float32)},
        optimizer_state={"b": np.zeros(1, np.float32)},
        history={"mean_return": np.zeros(1)},
        best=None,
        numerics=numerics_fingerprint("fused"),
    )
    with inputs.for_output("trained_policies", f"{ENV}|{child}") as scope:
        cell = cell_in(scope)
        assert len(scope.owners) == 2, "the parent's client and its own"
        member = cell.missing[0]
        cell.save(member, checkpoint)
        assert cell_in(scope).load(member) is not None
        other = {"weights_sha256": "0" * 64}
        monkeypatch.setattr("rl_assets.resources.parents.OpenParent.bytes_of", lambda _, seed: other)
        assert cell_in(scope).load(member) is None
