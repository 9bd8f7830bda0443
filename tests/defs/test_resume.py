"""Trainings that are interrupted and taken up again, through the asset graph."""

import re
import signal

import numpy as np
import pytest

from rl_assets.api.drive import execute, reason_of
from rl_assets.api.sweeps import run_sweep
from rl_assets.defs.assets.policy_runs import EVALUATED, TRAINED
from rl_assets.resources.cells import CellTraining
from rl_assets.rl import numerics
from rl_assets.rl.envs.pool import EnvironmentPool
from rl_assets.store.artifacts import ArtifactRef, read_artifact
from rl_assets.store.bundles import checkpoint_file, load_member, policy_file
from rl_assets.store.checkpoints import FOLDER, decode_checkpoint
from rl_assets.store.objects import ObjectStore
from tests.defs.tiny_sweeps import tiny_sweep

LONGER = {"grid": {"learning_rate": [1e-3]}, "total_timesteps": 2_048, "segment_steps": 512}


def artifact_of(installation):
    (event,) = installation.log.newest("trained_policies").values()
    return read_artifact(ObjectStore(installation.home.store_url), ArtifactRef.from_json(event.metadata["rl/artifact"]))


def checkpoint_files(installation):
    return sorted((installation.home.state / "store" / FOLDER).rglob("*.safetensors"))


def resumed_at(event):
    return [record.data["resumed_at_update"] for record in event.entries["members"].records]


def interrupt_after(monkeypatch, saves):
    """Interrupt the training after some checkpoints; each of the two members writes one at the end of each segment."""
    real, seen = CellTraining.save, []

    def save(self, member, checkpoint):
        real(self, member, checkpoint)
        seen.append(checkpoint.update)
        if len(seen) == saves:
            signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(CellTraining, "save", save)


def launch(installation, **changes):
    return run_sweep(installation, tiny_sweep(**(LONGER | changes)))


def train(installation, **config):
    """What the launchpad does: train the only cell again, with these settings."""
    (cell,) = (f"CartPole-v1|{key}" for key in installation.instance.get_dynamic_partitions("hparam"))
    return execute(
        installation,
        assets=[TRAINED, EVALUATED],
        partition=cell,
        run_config={"ops": {"policies": {"config": config}}},
    )


@pytest.mark.parametrize("saves", [1, 2, 5])
def test_an_interrupted_training_goes_on_and_leaves_nothing_behind(installation, monkeypatch, saves):
    interrupt_after(monkeypatch, saves)
    with pytest.raises(KeyboardInterrupt):
        launch(installation)
    assert len(checkpoint_files(installation)) == {1: 1, 2: 2, 5: 4}[saves]
    assert not installation.log.newest("trained_policies")
    monkeypatch.undo()
    outcome = launch(installation)
    assert outcome.is_complete
    assert checkpoint_files(installation) == []
    (event,) = installation.log.newest("trained_policies").values()
    resumed = resumed_at(event)
    assert resumed == {1: [4, 0], 2: [4, 4], 5: [12, 8]}[saves]
    assert f"{sum(update > 0 for update in resumed)} of them go on from a checkpoint" in event.metadata["plan"]


def test_a_resumed_training_is_the_one_that_nobody_interrupted(installation, monkeypatch):
    interrupt_after(monkeypatch, 3)
    with pytest.raises(KeyboardInterrupt):
        launch(installation)
    monkeypatch.undo()
    launch(installation)
    resumed = artifact_of(installation)
    assert train(installation, retrain=True).success
    assert artifact_of(installation).ref.data_version == resumed.ref.data_version


def test_a_damaged_checkpoint_costs_time_alone(installation, monkeypatch):
    interrupt_after(monkeypatch, 5)
    with pytest.raises(KeyboardInterrupt):
        launch(installation)
    monkeypatch.undo()
    newest = max(checkpoint_files(installation), key=lambda path: path.name)
    newest.write_bytes(newest.read_bytes()[:-1])
    launch(installation)
    (event,) = installation.log.newest("trained_policies").values()
    assert resumed_at(event) == [8, 8]
    logs = installation.instance.all_logs(event.run_id)
    assert any(f"checkpoint '{newest}' is damaged" in log.user_message for log in logs)
    resumed = artifact_of(installation).ref.data_version
    assert train(installation, retrain=True).success
    assert artifact_of(installation).ref.data_version == resumed


