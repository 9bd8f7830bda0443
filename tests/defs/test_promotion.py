"""Gates and promotions: what passes replaces the champion once, what does not leaves it."""

from typing import Any

import dagster as dg
import numpy as np
import pytest

from rl_assets import api
from rl_assets.api.drive import drive, execute
from rl_assets.api.installation import Installation
from rl_assets.errors import PromotionConflict, UnknownPartition
from rl_assets.resources.inputs import Inputs
from rl_assets.resources.promotion import Promotion
from rl_assets.store.history import ChampionHistory
from rl_assets.store.objects import ObjectStore
from tests.defs.fixed_episodes import play_fixed_returns
from tests.defs.tiny_sweeps import tiny_sweep

ENV = "CartPole-v1"


def materialize(installation: Installation, asset: str) -> dg.ExecuteInProcessResult:
    return execute(installation, assets=[dg.AssetKey(asset)], partition=ENV)


def champions(installation: Installation) -> list[tuple[int, str]]:
    history = ChampionHistory(ObjectStore(installation.home.store_url), ENV)
    return [(reign.generation, reign.hparam) for reign in history.standing().reigns]


def verdict(installation: Installation) -> str:
    event = installation.log.latest("gate_evaluations", ENV)
    assert event is not None
    return event.metadata["rl/verdict"]


def test_a_candidate_below_the_floor_fails_and_is_not_promoted(installation: Installation) -> None:
    outcome = api.run_sweep(installation, tiny_sweep(gates={"floor": 1e6, "num_episodes": 4}))
    assert outcome.verdicts == {ENV: "fail"}
    assert champions(installation) == []
    assert materialize(installation, "promoted_models").success, (
        "asked by hand, the asset reads the verdict and declines"
    )
    assert installation.log.latest("promoted_models", ENV) is None


def test_a_failing_gate_is_a_failed_check_that_turns_no_run_red(installation: Installation) -> None:
    api.run_sweep(installation, tiny_sweep(gates={"floor": 1e6, "num_episodes": 4}))
    key = dg.AssetCheckKey(dg.AssetKey("gate_evaluations"), "meets_floor")
    (info,) = installation.instance.event_log_storage.get_asset_check_partition_info([key])
    assert info.partition_key == ENV
    assert info.latest_execution_status is not None
    assert info.latest_execution_status.value == "FAILED"
    assert materialize(installation, "gate_evaluations").success


def test_without_any_floor_the_gate_holds_and_says_what_to_set(installation: Installation) -> None:
    sweep = tiny_sweep(envs=["MountainCar-v0"], gates={"num_episodes": 4})
    del sweep
    outcome = api.run_sweep(installation, tiny_sweep(envs=["Pendulum-v1"], gates={"num_episodes": 4}))
    assert outcome.verdicts == {"Pendulum-v1": "hold"}
    gate = installation.log.latest("gate_evaluations", "Pendulum-v1")
    assert gate is not None
    assert "gates.floor" in gate.metadata["reasons"]


