"""A policy is cloned from a client's episodes and then fine-tuned by acting, in one sequence."""

from pathlib import Path

import numpy as np
import pytest

from rl_assets import api
from rl_assets.api.installation import Installation
from rl_assets.errors import InvalidConfig
from rl_assets.resources.event_log import ARTIFACT_KEY
from rl_assets.store.artifacts import Artifact, ArtifactRef, read_artifact
from rl_assets.store.bundles import load_member
from rl_assets.store.objects import ObjectStore
from tests.defs.tiny_sweeps import tiny_sweep
from tests.defs.two_clients import ACME, CARTPOLE, add_dataset

STEPS = [{"algorithm": "bc", "fixed": {"batch_size": 8}, "total_timesteps": 640}, {"total_timesteps": 256}]


def artifact(installation: Installation, hparam: str) -> Artifact:
    event = installation.log.latest("trained_policies", f"{CARTPOLE}|{hparam}")
    assert event is not None
    store = ObjectStore(installation.home.store_url)
    return read_artifact(store, ArtifactRef.from_json(event.metadata[ARTIFACT_KEY]))


@pytest.mark.parametrize("normalizes", [False, True])
def test_a_clone_is_fine_tuned_from_its_exact_weights(
    installation: Installation, tmp_path: Path, normalizes: bool
) -> None:
    key = add_dataset(installation, tmp_path / "acme.npz", ACME, seed=3)
    shared = {"num_envs": 4, "num_steps": 32, "hidden_sizes": [8], "normalize_observations": normalizes}
    config = tiny_sweep("tuned", grid={}, fixed=shared, seeds=2, dataset=key, sequence=STEPS)
    outcome = api.run_sweep(installation, config)
    assert not outcome.failed
    event = installation.log.latest("sweep_configs", "tuned")
    assert event is not None
    clone, tuned = event.metadata["rl/cells"]["hparams"]
    assert clone.startswith("bc-")
    assert tuned.startswith("ppo-")
    child = installation.log.latest("trained_policies", f"{CARTPOLE}|{tuned}")
    assert child is not None
    read = {(item.asset, item.partition): item.role for item in child.inputs or ()}
    assert read["trained_policies", f"{CARTPOLE}|{clone}"] == "data"
    assert read["datasets", key] == "data"
    facts = artifact(installation, tuned).facts["members"]
    for seed in (0, 1):
        assert facts[str(seed)]["parent"]["member_seed"] == seed
    assert installation.log.latest("sweep_reports", "tuned") is not None, "clones and others stand in one report"
    lineage = api.Lineage(installation)
    forward = lineage.forward(f"datasets:{key}")
    trained = {item["partition"] for item in forward["materializations"] if item["asset"] == "trained_policies"}
    assert trained == {f"{CARTPOLE}|{clone}", f"{CARTPOLE}|{tuned}"}
    before, after = (load_member(artifact(installation, hparam), 0) for hparam in (clone, tuned))
    assert set(before) == set(after)
    assert any(not np.array_equal(before[name], after[name]) for name in before)


def test_what_only_another_algorithm_has_is_refused_in_a_step(installation: Installation, tmp_path: Path) -> None:
    key = add_dataset(installation, tmp_path / "acme.npz", ACME, seed=3)
    wrong = [{"algorithm": "bc", "fixed": {"clip_coefficient": 0.1}, "total_timesteps": 640}, {}]
    with pytest.raises(InvalidConfig, match="'clip_coefficient' is no hyper-parameter of bc but of ppo"):
        tiny_sweep("wrong", grid={}, seeds=1, dataset=key, sequence=wrong)


def test_a_clone_needs_episodes_in_each_step_that_clones(installation: Installation) -> None:
    key = api.add_dataset(installation, **ACME).partition
    config = tiny_sweep("none", grid={}, seeds=1, dataset=key, sequence=STEPS)
    with pytest.raises(InvalidConfig, match="is a declaration without episodes, and bc learns from episodes"):
        api.run_sweep(installation, config)
