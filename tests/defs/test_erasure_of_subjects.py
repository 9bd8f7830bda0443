"""One person inside the datasets of a client is erased; the rest of the data stays and is trained on again."""

from pathlib import Path

import pytest

from rl_assets import api
from rl_assets.api.datasets import materialize_dataset
from rl_assets.api.installation import Installation
from rl_assets.datasets.subjects import subjects_of
from rl_assets.errors import BadInput, ErasureRefused
from rl_assets.resources.event_log import ARTIFACT_KEY
from rl_assets.store.artifacts import ArtifactRef, read_artifact
from rl_assets.store.objects import ObjectStore
from tests.defs.test_erasure import ALICE, BOB, everything
from tests.defs.two_clients import ACME, ACROBOT, CARTPOLE, GLOBEX


def subjects_in(used: Installation, key: str) -> set[str]:
    event = used.log.latest("datasets", key)
    assert event is not None
    artifact = read_artifact(ObjectStore(used.home.store_url), ArtifactRef.from_json(event.metadata[ARTIFACT_KEY]))
    return {name for file in artifact.file_names for name in subjects_of(artifact.read(file), file)}


def test_a_subject_goes_with_all_that_learned_of_it_and_does_not_come_back(
    used: Installation, used_folder: Path, keys: dict[str, str]
) -> None:
    others = used.log.latest("datasets", keys["globex.d1"])
    plan = api.plan_erasure(used, client=ACME["client_id"], subject="ann", actor=ALICE)
    assert plan["scope"]["datasets"] == [keys["acme.d1"]]
    trained = {item["partition"].split("|")[1] for item in plan["erased"] if item["asset"] == "trained_policies"}
    assert trained >= {keys["acme"], keys["chain"], keys["mixed"]}
    assert not any(plan["keys"].values()), "the sweeps stay, to be trained on what is left"
    outcome = api.confirm_erasure(used, plan["plan_id"], actor=BOB)
    assert used.log.latest("datasets", keys["acme.d1"]) is None
    needle = (used_folder / "acme.npz").read_bytes()[200:280]
    for path, data in everything(used_folder):
        assert path.name == "acme.npz" or "root" in path.parts or needle not in data, path

    materialize_dataset(used, keys["acme.d1"])
    assert subjects_in(used, keys["acme.d1"]) == {"bob", "eve"}
    assert subjects_in(used, keys["globex.d1"]) == {"ann", "bob", "eve"}, "another client's ann is somebody else"
    assert used.log.latest("datasets", keys["globex.d1"]) == others
    assert api.champion(used, ACROBOT)["hparam"] == keys["globex"]

    items = {item["sweep"]: item for item in outcome["retraining"]["items"]}
    assert {name: item["how"] for name, item in items.items()} == dict.fromkeys(["acme", "chain", "mixed"], "again")
    assert items["acme"]["env_steps"] == 256
    done = api.retrain(used, outcome["order"])
    assert all(not item["failed"] for item in done)
    assert f"{CARTPOLE}|{keys['acme']}" in used.log.latest_ids("trained_policies")
    assert api.examine(used)["findings"] == []


def test_a_subject_of_nobody_is_refused_without_repeating_the_name(used: Installation) -> None:
    with pytest.raises(ErasureRefused, match="holds episodes about that subject") as refused:
        api.plan_erasure(used, client=ACME["client_id"], subject="zelda", actor=ALICE)
    assert "zelda" not in str(refused.value)
    with pytest.raises(BadInput, match="from one client's datasets"):
        api.plan_erasure(used, subject="ann", actor=ALICE)


def test_the_ledger_and_the_certificate_do_not_know_the_subject_s_name(used: Installation, used_folder: Path) -> None:
    plan = api.plan_erasure(used, client=GLOBEX["client_id"], subject="eve", actor=ALICE)
    api.confirm_erasure(used, plan["plan_id"], actor=BOB)
    for path in used.home.erasures_folder.rglob("*.json"):
        assert b'"eve"' not in path.read_bytes(), path


def test_a_file_that_names_the_subject_and_says_nothing_of_whose_it_is_stops_the_plan(
    used: Installation, used_folder: Path
) -> None:
    note = used_folder / "notes" / "remarks.txt"
    note.parent.mkdir()
    note.write_text("Ivanka-77 fell twice")
    words = {"client_id": ACME["client_id"], "project": "remarks", "data_source": "rig", "domain": "control"}
    key = api.add_dataset(used, **words, path=note.parent).partition
    with pytest.raises(ErasureRefused, match=f"dataset '{key}': file '000000' names that subject") as refused:
        api.plan_erasure(used, client=ACME["client_id"], subject="Ivanka-77", actor=ALICE)
    assert "Ivanka" not in str(refused.value)
