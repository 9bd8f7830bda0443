"""A champion whose data is erased serves nobody, leaves production empty, and is forgotten but for hashes."""

from datetime import UTC, datetime

import dagster as dg
import pytest

from rl_assets import api
from rl_assets.api.drive import drive, execute
from rl_assets.cli.promoting import print_history
from rl_assets.errors import ErasedData, NothingToRollBackTo, UnknownPartition
from rl_assets.store.artifacts import ArtifactRef, read_artifact
from rl_assets.store.objects import ObjectStore
from rl_assets.store.removal import remove_client
from rl_assets.store.tombstones import Erased, Tombstone
from tests.defs.promotions import ENV, history, other_recipe
from tests.defs.tiny_sweeps import ACME, GLOBEX, tiny_sweep
from tests.store.model_entries import entry

ORDER = "e-00000000aa"
AT = "2026-01-02T03:04:05+00:00"


def store_of(installation):
    return ObjectStore(installation.home.store_url)


def erase(installation, client, **changes):
    """Set the tombstone of a whole client, as an order does; returns what it names."""
    affected = api.client_lineage(installation, client["client_id"])["materializations"]
    owner = installation.register.pseudonym_of(client["client_id"])
    tombstone = Tombstone(
        order=ORDER, at=AT, clients=frozenset({owner}), erased=tuple(Erased(**item) for item in affected), **changes
    )
    return store_of(installation).tombstones.write(tombstone)


def vacate(installation):
    kept, now = history(installation), datetime.now(UTC).isoformat(timespec="seconds")
    vacated = entry(action="vacate", model=None, actor="officer", reason=f"erasure {ORDER}", evidence={}, at=now)
    kept.append(vacated, expected_generation=kept.reign())


@pytest.fixture
def reigned(installation):
    """An installation whose champion stands on Acme's data."""
    api.run_sweep(installation, tiny_sweep(seeds=1))
    return installation


def test_an_erased_champion_is_not_served_and_nothing_rolls_back_to_one(reigned):
    api.promote(reigned, ENV, other_recipe(reigned), reason="try the other")
    erase(reigned, ACME)
    with pytest.raises(ErasedData, match=rf"promoted_models\[{ENV}\].* order {ORDER}"):
        api.load_champions(reigned)
    with pytest.raises(NothingToRollBackTo, match="generation 1 is erased"):
        api.rollback(reigned, ENV, reason="back")
    with pytest.raises(NothingToRollBackTo, match="generation 1 is erased"):
        api.rollback(reigned, ENV, to=1, reason="back")


def test_what_is_vacated_is_told_and_the_next_model_begins_the_next_generation(reigned, capsys):
    tombstone = erase(reigned, ACME)
    vacate(reigned)
    assert history(reigned).redact(tombstone.data_versions, order=ORDER) == 1
    assert api.load_champions(reigned) == {}
    for ask in (lambda: api.champion(reigned, ENV), lambda: api.load_champions(reigned, [ENV])):
        with pytest.raises(UnknownPartition, match=f"vacated by officer .erasure {ORDER}.*rlctl promote {ENV}"):
            ask()
    with pytest.raises(NothingToRollBackTo, match=f"generation 1 of '{ENV}' was erased by order {ORDER}"):
        api.rollback(reigned, ENV, to=1, reason="back")
    with pytest.raises(NothingToRollBackTo, match=f"generation 2 of '{ENV}' was vacated"):
        api.rollback(reigned, ENV, to=2, reason="back")
    print_history(api.history(reigned, ENV))
    shown = capsys.readouterr().out
    assert "  1  " in shown
    assert "promoted a model that is erased (generation 1)" in shown
    assert f"erased by order {ORDER}" in shown
    assert "vacated (generation 2)" in shown
    assert "production: nothing, vacated at " in shown

    api.run_sweep(reigned, tiny_sweep("globex", seeds=1, dataset=GLOBEX, grid={"learning_rate": [2e-3]}))
    champion = api.champion(reigned, ENV)
    assert champion["generation"] == 3
    gate = reigned.log.latest("gate_evaluations", ENV)
    verdict = read_artifact(store_of(reigned), ArtifactRef.from_json(gate.metadata["rl/artifact"]))
    assert verdict.facts["champion"] is None, "the log still holds the record of what reigned before"
    assert set(api.load_champions(reigned)) == {ENV}


def test_the_doctor_calls_no_part_of_an_erasure_damage(reigned):
    api.run_sweep(reigned, tiny_sweep("globex", seeds=1, dataset=GLOBEX, grid={"learning_rate": [2e-3]}))
    owner = reigned.register.pseudonym_of(ACME["client_id"])
    tombstone = erase(reigned, ACME)
    assert api.examine(reigned)["findings"] == [], "in quarantine"
    vacate(reigned)
    assert api.examine(reigned)["findings"] == [], "vacated"
    history(reigned).redact(tombstone.data_versions, order=ORDER)
    assert api.examine(reigned)["findings"] == [], "redacted"
    assert remove_client(store_of(reigned), owner).num_objects > 0
    assert api.examine(reigned)["findings"] == [], "removed"
    erase(reigned, ACME, bytes_are_gone=True)
    assert api.examine(reigned)["findings"] == [], "settled"


def test_a_leaderboard_is_made_without_what_is_erased(reigned):
    api.run_sweep(reigned, tiny_sweep("globex", seeds=1, dataset=GLOBEX, grid={"learning_rate": [2e-3]}))
    assert len(api.leaderboard(reigned, ENV)["rows"]) == 3
    erase(reigned, ACME)
    with pytest.raises(ErasedData):
        api.leaderboard(reigned, ENV)
    assert execute(reigned, assets=[dg.AssetKey("eval_leaderboards")], partition=ENV).success
    (row,) = api.leaderboard(reigned, ENV)["rows"]
    assert "lr=0.002" in row["hparam"] or "learning_rate" in row["hparam"]
    board = reigned.log.latest("eval_leaderboards", ENV)
    made = read_artifact(store_of(reigned), ArtifactRef.from_json(board.metadata["rl/artifact"]))
    assert made.owners == {reigned.register.pseudonym_of(GLOBEX["client_id"])}


def test_a_verdict_holds_the_data_of_both_it_compares_and_a_promotion_takes_over_neither_rivals(reigned):
    gates = {"floor": -1000.0, "num_episodes": 4, "beats_champion": False}
    api.run_sweep(reigned, tiny_sweep("globex", seeds=1, dataset=GLOBEX, grid={"learning_rate": [2e-3]}, gates=gates))
    list(drive(reigned))
    owners = {
        name: reigned.register.pseudonym_of(words["client_id"]) for name, words in (("acme", ACME), ("globex", GLOBEX))
    }
    gates_made = list(reigned.log.history("gate_evaluations", ENV))
    compared = next(gate for gate in gates_made if any(read.asset == "promoted_models" for read in gate.inputs or ()))
    roles = {read.asset: read.role for read in compared.inputs or ()}
    assert roles["promoted_models"] == "data"
    made = read_artifact(store_of(reigned), ArtifactRef.from_json(compared.metadata["rl/artifact"]))
    assert owners["acme"] in made.owners
    for promoted in reigned.log.history("promoted_models", ENV):
        model = read_artifact(store_of(reigned), ArtifactRef.from_json(promoted.metadata["rl/artifact"]))
        assert len(model.owners) == 1
        assert {read.asset for read in promoted.inputs or () if read.role == "data"} == {"trained_policies"}
