"""Sweeps whose store fails under them: the failure names what to do, what was good stays, and after it all goes on."""

import os
import random
import stat
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import numpy as np
import pytest

from rl_assets import api
from rl_assets.api.drive import drive, execute, reason_of
from rl_assets.api.installation import Installation
from rl_assets.api.queries import ASSETS
from rl_assets.api.sweeps import launch_sweep
from rl_assets.defs.assets import policy_runs
from rl_assets.defs.graph import build_definitions
from rl_assets.errors import RlAssetsError
from rl_assets.resources.event_log import ARTIFACT_KEY, Event
from rl_assets.resources.home import Home
from rl_assets.store.artifacts import ArtifactRef, read_artifact
from rl_assets.store.bundles import EPISODES_FILE, member_seeds, policy_file
from rl_assets.store.history import ChampionHistory
from rl_assets.store.objects import ObjectStore
from tests.conftest import PROJECT, QUIET
from tests.defs.tiny_sweeps import tiny_sweep

ENV = "CartPole-v1"


class Disk:
    """The disk below the store: full once so many files were written, until it is given room."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.room = 10**9
        self.num_refused = 0
        self._fsync = os.fsync
        monkeypatch.setattr("rl_assets.store.atomic.os.fsync", self._write)

    def _write(self, descriptor: int) -> None:
        if stat.S_ISREG(os.fstat(descriptor).st_mode):
            self.room -= 1
            if self.room < 0:
                self.num_refused += 1
                raise OSError(28, "No space left on device")
        self._fsync(descriptor)


def versions(installation: Installation) -> dict[str, dict[str, str]]:
    """Asset -> partition -> data version of all that is decided by what was trained."""
    return {
        asset: installation.log.latest_versions(asset)
        for asset in ("trained_policies", "policy_evaluations", "eval_leaderboards", "promoted_models")
    }


def weights(installation: Installation) -> list[str]:
    """Checksums of all trained members' weights."""
    store = ObjectStore(installation.home.store_url)
    artifacts = [
        read_artifact(store, ArtifactRef.from_json(event.metadata[ARTIFACT_KEY]))
        for event in installation.log.newest("trained_policies").values()
    ]
    return sorted(policy.checksum(policy_file(seed)) for policy in artifacts for seed in member_seeds(policy))


def newest(installation: Installation, asset: str, partition: str) -> Event:
    event = installation.log.latest(asset, partition)
    assert event is not None
    return event


def file_of(installation: Installation, event: Event, name: str | None = None) -> Path:
    """Where a file of an artifact stands, or its manifest."""
    store = ObjectStore(installation.home.store_url)
    ref = ArtifactRef.from_json(event.metadata[ARTIFACT_KEY])
    return store.root / (ref.manifest.path if name is None else read_artifact(store, ref).path(name))


