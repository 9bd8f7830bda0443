"""`rlctl erase`, `verify`, `erasures` and `retrain`, with their exit codes."""

import json
import os
import pwd
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import PROJECT
from tests.defs.tiny_sweeps import tiny_sweep

OWNER = pwd.getpwuid(os.getuid()).pw_name
CLIENT = "Acme Corporation"


@pytest.fixture
def officer(rlctl: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The command in a project folder of its own, in which one person alone may erase."""
    root = tmp_path / "project"
    root.mkdir()
    for name in ("definitions.py", "dagster.yaml", "pyproject.toml", "rl_assets"):
        (root / name).symlink_to(PROJECT / name)
    (root / "roles.yaml").write_text(f"promoter: [{OWNER}]\neraser: [{OWNER}]\nsecond_actor: false\n")
    monkeypatch.setenv("RL_ASSETS_ROOT", str(root))
    return rlctl


@pytest.fixture
def swept(officer: Any, tmp_path: Path) -> Any:
    """The command after a sweep that was promoted."""
    file = tmp_path / "tiny.yaml"
    file.write_text(json.dumps(tiny_sweep(seeds=1).model_dump(mode="json", exclude_none=True)))
    code, _, err = officer("sweep", "-f", file, "--json")
    assert code == 0, err
    return officer


def test_an_officer_plans_confirms_verifies_and_lists(swept: Any, tmp_path: Path) -> None:
    code, out, err = swept("erase", "--client", CLIENT)
    assert code == 0, err
    plan = json.loads(swept("erase", "--client", CLIENT, "--json")[1])
    for words in (f"plan {plan['plan_id']}: erase all of client", "Nothing was changed", "trained_policies",
                  "NOBODY takes over", f"rlctl erase --confirm {plan['plan_id']}"):  # fmt: skip
        assert words in " ".join(out.split())
    code, out, err = swept("erase", "--confirm", plan["plan_id"], "--json")
    assert code == 0, err
    done = json.loads(out)
    for step in ("quarantine", "stop work", "bytes", "records", "verify", "register"):
        assert f"{done['order']}: {step}" in err
    code, out, err = swept("verify", done["file"])
    assert (code, err) == (0, "")
    assert "genuine: certificate 1" in out
    assert "by one person alone" in out
    assert "its place in the chain was checked" in out
    key = Path(done["file"]).parents[1] / "public.key"
    code, out, _ = swept("verify", done["file"], "--public-key", key, "--json")
    assert (code, json.loads(out)["is_genuine"], json.loads(out)["chain_was_checked"]) == (0, True, False)
    code, out, _ = swept("erasures")
    assert code == 0
    assert done["order"] in out
    assert "certificate 1" in out
    code, out, _ = swept("retrain", done["order"])
    assert (code, out.strip()) == (0, "nobody else lost a policy: there is nothing to train again")
    code, _, err = swept("erase", "--client", CLIENT)
    assert code == 2
    assert "is not registered" in err
    code, out, err = swept("erase", "--confirm", plan["plan_id"])
    assert code == 0, err
    assert "it was finished before" in out
    code, _, err = swept("champion", "CartPole-v1")
    assert code == 2
    assert "vacated" in err


def test_a_changed_certificate_and_a_foreign_key_are_rejected(swept: Any, tmp_path: Path) -> None:
    plan = json.loads(swept("erase", "--client", CLIENT, "--json")[1])
    done = json.loads(swept("erase", "--confirm", plan["plan_id"], "--json")[1])
    forged = tmp_path / "forged.json"
    forged.write_bytes(Path(done["file"]).read_bytes().replace(b'"number": 1', b'"number": 2'))
    code, _, err = swept("verify", forged)
    assert code == 1
    assert "is not what that instance signed" in err
    other = tmp_path / "other.key"
    other.write_text("A" * 43 + "=")
    code, _, err = swept("verify", done["file"], "--public-key", other)
    assert code == 1
    assert "was issued by instance" in err
    code, _, err = swept("verify", tmp_path / "nothing.json")
    assert code == 2
    assert "cannot be read" in err


@pytest.mark.parametrize(
    ("words", "refusal"),
    [
        (["erase"], "nothing to erase is named: expected a client, datasets or a data subject"),
        (["erase", "--client", "Nobody"], "client 'Nobody' is not registered"),
        (["erase", "--subject", "ann"], "from one client's datasets"),
        (["erase", "--dataset", "c-0123456789.d1"], "dataset 'c-0123456789.d1' is not known here"),
        (["erase", "--confirm", "p-000000000000"], "plan 'p-000000000000' was never made here"),
        (["erase", "--confirm", "p-000000000000", "--client", CLIENT], "expected the plan's id alone"),
        (["retrain", "e-0123456789"], "order 'e-0123456789' is not in the ledger"),
    ],
)
def test_what_cannot_be_meant_is_refused(officer: Any, words: list[str], refusal: str) -> None:
    code, out, err = officer(*words)
    assert (code, out) == (2, "")
    assert refusal in err


def test_one_person_alone_is_refused_where_nobody_allowed_it(swept: Any, tmp_path: Path) -> None:
    (tmp_path / "project" / "roles.yaml").unlink()
    plan = json.loads(swept("erase", "--client", CLIENT, "--json")[1])
    code, _, err = swept("erase", "--confirm", plan["plan_id"])
    assert code == 2
    assert "'second_actor: false'" in err
    assert swept("champion", "CartPole-v1")[0] == 0
