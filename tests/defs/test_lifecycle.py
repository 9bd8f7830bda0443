"""The whole graph, end to end, on a real instance."""

import os
import signal
from dataclasses import replace
from pathlib import Path

import dagster as dg
import pytest

from rl_assets import api
from rl_assets.api.drive import drive, execute, reason_of
from rl_assets.api.installation import Installation
from rl_assets.api.queries import ASSETS
from rl_assets.api.sweeps import launch_sweep
from rl_assets.defs.assets import policy_runs
from rl_assets.defs.graph import build_definitions
from rl_assets.errors import EnvironmentFault
from rl_assets.resources.event_log import ARTIFACT_KEY, Event
from rl_assets.resources.inputs import REUSED_KEY
from rl_assets.rl.outcomes import MemberFailure
from rl_assets.rl.training import train
from rl_assets.store.artifacts import Artifact, ArtifactRef, read_artifact
from rl_assets.store.bundles import member_seeds, policy_file
from rl_assets.store.objects import ObjectStore
from tests.defs.tiny_sweeps import tiny_sweep


def count_events(installation: Installation) -> dict[str, int]:
    """How often each asset was materialized, over all partitions."""
    return {asset: len(list(installation.log.history(asset))) for asset in ASSETS}


def test_a_sweep_leads_to_a_champion_and_everything_comes_once(installation: Installation) -> None:
    outcome = api.run_sweep(installation, tiny_sweep(), on_event=print)
    assert outcome.is_complete
    assert outcome.verdicts == {"CartPole-v1": "pass"}
    assert count_events(installation) == {
        "datasets": 1, "sweep_configs": 1, "trained_policies": 2, "policy_evaluations": 2, "eval_leaderboards": 1,
        "gate_evaluations": 1, "promoted_models": 1, "sweep_reports": 1,
    }  # fmt: skip
    board = api.leaderboard(installation, "CartPole-v1")
    means = [row["mean_return"] for row in board["rows"]]
    assert means == sorted(means, reverse=True)
    assert board["champion"] == api.champion(installation, "CartPole-v1")["hparam"] == board["rows"][0]["hparam"]
    assert {row["num_episodes"] for row in board["rows"]} == {2 * 4}
    assert list(drive(installation)) == [], "nothing is asked for a second time"


def test_three_envs_and_two_rates_are_six_partitions_one_run_each_env(installation: Installation) -> None:
    sweep = tiny_sweep(envs=["CartPole-v1", "Acrobot-v1", "MountainCar-v0"], gates={"floor": -1e6, "num_episodes": 2},
                       seeds=1, evaluation={"num_episodes": 1})  # fmt: skip
    outcome = api.run_sweep(installation, sweep, on_event=print)
    assert len(outcome.finished) == 6
    assert set(installation.log.latest_ids("trained_policies")) == set(outcome.finished)
    runs = {event.run_id for event in installation.log.history("trained_policies")}
    assert len(runs) == 3