def flip(path: Path) -> bytes:
    """Flip a bit in the middle of a file; returns what it was."""
    whole = path.read_bytes()
    damaged = bytearray(whole)
    damaged[len(whole) // 2] ^= 1
    path.write_bytes(damaged)
    return whole


def materialize(installation: Installation, asset: str, partition: str) -> dg.ExecuteInProcessResult:
    """What an operator does in the browser."""
    key = dg.AssetKey(asset)
    if key not in (policy_runs.TRAINED, policy_runs.EVALUATED):
        return execute(installation, assets=[key], partition=partition)
    tags = {"dagster/asset_partition_range_start": partition, "dagster/asset_partition_range_end": partition}
    return execute(installation, assets=[key], partition=None, tags=tags)


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """A finished sweep that tests damage and put back as it was."""
    folder = tmp_path_factory.mktemp("finished")
    (folder / "instance").mkdir()
    home = Home(root=PROJECT, state=folder / "state", store_url=str(folder / "state" / "store"))
    with dg.DagsterInstance.local_temp(str(folder / "instance"), overrides=QUIET) as instance:
        installation = Installation(home=home, instance=instance, definitions=build_definitions(home))
        assert api.run_sweep(installation, tiny_sweep()).is_complete
        yield installation


def test_a_disk_that_fills_up_anywhere_in_a_sweep_loses_nothing_and_the_sweep_goes_on(
    installation: Installation, finished: Installation, monkeypatch: pytest.MonkeyPatch, chance: random.Random
) -> None:
    disk = Disk(monkeypatch)
    for attempt in range(4):
        disk.room, disk.num_refused = chance.randrange(1, 9), 0
        told: list[str] = []
        try:
            if api.run_sweep(installation, tiny_sweep(), on_event=told.append).is_complete:
                break
        except RlAssetsError as error:
            told.append(str(error))
        assert disk.num_refused, told
        assert any("No space left on device: free some space or move the store" in text for text in told), told
        examined = api.examine(installation)
        assert examined["findings"] == [], f"attempt {attempt}"
        assert not [note for note in examined["notes"] if note["kind"] == "leftovers"]
    disk.room = 10**9
    assert api.run_sweep(installation, tiny_sweep()).is_complete
    assert [len(found) for found in versions(installation).values()] == [2, 2, 1, 1]
    assert weights(installation) == weights(finished), "the same bytes as where nothing ever failed"
    assert api.examine(installation)["findings"] == []


def test_every_damaged_file_of_a_finished_sweep_is_found_by_name_with_who_is_hit(
    finished: Installation, chance: random.Random
) -> None:
    assert api.examine(finished) | {"seconds": 0} == {
        "is_healthy": True, "store": finished.home.store_url, "num_records": sum(
            len(list(finished.log.history(asset))) for asset in ASSETS
        ), "num_objects": len(objects_of(finished)), "size_bytes": sum(p.stat().st_size for p in objects_of(finished)),
        "seconds": 0, "findings": [], "notes": [],
    }  # fmt: skip
    entries = list((Path(finished.home.store_url) / "champions").rglob("*.json"))
    assert len(entries) == 1
    for path in [*objects_of(finished), *entries]:
        whole = path.read_bytes()
        place = str(path.relative_to(finished.home.store_url))
        for damage in ("flip", "cut", "delete"):
            if damage == "flip":
                flipped = bytearray(whole)
                flipped[chance.randrange(len(whole))] ^= 1
                path.write_bytes(flipped)
            elif damage == "cut":
                path.write_bytes(whole[: chance.randrange(len(whole))])
            else:
                path.unlink()
            findings = api.examine(finished)["findings"]
            hit = [finding for finding in findings if finding["path"] == place]
            assert hit, f"{damage} {place}: {findings}"
            assert all(finding["needed_by"] and finding["is_current"] for finding in findings)
            assert all("put the " in finding["to_do"] for finding in findings)
            path.write_bytes(whole)
    assert api.examine(finished)["is_healthy"]


def objects_of(installation: Installation) -> list[Path]:
    folder = Path(installation.home.store_url) / "objects"
    return sorted(path for path in folder.rglob("*") if path.is_file() and path.name != ".lock")


@pytest.mark.parametrize("repair", ["put back", "materialize again"])
def test_damage_between_two_steps_stops_the_second_by_name_and_after_repair_all_goes_on(
    installation: Installation, repair: str
) -> None:
    launch_sweep(installation, tiny_sweep())
    runs = drive(installation)
    assert next(runs).success
    victim = min(installation.log.latest_ids("policy_evaluations"))
    before = installation.log.latest_versions("policy_evaluations")
    path = file_of(installation, newest(installation, "policy_evaluations", victim), EPISODES_FILE)
    whole = flip(path)

    failed = next(runs)
    assert not failed.success
    reason = reason_of(failed)
    assert f"policy_evaluations[{victim}], file '{EPISODES_FILE}': object 'objects/" in reason
    assert "restore the file from a backup or materialize it again" in reason
    assert installation.log.latest("eval_leaderboards", ENV) is None, "nothing is ranked on damaged episodes"
    (finding,) = api.examine(installation)["findings"]
    assert finding["needed_by"] == [f"policy_evaluations[{victim}]"]
    assert finding["to_do"].endswith(f"or materialize policy_evaluations of '{victim}' again")

    if repair == "put back":
        path.write_bytes(whole)
    else:
        assert materialize(installation, "policy_evaluations", victim).success
    assert api.examine(installation)["is_healthy"]
    assert installation.log.latest_versions("policy_evaluations") == before, "the same bytes"
    assert api.run_sweep(installation, tiny_sweep()).is_complete


@pytest.mark.parametrize("lost", ["manifest", "weights and manifest"])
def test_a_champion_whose_bytes_are_lost_is_made_again_byte_for_byte(installation: Installation, lost: str) -> None:
    assert api.run_sweep(installation, tiny_sweep()).is_complete
    champion = api.champion(installation, ENV)
    promoted = newest(installation, "promoted_models", ENV)
    observation = np.zeros((1, 4), np.float32)
    acted = api.load_champions(installation)[ENV].act(observation)
    if lost == "weights and manifest":
        flip(file_of(installation, promoted, "policy.safetensors"))
    flip(file_of(installation, promoted))

    with pytest.raises(RlAssetsError, match=r"^promoted_models\[CartPole-v1\]: object 'objects/.*is damaged"):
        api.load_champions(installation)
    told: list[str] = []
    api.run_sweep(installation, tiny_sweep(seeds=3), on_event=told.append)
    assert any("promoted_models[CartPole-v1]: object" in text for text in told), "no gate compares with what is lost"
    assert api.champion(installation, ENV) == champion

    assert materialize(installation, "promoted_models", ENV).success
    restored = newest(installation, "promoted_models", ENV)
    assert (restored.data_version, restored.inputs) == (promoted.data_version, promoted.inputs)
    assert restored.metadata["generation"] == champion["generation"]
    assert np.array_equal(api.load_champions(installation)[ENV].act(observation), acted)
    assert len(ChampionHistory(ObjectStore(installation.home.store_url), ENV).transitions()) == 1
    assert api.examine(installation)["is_healthy"]
    assert api.run_sweep(installation, tiny_sweep(seeds=3)).is_complete


def test_a_promotion_that_the_disk_refused_is_made_with_the_next_launch(
    installation: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    launch_sweep(installation, tiny_sweep())
    runs = drive(installation)
    assert next(runs).success
    assert next(runs).success
    disk = Disk(monkeypatch)
    disk.room = 0
    failed = next(runs)
    assert "No space left on device: free some space" in reason_of(failed)
    assert list(runs) == [], "nothing is asked for again while nothing has changed"
    with pytest.raises(RlAssetsError, match="no champion for env"):
        api.champion(installation, ENV)
    disk.room = 10**9
    assert api.run_sweep(installation, tiny_sweep()).is_complete
    assert api.champion(installation, ENV)["generation"] == 1


def test_a_whole_champion_is_not_made_again(installation: Installation) -> None:
    assert api.run_sweep(installation, tiny_sweep()).is_complete
    promoted = newest(installation, "promoted_models", ENV)
    assert materialize(installation, "promoted_models", ENV).success
    assert newest(installation, "promoted_models", ENV).event_id == promoted.event_id


def test_a_store_that_is_not_mounted_is_one_finding(finished: Installation) -> None:
    root = Path(finished.home.store_url)
    root.rename(root.with_name("elsewhere"))
    try:
        (finding,) = api.examine(finished)["findings"]
    finally:
        root.with_name("elsewhere").rename(root)
    assert finding["kind"] == "missing store"
    assert "10 records name artifacts" in finding["what"]
    assert "mount the store's disk, set RL_ASSETS_STORE" in finding["to_do"]