def test_other_numerics_are_refused_unless_allowed_and_then_recorded(installation, monkeypatch):
    interrupt_after(monkeypatch, 2)
    with pytest.raises(KeyboardInterrupt):
        launch(installation)
    monkeypatch.undo()
    monkeypatch.setattr(numerics, "NUMERICS_VERSION", 999)
    refused = train(installation)
    assert not refused.success
    words = next(event.step_failure_data.user_failure_data.description for event in refused.get_step_failure_events())
    assert re.search(r"interrupted after update 4 under other numerics \(numerics_version was \d+ and is 999\)", words)
    assert "--allow-inexact" in words
    assert len(checkpoint_files(installation)) == 2
    assert train(installation, allow_inexact=True).success
    facts = artifact_of(installation).facts["members"]
    for seed in ("0", "1"):
        assert facts[seed]["numerics"]["numerics_version"] == 999
        (resume,) = facts[seed]["inexact_resumes"]
        assert resume["update"] == 4
        assert resume["numerics"]["numerics_version"] == numerics_version_of(monkeypatch)


def numerics_version_of(monkeypatch):
    monkeypatch.undo()
    return numerics.NUMERICS_VERSION


def test_a_finished_member_of_an_unfinished_recipe_is_not_trained_again(installation, monkeypatch):
    interrupt_after(monkeypatch, 8)
    with pytest.raises(KeyboardInterrupt):
        launch(installation)
    monkeypatch.undo()
    monkeypatch.setattr(numerics, "NUMERICS_VERSION", 999)
    launch(installation)
    (event,) = installation.log.newest("trained_policies").values()
    assert resumed_at(event) == [16, 16]
    assert ", 0 steps, " in event.metadata["plan"]
    for facts in artifact_of(installation).facts["members"].values():
        assert facts["numerics"]["numerics_version"] != 999, "what computed is recorded, not what found it"


def test_the_best_segment_is_kept_beside_the_last(installation):
    launch(installation, total_timesteps=4_096, grid={"learning_rate": [1e-2]}, seeds=4)
    policy = artifact_of(installation)
    bests = {seed: facts["best"]["update"] for seed, facts in policy.facts["members"].items()}
    for seed, update in bests.items():
        has_file = f"member-{seed}/best.safetensors" in policy.file_names
        assert has_file == (update < 32)
        assert update % 4 == 0
    assert any(update < 32 for update in bests.values())


def test_all_checkpoints_are_kept_where_the_sweep_says_so(installation):
    launch(installation, save_all_checkpoints=True)
    policy = artifact_of(installation)
    for seed in (0, 1):
        names = [name for name in policy.file_names if name.startswith(f"member-{seed}/checkpoints/")]
        assert names == [checkpoint_file(seed, update) for update in (4, 8, 12, 16)]
        last = decode_checkpoint(policy.read(names[-1]), source=names[-1])
        assert last.is_final
        for name, tensor in load_member(policy, seed).items():
            assert (last.tensors[name] == tensor).all()
    assert policy.file_names.count(policy_file(0)) == 1
    assert train(installation, retrain=True).success
    assert artifact_of(installation).ref.data_version == policy.ref.data_version


def test_a_member_that_diverges_keeps_its_last_good_checkpoint(installation, monkeypatch):
    real, steps = EnvironmentPool.step, []

    def step(self, actions):
        batch = real(self, actions)
        steps.append(1)
        if len(steps) == 32 * 10 + 5:
            batch.rewards[0] = np.nan
        return batch

    monkeypatch.setattr(EnvironmentPool, "step", step)
    outcome = launch(installation)
    assert len(outcome.failed) == 1
    kept = {seed: load(path) for seed, path in enumerate(newest_of_each_training(installation))}
    assert sorted((checkpoint.update, checkpoint.is_final) for checkpoint in kept.values()) == [(8, False), (16, True)]
    for checkpoint in kept.values():
        assert all(np.isfinite(tensor).all() for tensor in checkpoint.tensors.values())
    monkeypatch.undo()
    assert launch(installation).is_complete
    (event,) = installation.log.newest("trained_policies").values()
    assert sorted(resumed_at(event)) == [8, 16]


def newest_of_each_training(installation):
    folders = {path.parent for path in checkpoint_files(installation)}
    return [max(folder.glob("*.safetensors")) for folder in sorted(folders)]


def load(path):
    return decode_checkpoint(path.read_bytes(), source=str(path))


@pytest.mark.parametrize("seconds", [0.0, -1.0, 0.5])
def test_a_heartbeat_that_nobody_could_keep_is_refused_before_anything_trains(installation, seconds):
    launch(installation)
    before = installation.log.latest_ids("trained_policies")
    refused = train(installation, heartbeat_s=seconds, retrain=True)
    assert not refused.success
    assert "heartbeat_s" in reason_of(refused)
    assert "greater than or equal to 1" in reason_of(refused)
    assert installation.log.latest_ids("trained_policies") == before
