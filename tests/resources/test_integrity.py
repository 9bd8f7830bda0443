from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from rl_assets.resources.event_log import INPUTS_KEY, Event, EventLog
from rl_assets.resources.inputs import Inputs
from rl_assets.resources.integrity import flaws_of
from rl_assets.store.artifacts import ArtifactRef, read_artifact
from rl_assets.store.objects import ObjectStore

CELL, DATASET = "CartPole-v1|h", "c-00000000aa.d1"


class Chain:
    """A policy that was made from a sweep and a dataset."""

    def __init__(self, instance: dg.DagsterInstance, root: Path) -> None:
        self.instance, self.log, self.store = instance, EventLog(instance), ObjectStore(root)
        self.inputs = Inputs(log=self.log, store=self.store)
        self.publish("datasets", DATASET, owners=frozenset({"c-00000000aa"}))
        self.publish("sweep_configs", "s", reads=[("datasets", DATASET)])
        self.policy = self.publish("trained_policies", CELL, reads=[("datasets", DATASET), ("sweep_configs", "s")])

    def publish(self, asset: str, partition: str, *, reads: Any = (), owners: frozenset[str] = frozenset()) -> Event:
        with self.inputs.for_output(asset, partition) as scope:
            for name, key in reads:
                scope.read(name, key)
            publication = scope.publish(
                kind="thing", files={"a": asset.encode(), "b": b"b"}, facts={"asset": asset}, config_hash="c",
                metadata={}, owners=owners,
            )  # fmt: skip
        self.log_event(publication.as_event(dg.StaticPartitionsDefinition([partition])))
        return self.newest(asset, partition)

    def log_event(self, event: dg.AssetMaterialization) -> None:
        self.instance.report_runless_asset_event(event)

    def newest(self, asset: str, partition: str) -> Event:
        event = self.log.latest(asset, partition)
        assert event is not None
        return event

    def flaws(self, policy: Event | None = None) -> tuple[str, ...]:
        return flaws_of(policy or self.policy, log=self.log, store=self.store)

    def file(self, event: Event, name: str) -> Path:
        artifact = read_artifact(self.store, ArtifactRef.from_json(event.metadata["rl/artifact"]))
        return self.store.root / artifact.path(name)


@pytest.fixture
def chain(tmp_path: Path) -> Iterator[Chain]:
    with dg.DagsterInstance.ephemeral() as instance:
        yield Chain(instance, tmp_path / "store")


def test_a_whole_chain_has_no_flaws(chain: Chain):
    assert chain.flaws() == ()


@pytest.mark.parametrize("name", ["a", "b"])
def test_each_file_of_the_policy_is_compared_with_its_checksum(chain: Chain, name: str):
    file = chain.file(chain.policy, name)
    file.chmod(0o644)
    file.write_bytes(b"#" * file.stat().st_size)
    (flaw,) = chain.flaws()
    assert "checksum" in flaw or "damaged" in flaw


def test_a_file_that_is_gone_is_named(chain: Chain):
    chain.file(chain.policy, "a").unlink()
    (flaw,) = chain.flaws()
    assert "gone" in flaw or "not in the store" in flaw or "missing" in flaw


@pytest.mark.parametrize("asset", ["datasets", "sweep_configs"])
def test_what_the_policy_was_made_from_must_stand_in_the_log(chain: Chain, asset: str):
    chain.instance.wipe_assets([dg.AssetKey(asset)])
    flaws = chain.flaws()
    assert any(f"was made from what is gone: {asset}[" in flaw for flaw in flaws)


def test_a_manifest_of_what_it_was_made_from_that_is_gone_is_a_flaw(chain: Chain):
    sweep = chain.newest("sweep_configs", "s")
    (chain.store.root / ArtifactRef.from_json(sweep.metadata["rl/artifact"]).manifest.path).unlink()
    (flaw,) = chain.flaws()
    assert flaw.startswith("sweep_configs[s] (event ")


def test_what_does_not_say_what_it_was_made_from_is_incomplete(chain: Chain):
    metadata = {name: value for name, value in chain.policy.entries.items() if name != INPUTS_KEY}
    chain.log_event(dg.AssetMaterialization("trained_policies", partition=CELL, metadata=metadata))
    (flaw,) = chain.flaws(chain.newest("trained_policies", CELL))
    assert flaw.endswith("does not say what it was made from")


def test_what_was_logged_by_other_means_names_no_artifact(chain: Chain):
    chain.log_event(dg.AssetMaterialization("trained_policies", partition=CELL))
    flaws = chain.flaws(chain.newest("trained_policies", CELL))
    assert any(flaw.endswith("names no artifact") for flaw in flaws)
