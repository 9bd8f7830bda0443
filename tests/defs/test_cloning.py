"""Behaviour cloning through the asset graph: from a client's file to a champion, and what stands on the record."""

import signal
from pathlib import Path
from typing import Any

import pytest

from rl_assets import api
from rl_assets.api.drive import execute
from rl_assets.api.installation import Installation
from rl_assets.api.sweeps import run_sweep
from rl_assets.config.sweep import SweepConfig
from rl_assets.defs.assets.policy_runs import EVALUATED, TRAINED
from rl_assets.errors import InvalidConfig
from rl_assets.resources.cells import CellTraining
from rl_assets.resources.event_log import Event
from rl_assets.rl.demonstrations import Demonstrations
from rl_assets.store.artifacts import ArtifactRef, read_artifact
from rl_assets.store.objects import ObjectStore
from tests.datasets.episode_files import columns_of, npz
from tests.defs.tiny_sweeps import ACME, tiny_sweep
from tests.rl.demonstrators import balance, record


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("client") / "balancing.npz"
    path.write_bytes(npz(**record("CartPole-v1", balance, num_episodes=6)))
    return path


def cloning_sweep(dataset: str, **changes: Any) -> SweepConfig:
    document = {
        "algorithm": "bc",
        "fixed": {"normalize_observations": True, "batch_size": 64},
        "grid": {"learning_rate": [3e-3]},
        "total_timesteps": 40_000,
        "segment_steps": 10_000,
        "gates": {"floor": 450.0, "num_episodes": 4},
        "dataset": dataset,
    }
    return tiny_sweep(**(document | changes))


def policy_of(installation: Installation) -> Event:
    (event,) = installation.log.newest("trained_policies").values()
    return event


def data_version(event: Event, installation: Installation) -> str:
    reference = ArtifactRef.from_json(event.metadata["rl/artifact"])
    return read_artifact(ObjectStore(installation.home.store_url), reference).ref.data_version


def test_a_clients_episodes_become_a_champion_that_descends_from_them(
    installation: Installation, recording: Path
) -> None:
    dataset = api.add_dataset(installation, **ACME, path=recording, env="CartPole-v1")
    outcome = run_sweep(installation, cloning_sweep(dataset.partition))
    assert outcome.is_complete
    assert outcome.verdicts == {"CartPole-v1": "pass"}
    policy = policy_of(installation)
    assert policy.partition.startswith("CartPole-v1|bc-lr=0.003-normalize_observations=true-")
    read = {(record.asset, record.partition): record for record in policy.inputs or ()}
    assert read["datasets", dataset.partition].event_id == dataset.event_id
    assert read["datasets", dataset.partition].role == "data"
    assert policy.metadata["env_steps"] == 0
    assert policy.metadata["steps_per_s"] > 0
    assert api.leaderboard(installation, "CartPole-v1")["rows"][0]["mean_return"] >= 450.0
    assert api.champion(installation, "CartPole-v1")["hparam"] == policy.partition.split("|")[1]


def test_the_episodes_are_read_once_for_all_recipes_of_a_run(
    installation: Installation, recording: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, read = CellTraining.demonstrations, []

    def demonstrations(self: CellTraining, spaces: Any) -> Demonstrations:
        read.append(self.hparam)
        return real(self, spaces)

    monkeypatch.setattr(CellTraining, "demonstrations", demonstrations)
    dataset = api.add_dataset(installation, **ACME, path=recording)
    sweep = cloning_sweep(
        dataset.partition, grid={"learning_rate": [1e-3, 3e-3]}, total_timesteps=2_048, gates={"floor": 0.0}
    )
    assert len(run_sweep(installation, sweep).finished) == 2
    assert len(read) == 1
    for policy in installation.log.newest("trained_policies").values():
        assert ("datasets", dataset.partition) in {(record.asset, record.partition) for record in policy.inputs or ()}


def test_an_interrupted_cloning_ends_with_the_bytes_of_one_that_nobody_interrupted(
    installation: Installation, recording: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dataset = api.add_dataset(installation, **ACME, path=recording)
    sweep = cloning_sweep(dataset.partition, total_timesteps=8_192, segment_steps=2_048, gates={"floor": 0.0})
    real, saved = CellTraining.save, []

    def save(self: CellTraining, member: Any, checkpoint: Any) -> None:
        real(self, member, checkpoint)
        saved.append(checkpoint.update)
        if len(saved) == 3:
            signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(CellTraining, "save", save)
    with pytest.raises(KeyboardInterrupt):
        run_sweep(installation, sweep)
    monkeypatch.undo()
    assert run_sweep(installation, sweep).is_complete
    resumed = policy_of(installation)
    assert [row.data["resumed_at_update"] for row in resumed.entries["members"].records] == [4, 2]
    result = execute(
        installation,
        assets=[TRAINED, EVALUATED],
        partition=resumed.partition,
        run_config={"ops": {"policies": {"config": {"retrain": True}}}},
    )
    assert result.success
    assert policy_of(installation).event_id != resumed.event_id
    assert data_version(policy_of(installation), installation) == data_version(resumed, installation)


def test_episodes_that_do_not_fit_fail_the_partition_by_name_before_anything_is_trained(
    installation: Installation, tmp_path: Path
) -> None:
    path = tmp_path / "other.npz"
    path.write_bytes(npz(**columns_of((3, 5), actions=[0, 1, 2, 0, 1, 2, 0, 1])))
    dataset = api.add_dataset(installation, **ACME, path=path)
    told: list[str] = []
    outcome = run_sweep(installation, cloning_sweep(dataset.partition), on_event=told.append)
    assert not outcome.is_complete
    (failed,) = outcome.failed
    assert failed.startswith("CartPole-v1|bc-")
    expected = (
        f"dataset '{dataset.partition}' does not fit env 'CartPole-v1': expected action between 0 and 1, got 0 to 2"
    )
    assert any(expected in text for text in told)


def test_a_declaration_is_refused_before_anything_is_launched(installation: Installation) -> None:
    with pytest.raises(InvalidConfig, match="bc learns from episodes"):
        run_sweep(installation, tiny_sweep(algorithm="bc", fixed={}))
    assert installation.log.latest_ids("sweep_configs") == {}
