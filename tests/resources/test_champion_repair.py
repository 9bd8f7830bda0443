from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from rl_assets.errors import CorruptObject, ObjectNotFound
from rl_assets.resources.champion_repair import restore_champion
from rl_assets.resources.event_log import EventLog
from rl_assets.resources.inputs import REUSED_KEY, Inputs, Publication
from rl_assets.resources.promoted_versions import model_facts
from rl_assets.store.artifacts import ArtifactRef, read_artifact
from rl_assets.store.bundles import CHAMPION_FILE, policy_file
from rl_assets.store.history import ChampionHistory
from rl_assets.store.objects import ObjectStore
from rl_assets.store.transitions import ModelVersion
from tests.store.model_entries import entry

ENV, CELL, SEED = "CartPole-v1", "CartPole-v1|h", 3
KEYS = dg.StaticPartitionsDefinition([ENV, CELL])
WEIGHTS = b"weights of a member"


class Promoted:
    """A policy, the model that was promoted from it, and the champion's entry."""

    def __init__(self, instance: dg.DagsterInstance, root: Path, *, seed_of_entry: int = SEED) -> None:
        self.log = EventLog(instance)
        self.store = ObjectStore(root)
        self.inputs = Inputs(log=self.log, store=self.store)
        self.history = ChampionHistory(self.store, ENV)
        with self.inputs.for_output("trained_policies", CELL) as scope:
            files = {policy_file(SEED): WEIGHTS, policy_file(SEED + 1): b"those of another"}
            self.policy = self._log(
                scope.publish(
                    kind="trained_policy", files=files, facts={"env": {"id": ENV}, "policy": {"a": 1}},
                    config_hash="c", metadata={}, owners=frozenset({"c-00000000aa"}),
                )
            )  # fmt: skip
        with self.inputs.for_output("promoted_models", ENV) as scope:
            policy = scope.read("trained_policies", CELL).artifact
            facts = model_facts(policy, hparam="h", member_seed=SEED, verdict="v")
            self.model = self._log(
                scope.publish(
                    kind="promoted_model", files={CHAMPION_FILE: WEIGHTS}, facts=facts, config_hash="c",
                    metadata={"generation": 1},
                )
            )  # fmt: skip
        version = ModelVersion(
            hparam="h", member_seed=seed_of_entry, policy=self.policy.to_json(), data_version=self.model.data_version,
            weights_sha256="a" * 64,
        )  # fmt: skip
        self.history.append(entry(env=ENV, model=version), expected_generation=0)

    def restore(self) -> Publication | None:
        with self.inputs.for_output("promoted_models", ENV) as scope:
            return restore_champion(scope, env=ENV, history=self.history, log=self.log)

    def path(self, ref: ArtifactRef, name: str = "") -> Path:
        return self.store.root / (read_artifact(self.store, ref).path(name) if name else ref.manifest.path)

    def _log(self, publication: Publication) -> ArtifactRef:
        self.log.instance.report_runless_asset_event(publication.as_event(KEYS))
        event = self.log.latest(publication.asset, publication.partition)
        assert event is not None
        return ArtifactRef.from_json(event.metadata["rl/artifact"])


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as instance:
        yield instance


def test_a_champion_whose_files_are_whole_is_left_alone(instance: dg.DagsterInstance, tmp_path: Path):
    assert Promoted(instance, tmp_path).restore() is None


def test_without_a_champion_nothing_is_made(instance: dg.DagsterInstance, tmp_path: Path):
    inputs = Inputs(log=EventLog(instance), store=ObjectStore(tmp_path / "store"))
    with inputs.for_output("promoted_models", ENV) as scope:
        assert restore_champion(scope, env=ENV, history=inputs.champions(ENV), log=inputs.log) is None
    assert not (tmp_path / "store").exists()


@pytest.mark.parametrize("damage", [Path.unlink, lambda path: path.write_bytes(b"{}")], ids=["lost", "damaged"])
def test_a_lost_manifest_is_written_again_and_the_promotion_logged_as_it_was(
    instance: dg.DagsterInstance, tmp_path: Path, damage: Any
):
    promoted = Promoted(instance, tmp_path)
    before = promoted.log.latest("promoted_models", ENV)
    assert before is not None
    damage(promoted.path(promoted.model))
    again = promoted.restore()
    assert again is not None
    assert again.data_version == promoted.model.data_version
    assert {**again.metadata, REUSED_KEY: None} == {**before.entries, REUSED_KEY: None}
    assert read_artifact(promoted.store, promoted.model).read(CHAMPION_FILE) == WEIGHTS
    assert read_artifact(promoted.store, promoted.model).owners == {"c-00000000aa"}


def test_weights_that_are_lost_with_the_policy_are_told_with_the_policy_to_repair_first(
    instance: dg.DagsterInstance, tmp_path: Path
):
    promoted = Promoted(instance, tmp_path)
    promoted.path(promoted.model, CHAMPION_FILE).unlink()
    with pytest.raises(ObjectNotFound, match=r"^trained_policies\[CartPole-v1\|h\], file 'member-3/policy"):
        promoted.restore()


def test_an_entry_that_does_not_describe_the_promoted_member_makes_no_champion(
    instance: dg.DagsterInstance, tmp_path: Path
):
    promoted = Promoted(instance, tmp_path, seed_of_entry=SEED + 1)
    promoted.path(promoted.model).unlink()
    with pytest.raises(CorruptObject, match="the champion cannot be made again"):
        promoted.restore()
