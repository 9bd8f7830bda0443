"""Promotions and rollbacks by hand, staging, races between people and sensors, and kills in between."""

import os
import pwd
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from rl_assets import api
from rl_assets.api.drive import drive, error_of, execute
from rl_assets.api.installation import Installation
from rl_assets.errors import (
    BadInput,
    CorruptObject,
    NothingToPromote,
    NothingToRollBackTo,
    PromotionRefused,
    RlAssetsError,
    RoleMissing,
    UnknownPartition,
)
from rl_assets.resources.actors import Actor
from rl_assets.rl.envs.catalogue import describe_env
from rl_assets.store.objects import ObjectStore
from tests.defs.promotions import (
    ENV,
    STAGED,
    artifact_of,
    ask_graph,
    history,
    other_recipe,
    recipes,
    served_weights,
    titles,
)
from tests.defs.tiny_sweeps import tiny_sweep

ME = pwd.getpwuid(os.getuid()).pw_name


def test_a_pass_is_staged_where_the_sweep_says_so_and_a_person_promotes_it(installation: Installation) -> None:
    api.run_sweep(installation, tiny_sweep(gates=STAGED))
    assert titles(installation) == ["staged"]
    assert installation.log.latest("promoted_models", ENV) is None, "nothing serves yet"
    with pytest.raises(UnknownPartition):
        api.champion(installation, ENV)
    assert api.load_champions(installation) == {}
    staged = api.history(installation, ENV)["staging"]
    assert (staged["actor"], staged["role"]) == ("gate_passed", "")
    assert list(drive(installation)) == [], "the sensor does not ask again"
    told: list[str] = []
    champion = api.promote(installation, ENV, reason="the shadow run looked good", on_event=told.append)
    assert told[0].startswith(f"promoting the staged version in '{ENV}'")
    assert champion["weights_sha256"] == staged["model"]["weights_sha256"] == served_weights(installation)
    assert (champion["actor"], champion["is_verified"], champion["role"]) == (ME, False, "promoter")
    assert champion["verdict"]["id"] == staged["evidence"]["id"]
    assert set(api.load_champions(installation)) == {ENV}
    assert api.history(installation, ENV)["staging"] is None
    event = installation.log.latest("promoted_models", ENV)
    assert event is not None
    assert event.metadata["reason"] == "the shadow run looked good"
    assert {item.asset for item in event.inputs or ()} >= {"gate_evaluations", "trained_policies"}
    assert list(drive(installation)) == []


def test_where_a_pass_leads_does_not_draw_the_verdict_again(installation: Installation) -> None:
    api.run_sweep(installation, tiny_sweep(gates=STAGED))
    first = installation.log.latest("gate_evaluations", ENV)
    api.run_sweep(installation, tiny_sweep(gates=STAGED | {"promote_to": "production"}))
    execute(installation, assets=[dg.AssetKey("gate_evaluations")], partition=ENV)
    second = installation.log.latest("gate_evaluations", ENV)
    assert first is not None
    assert second is not None
    assert second.event_id > first.event_id
    assert second.data_version == first.data_version


def test_without_a_name_the_held_candidate_is_promoted_and_said_so(installation: Installation) -> None:
    outcome = api.run_sweep(installation, tiny_sweep(envs=["Pendulum-v1"], gates={"num_episodes": 4}))
    assert outcome.verdicts == {"Pendulum-v1": "hold"}
    told: list[str] = []
    champion = api.promote(installation, "Pendulum-v1", reason="no floor exists", on_event=told.append)
    assert "the newest candidate, which the gates held" in told[0]
    assert "verdict on it is hold" in told[0]
    assert champion["verdict"]["verdict"] == "hold"


def test_a_failed_candidate_is_promoted_by_name_only(installation: Installation) -> None:
    assert api.run_sweep(installation, tiny_sweep(gates={"floor": 1e6, "num_episodes": 4})).verdicts == {ENV: "fail"}
    with pytest.raises(NothingToPromote, match="failed its gates: name the recipe to promote it all the same"):
        api.promote(installation, ENV, reason="please")
    gate = installation.log.latest("gate_evaluations", ENV)
    assert gate is not None
    champion = api.promote(installation, ENV, gate.metadata["candidate"], reason="nothing else is there")
    assert champion["member_seed"] == gate.metadata["member_seed"], "its best on selection episodes, as the board says"
    assert champion["verdict"]["verdict"] == "fail", "the evidence says what the gates thought"
    assert titles(installation) == ["promotion refused", "promoted"]


