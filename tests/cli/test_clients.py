import json
from pathlib import Path
from typing import Any

import pytest

ADD = ("dataset", "add", "--client", "Acme", "--project", "p", "--data-source", "s", "--domain", "d")


@pytest.fixture
def own_keys(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    file = tmp_path / "keys" / "register.key"
    monkeypatch.setenv("RL_ASSETS_REGISTER_KEY_FILE", str(file))
    return file


def test_a_client_is_shown_with_contacts_holds_and_terms(rlctl: Any, own_keys: Path) -> None:
    assert rlctl(*ADD, "--purpose", "walking", "--retention", "2099-12-31", "--lawful-basis", "consent")[0] == 0
    (listed,) = json.loads(rlctl("client", "list", "--json")[1])
    assert (listed["client_id"], listed["num_datasets"], listed["num_holds"]) == ("Acme", 1, 0)
    key = f"{listed['pseudonym']}.d1"
    assert (
        rlctl("client", "contact", "Acme", "--name", "Ann", "--address", "a@acme.example", "--role", "officer")[0] == 0
    )
    assert rlctl("client", "hold", listed["pseudonym"], "--reason", "case 7", "--dataset", key)[0] == 0
    _, out, _ = rlctl("client", "show", "Acme")
    for words in (
        "Ann, officer, a@acme.example",
        f"legal hold 1 on {key}",
        "case 7",
        "purpose: walking",
        "2099-12-31",
    ):
        assert words in out
    assert rlctl("client", "release", "Acme", "1", "--reason", "settled")[0] == 0
    shown = json.loads(rlctl("client", "show", "Acme", "--json")[1])
    assert (shown["holds"][0]["is_in_force"], shown["holds"][0]["release_reason"]) == (False, "settled")
    assert rlctl("client", "remove-contact", "Acme", "1")[0] == 0
    assert json.loads(rlctl("client", "show", "Acme", "--json")[1])["contacts"] == []


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("show", "Nobody"), "client 'Nobody' is not registered"),
        (("hold", "Acme", "--reason", " "), "field 'reason'"),
        (("hold", "Acme", "--reason", "r", "--dataset", "c-0000000000.d1"), "expected one of its datasets"),
        (("release", "Acme", "3", "--reason", "r"), "has no legal hold 3"),
        (("remove-contact", "Acme", "3"), "has no contact 3"),
        (("contact", "Acme", "--name", "Ann", "--address", ""), "contact address"),
    ],
)
def test_what_cannot_be_is_refused(rlctl: Any, own_keys: Path, words: tuple[str, ...], said: str) -> None:
    rlctl(*ADD)
    code, out, err = rlctl("client", *words)
    assert (code, out) == (2, "")
    assert said in err


def test_the_key_is_told_rotated_and_missed_and_never_shown(rlctl: Any, own_keys: Path) -> None:
    assert "nothing is registered yet" in rlctl("client", "key")[1]
    rlctl(*ADD)
    before = json.loads(rlctl("client", "key", "--json")[1])
    assert before["opens"]
    assert before["place"] == str(own_keys)
    after = json.loads(rlctl("client", "rotate-key", "--json")[1])
    assert after["keys"] == [after["needed"], before["needed"]]
    assert "Acme" in rlctl("client", "list")[1]
    secret = own_keys.read_text()
    own_keys.unlink()
    code, out, _ = rlctl("client", "key")
    assert (code, "MISSING" in out) == (1, True)
    code, _, err = rlctl("client", "list")
    assert code == 1
    assert f"encrypted with key {after['needed']}" in err
    assert not [line for line in secret.splitlines() if not line.startswith("#") and line in out + err]


def test_a_drawn_key_opens_a_register_through_the_variable(
    rlctl: Any, tmp_path: Path, own_keys: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RL_ASSETS_REGISTER_KEY", rlctl("client", "new-key")[1].strip())
    assert rlctl(*ADD)[0] == 0
    assert "Acme" in rlctl("client", "list")[1]
    assert not own_keys.exists()
