"""Lineage: the record says what was really read, whoever else was trained in the same run."""

from pathlib import Path

import dagster as dg
import pytest

from rl_assets import api
from rl_assets.api.drive import drive, execute
from rl_assets.api.installation import Installation
from rl_assets.api.sweeps import launch_sweep
from rl_assets.defs.assets import policy_runs
from rl_assets.errors import EnvironmentFault, ReadOutsideScope, UnknownClient
from rl_assets.resources.inputs import Inputs
from rl_assets.rl.outcomes import MemberFailure
from rl_assets.rl.training import train
from rl_assets.store.objects import ObjectStore
from tests.defs.tiny_sweeps import ACME, GLOBEX, tiny_sweep

ENV = "CartPole-v1"


def datasets_read(installation: Installation) -> dict[str, set[str]]:
    """Cell -> the datasets that its newest training says it read."""
    return {
        key: {read.partition for read in event.inputs or () if read.asset == "datasets"}
        for key, event in installation.log.newest("trained_policies").items()
    }


def launch_both(installation: Installation, order: tuple[str, str]) -> dict[str, str]:
    """Configure a sweep for each client, over the same env; returns client -> its recipe's cell."""
    words = {"acme": ACME, "globex": GLOBEX}
    cells = {}
    for name in order:
        event = launch_sweep(installation, tiny_sweep(name, grid={"learning_rate": [1e-3]}, dataset=words[name]))
        cells[name] = f"{ENV}|{event.metadata['rl/cells']['hparams'][0]}"
    return cells


def train_all(installation: Installation) -> dg.ExecuteInProcessResult:
    """One run over everything, as a backfill of the whole range."""
    hparams = installation.instance.get_dynamic_partitions("hparam")
    tags = {
        "dagster/asset_partition_range_start": f"{ENV}|{hparams[0]}",
        "dagster/asset_partition_range_end": f"{ENV}|{hparams[-1]}",
    }
    return execute(installation, assets=[policy_runs.TRAINED, policy_runs.EVALUATED], partition=None, tags=tags)


def partitions(answer: dict[str, list], asset: str) -> set[str]:
    return {item["partition"] for item in answer["materializations"] if item["asset"] == asset}


@pytest.mark.parametrize("order", [("acme", "globex"), ("globex", "acme")])
def test_two_clients_in_one_run_keep_their_own_data(installation: Installation, order: tuple[str, str]) -> None:
    cells = launch_both(installation, order)
    assert train_all(installation).success
    runs = {event.run_id for event in installation.log.history("trained_policies")}
    assert len(runs) == 1
    register = installation.register
    own = {
        "acme": set(register.datasets_of(ACME["client_id"])),
        "globex": set(register.datasets_of(GLOBEX["client_id"])),
    }
    assert datasets_read(installation) == {cells["acme"]: own["acme"], cells["globex"]: own["globex"]}
    list(drive(installation))
    for client, words in (("acme", ACME), ("globex", GLOBEX)):
        answer = api.client_lineage(installation, words["client_id"])
        assert partitions(answer, "trained_policies") == {cells[client]}
        assert partitions(answer, "policy_evaluations") == {cells[client]}
        assert partitions(answer, "sweep_configs") == set(), f"sweep '{client}' names a dataset and holds none of it"
        assert answer["possibly_affected"] == []
    owner = "acme" if api.champion(installation, ENV)["hparam"] in cells["acme"] else "globex"
    other = {"acme": GLOBEX, "globex": ACME}[owner]["client_id"]
    mine = {"acme": ACME, "globex": GLOBEX}[owner]["client_id"]
    assert [item["partition"] for item in api.client_lineage(installation, mine)["promoted"]] == [ENV]
    assert api.client_lineage(installation, other)["promoted"] == [], "to be compared with is not to be trained on"


