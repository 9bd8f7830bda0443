"""Resuming: what is refused, and that only what is missing is done."""

from dataclasses import replace
from typing import Any

import dagster as dg
import pytest

from rl_assets import api
from rl_assets.api.drive import drive
from rl_assets.api.installation import Installation
from rl_assets.api.sweeps import launch_sweep
from rl_assets.defs.assets import policy_runs
from rl_assets.errors import MemberDiverged, RunRefused, UnknownRun
from rl_assets.rl.outcomes import MemberFailure
from rl_assets.rl.training import train
from tests.defs.tiny_sweeps import tiny_sweep

ENV = "CartPole-v1"


def add_run(installation: Installation, status: dg.DagsterRunStatus, **tags: str) -> dg.DagsterRun:
    run = dg.DagsterRun(job_name="__ASSET_JOB", status=status, tags=tags)
    installation.instance.add_run(run)
    return run


def test_what_cannot_be_resumed_is_refused_with_the_reason(installation: Installation) -> None:
    with pytest.raises(UnknownRun, match="no run 'nothing'"):
        api.resume(installation, "nothing")
    assets = {"rl/assets": "eval_leaderboards"}
    going_on = add_run(installation, dg.DagsterRunStatus.STARTED, **assets)
    with pytest.raises(RunRefused, match=f"still started.*rlctl stop {going_on.run_id[:8]}"):
        api.resume(installation, going_on.run_id)
    succeeded = add_run(installation, dg.DagsterRunStatus.SUCCESS, **assets)
    with pytest.raises(RunRefused, match="succeeded, nothing of it is left to do"):
        api.resume(installation, succeeded.run_id)
    failed = add_run(installation, dg.DagsterRunStatus.FAILURE, **assets)
    with pytest.raises(RunRefused, match=r"trains nothing.*leave out --allow-inexact"):
        api.resume(installation, failed.run_id, allow_inexact=True)
    retry = add_run(installation, dg.DagsterRunStatus.NOT_STARTED, **assets, **{"dagster/root_run_id": failed.run_id})
    with pytest.raises(RunRefused, match=f"done again by run {retry.run_id[:8]} already"):
        api.resume(installation, failed.run_id)
    nameless = add_run(installation, dg.DagsterRunStatus.CANCELED)
    with pytest.raises(RunRefused, match="does not say which assets"):
        api.resume(installation, nameless.run_id)


def test_a_resumed_run_does_what_is_missing_and_leads_on_to_the_promotion(
    installation: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    sweep = launch_sweep(installation, tiny_sweep(seeds=1))
    victim, survivor = sweep.metadata["rl/cells"]["hparams"]
    trained: list[str] = []
    configs: list[Any] = []

    def lose_the_victim_once(plan: Any, **settings: Any) -> Any:
        for outcome in train(plan, **settings):
            trained.append(outcome.hparam)
            error = MemberDiverged("m", 1, "loss", float("nan"))
            is_lost = outcome.hparam == victim and trained.count(victim) == 1
            yield replace(outcome, members=(MemberFailure(seed=0, error=error),)) if is_lost else outcome

    real_env_run = policy_runs.EnvRun.__init__

    def note_config(self: Any, context: Any, **settings: Any) -> None:
        configs.append(settings["config"])
        real_env_run(self, context, **settings)

    monkeypatch.setattr(policy_runs, "train", lose_the_victim_once)
    monkeypatch.setattr(policy_runs.EnvRun, "__init__", note_config)
    failed = next(iter(drive(installation)))
    assert not failed.success
    assert trained.count(victim) == 1, "what diverged is not tried again by itself"
    outcome = api.resume(installation, failed.run_id[:10], allow_inexact=True)
    assert outcome.is_complete
    assert outcome.resumed_from == failed.run_id
    assert sorted(trained) == sorted([survivor, victim, victim])
    assert [config.allow_inexact for config in configs] == [False, True]
    resumed = installation.instance.get_run_by_id(outcome.run_id)
    assert resumed is not None
    assert resumed.tags["dagster/parent_run_id"] == resumed.tags["dagster/root_run_id"] == failed.run_id
    for asset in ("trained_policies", "policy_evaluations"):
        made = [(event.partition, event.run_id) for event in installation.log.history(asset)]
        assert made == [(f"{ENV}|{survivor}", failed.run_id), (f"{ENV}|{victim}", outcome.run_id)]
    assert api.champion(installation, ENV)
    with pytest.raises(RunRefused, match="succeeded"):
        api.resume(installation, outcome.run_id)
