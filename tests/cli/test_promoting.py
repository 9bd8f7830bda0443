"""`rlctl promote`, `rlctl rollback`, `rlctl history` and `rlctl alerts`, with their exit codes."""

import json
from pathlib import Path
from typing import Any

import pytest

from rl_assets.cli.promoting import print_history
from tests.defs.tiny_sweeps import tiny_sweep

ENV = "CartPole-v1"


@pytest.fixture
def swept(rlctl: Any, tmp_path: Path) -> Any:
    """The command, after a sweep that was promoted."""
    file = tmp_path / "tiny.json.yaml"
    sweep = tiny_sweep(seeds=1).model_dump(mode="json", exclude_none=True)
    file.write_text(json.dumps(sweep))
    code, _, err = rlctl("sweep", "-f", file, "--json")
    assert code == 0, err
    return rlctl


def test_a_person_promotes_rolls_back_and_reads_why(swept: Any) -> None:
    first = json.loads(swept("champion", ENV, "--json")[1])
    board = json.loads(swept("leaderboard", ENV, "--json")[1])
    other = next(row["hparam"] for row in board["rows"] if row["hparam"] != first["hparam"])
    code, out, err = swept("promote", ENV, other, "--reason", "smoother in the shadow run")
    assert code == 0, err
    assert "promoting the recipe that was named" in err
    assert "because smoother in the shadow run" in out
    code, out, err = swept("rollback", ENV, "--reason", "it was not", "--json")
    assert code == 0, err
    assert json.loads(out)["weights_sha256"] == first["weights_sha256"]
    code, out, err = swept("rollback", ENV, "--reason", "once more")
    assert code == 2
    assert err.splitlines()[-1].startswith("refused: 'CartPole-v1' has no earlier version to roll back to")
    code, out, _ = swept("history", ENV)
    assert code == 0
    for words in ("promoted", "rolled back to", "rollback refused", "smoother in the shadow run", "by gate_passed",
                  "(claimed, promoter)", "production: generation 3", "archived: generation 2"):  # fmt: skip
        assert words in out
    answer = json.loads(swept("history", ENV, "--json")[1])
    assert [entry["title"] for entry in answer["transitions"]] == [
        "promoted", "promoted", "rolled back to", "rollback refused"
    ]  # fmt: skip
    assert answer["generation"] == 3


@pytest.mark.parametrize(
    ("words", "refusal"),
    [
        (
            ["promote", ENV, "--reason", "r"],
            "nothing was ever trained in env 'CartPole-v1': expected one of (none yet)",
        ),
        (["promote", ENV], "needs a reason, as the history keeps it: add --reason TEXT"),
        (["rollback", ENV, "--reason", "r"], "nothing was ever trained in env 'CartPole-v1'"),
        (["history", ENV], "no history for env 'CartPole-v1': expected one of (none yet)"),
        (["history", "a/b"], "a/b"),
        (["alerts", "test"], "alerts.yaml: expected a file that names receivers"),
    ],
)
def test_what_cannot_be_done_is_refused_with_exit_code_2(rlctl: Any, words: list[str], refusal: str) -> None:
    code, out, err = rlctl(*words)
    assert (code, out) == (2, "")
    assert err.startswith("refused: ")
    assert refusal in err


def test_receivers_are_tried_out_and_one_that_does_not_answer_is_exit_code_1(
    rlctl: Any, own_root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RL_ASSETS_ROOT", str(own_root))
    (own_root / "alerts.yaml").write_text("receivers: {log: {to: log}}")
    assert rlctl("alerts", "test")[:2] == (0, "log: took it\n")
    (own_root / "alerts.yaml").write_text("receivers: {team: {to: slack, url_from: NO_SUCH_HOOK}}")
    code, out, _ = rlctl("alerts", "test", "--json")
    assert code == 1
    assert "'NO_SUCH_HOOK' is not set" in json.loads(out)["team"]


def test_a_staged_version_is_shown_with_what_to_do(capsys: pytest.CaptureFixture[str]) -> None:
    model = {"hparam": "ppo-1", "member_seed": 3, "policy": {}, "data_version": "d" * 64, "weights_sha256": "e" * 64}
    staged = {
        "number": 1, "title": "staged", "action": "stage", "outcome": "done", "model": model, "actor": "gate_passed",
        "is_verified": False, "role": "", "at": "2026-01-02T03:04:05+00:00", "reason": "", "evidence": {}, "note": "",
        "erased_by": "", "remains": None,
    }  # fmt: skip
    print_history(
        {
            "env": ENV,
            "generation": 0,
            "production": None,
            "vacated": None,
            "staging": staged,
            "archived": [],
            "transitions": [staged],
            "verdicts": [],
        }
    )
    shown = capsys.readouterr().out
    assert "staging: ppo-1, member of seed 3; `rlctl promote CartPole-v1` promotes it" in shown
    assert "production: nothing" in shown
    assert "weights eeeeeeeeeeee, model dddddddddddd" in shown


def test_what_the_gates_did_not_let_pass_is_in_the_history_with_its_reasons(rlctl: Any, tmp_path: Path) -> None:
    file = tmp_path / "high.yaml"
    sweep = tiny_sweep(seeds=1, gates={"floor": 1e6, "num_episodes": 4}).model_dump(mode="json", exclude_none=True)
    file.write_text(json.dumps(sweep))
    assert rlctl("sweep", "-f", file, "--json")[0] == 0
    code, out, err = rlctl("history", ENV)
    assert code == 0, err
    assert "  failed ppo-" in out
    assert "meets_floor fail: 4 episodes have a mean of " in out
    assert "the floor of 1e+06 is missed" in out
    (verdict,) = json.loads(rlctl("history", ENV, "--json")[1])["verdicts"]
    assert verdict["verdict"] == "fail"
