from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from rl_assets.resources import event_log
from rl_assets.resources.event_log import ARTIFACT_KEY, ATTACHMENTS_KEY, DATA_VERSION_TAG, EventLog
from rl_assets.resources.records import Records
from rl_assets.store.artifacts import ArtifactRef, write_artifact
from rl_assets.store.claims import Claim, Finding
from rl_assets.store.history import ChampionHistory
from rl_assets.store.objects import ObjectStore
from rl_assets.store.tombstones import Erased, Tombstone
from rl_assets.store.transitions import ModelVersion
from tests.store.model_entries import entry

ENV = "CartPole-v1"
PROMOTED_AT = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
LATER = PROMOTED_AT.timestamp() + 100


@pytest.fixture
def store(tmp_path: Path) -> ObjectStore:
    return ObjectStore(tmp_path / "store")


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as instance:
        yield instance


def artifact(store: ObjectStore, number: int = 0) -> ArtifactRef:
    return write_artifact(store, kind="policy", files={}, facts={"n": number}, owners=frozenset())


def log(instance: dg.DagsterInstance, asset: str, partition: str, ref: ArtifactRef | None, **metadata: Any) -> None:
    """Log a materialization; without a reference one that is not ours."""
    ours = {} if ref is None else {ARTIFACT_KEY: dg.MetadataValue.json(ref.to_json())}
    tags = {} if ref is None else {DATA_VERSION_TAG: ref.data_version}
    instance.report_runless_asset_event(
        dg.AssetMaterialization(asset_key=asset, partition=partition, metadata={**ours, **metadata}, tags=tags)
    )


def walk(instance: dg.DagsterInstance, *assets: str) -> tuple[Records, list[Claim], list[Finding]]:
    records = Records(log=EventLog(instance), assets=assets)
    found = list(records.claims())
    return (
        records,
        [item for item in found if isinstance(item, Claim)],
        [item for item in found if isinstance(item, Finding)],
    )


def promote(store: ObjectStore, generation: int, model: ArtifactRef) -> None:
    version = ModelVersion(
        hparam="h", member_seed=0, policy=artifact(store).to_json(), data_version=model.data_version,
        weights_sha256="a" * 64,
    )  # fmt: skip
    transition = entry(env=ENV, model=version, at=PROMOTED_AT.isoformat())
    ChampionHistory(store, ENV).append(transition, expected_generation=generation - 1)


def test_every_event_needs_its_artifact_and_the_newest_of_a_partition_stands(instance, store):
    old, new = artifact(store, 1), artifact(store, 2)
    log(instance, "trained_policies", "a", old)
    log(instance, "trained_policies", "a", new)
    log(instance, "trained_policies", "b", old)
    records, claims, findings = walk(instance, "trained_policies")
    assert (records.count, findings) == (3, [])
    holders = {(claim.ref, claim.holder.name.split(" ")[0]): claim.holder for claim in claims}
    assert not holders[old.manifest, "trained_policies[a]"].is_current
    assert "superseded" in holders[old.manifest, "trained_policies[a]"].name
    assert holders[old.manifest, "trained_policies[b]"].is_current
    newest = holders[new.manifest, "trained_policies[a]"]
    assert (newest.is_current, newest.remedy) == (True, "materialize trained_policies of 'a' again")


def test_attachments_are_needed_by_the_events_that_name_them(instance, store):
    old, new = (store.put(data, owners=frozenset()) for data in (b"old", b"new"))
    for ref in (old, new, new):
        attached = dg.MetadataValue.json({"timings.parquet": ref.to_json()})
        log(instance, "policy_evaluations", "a", artifact(store), **{ATTACHMENTS_KEY: attached})
    _, claims, findings = walk(instance, "policy_evaluations")
    assert findings == []
    held = {claim.ref: claim for claim in claims}
    assert len(claims) == len(held) == 3
    assert held[new].holder.name == "policy_evaluations[a], attachment 'timings.parquet'"
    assert (held[new].holder.is_current, held[new].is_artifact) == (True, False)
    assert held[new].holder.remedy == "materialize policy_evaluations of 'a' again"
    assert not held[old].holder.is_current


def test_attachments_that_cannot_be_read_are_a_wrong_record_and_the_artifact_is_needed_all_the_same(instance, store):
    for wrong in ({"a": {"sha256": "x"}}, ["a"]):
        log(instance, "policy_evaluations", "a", artifact(store), **{ATTACHMENTS_KEY: dg.MetadataValue.json(wrong)})
        _, (claim,), (finding,) = walk(instance, "policy_evaluations")
        assert claim.is_artifact
        assert (finding.kind, finding.is_current) == ("wrong record", True)
        assert "expected" in finding.what


def test_an_artifact_that_was_logged_again_is_needed_once_and_stands(instance, store):
    for _ in range(3):
        log(instance, "trained_policies", "a", artifact(store))
    records, claims, _ = walk(instance, "trained_policies")
    assert (records.count, len(claims)) == (3, 1)
    assert claims[0].holder.is_current


