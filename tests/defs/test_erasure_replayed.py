"""A backup from before an erasure is restored: the ledger, which lies outside it, is replayed over it first."""

import shutil
from pathlib import Path

import dagster as dg
import pytest

from rl_assets import api
from rl_assets.api.installation import Installation
from rl_assets.api.opening import _honour_erasures
from rl_assets.defs.graph import build_definitions
from rl_assets.defs.sensors.erasures_due import erasures_due
from rl_assets.errors import ErasedData
from rl_assets.resources.configured import ErasuresResource
from rl_assets.resources.erasing.estate import Estate
from rl_assets.resources.erasing.replaying import due_orders, entomb_again
from rl_assets.resources.inputs import Inputs
from rl_assets.store.objects import ObjectStore
from tests.defs.test_erasure import ALICE, BOB
from tests.defs.two_clients import ACME, ACROBOT, CARTPOLE, GLOBEX, opened

PARTS = {"everything": ("state", "instance"), "records": ("instance",), "state": ("state",)}


@pytest.mark.parametrize(
    ("parts", "subject"),
    [
        ("everything", None),
        ("records", "ann"),
        *(
            pytest.param(parts, subject, marks=pytest.mark.slow)
            for parts, subject in [("everything", "ann"), ("records", None), ("state", None), ("state", "ann")]
        ),
    ],
)
def test_what_a_backup_brings_back_is_erased_again(
    used_folder: Path, keys: dict[str, str], tmp_path: Path, parts: str, subject: str | None
) -> None:
    for part in PARTS[parts]:
        shutil.copytree(used_folder / part, tmp_path / "backup" / part, symlinks=True)
    with opened(used_folder) as used:
        plan = api.plan_erasure(used, client=ACME["client_id"], subject=subject, actor=ALICE)
        first = api.confirm_erasure(used, plan["plan_id"], actor=BOB)
    for part in PARTS[parts]:
        shutil.rmtree(used_folder / part)
        shutil.copytree(tmp_path / "backup" / part, used_folder / part, symlinks=True)
    told: list[str] = []
    with opened(used_folder) as used:  # loading the definitions sets the tombstones
        event = used.log.latest("trained_policies", f"{CARTPOLE}|{keys['acme']}")
        if event is not None:
            with (
                Inputs(log=used.log, store=ObjectStore(used.home.store_url)).for_output("x", "y") as scope,
                pytest.raises(ErasedData, match=first["order"]),
            ):
                scope.open(event)
        _honour_erasures(used, told.append)
        assert used.log.latest("trained_policies", f"{CARTPOLE}|{keys['acme']}") is None
        assert used.log.latest("datasets", keys["acme.d1"]) is None
        assert (ACME["client_id"] in used.register.names()) == (subject is not None)
        assert api.champion(used, ACROBOT)["hparam"] == keys["globex"]
        listed = api.list_erasures(used)
        assert [item["replays"] for item in listed] == [None, first["order"]]
        assert [item["certificate"] for item in listed] == [1, 2]
        estate = Estate(home=used.home, instance=used.instance)
        assert [certificate.number for certificate in estate.ledger.verify_chain()] == [1, 2]
        assert due_orders(estate) == ()
        _honour_erasures(used, told.append)
        assert len(api.list_erasures(used)) == 2, "once is enough"
    assert any(f"order {first['order']} erased is back" in text for text in told)


def test_nothing_is_replayed_where_nothing_came_back(used_folder: Path) -> None:
    with opened(used_folder) as used:
        plan = api.plan_erasure(used, client=ACME["client_id"], actor=ALICE)
        api.confirm_erasure(used, plan["plan_id"], actor=BOB)
        assert entomb_again(used.home) == ()
        assert due_orders(Estate(home=used.home, instance=used.instance)) == ()


def test_the_daemon_s_sensor_requests_what_is_not_finished_and_what_came_back(
    used_folder: Path, tmp_path: Path
) -> None:
    shutil.copytree(used_folder / "instance", tmp_path / "instance", symlinks=True)
    with opened(used_folder) as used:
        plan = api.plan_erasure(used, client=ACME["client_id"], actor=ALICE)
        api.confirm_erasure(used, plan["plan_id"], actor=BOB)
        assert requested(used) == []
    shutil.rmtree(used_folder / "instance")
    shutil.copytree(tmp_path / "instance", used_folder / "instance", symlinks=True)
    with opened(used_folder) as used:
        (partition,) = requested(used)
        assert api.list_erasures(used)[-1]["order"] == partition
        assert used.log.latest("erasure_requests", partition) is not None
        assert requested(used) == [partition], "until it is carried out"


def requested(used: Installation) -> list[str]:
    home = used.home
    resource = ErasuresResource(
        root=str(home.root), state=str(home.state), store_url=home.store_url, erasures=str(home.erasures_folder)
    )
    repository = build_definitions(home).get_repository_def()
    result = erasures_due(dg.build_sensor_context(used.instance, repository_def=repository), erasures=resource)
    return [request.partition_key or "" for request in getattr(result, "run_requests", None) or ()]


def test_after_a_replay_of_several_orders_what_is_left_can_be_trained_on(
    used_folder: Path, keys: dict[str, str], tmp_path: Path
) -> None:
    for part in ("state", "instance"):
        shutil.copytree(used_folder / part, tmp_path / "backup" / part, symlinks=True)
    with opened(used_folder) as used:
        whole = api.plan_erasure(used, client=ACME["client_id"], actor=ALICE)
        api.confirm_erasure(used, whole["plan_id"], actor=BOB)
        one = api.plan_erasure(used, client=GLOBEX["client_id"], subject="eve", actor=ALICE)
        api.confirm_erasure(used, one["plan_id"], actor=BOB)
    for part in ("state", "instance"):
        shutil.rmtree(used_folder / part)
        shutil.copytree(tmp_path / "backup" / part, used_folder / part, symlinks=True)
    told: list[str] = []
    with opened(used_folder) as used:
        _honour_erasures(used, told.append)
        assert [bool(item["replays"]) for item in api.list_erasures(used)] == [False, False, True, True]
        assert not any("-" in text.split()[0] for text in told if "more materializations" in text)
        again = api.list_erasures(used)[-1]["order"]
        items = {item["sweep"]: item for item in api.retraining_plan(used, again)["items"]}
        assert {name: item["how"] for name, item in items.items()} == {"globex": "again", "mixed": "without"}
        done = api.retrain(used, again)
        assert [(item["refused"], item["failed"]) for item in done] == [(None, []), (None, [])]
        assert f"{ACROBOT}|{keys['globex']}" in used.log.latest_ids("trained_policies"), "equal bytes are made again"
        assert all(item["is_launched"] for item in api.retraining_plan(used, again)["items"])
