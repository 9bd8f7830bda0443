"""Gates in the graph: looks, the ledger of a reign, damaged candidates, cost, and gates of other packages."""

import importlib
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from rl_assets import api
from rl_assets.api.drive import execute
from rl_assets.api.installation import Installation
from rl_assets.config.plugins import GATES
from rl_assets.defs.assets import gate_evaluations
from rl_assets.defs.graph import build_definitions
from rl_assets.errors import InvalidConfig
from rl_assets.resources.event_log import Event
from rl_assets.store.alpha_ledger import AlphaLedger, LedgerEntry
from rl_assets.store.artifacts import ArtifactRef, read_artifact
from rl_assets.store.objects import ObjectStore
from tests.defs.fixed_episodes import play_fixed_returns
from tests.defs.tiny_sweeps import tiny_sweep
from tests.packages import install

ENV = "CartPole-v1"
GATE = dg.AssetKey("gate_evaluations")
UNDECIDED = [0.0, 10.0, 0.0, 10.0]
FLOOR = {"floor": 5.0, "num_episodes": 4}


def ask(installation: Installation, *, renewal: str = "", expect_success: bool = True) -> Event:
    run_config = {"ops": {"gate_evaluations": {"config": {"renewal": renewal}}}}
    result = execute(installation, assets=[GATE], partition=ENV, run_config=run_config)
    assert result.success == expect_success
    return newest(installation)


def newest(installation: Installation) -> Event:
    event = installation.log.latest("gate_evaluations", ENV)
    assert event is not None
    return event


def ledger(installation: Installation, *, reign: int = 0) -> tuple[LedgerEntry, ...]:
    return AlphaLedger(ObjectStore(installation.home.store_url), ENV, reign=reign).entries()


def check(installation: Installation, name: str) -> Any:
    record = installation.instance.event_log_storage.get_asset_check_execution_history(
        dg.AssetCheckKey(GATE, name), limit=1
    )[0]
    assert record.event is not None
    return record.event.asset_check_evaluation