def test_a_rollback_serves_the_earlier_weights_and_nothing_promotes_the_later_ones_again(
    installation: Installation,
) -> None:
    api.run_sweep(installation, tiny_sweep())
    first, weights = api.champion(installation, ENV), served_weights(installation)
    api.promote(installation, ENV, other_recipe(installation), reason="try it")
    later = api.champion(installation, ENV)
    assert served_weights(installation) == later["weights_sha256"] != weights
    back = api.rollback(installation, ENV, reason="it oscillates")
    assert (back["generation"], back["action"], back["reason"]) == (3, "roll_back", "it oscillates")
    assert (back["data_version"], back["weights_sha256"]) == (first["data_version"], weights)
    assert served_weights(installation) == weights
    rollback = history(installation).was_rolled_back(later["weights_sha256"])
    assert rollback is not None
    assert rollback.reason == "it oscillates"
    assert list(drive(installation)) == []
    assert ask_graph(installation).success
    execute(installation, assets=[dg.AssetKey("gate_evaluations")], partition=ENV)
    assert list(drive(installation)) == []
    assert api.champion(installation, ENV) == back
    trace = api.trace_champion(installation, ENV)
    assert {step["asset"] for step in trace} >= {"trained_policies", "sweep_configs", "datasets"}
    assert trace[0]["event_id"] == installation.log.latest_ids("promoted_models")[ENV]