def test_when_one_clients_recipe_fails_the_other_is_recorded_as_ever(
    installation: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    cells = launch_both(installation, ("acme", "globex"))

    def train_but_lose_acme(plan, **settings):
        for outcome in train(plan, **settings):
            lost = MemberFailure(seed=0, error=EnvironmentFault("injected: the pool died"))
            yield type(outcome)(hparam=outcome.hparam, members=(lost,)) if outcome.hparam in cells["acme"] else outcome

    monkeypatch.setattr(policy_runs, "train", train_but_lose_acme)
    assert not train_all(installation).success
    assert datasets_read(installation) == {cells["globex"]: set(installation.register.datasets_of(GLOBEX["client_id"]))}
    assert partitions(api.client_lineage(installation, ACME["client_id"]), "trained_policies") == set()


def test_the_trace_of_a_champion_leads_to_the_clients_dataset(installation: Installation) -> None:
    api.run_sweep(installation, tiny_sweep())
    steps = api.trace_champion(installation, ENV)
    assert [step["asset"] for step in steps] == [
        "promoted_models", "gate_evaluations", "eval_leaderboards", "policy_evaluations", "trained_policies",
        "sweep_configs", "datasets",
    ]  # fmt: skip
    assert steps[-1]["partition"] in installation.register.datasets_of(ACME["client_id"])
    assert all(step["commit"] for step in steps)


def test_a_closed_scope_refuses_to_read_and_to_publish(installation: Installation) -> None:
    api.run_sweep(installation, tiny_sweep())
    with Inputs(log=installation.log, store=ObjectStore(installation.home.store_url)).for_output(
        "anything", "x"
    ) as scope:
        pass
    with pytest.raises(ReadOutsideScope, match="anything"):
        scope.read("eval_leaderboards", ENV)
    with pytest.raises(ReadOutsideScope):
        scope.publish(kind="k", files={}, facts={}, config_hash="", metadata={})


def test_a_materialization_logged_by_other_means_is_possibly_affected(installation: Installation) -> None:
    api.run_sweep(installation, tiny_sweep())
    installation.instance.report_runless_asset_event(
        dg.AssetMaterialization("trained_policies", partition=f"{ENV}|by-hand")
    )
    answer = api.client_lineage(installation, ACME["client_id"])
    assert [item["partition"] for item in answer["possibly_affected"]] == [f"{ENV}|by-hand"]


def test_an_unknown_client_is_refused(installation: Installation) -> None:
    with pytest.raises(UnknownClient, match="Nobody"):
        api.client_lineage(installation, "Nobody")


def test_a_clients_name_is_readable_in_no_file(installation: Installation, tmp_path: Path) -> None:
    canary = {name: f"canary-{name}-Zq7" for name in ("client_id", "project", "data_source", "domain")}
    api.run_sweep(installation, tiny_sweep(dataset=canary))
    found = {
        str(path.relative_to(tmp_path))
        for path in tmp_path.rglob("*")
        if path.is_file() and b"zq7" in path.read_bytes().lower()
    }
    assert found == set(), "and the register, which holds it, is encrypted"
    assert installation.register.names() == (canary["client_id"],)


def test_a_data_version_changes_with_the_bytes_and_only_then(installation: Installation, tmp_path: Path) -> None:
    folder = tmp_path / "recordings"
    folder.mkdir()
    (folder / "a.csv").write_bytes(b"one")
    first = api.add_dataset(installation, **ACME, path=folder)
    again = api.add_dataset(installation, **ACME, path=folder)
    assert (again.partition, again.data_version) == (first.partition, first.data_version)
    (folder / "a.csv").write_bytes(b"two")
    changed = api.add_dataset(installation, **ACME, path=folder)
    assert changed.partition == first.partition
    assert changed.data_version != first.data_version


def test_new_bytes_of_a_dataset_train_its_recipes_again(installation: Installation, tmp_path: Path) -> None:
    recording = tmp_path / "a.csv"
    recording.write_bytes(b"one")
    key = api.add_dataset(installation, **ACME, path=recording).partition
    api.run_sweep(installation, tiny_sweep(dataset=key, grid={"learning_rate": [1e-3]}))
    recording.write_bytes(b"two")
    version = api.add_dataset(installation, **ACME, path=recording).data_version
    api.run_sweep(installation, tiny_sweep(dataset=key, grid={"learning_rate": [1e-3]}))
    (trained,) = installation.log.newest("trained_policies").values()
    assert version in {read.data_version for read in trained.inputs or ()}
    assert "rl/reused_from" not in trained.metadata
