from pathlib import Path

import pytest

from rl_assets.store.alpha_ledger import AlphaLedger
from rl_assets.store.artifacts import ArtifactRef, write_artifact
from rl_assets.store.checkpoints import TrainingCheckpoints
from rl_assets.store.claims import CLAIMANTS, Claim, Finding, champion_claims, checkpoint_flaws, ledger_flaws
from rl_assets.store.history import ChampionHistory
from rl_assets.store.objects import ObjectStore
from rl_assets.store.tombstones import Erased, Tombstone
from rl_assets.store.transitions import ModelVersion
from tests.store.model_entries import entry
from tests.store.test_checkpoints import make_checkpoint

ENV = "CartPole-v1"


@pytest.fixture
def store(tmp_path: Path) -> ObjectStore:
    return ObjectStore(tmp_path / "store")


def promote(
    store: ObjectStore, generation: int, env: str = ENV, action: str = "promote"
) -> tuple[ArtifactRef, ArtifactRef]:
    """Add a champion; returns its policy and its promoted model."""
    policy = write_artifact(store, kind="policy", files={}, facts={"n": generation}, owners=frozenset({"c-00000000aa"}))
    model = write_artifact(store, kind="model", files={}, facts={"n": generation}, owners=frozenset({"c-00000000aa"}))
    version = ModelVersion(
        hparam="h", member_seed=0, policy=policy.to_json(), data_version=model.data_version, weights_sha256="a" * 64
    )
    transition = entry(env=env, action=action, model=version)
    expected = ChampionHistory(store, env).reign()
    ChampionHistory(store, env).append(transition, expected_generation=expected)
    return policy, model


def claims(store: ObjectStore) -> dict[str, Claim]:
    """Path of the object -> claim; there must be no finding."""
    found = list(champion_claims(store))
    assert all(isinstance(claim, Claim) for claim in found)
    return {claim.ref.path: claim for claim in found if isinstance(claim, Claim)}


def findings(store: ObjectStore) -> list[Finding]:
    return [finding for finding in champion_claims(store) if isinstance(finding, Finding)]


def test_champions_checkpoints_and_ledgers_are_among_the_claimants():
    assert champion_claims in CLAIMANTS
    assert checkpoint_flaws in CLAIMANTS
    assert ledger_flaws in CLAIMANTS


def test_without_champions_nothing_is_needed(store: ObjectStore):
    assert claims(store) == {}


def test_each_reign_needs_its_policy_and_its_model_and_the_last_one_stands(store: ObjectStore):
    old, new = promote(store, 1), promote(store, 2)
    found = claims(store)
    assert set(found) == {ref.manifest.path for ref in (*old, *new)}
    assert all(claim.is_artifact for claim in found.values())
    assert [found[ref.manifest.path].holder.is_current for ref in (*old, *new)] == [False, False, True, True]
    assert found[new[1].manifest.path].holder.remedy == f"materialize promoted_models of '{ENV}' again"
    assert found[old[1].manifest.path].holder.remedy == ""


def test_a_staged_version_stands_and_attempts_need_nothing(store: ObjectStore):
    promoted, staged = promote(store, 1), promote(store, 2, action="stage")
    ChampionHistory(store, ENV).note(entry("c", outcome="lost"))
    found = claims(store)
    assert set(found) == {ref.manifest.path for ref in (*promoted, *staged)}
    assert all(claim.holder.is_current for claim in found.values())
    assert found[staged[1].manifest.path].holder.name == f"model of '{ENV}' staged in entry 2"


def test_a_lost_model_is_told_with_the_entry_that_names_it(store: ObjectStore):
    _, model = promote(store, 1)
    (store.root / model.manifest.path).unlink()
    (finding,) = findings(store)
    assert (finding.kind, finding.path, finding.is_current) == ("missing object", f"champions/{ENV}/000001.json", True)
    assert model.data_version in finding.what
    assert finding.to_do.endswith(f"materialize promoted_models of '{ENV}' again")


