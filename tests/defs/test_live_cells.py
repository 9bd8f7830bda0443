"""Data is erased while a run trains on it: its cells go, and the others end as if nothing had happened."""

import pytest

from rl_assets.api.drive import execute, reason_of
from rl_assets.defs.assets import live_cells
from rl_assets.defs.assets.policy_runs import EVALUATED, TRAINED
from rl_assets.resources.cells import CellEvaluation, CellTraining
from rl_assets.store.locks import ClaimBook
from rl_assets.store.objects import ObjectStore
from rl_assets.store.tombstones import Erased, Tombstone
from tests.defs.test_lineage import launch_both, train_all
from tests.defs.tiny_sweeps import ACME, tiny_sweep

ORDER = "e-00000000aa"
AT = "2026-01-02T03:04:05+00:00"
LONGER = {"grid": {"learning_rate": [1e-3]}, "total_timesteps": 2_048, "segment_steps": 512}


def store_of(installation):
    return ObjectStore(installation.home.store_url)


def files_of(installation, client):
    """Every file that stands in the store under the client's own name."""
    root, owner = store_of(installation).root, installation.register.pseudonym_of(client["client_id"])
    found = [path for folder in ("objects", "checkpoints") for path in (root / folder / owner).rglob("*")]
    return {path for path in found if path.is_file() and path.name != ".lock"}


def client_tombstone(installation):
    owner = installation.register.pseudonym_of(ACME["client_id"])
    return Tombstone(order=ORDER, at=AT, clients=frozenset({owner}))


def version_tombstone(installation):
    """What erasing a version of a dataset writes: the client and the dataset's key stay."""
    (key,) = installation.register.datasets_of(ACME["client_id"])
    event = installation.log.latest("datasets", key)
    erased = Erased(asset="datasets", partition=key, event_id=event.event_id, data_version=event.data_version)
    return Tombstone(order=ORDER, at=AT, erased=(erased,))


@pytest.fixture
def cells(installation, monkeypatch):
    """Client -> its cell, of two sweeps that wait to be trained in one run."""
    monkeypatch.setattr(
        "tests.defs.test_lineage.tiny_sweep", lambda name, **changes: tiny_sweep(name, **changes | LONGER)
    )
    return launch_both(installation, ("acme", "globex"))


def watch_saves(monkeypatch, then):
    """Call back after each checkpoint that is kept, with its recipe and how many were kept by then."""
    real, seen = CellTraining.save, []

    def save(self, member, checkpoint):
        real(self, member, checkpoint)
        seen.append(self.hparam)
        then(self.hparam, len(seen))

    monkeypatch.setattr(CellTraining, "save", save)


@pytest.mark.parametrize("tombstone", [client_tombstone, version_tombstone])
@pytest.mark.parametrize("look_every_s", [0.0, 1e9])
def test_whoever_is_erased_in_training_goes_and_the_other_client_ends_as_ever(
    installation, cells, monkeypatch, tombstone, look_every_s
):
    monkeypatch.setattr(live_cells, "LOOK_EVERY_S", look_every_s)
    before = files_of(installation, ACME)
    claims = []

    def erase_then_claim(hparam, num_kept):
        if num_kept == 3:
            store_of(installation).tombstones.write(tombstone(installation))
        if num_kept > 3 and hparam in cells["globex"]:
            with ClaimBook(installation.home.claims_folder).open() as book:
                claims.append(book.take(f"trained_policies[{cells['acme']}]"))

    watch_saves(monkeypatch, erase_then_claim)
    result = train_all(installation)
    monkeypatch.undo()
    assert not result.success
    assert cells["acme"] in reason_of(result)
    assert f"was erased by order {ORDER}" in reason_of(result)
    assert cells["globex"] not in reason_of(result)
    for asset in ("trained_policies", "policy_evaluations"):
        assert set(installation.log.newest(asset)) == {cells["globex"]}
    assert files_of(installation, ACME) == before, "neither weights nor checkpoints"
    assert not list((store_of(installation).root / "checkpoints").rglob("*.safetensors"))
    assert claims[-1], "whoever erases may claim the cell while the other one is still in training"
    policy = installation.log.newest("trained_policies")[cells["globex"]]
    assert max(record.data["resumed_at_update"] for record in policy.entries["members"].records) > 0
    undisturbed = execute(
        installation,
        assets=[TRAINED, EVALUATED],
        partition=cells["globex"],
        run_config={"ops": {"policies": {"config": {"retrain": True}}}},
    )
    assert undisturbed.success
    again = installation.log.newest("trained_policies")[cells["globex"]]
    assert (again.event_id > policy.event_id, again.data_version) == (True, policy.data_version)


def test_what_is_erased_before_the_run_is_not_trained_and_leaves_nothing(installation, cells):
    before = files_of(installation, ACME)
    store_of(installation).tombstones.write(client_tombstone(installation))
    result = train_all(installation)
    assert f"was erased by order {ORDER}" in reason_of(result)
    assert set(installation.log.newest("policy_evaluations")) == {cells["globex"]}
    assert files_of(installation, ACME) == before


def test_whoever_is_erased_between_training_and_evaluation_is_not_evaluated(installation, cells, monkeypatch):
    real, before = CellEvaluation.publish, []

    def publish(self, *given, **named):
        if not before:
            before.append(files_of(installation, ACME))
            store_of(installation).tombstones.write(client_tombstone(installation))
        return real(self, *given, **named)

    monkeypatch.setattr(CellEvaluation, "publish", publish)
    result = train_all(installation)
    assert f"was erased by order {ORDER}" in reason_of(result)
    assert set(installation.log.newest("trained_policies")) == set(cells.values())
    assert set(installation.log.newest("policy_evaluations")) == {cells["globex"]}
    assert files_of(installation, ACME) == before[0]


def test_a_complete_cell_that_is_erased_is_not_logged_again(installation, cells):
    assert train_all(installation).success
    store_of(installation).tombstones.write(client_tombstone(installation))
    first = installation.log.newest("trained_policies")
    assert not train_all(installation).success
    second = installation.log.newest("trained_policies")
    assert second[cells["acme"]].event_id == first[cells["acme"]].event_id
    assert second[cells["globex"]].event_id > first[cells["globex"]].event_id
    assert second[cells["globex"]].data_version == first[cells["globex"]].data_version