def test_one_failing_partition_leaves_five_and_a_second_run_trains_it_alone(
    installation: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    sweep = tiny_sweep(envs=["CartPole-v1", "Acrobot-v1", "MountainCar-v0"], seeds=1, evaluation={"num_episodes": 1},
                       gates={"floor": -1e6, "num_episodes": 2})  # fmt: skip
    event = launch_sweep(installation, sweep)
    hparams = event.metadata["rl/cells"]["hparams"]
    victim = f"Acrobot-v1|{hparams[1]}"
    trained: list[str] = []

    def train_but_lose_one(plan, **settings):
        for outcome in train(plan, **settings):
            key = f"{plan.env.id}|{outcome.hparam}"
            trained.append(key)
            failure = MemberFailure(seed=0, error=EnvironmentFault("injected: the pool died"))
            yield replace(outcome, members=(failure,)) if key == victim and len(trained) <= 6 else outcome

    monkeypatch.setattr(policy_runs, "train", train_but_lose_one)
    results = list(drive(installation))
    assert [result.success for result in results[:3]].count(False) == 1, [reason_of(result) for result in results]
    assert len(trained) == 6
    assert set(installation.log.latest_ids("trained_policies")) == set(trained) - {victim}
    assert set(installation.log.latest_ids("policy_evaluations")) == set(trained) - {victim}
    assert set(installation.log.latest_ids("eval_leaderboards")) == {"CartPole-v1", "Acrobot-v1", "MountainCar-v0"}

    result = run_range(installation, first=f"Acrobot-v1|{hparams[0]}", last=victim)
    assert result.success
    assert trained[6:] == [victim], "the complete partition was logged again, not trained again"


def test_a_recipe_that_diverges_fails_alone_and_is_never_ranked(installation: Installation) -> None:
    sweep = tiny_sweep(
        grid={"learning_rate": [1e-3, 1.0]},
        fixed={"num_envs": 4, "num_steps": 32, "hidden_sizes": [64] * 8, "activation": "relu"},
    )
    told: list[str] = []
    outcome = api.run_sweep(installation, sweep, on_event=told.append)
    (healthy,), (diverged,) = outcome.finished, outcome.failed
    assert "lr=0.001" in healthy
    assert "lr=1-" in diverged
    assert not outcome.is_complete
    assert outcome.verdicts == {"CartPole-v1": "pass"}, "what finished is ranked, judged and promoted"
    assert [row["hparam"] for row in api.leaderboard(installation, "CartPole-v1")["rows"]] == [healthy.split("|")[1]]
    assert any("diverged in update 0" in text and diverged in text for text in told)
    assert installation.log.latest("trained_policies", diverged) is None


def test_an_interrupt_ends_the_sweep_and_the_next_launch_goes_on(
    installation: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    sweep = tiny_sweep(envs=["CartPole-v1", "Acrobot-v1"], gates={"floor": -1e6, "num_episodes": 2})

    def interrupt_after_one(plan, **settings):
        for outcome in train(plan, **settings):
            yield outcome
            os.kill(os.getpid(), signal.SIGINT)

    with monkeypatch.context() as patched:
        patched.setattr(policy_runs, "train", interrupt_after_one)
        with pytest.raises(KeyboardInterrupt):
            api.run_sweep(installation, sweep)
    kept = set(installation.log.latest_ids("trained_policies"))
    assert {key.split("|")[0] for key in kept} == {"CartPole-v1"}, "nothing else was begun"
    assert api.run_sweep(installation, sweep).is_complete


@pytest.mark.parametrize("harm", ["delete", "flip a byte"])
def test_a_complete_partition_whose_bytes_were_lost_is_trained_again_to_the_same_bytes(
    installation: Installation, harm: str
) -> None:
    first = api.run_sweep(installation, tiny_sweep())
    victim = first.finished[1]
    lost = installation.log.latest("trained_policies", victim)
    assert lost is not None
    path = Path(installation.home.store_url) / artifact_of(installation, lost).path(policy_file(0))
    if harm == "delete":
        path.unlink()
    else:
        path.write_bytes(path.read_bytes()[:-1] + b"?")
    assert api.run_sweep(installation, tiny_sweep()).is_complete
    again = {key: installation.log.latest("trained_policies", key) for key in first.finished}
    reused = {key for key, event in again.items() if event is not None and REUSED_KEY in event.metadata}
    assert reused == set(first.finished) - {victim}
    retrained = again[victim]
    assert retrained is not None
    assert retrained.data_version == lost.data_version


def test_a_hole_is_never_trained_whatever_range_is_launched(installation: Installation) -> None:
    launch_sweep(installation, tiny_sweep("one", envs=["CartPole-v1"], grid={"learning_rate": [1e-3]}))
    launch_sweep(installation, tiny_sweep("two", envs=["Acrobot-v1"], grid={"learning_rate": [3e-3]}))
    one, two = (installation.log.latest("sweep_configs", name) for name in ("one", "two"))
    assert one is not None
    assert two is not None
    left, right = one.metadata["rl/cells"]["hparams"][0], two.metadata["rl/cells"]["hparams"][0]
    result = run_range(installation, first=f"CartPole-v1|{left}", last=f"Acrobot-v1|{right}")
    assert result.success
    assert set(installation.log.latest_ids("trained_policies")) == {f"CartPole-v1|{left}", f"Acrobot-v1|{right}"}
    assert set(installation.log.latest_ids("policy_evaluations")) == {f"CartPole-v1|{left}", f"Acrobot-v1|{right}"}


def test_more_seeds_later_train_the_missing_members_only(installation: Installation) -> None:
    api.run_sweep(installation, tiny_sweep(seeds=[3]))
    before = {event.partition: event for event in installation.log.newest("trained_policies").values()}
    api.run_sweep(installation, tiny_sweep(seeds=[3, 5]))
    for key, event in installation.log.newest("trained_policies").items():
        assert event.metadata["rl/seeds"] == [3, 5]
        read = [(item.asset, item.event_id) for item in event.inputs or ()]
        assert ("trained_policies", before[key].event_id) in read, "the earlier members' bytes are an input"
        old, new = artifact_of(installation, before[key]), artifact_of(installation, event)
        assert new.checksum("member-3/policy.safetensors") == old.checksum("member-3/policy.safetensors")
        assert new.checksum("member-5/policy.safetensors") != old.checksum("member-3/policy.safetensors")


def test_the_same_sweep_in_another_installation_gives_the_same_policies(
    installation: Installation, tmp_path: Path
) -> None:
    api.run_sweep(installation, tiny_sweep())
    other_home = replace(installation.home, state=tmp_path / "other", store_url=str(tmp_path / "other" / "store"))
    (tmp_path / "other-instance").mkdir()
    with dg.DagsterInstance.local_temp(str(tmp_path / "other-instance")) as instance:
        other = Installation(home=other_home, instance=instance, definitions=build_definitions(other_home))
        api.run_sweep(other, tiny_sweep())
        for left, right in zip(members_of(installation), members_of(other), strict=True):
            assert left == right


def run_range(installation: Installation, *, first: str, last: str) -> dg.ExecuteInProcessResult:
    """Materialize a range of policies and evaluations in one run, as a backfill of that range does."""
    tags = {"dagster/asset_partition_range_start": first, "dagster/asset_partition_range_end": last}
    return execute(installation, assets=[policy_runs.TRAINED, policy_runs.EVALUATED], partition=None, tags=tags)


def artifact_of(installation: Installation, event: Event) -> Artifact:
    """The artifact of a materialization."""
    return read_artifact(ObjectStore(installation.home.store_url), ArtifactRef.from_json(event.metadata[ARTIFACT_KEY]))


def members_of(installation: Installation) -> list[str]:
    """Checksums of all trained members' weights, in order of their cells' learning rates and of their seeds."""
    events = installation.log.newest("trained_policies")
    artifacts = [artifact_of(installation, event) for _, event in sorted(events.items())]
    artifacts.sort(key=lambda artifact: artifact.facts["recipe"]["algorithm"]["learning_rate"])
    return [artifact.checksum(policy_file(seed)) for artifact in artifacts for seed in member_seeds(artifact)]