def test_a_better_policy_replaces_the_champion_and_a_worse_or_equal_one_does_not(
    installation: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    play_fixed_returns(monkeypatch, [10.0, 11.0, 12.0, 13.0])
    api.run_sweep(installation, tiny_sweep("first", grid={"learning_rate": [1e-3]}))
    ((generation, first),) = champions(installation)
    assert generation == 1

    def challenge(name: str, rate: float, candidate: list[float], champion: list[float]) -> str:
        monkeypatch.setattr(
            "rl_assets.defs.assets.eval_leaderboards._candidate",
            lambda best, episodes, inputs: newest(inputs, rate, name),
        )
        play_fixed_returns(monkeypatch, candidate, champion)
        api.run_sweep(installation, tiny_sweep(name, grid={"learning_rate": [rate]}))
        return verdict(installation)

    def newest(evaluations: Any, rate: float, name: str) -> dict[str, Any]:
        hparam = next(key for key in evaluations if f"lr={rate}" in key)
        return {"hparam": hparam, "member_seed": 0, "selection_mean_return": 0.0, "policy": name}

    assert challenge("worse", 2e-3, [1.0, 2.0, 2.0, 3.0], [10.0, 12.0, 11.0, 13.0]) == "fail"
    assert challenge("equal", 4e-3, [10.0, 12.0, 11.0, 13.0], [12.0, 10.0, 13.0, 11.0]) == "hold"
    assert champions(installation) == [(1, first)]
    assert challenge("better", 5e-3, [20.0, 22.0, 21.0, 24.0], [10.0, 12.0, 11.0, 13.0]) == "pass"
    assert len(champions(installation)) == 2
    assert "lr=0.005" in champions(installation)[1][1]
    assert api.champion(installation, ENV)["actor"] == "gate_passed", "the sensor did it"


def test_a_verdict_is_stored_and_never_drawn_again(installation: Installation) -> None:
    api.run_sweep(installation, tiny_sweep(gates={"floor": 1e6, "num_episodes": 4}))
    first = installation.log.latest("gate_evaluations", ENV)
    materialize(installation, "eval_leaderboards")
    materialize(installation, "gate_evaluations")
    second = installation.log.latest("gate_evaluations", ENV)
    assert first is not None
    assert second is not None
    assert second.event_id > first.event_id
    assert second.data_version == first.data_version
    assert (first.metadata["was_asked_before"], second.metadata["was_asked_before"]) == (False, True)


def test_the_reigning_champion_cannot_promote_itself_again(installation: Installation) -> None:
    api.run_sweep(installation, tiny_sweep())
    assert len(champions(installation)) == 1
    materialize(installation, "gate_evaluations")
    assert verdict(installation) == "hold"
    assert list(drive(installation)) == []
    materialize(installation, "promoted_models")
    assert len(champions(installation)) == 1
    assert len(list(installation.log.history("promoted_models"))) == 1


def test_a_promotion_that_died_before_its_event_is_completed_not_repeated(installation: Installation) -> None:
    launch = tiny_sweep()
    api.run_sweep(installation, launch)
    installation.instance.wipe_assets([dg.AssetKey("promoted_models")])
    assert installation.log.latest("promoted_models", ENV) is None
    materialize(installation, "promoted_models")
    event = installation.log.latest("promoted_models", ENV)
    assert event is not None
    assert event.metadata["generation"] == 1
    assert len(champions(installation)) == 1


def test_what_is_promoted_is_one_members_exact_weights(installation: Installation) -> None:
    api.run_sweep(installation, tiny_sweep())
    champion = api.champion(installation, ENV)
    trained = installation.log.latest("trained_policies", f"{ENV}|{champion['hparam']}")
    promoted = installation.log.latest("promoted_models", ENV)
    assert trained is not None
    assert promoted is not None
    with Inputs(log=installation.log, store=ObjectStore(installation.home.store_url)).for_output("test", "x") as scope:
        member = scope.open(trained).artifact.read(f"member-{champion['member_seed']}/policy.safetensors")
        assert scope.open(promoted).artifact.read("policy.safetensors") == member
    policy = api.load_champions(installation)[ENV]
    assert set(api.load_champions(installation, [ENV])) == {ENV}
    with pytest.raises(UnknownPartition, match="no champion for env 'Acrobot-v1'"):
        api.load_champions(installation, ["Acrobot-v1"])
    assert policy.act(np.zeros((3, 4), np.float32)).shape == (3,)


def test_a_verdict_over_another_champion_is_a_conflict(installation: Installation) -> None:
    api.run_sweep(installation, tiny_sweep())
    history = ChampionHistory(ObjectStore(installation.home.store_url), ENV)
    with Inputs(log=installation.log, store=ObjectStore(installation.home.store_url)).for_output(
        "promoted_models", ENV
    ) as scope:
        promotion = Promotion(scope, env=ENV, history=history, log=installation.log)
        promotion._acted_on = lambda: None  # as if another sensor had promoted something else in between
        with pytest.raises(PromotionConflict, match="reigns now"):
            promotion.carry_out(actor="test")
    assert len(champions(installation)) == 1