def test_the_log_is_walked_in_pages(instance, store, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(event_log, "_PAGE", 2)
    limits: list[int] = []
    fetch = instance.fetch_materializations

    def counted(*args: Any, limit: int, **settings: Any) -> Any:
        limits.append(limit)
        return fetch(*args, limit=limit, **settings)

    monkeypatch.setattr(instance, "fetch_materializations", counted)
    for number in range(5):
        log(instance, "trained_policies", f"p{number}", artifact(store, number))
    _, claims, _ = walk(instance, "trained_policies")
    assert len(claims) == 5
    assert limits == [2, 2, 2]


@pytest.mark.parametrize(
    ("metadata", "words"),
    [
        ({}, "it names no artifact: it was logged by other means"),
        ({ARTIFACT_KEY: dg.MetadataValue.json({"sha256": "x"})}, "object reference"),
        ({ARTIFACT_KEY: "text"}, "object reference"),
    ],
)
def test_a_newest_record_that_names_nothing_readable_is_wrong(instance, store, metadata, words: str):
    log(instance, "trained_policies", "a", artifact(store))
    log(instance, "trained_policies", "a", None, **metadata)
    _, claims, (finding,) = walk(instance, "trained_policies")
    assert len(claims) == 1
    assert (finding.kind, finding.needed_by) == ("wrong record", ("trained_policies[a]",))
    assert words in finding.what
    log(instance, "trained_policies", "a", artifact(store))
    assert walk(instance, "trained_policies")[2] == [], "once it is materialized again, the past is left alone"


def test_a_record_whose_version_is_not_its_artifacts_is_wrong(instance, store):
    one, other = artifact(store, 1), artifact(store, 2)
    instance.report_runless_asset_event(
        dg.AssetMaterialization(
            asset_key="trained_policies",
            partition="a",
            metadata={ARTIFACT_KEY: dg.MetadataValue.json(one.to_json())},
            tags={DATA_VERSION_TAG: other.data_version},
        )
    )
    _, _, (finding,) = walk(instance, "trained_policies")
    assert one.data_version in finding.what
    assert other.data_version in finding.what


def contradictions(instance: dg.DagsterInstance, store: ObjectStore, *, started_at: float = LATER) -> list[Finding]:
    records, _, _ = walk(instance, "promoted_models")
    return list(records.compare_champions(store, started_at=started_at))


def test_histories_and_promotions_that_agree_are_left_alone(instance, store):
    for generation in (1, 2):
        promote(store, generation, artifact(store, generation))
        log(instance, "promoted_models", ENV, artifact(store, generation), generation=generation)
    assert contradictions(instance, store) == []


def test_a_history_that_lost_its_newest_entry_is_found_by_the_promotion_on_record(instance, store):
    for generation in (1, 2):
        promote(store, generation, artifact(store, generation))
        log(instance, "promoted_models", ENV, artifact(store, generation), generation=generation)
    (store.root / "champions" / ENV / "000002.json").unlink()
    (finding,) = contradictions(instance, store)
    assert (finding.kind, finding.path) == ("missing entry", f"champions/{ENV}/000002.json")
    assert "put the file back from a backup" in finding.to_do


def test_a_history_that_vanished_as_a_whole_is_found_too(instance, store):
    log(instance, "promoted_models", ENV, artifact(store), generation=1)
    assert [finding.path for finding in contradictions(instance, store)] == [f"champions/{ENV}/000001.json"]


def test_an_entry_that_names_another_model_than_the_record_is_wrong(instance, store):
    promote(store, 1, artifact(store, 1))
    log(instance, "promoted_models", ENV, artifact(store, 2), generation=1)
    (finding,) = contradictions(instance, store)
    assert finding.kind == "wrong record"
    assert artifact(store, 2).data_version in finding.what


def test_a_promotion_that_was_never_recorded_is_found_unless_it_is_being_made(instance, store):
    promote(store, 1, artifact(store))
    (finding,) = contradictions(instance, store)
    assert finding.kind == "unfinished promotion"
    assert finding.to_do == f"materialize promoted_models of '{ENV}' again"
    assert contradictions(instance, store, started_at=PROMOTED_AT.timestamp() - 1) == []


def test_a_damaged_entry_is_left_to_those_who_read_the_history(instance, store):
    promote(store, 1, artifact(store))
    log(instance, "promoted_models", ENV, artifact(store), generation=1)
    (store.root / "champions" / ENV / "000001.json").write_bytes(b"{}")
    assert contradictions(instance, store) == []


def test_what_an_order_erased_needs_nothing_while_its_record_is_still_there(instance, store):
    for number in (0, 1):
        log(instance, "promoted_models", ENV, artifact(store, number))
    erased, kept = EventLog(instance).history("promoted_models")
    item = Erased(asset=erased.asset, partition=ENV, event_id=erased.event_id, data_version=erased.data_version)
    at = "2026-01-02T03:04:05+00:00"
    store.tombstones.write(Tombstone(order="e-00000000aa", at=at, erased=(item,)))
    records = Records(log=EventLog(instance), assets=["promoted_models"], tombstones=store.tombstones)
    (claim,) = records.claims()
    assert isinstance(claim, Claim)
    assert claim.ref.sha256 == kept.data_version
    assert records.count == 2


def test_an_entry_that_was_redacted_is_neither_missing_nor_wrong(instance, store):
    model = artifact(store)
    promote(store, 1, model)
    log(instance, "promoted_models", ENV, model, generation=1)
    ChampionHistory(store, ENV).redact({model.data_version}, order="e-00000000aa")
    records, _, _ = walk(instance, "promoted_models")
    assert list(records.compare_champions(store, started_at=LATER)) == []