def test_gates_that_cannot_tell_look_three_times_at_fresh_episodes(
    installation: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    played = play_fixed_returns(monkeypatch, UNDECIDED)
    api.run_sweep(installation, tiny_sweep(gates=FLOOR))
    gate = newest(installation).metadata
    assert (gate["verdict"], gate["looks"], gate["num_episodes"]) == ("hold", 3, 12)
    assert [len(seeds) for seeds in played] == [4, 4, 4]
    assert len({seed for seeds in played for seed in seeds}) == 12


def test_gates_that_can_tell_look_once(installation: Installation, monkeypatch: pytest.MonkeyPatch) -> None:
    played = play_fixed_returns(monkeypatch, [90.0, 91.0, 92.0, 93.0])
    api.run_sweep(installation, tiny_sweep(gates=FLOOR))
    gate = newest(installation).metadata
    assert (gate["verdict"], gate["looks"], len(played)) == ("pass", 1, 1)


def test_asking_ten_times_gives_one_answer_and_spends_once(
    installation: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    played = play_fixed_returns(monkeypatch, UNDECIDED)
    api.run_sweep(installation, tiny_sweep(gates=FLOOR))
    versions = {newest(installation).data_version} | {ask(installation).data_version for _ in range(10)}
    assert len(versions) == 1
    assert len(played) == 3
    assert len(ledger(installation)) == 1


def test_asking_again_takes_a_reason_and_spends_more_of_the_reign(
    installation: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    played = play_fixed_returns(monkeypatch, UNDECIDED)
    api.run_sweep(installation, tiny_sweep(gates=FLOOR))
    first = newest(installation)
    renewed = ask(installation, renewal="the simulator was mended")
    again = ask(installation, renewal="the simulator was mended")
    assert renewed.data_version != first.data_version
    assert again.data_version == renewed.data_version
    assert (first.metadata["test"], renewed.metadata["test"]) == (1, 2)
    assert (first.metadata["alpha"], renewed.metadata["alpha"]) == pytest.approx((0.05 / 2, 0.05 / 6))
    assert len(played) == 6
    assert not set(played[0]) & set(played[3])
    assert [entry.number for entry in ledger(installation)] == [1, 2]


def test_a_new_champion_begins_a_new_ledger(installation: Installation, monkeypatch: pytest.MonkeyPatch) -> None:
    play_fixed_returns(monkeypatch, [90.0, 91.0, 92.0, 93.0], [90.0, 95.0, 85.0, 93.0])
    api.run_sweep(installation, tiny_sweep("first", grid={"learning_rate": [1e-3]}, gates=FLOOR))
    api.run_sweep(installation, tiny_sweep("second", grid={"learning_rate": [0.9]}, gates=FLOOR))
    if newest(installation).metadata.get("reign") is None:
        api.run_sweep(installation, tiny_sweep("third", grid={"learning_rate": [1e-5, 1e-4, 1e-2]}, gates=FLOOR))
    assert len(ledger(installation)) == 1
    assert len(ledger(installation, reign=1)) == newest(installation).metadata.get("test", 0)


def test_a_damaged_candidate_is_not_judged_and_turns_the_run_red(
    installation: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    played = play_fixed_returns(monkeypatch, UNDECIDED)
    api.run_sweep(installation, tiny_sweep(gates={"floor": 1e6, "num_episodes": 4}))
    asked = len(played), len(ledger(installation))
    file = candidate_file(installation)
    whole = file.read_bytes()
    file.chmod(0o644)
    file.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    gate = ask(installation, expect_success=False)
    assert gate.metadata["verdict"] == "fail"
    assert "is damaged" in gate.metadata["reasons"] or "checksum" in gate.metadata["reasons"]
    result = check(installation, "is_intact")
    assert (result.passed, result.severity, result.blocking) == (False, dg.AssetCheckSeverity.ERROR, True)
    assert (len(played), len(ledger(installation))) == asked
    file.write_bytes(whole)
    mended = ask(installation)
    assert check(installation, "is_intact").passed
    assert mended.metadata["was_asked_before"]


def test_a_candidate_whose_origin_is_forgotten_is_not_judged(
    installation: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    play_fixed_returns(monkeypatch, UNDECIDED)
    api.run_sweep(installation, tiny_sweep(gates=FLOOR))
    installation.instance.wipe_assets([dg.AssetKey("datasets")])
    gate = ask(installation, expect_success=False)
    assert "was made from what is gone: datasets[" in gate.metadata["reasons"]


def candidate_file(installation: Installation) -> Path:
    board = installation.log.latest("eval_leaderboards", ENV)
    assert board is not None
    candidate = board.metadata["candidate"]
    policy = installation.log.latest("trained_policies", f"{ENV}|{candidate['hparam']}")
    assert policy is not None
    store = ObjectStore(installation.home.store_url)
    artifact = read_artifact(store, ArtifactRef.from_json(policy.metadata["rl/artifact"]))
    return store.root / artifact.path(f"member-{candidate['member_seed']}/policy.safetensors")


@pytest.mark.parametrize(("steps", "verdict"), [(128, "pass"), (256, "fail")])
def test_a_candidate_that_costs_less_need_not_be_better(
    installation: Installation, monkeypatch: pytest.MonkeyPatch, steps: int, verdict: str
) -> None:
    play_fixed_returns(monkeypatch, [100.0, 101.0, 102.0, 103.0])
    api.run_sweep(installation, tiny_sweep("champion", grid={"learning_rate": [1e-3]}, gates={"floor": 0.0}))
    prefer(monkeypatch, "lr=0.002")
    play_fixed_returns(monkeypatch, [98.0, 99.2, 99.9, 101.1], [100.0, 101.0, 102.0, 103.0])
    gates = {"floor": 0.0, "num_episodes": 4, "non_inferiority": {"margin": {ENV: 10.0}, "min_saving": 0.3}}
    api.run_sweep(installation, tiny_sweep("cheap", grid={"learning_rate": [2e-3]}, total_timesteps=steps, gates=gates))
    gate = newest(installation).metadata
    assert gate["verdict"] == verdict, gate["reasons"]
    champion = api.champion(installation, ENV)
    assert ("lr=0.002" in champion["hparam"]) == (verdict == "pass")


def prefer(monkeypatch: pytest.MonkeyPatch, part: str) -> None:
    """Let the leaderboard's candidate be the recipe whose key holds this."""

    def candidate(best: Any, episodes: Any, evaluations: Any) -> dict[str, Any]:
        hparam = next(key for key in evaluations if part in key)
        return {"hparam": hparam, "member_seed": 0, "selection_mean_return": 0.0, "policy": part}

    monkeypatch.setattr("rl_assets.defs.assets.eval_leaderboards._candidate", candidate)


QUICK = """
from rl_assets.statistics.gates import limit_gate


def judge(evidence):
    limit = evidence.settings["at_most"]
    return limit_gate(evidence.candidate.lengths, limit, evidence.confidence, kind="ceiling")
"""


@pytest.fixture
def own_gate(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """An installed package that brings the gate `is_quick`."""
    with monkeypatch.context() as patch:
        install(tmp_path / "site", patch, source=QUICK, package="quick_gate", group=GATES, is_quick="judge")
        importlib.reload(gate_evaluations)
        yield
    sys.modules.pop("quick_gate", None)
    importlib.reload(gate_evaluations)


@pytest.mark.parametrize(("at_most", "verdict"), [(500, "pass"), (1, "fail")])
def test_a_gate_of_an_installed_package_is_asked_where_a_sweep_names_it(
    installation: Installation, own_gate: None, at_most: int, verdict: str
) -> None:
    named = Installation(
        home=installation.home, instance=installation.instance, definitions=build_definitions(installation.home)
    )
    gates = {"floor": -1000.0, "num_episodes": 4, "plugins": {"is_quick": {"at_most": at_most}}}
    outcome = api.run_sweep(named, tiny_sweep(gates=gates))
    assert outcome.verdicts == {ENV: verdict}
    result = check(named, "is_quick")
    assert result.passed == (verdict == "pass")
    assert result.metadata["verdict"].value == verdict
    assert newest(named).metadata["plugins"] == {"is_quick": "quick_gate 1.2"}


@pytest.mark.parametrize(
    ("gates", "words"),
    [
        ({"plugins": {"is_nice": {}}}, "field 'gates.plugins': gate 'is_nice' is not installed: expected one of"),
        (
            {"metrics": {"grace": {"floor": 1.0}}},
            "'gates.metrics.grace': there is no such metric: expected one of cvar10",
        ),
        ({"metrics": {"cvar10": {"ceiling": 1.0}}}, "the worst tenth has no ceiling"),
        (
            {"stability": {"least_return": {"Acrobot-v1": 1.0}}},
            "least_return': 'Acrobot-v1' is no env",
        ),
    ],
)
def test_gates_that_nobody_can_ask_are_refused_before_anything_starts(
    installation: Installation, gates: dict[str, Any], words: str
) -> None:
    with pytest.raises(InvalidConfig, match=words):
        api.run_sweep(installation, tiny_sweep(gates=gates))
    assert installation.log.latest("sweep_configs", "tiny") is None


def test_changed_gates_are_asked_of_the_same_candidate(
    installation: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    play_fixed_returns(monkeypatch, [90.0, 91.0, 92.0, 93.0])
    assert api.run_sweep(installation, tiny_sweep(gates={"floor": 1e6, "num_episodes": 4})).verdicts == {ENV: "fail"}
    assert api.run_sweep(installation, tiny_sweep(gates={"floor": 1.0, "num_episodes": 4})).verdicts == {ENV: "pass"}
    assert newest(installation).metadata["test"] == 2
    assert api.champion(installation, ENV)["generation"] == 1
    again = api.run_sweep(installation, tiny_sweep("other", gates={"floor": 1.0, "num_episodes": 4}))
    assert again.verdicts == {ENV: "pass"}
    assert len(ledger(installation)) == 2, "the same gates under another name ask nothing new"


def test_what_cannot_be_read_spends_no_test(installation: Installation, monkeypatch: pytest.MonkeyPatch) -> None:
    play_fixed_returns(monkeypatch, [90.0, 91.0, 92.0, 93.0], [10.0, 12.0, 11.0, 13.0])
    api.run_sweep(installation, tiny_sweep("first", grid={"learning_rate": [1e-3]}, gates=FLOOR))
    model = installation.log.latest("promoted_models", ENV)
    assert model is not None
    store = ObjectStore(installation.home.store_url)
    file = store.root / read_artifact(store, ArtifactRef.from_json(model.metadata["rl/artifact"])).path(
        "policy.safetensors"
    )
    prefer(monkeypatch, "lr=0.002")
    file.chmod(0o644)
    file.write_bytes(b"#" * file.stat().st_size)
    api.run_sweep(installation, tiny_sweep("second", grid={"learning_rate": [2e-3]}, gates=FLOOR))
    assert ledger(installation, reign=1) == ()