def test_damaged_and_missing_entries_are_told_apart_and_the_others_still_claim(store: ObjectStore):
    for generation in (1, 2, 3):
        _, model = promote(store, generation)
    (store.root / "champions" / ENV / "000001.json").write_bytes(b"{")
    (store.root / "champions" / ENV / "000002.json").unlink()
    assert [(finding.kind, finding.path) for finding in findings(store)] == [
        ("damaged entry", f"champions/{ENV}/000001.json"),
        ("missing entry", f"champions/{ENV}/000002.json"),
    ]
    assert all("put the file back from a backup" in finding.to_do for finding in findings(store))
    assert model.manifest.path in {claim.ref.path for claim in champion_claims(store) if isinstance(claim, Claim)}


def test_a_history_that_cannot_be_read_leaves_the_others_alone(store: ObjectStore, monkeypatch: pytest.MonkeyPatch):
    promote(store, 1)
    promote(store, 1, env="Pong-v5")
    path = store.root / "champions" / ENV / "000001.json"
    path.unlink()
    path.mkdir()
    (finding,) = findings(store)
    assert (finding.kind, finding.path) == ("unreadable", f"champions/{ENV}")
    assert "a folder stands where a file is needed" in finding.what
    assert len([claim for claim in champion_claims(store) if isinstance(claim, Claim)]) == 2


def test_a_folder_that_is_no_environment_is_passed_over(store: ObjectStore):
    (store.root / "champions" / "not an env").mkdir(parents=True)
    assert claims(store) == {}


def test_a_damaged_checkpoint_is_told_and_whole_ones_are_not(store: ObjectStore):
    checkpoints = TrainingCheckpoints(store, training="ab" * 16, owners=frozenset({"c-00000000aa"}))
    checkpoints.save(make_checkpoint(4))
    assert list(checkpoint_flaws(store)) == []
    checkpoints.save(make_checkpoint(8))
    path = checkpoints.files()[-1].path
    path.write_bytes(path.read_bytes()[:-1])
    (flaw,) = checkpoint_flaws(store)
    assert isinstance(flaw, Finding)
    assert (flaw.kind, store.root / flaw.path) == ("damaged checkpoint", path)
    assert flaw.needed_by == ("an interrupted training of 'c-00000000aa', after update 8",)
    assert "delete the file" in flaw.to_do


def test_damaged_and_missing_entries_of_a_ledger_are_found(store: ObjectStore):
    ledger = AlphaLedger(store, ENV, reign=1)
    for question in "abc":
        ledger.claim(question, claimed_at="2026-01-01T00:00:00+00:00")
    assert list(ledger_flaws(store)) == []
    folder = store.root / "gates" / ENV / "000001"
    (folder / "000001.json").write_bytes(b"{}")
    (folder / "000002.json").unlink()
    kinds = {found.path: found.kind for found in ledger_flaws(store) if isinstance(found, Finding)}
    assert kinds == {
        f"gates/{ENV}/000001/000001.json": "damaged entry",
        f"gates/{ENV}/000001/000002.json": "missing entry",
    }


@pytest.mark.parametrize("is_client", [False, True])
def test_a_model_that_is_being_erased_needs_nothing_and_is_not_missed(store: ObjectStore, is_client: bool):
    kept, erased = promote(store, 1), promote(store, 2)
    at, order = "2026-01-02T03:04:05+00:00", "e-00000000aa"
    item = Erased(asset="promoted_models", partition=ENV, event_id=1, data_version=erased[1].data_version)
    clients = frozenset({"c-00000000aa"}) if is_client else frozenset[str]()
    store.tombstones.write(Tombstone(order=order, at=at, clients=clients, erased=(item,)))
    (store.root / erased[1].manifest.path).unlink()
    assert set(claims(store)) == (set() if is_client else {ref.manifest.path for ref in kept})
    ChampionHistory(store, ENV).redact({erased[1].data_version}, order=order)
    assert set(claims(store)) == (set() if is_client else {ref.manifest.path for ref in kept})