def test_a_verdict_whose_promotion_was_rolled_back_is_not_acted_on_again(
    installation: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    api.run_sweep(installation, tiny_sweep())
    passed = installation.log.latest("gate_evaluations", ENV)
    assert passed is not None
    by_gate = api.champion(installation, ENV)
    api.promote(installation, ENV, other_recipe(installation), reason="by hand")
    api.rollback(installation, ENV, to=1, reason="back to the gate's")
    api.rollback(installation, ENV, to=2, reason="no, the other")
    assert history(installation).was_rolled_back(by_gate["weights_sha256"]) is not None
    assert ask_graph(installation).success
    installation.instance.wipe_assets([dg.AssetKey("promoted_models")])
    assert ask_graph(installation).success
    assert list(drive(installation)) == []
    assert api.champion(installation, ENV)["generation"] == 4
    event = installation.log.latest("promoted_models", ENV)
    assert event is not None
    assert event.metadata["generation"] == 4, "the wiped record is that of who reigns, not of the verdict"
    monkeypatch.undo()


def test_what_was_rolled_back_is_gone_back_to_by_name_only(installation: Installation) -> None:
    api.run_sweep(installation, tiny_sweep())
    with pytest.raises(NothingToRollBackTo, match="no earlier version to roll back to; its first champion reigns"):
        api.rollback(installation, ENV, reason="undo")
    api.promote(installation, ENV, other_recipe(installation), reason="try it")
    api.rollback(installation, ENV, reason="worse")
    with pytest.raises(NothingToRollBackTo, match="generation 2 was rolled back itself; name one with --to"):
        api.rollback(installation, ENV, reason="undo the undoing")
    assert api.rollback(installation, ENV, to=2, reason="it was the host")["generation"] == 4
    assert history(installation).was_rolled_back(api.champion(installation, ENV)["weights_sha256"]) is None


def test_what_cannot_be_right_is_refused_and_launches_nothing(installation: Installation) -> None:
    api.run_sweep(installation, tiny_sweep())
    reigning, other = api.champion(installation, ENV), other_recipe(installation)
    runs = installation.instance.get_runs_count()
    attempts: list[tuple[type[RlAssetsError], str, Any]] = [
        (UnknownPartition, "nothing was ever trained in env 'Pong-v5': expected one of CartPole-v1",
         lambda: api.promote(installation, "Pong-v5", reason="r")),
        (UnknownPartition, "no recipe 'ppo' was trained in 'CartPole-v1': expected one of ppo-",
         lambda: api.promote(installation, ENV, "ppo", reason="r")),
        (UnknownPartition, "has no member of seed 9: expected one of 0, 1",
         lambda: api.promote(installation, ENV, other, seed=9, reason="r")),
        (UnknownPartition, "has no generation 5: expected one from 1 to 1",
         lambda: api.rollback(installation, ENV, to=5, reason="r")),
        (BadInput, "needs a reason", lambda: api.promote(installation, ENV, other, reason=" ")),
        (BadInput, "needs a reason", lambda: api.rollback(installation, ENV, reason="")),
        (BadInput, "contains the name of client",
         lambda: api.promote(installation, ENV, other, reason="for Acme Corporation")),
    ]  # fmt: skip
    for kind, words, attempt in attempts:
        with pytest.raises(kind, match=words):
            attempt()
    assert titles(installation) == ["promoted"], "what names nothing that exists leaves no trace"
    refusals: list[tuple[type[RlAssetsError], str, Any]] = [
        (PromotionRefused, "is the champion of 'CartPole-v1' already, byte for byte",
         lambda: api.promote(installation, ENV, reigning["hparam"], seed=reigning["member_seed"], reason="r")),
        (PromotionRefused, "of which recipe", lambda: api.promote(installation, ENV, seed=1, reason="r")),
        (PromotionRefused, "is what reigns already", lambda: api.rollback(installation, ENV, to=1, reason="r")),
    ]  # fmt: skip
    for kind, words, attempt in refusals:
        with pytest.raises(kind, match=words):
            attempt()
    assert titles(installation) == ["promoted", "promotion refused", "promotion refused", "rollback refused"]
    assert installation.instance.get_runs_count() == runs
    assert api.champion(installation, ENV) == reigning


def test_a_policy_of_another_environment_or_other_spaces_is_refused(
    installation: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    api.run_sweep(installation, tiny_sweep())
    api.run_sweep(installation, tiny_sweep("second", envs=["Acrobot-v1"], grid={"learning_rate": [7e-3]}))
    (elsewhere,) = recipes(installation, "Acrobot-v1")
    with pytest.raises(PromotionRefused, match="was trained in Acrobot-v1 and not in 'CartPole-v1'"):
        api.promote(installation, ENV, elsewhere, reason="r")
    forged = installation.log.latest("trained_policies", f"Acrobot-v1|{elsewhere}")
    assert forged is not None
    installation.instance.report_runless_asset_event(
        dg.AssetMaterialization("trained_policies", partition=f"{ENV}|{elsewhere}", metadata=dict(forged.entries))
    )
    with pytest.raises(PromotionRefused, match="was trained in 'Acrobot-v1' and cannot serve 'CartPole-v1'"):
        api.promote(installation, ENV, elsewhere, seed=0, reason="r")

    def of_another_task(env: Any) -> Any:
        return describe_env(env.model_copy(update={"id": "Acrobot-v1"}))

    monkeypatch.setattr("rl_assets.resources.manual_promotion.describe_env", of_another_task)
    with pytest.raises(PromotionRefused, match=r"acts in Discrete\(2\), but env .* takes Discrete\(3\): retrain it"):
        api.promote(installation, ENV, other_recipe(installation), seed=0, reason="r")


def test_a_corrupt_policy_is_refused_and_a_lost_version_is_passed_over(installation: Installation) -> None:
    api.run_sweep(installation, tiny_sweep())
    gates_own = api.champion(installation, ENV)
    victim = installation.log.latest("trained_policies", f"{ENV}|{other_recipe(installation)}")
    assert victim is not None
    weights = artifact_of(installation, victim.metadata["rl/artifact"]).path("member-0/policy.safetensors")
    path = Path(installation.home.store_url) / weights
    whole = path.read_bytes()
    path.write_bytes(whole[:-1] + b"?")
    with pytest.raises(CorruptObject):
        api.promote(installation, ENV, other_recipe(installation), seed=0, reason="r")
    assert api.champion(installation, ENV) == gates_own
    path.write_bytes(whole)
    api.promote(installation, ENV, other_recipe(installation), seed=0, reason="r")
    manifest = ObjectStore(installation.home.store_url).locate(gates_own["data_version"])
    assert manifest is not None
    (Path(installation.home.store_url) / manifest.path).unlink()
    for to in (None, 1):
        with pytest.raises(NothingToRollBackTo, match="the bytes of generation 1 are lost or damaged: `rlctl doctor`"):
            api.rollback(installation, ENV, to=to, reason="r")
    assert api.champion(installation, ENV)["generation"] == 2


def test_a_champion_that_is_lost_for_good_can_be_rolled_back(installation: Installation) -> None:
    api.run_sweep(installation, tiny_sweep())
    first = api.champion(installation, ENV)
    api.promote(installation, ENV, other_recipe(installation), reason="try it")
    promoted = installation.log.latest("promoted_models", ENV)
    assert promoted is not None
    weights = artifact_of(installation, promoted.metadata["rl/artifact"]).path("policy.safetensors")
    (Path(installation.home.store_url) / weights).unlink()
    assert api.rollback(installation, ENV, reason="its weights are gone")["data_version"] == first["data_version"]
    assert served_weights(installation) == first["weights_sha256"]


def test_who_lacks_the_role_is_refused_and_noted(rooted: Installation) -> None:
    api.run_sweep(rooted, tiny_sweep())
    (rooted.home.root / "roles.yaml").write_text("promoter: [alice]\n")
    reigning, other = api.champion(rooted, ENV), other_recipe(rooted)
    runs = rooted.instance.get_runs_count()
    with pytest.raises(RoleMissing, match=rf"'{ME}' \(claimed\) may not promote in 'CartPole-v1'.*which are alice"):
        api.promote(rooted, ENV, other, reason="r")
    with pytest.raises(RoleMissing, match=r"'bob' \(verified by header X-User\) may not roll back 'CartPole-v1'"):
        api.rollback(rooted, ENV, reason="r", actor=Actor(name="bob", verified_by="header X-User"))
    assert rooted.instance.get_runs_count() == runs
    assert api.champion(rooted, ENV) == reigning
    by_alice = api.promote(rooted, ENV, other, reason="r", actor=Actor(name="alice", verified_by="header X-User"))
    assert (by_alice["actor"], by_alice["is_verified"]) == ("alice", True)
    noted = history(rooted).transitions()
    assert [(entry.actor, entry.is_verified, entry.outcome) for entry in noted[1:]] == [
        (ME, False, "refused"), ("bob", True, "refused"), ("alice", True, "done")
    ]  # fmt: skip
    assert [entry.role for entry in noted[1:]] == ["", "", "promoter"], "who was denied held no role"
    assert f"asked for recipe '{other}'" in noted[1].note


def test_a_launch_from_the_ui_names_who_decides_and_is_only_claimed(installation: Installation) -> None:
    api.run_sweep(installation, tiny_sweep())
    other = other_recipe(installation)
    nameless = error_of(ask_graph(installation, action="promote", hparam=other, reason="r"))
    assert isinstance(nameless, RoleMissing)
    assert "give `actor` and `reason` in the launchpad" in str(nameless)
    stranger = error_of(ask_graph(installation, action="promote", hparam=other, reason="r", actor="mallory"))
    assert isinstance(stranger, RoleMissing)
    wordless = error_of(ask_graph(installation, action="roll_back", actor=ME))
    assert isinstance(wordless, BadInput)
    assert [(entry.actor, entry.title) for entry in history(installation).transitions()[1:]] == [
        ("mallory", "promotion refused")
    ]
    assert api.champion(installation, ENV)["generation"] == 1
    assert ask_graph(installation, action="promote", hparam=other, reason="r", actor=ME).success
    champion = api.champion(installation, ENV)
    assert (champion["hparam"], champion["actor"], champion["is_verified"]) == (other, ME, False)


def test_what_a_client_has_in_a_staged_version_is_found(installation: Installation) -> None:
    api.run_sweep(installation, tiny_sweep(gates=STAGED))
    found = api.client_lineage(installation, "Acme Corporation")
    assert [item["partition"] for item in found["materializations"] if item["asset"] == "staged_models"] == [ENV]
    assert found["promoted"] == []
