"""A client is erased: everything of theirs goes, nothing of others', and a certificate says so."""

import json
import random
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest

from rl_assets import api
from rl_assets.api.installation import Installation
from rl_assets.errors import (
    ErasureIncomplete,
    ErasureRefused,
    PlanStale,
    RoleMissing,
    UnknownClient,
    UnknownPartition,
)
from rl_assets.resources.actors import Actor
from rl_assets.resources.alert_events import AlertEvents
from rl_assets.resources.erasing.estate import Estate
from rl_assets.resources.erasing.execution import Execution
from rl_assets.resources.event_log import ARTIFACT_KEY
from rl_assets.resources.lineage_log import ASSETS
from rl_assets.store.artifacts import ArtifactRef, read_artifact
from rl_assets.store.objects import ObjectStore
from tests.defs.two_clients import ACME, ACROBOT, CARTPOLE, GLOBEX, run

ALICE, BOB = Actor(name="alice"), Actor(name="bob")


def plan_acme(used: Installation, **changes: object) -> dict:
    return api.plan_erasure(used, client=ACME["client_id"], actor=ALICE, **changes)  # pyright: ignore[reportArgumentType]


def snapshot(folder: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def windows(data: bytes, *, size: int = 48) -> list[bytes]:
    """Some pieces of a binary file; texts of settings are alike for everybody."""
    try:
        data.decode()
    except UnicodeDecodeError:
        places = random.Random(len(data)).sample(range(max(1, len(data) - size)), k=min(12, max(1, len(data) - size)))
        pieces = [data[place : place + size] for place in places]
        return [piece for piece in pieces if len(set(piece)) > 24]
    return []


def everything(folder: Path) -> Iterator[tuple[Path, bytes]]:
    yield from ((path, path.read_bytes()) for path in folder.rglob("*") if path.is_file())


def test_a_plan_names_exactly_what_descends_and_changes_nothing(used: Installation, keys: dict[str, str]) -> None:
    before = snapshot(used.home.state)
    events = used.log.latest_ids("trained_policies")
    plan = plan_acme(used)
    trained = {item["partition"].split("|")[1] for item in plan["erased"] if item["asset"] == "trained_policies"}
    assert trained >= {keys["acme"], keys["chain"], keys["mixed"]}
    assert keys["globex"] not in trained
    assert {item["partition"] for item in plan["erased"] if item["asset"] == "datasets"} == {
        keys["acme.d1"],
        keys["acme.d2"],
    }
    assert not any(ACROBOT in (item["partition"] or "") for item in plan["erased"])
    assert set(plan["keys"]["sweep"]) == {"acme", "chain"}
    after = snapshot(used.home.state)
    assert {path for path in before if "lineage" not in path} == {path for path in after if "lineage" not in path}
    assert all(after[path] == data for path, data in before.items() if "lineage" not in path)
    assert used.log.latest_ids("trained_policies") == events
    assert plan_acme(used)["plan_id"] == plan["plan_id"]
    assert ACME["client_id"] not in json.dumps({name: plan[name] for name in plan if name != "source_places"})


def test_an_erased_client_is_found_nowhere_and_the_other_s_champion_stays(
    used: Installation, used_folder: Path, keys: dict[str, str]
) -> None:
    champion = api.champion(used, ACROBOT)
    assert api.champion(used, CARTPOLE)["hparam"] in {keys["acme"], keys["chain"], keys["mixed"]}
    others = {
        event.event_id: event for asset in ASSETS for event in used.log.history(asset) if ACROBOT in event.partition
    }
    plan = plan_acme(used)
    store = ObjectStore(used.home.store_url)
    doomed = {item["event_id"] for item in plan["erased"]}
    needles: set[bytes] = set()
    for asset in ASSETS:
        for event in used.log.history(asset):
            if event.event_id in doomed and ARTIFACT_KEY in event.metadata:
                artifact = read_artifact(store, ArtifactRef.from_json(event.metadata[ARTIFACT_KEY]))
                needles |= {piece for name in artifact.file_names for piece in windows(artifact.read(name))}
    theirs = keys["globex.d1"].split(".")[0]
    others_bytes = [data for path, data in everything(used_folder) if theirs in path.parts or path.name == "globex.npz"]
    needles = {piece for piece in needles if not any(piece in data for data in others_bytes)}
    assert len(needles) > 50
    outcome = api.confirm_erasure(used, plan["plan_id"], actor=BOB)

    assert outcome["certificate"] == 1
    assert all(scan["hits"] == 0 for scan in outcome["verification"])
    with pytest.raises(UnknownClient):
        api.client_lineage(used, ACME["client_id"])
    for asset in ASSETS:
        assert not doomed & {event.event_id for event in used.log.history(asset)}
    assert set(used.instance.get_dynamic_partitions("sweep")) == {"globex", "mixed"}
    assert keys["acme"] not in used.instance.get_dynamic_partitions("hparam")
    source = used_folder / "acme.npz"
    own = {source}
    for path, data in everything(used_folder):
        if path not in own and "root" not in path.parts:
            assert not any(piece in data for piece in needles), path
            assert b"cmetronics" not in data, path
    assert source.exists(), "a client's own files are the client's"

    assert api.champion(used, ACROBOT) == champion
    assert {
        event.event_id for asset in ASSETS for event in used.log.history(asset) if ACROBOT in event.partition
    } >= set(others)
    backward = api.Lineage(used).backward(api.champion_reference(used, ACROBOT))
    assert backward["is_complete"]
    assert api.examine(used)["findings"] == []
    assert api.client_lineage(used, GLOBEX["client_id"])["possibly_affected"] == []

    certificate = api.verify_certificate(Path(outcome["file"]), ledger=used.home.erasures_folder)
    assert certificate.order_id == outcome["order"]
    text = Path(outcome["file"]).read_text()
    for secret in (ACME["client_id"], keys["acme.d1"], keys["acme.d1"].split(".")[0], "alice", "bob"):
        assert secret not in text
    for asset in ("erasure_requests", "erasure_certificates"):
        shown = used.log.latest(asset, outcome["order"])
        assert shown is not None, "the UI shows it"


def test_production_goes_back_to_an_untainted_version_or_is_vacated_aloud(
    used: Installation, keys: dict[str, str]
) -> None:
    outcome = api.confirm_erasure(used, plan_acme(used)["plan_id"], actor=BOB)
    (change,) = outcome["champions"]
    assert (change["env"], change["action"]) == (CARTPOLE, "vacate")
    with pytest.raises(UnknownPartition, match=f"vacated by bob .*{outcome['order']}"):
        api.champion(used, CARTPOLE)
    titles = [entry["title"] for entry in api.history(used, CARTPOLE)["transitions"]]
    assert "vacated" in titles
    events = AlertEvents(used.log, ui_url=None)
    alerts = [alert for alert in events.between(0, events.newest()) if alert.kind == "vacated"]
    assert [alert.title for alert in alerts] == [f"{CARTPOLE}: nobody is in production"]
    assert outcome["order"] in alerts[0].sentence
    assert list(api.load_champions(used)) == [ACROBOT]


def test_the_newest_untainted_version_takes_over(used: Installation, keys: dict[str, str]) -> None:
    theirs = run(used, "theirs", dataset=keys["globex.d1"], fixed={"num_envs": 4, "num_steps": 32, "hidden_sizes": [4]})
    api.promote(used, CARTPOLE, theirs, reason="shadow run", actor=ALICE)
    api.promote(used, CARTPOLE, keys["acme"], seed=0, reason="back", actor=ALICE)
    plan = plan_acme(used)
    (change,) = plan["champions"]
    assert change["replacement"] == change["production"] - 1
    outcome = api.confirm_erasure(used, plan["plan_id"], actor=BOB)
    assert [item["action"] for item in outcome["champions"]] == ["roll_back"]
    champion = api.champion(used, CARTPOLE)
    assert champion["hparam"] == theirs
    assert (champion["action"], champion["actor"], champion["role"]) == ("roll_back", "bob", "eraser")
    event = used.log.latest("promoted_models", CARTPOLE)
    assert event is not None
    assert event.metadata["action"] == "roll_back", "the UI shows it"
    assert CARTPOLE in api.load_champions(used)
    assert api.examine(used)["findings"] == []
    told = json.dumps(api.history(used, CARTPOLE))
    assert keys["acme"] not in told
    assert "back" not in [entry["reason"] for entry in api.history(used, CARTPOLE)["transitions"]]


def test_a_plan_that_something_changed_is_refused_and_says_what(used: Installation, keys: dict[str, str]) -> None:
    plan = plan_acme(used)
    run(used, "later", dataset=keys["acme.d2"], fixed={"num_envs": 4, "num_steps": 32, "hidden_sizes": [4]})
    before = used.log.latest_ids("trained_policies")
    with pytest.raises(PlanStale, match=r"to be erased, new: .*nothing was done"):
        api.confirm_erasure(used, plan["plan_id"], actor=BOB)
    assert used.log.latest_ids("trained_policies") == before
    assert api.list_erasures(used) == []


def test_what_others_do_meanwhile_leaves_a_plan_as_it_is(used: Installation, keys: dict[str, str]) -> None:
    plan = plan_acme(used)
    run(used, "other", dataset=keys["globex.d1"], envs=[ACROBOT], seeds=[5])
    assert api.confirm_erasure(used, plan["plan_id"], actor=BOB)["certificate"] == 1


def test_who_planned_does_not_confirm_alone(used: Installation) -> None:
    plan = plan_acme(used)
    with pytest.raises(RoleMissing, match="what alice planned"):
        api.confirm_erasure(used, plan["plan_id"], actor=ALICE)
    with pytest.raises(RoleMissing, match="role 'eraser'"):
        api.confirm_erasure(used, plan["plan_id"], actor=Actor(name="mallory"))
    with pytest.raises(RoleMissing, match="may not plan an erasure"):
        api.plan_erasure(used, client=ACME["client_id"], actor=Actor(name="mallory"))
    assert api.list_erasures(used) == []


def test_a_legal_hold_forbids_it_until_it_is_released(used: Installation) -> None:
    hold = api.place_hold(used, ACME["client_id"], reason="case 7")
    plan = plan_acme(used)
    assert [item["number"] for item in plan["holds"]] == [hold.number]
    with pytest.raises(ErasureRefused, match=r"legal hold forbids it .*hold 1"):
        api.confirm_erasure(used, plan["plan_id"], actor=BOB)
    assert api.list_erasures(used) == []
    api.release_hold(used, ACME["client_id"], hold.number, reason="closed")
    assert api.confirm_erasure(used, plan["plan_id"], actor=BOB)["certificate"] == 1


def test_names_of_nothing_are_refused(used: Installation, keys: dict[str, str]) -> None:
    with pytest.raises(UnknownClient):
        api.plan_erasure(used, client="Nobody", actor=ALICE)
    with pytest.raises(UnknownPartition, match="was never made here"):
        api.confirm_erasure(used, "p-0123456789ab", actor=BOB)
    with pytest.raises(UnknownPartition, match="is not known here"):
        api.plan_erasure(used, datasets=["c-0123456789.d1"], actor=ALICE)
    with pytest.raises(ErasureRefused, match="datasets of 2 clients"):
        api.plan_erasure(used, datasets=[keys["acme.d1"], keys["globex.d1"]], actor=ALICE)


def test_one_dataset_goes_and_the_client_s_other_stays(used: Installation, keys: dict[str, str]) -> None:
    plan = api.plan_erasure(used, datasets=[keys["acme.d2"]], actor=ALICE)
    trained = {item["partition"].split("|")[1] for item in plan["erased"] if item["asset"] == "trained_policies"}
    assert trained == {keys["chain"]}
    api.confirm_erasure(used, plan["plan_id"], actor=BOB)
    left = used.log.latest_ids("trained_policies")
    assert f"{CARTPOLE}|{keys['acme']}" in left
    assert f"{CARTPOLE}|{keys['chain']}" not in left
    assert [entry["dataset"] for entry in api.list_datasets(used)] == [keys["acme.d1"], keys["globex.d1"]]
    assert api.examine(used)["findings"] == []


def test_a_confirmed_order_is_told_again_and_not_done_again(used: Installation) -> None:
    plan = plan_acme(used)
    first = api.confirm_erasure(used, plan["plan_id"], actor=BOB)
    second = api.confirm_erasure(used, plan["plan_id"], actor=BOB)
    assert (second["certificate"], second["sha256"]) == (first["certificate"], first["sha256"])
    assert second["was_finished"]
    assert len(api.list_erasures(used)) == 1


@pytest.mark.parametrize("what", ["bytes", "name"])
def test_a_copy_that_somebody_put_aside_is_found_and_nothing_is_certified(
    used: Installation, used_folder: Path, what: str
) -> None:
    source = (used_folder / "acme.npz").read_bytes()
    copy = used.home.state / "exports" / "aside.bin"
    copy.parent.mkdir()
    copy.write_bytes(b"before" + source if what == "bytes" else f"for {ACME['client_id'].upper()}".encode())
    plan = plan_acme(used)
    with pytest.raises(ErasureIncomplete, match=r"still found: 1 in state \(aside.bin\): nothing is certified"):
        api.confirm_erasure(used, plan["plan_id"], actor=BOB)
    (order,) = api.list_erasures(used)
    assert (order["certificate"], order["steps_done"][-1]) == (None, "announce")
    copy.unlink()
    assert api.confirm_erasure(used, plan["plan_id"], actor=BOB)["order"] == order["order"]


def test_what_was_logged_while_records_were_removed_goes_too(
    used: Installation, keys: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    late = used.log.latest("policy_evaluations", f"{CARTPOLE}|{keys['acme']}")
    assert late is not None
    real = Execution._delete_records

    def log_late(self: Execution) -> object:
        result = real(self)
        used.instance.report_runless_asset_event(
            dg.AssetMaterialization(
                asset_key="policy_evaluations",
                partition=late.partition,
                metadata=late.entries,
                tags={"dagster/data_version": late.data_version},
            )
        )
        return result

    monkeypatch.setattr(Execution, "_delete_records", log_late)
    plan = plan_acme(used)
    outcome = api.confirm_erasure(used, plan["plan_id"], actor=BOB)
    journal = Estate(home=used.home, instance=used.instance).ledger.journal(outcome["order"])
    assert [item["partition"] for item in journal["verify"].result["late"]] == [late.partition]
    assert outcome["erased"]["policy_evaluations"] == plan["counts"]["policy_evaluations"] + 1
    assert used.log.latest("policy_evaluations", late.partition) is None
