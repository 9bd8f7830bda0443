import stat
import subprocess
import sys
from pathlib import Path

import pytest

from rl_assets.datasets.keyring import Keyring, draw_key
from rl_assets.errors import RegisterLocked

KEY = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="


def test_the_first_use_draws_a_key_into_a_private_file_and_keeps_it(tmp_path: Path):
    keyring = Keyring(tmp_path / "settings" / "register.key")
    assert keyring.load() == ()
    key = keyring.newest()
    assert len(key.secret) == 32
    assert stat.S_IMODE(keyring.file.stat().st_mode) == 0o600
    assert stat.S_IMODE(keyring.file.parent.stat().st_mode) == 0o700
    assert Keyring(keyring.file).newest() == key
    assert key.text in keyring.file.read_text()
    assert "keep a copy" in keyring.file.read_text()


def test_processes_that_draw_the_first_key_at_once_agree(tmp_path: Path):
    script = (
        "import sys; from pathlib import Path; from rl_assets.datasets.keyring import Keyring; sys.stdin.readline();"
        "print(Keyring(Path(sys.argv[1])).newest().id)"
    )
    children = [
        subprocess.Popen([sys.executable, "-c", script, tmp_path / "key"], cwd=Path(__file__).parents[2],
                         stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for _ in range(4)
    ]  # fmt: skip
    said = {child.communicate("go\n")[0] for child in children}
    assert said == {f"{Keyring(tmp_path / 'key').newest().id}\n"}
    assert [path.name for path in tmp_path.iterdir()] == ["key"]


def test_a_new_key_comes_first_and_the_earlier_ones_stay(tmp_path: Path):
    keyring = Keyring(tmp_path / "key")
    first = keyring.newest()
    second = keyring.renew(first.id)
    assert keyring.load() == (second, first)
    assert keyring.key(first.id) == first


def test_a_variable_counts_instead_of_the_file(tmp_path: Path):
    new, old = draw_key(), draw_key()
    keyring = Keyring.from_environment({"RL_ASSETS_REGISTER_KEY": f"{new}, {old}", "HOME": str(tmp_path)})
    assert [key.text for key in keyring.load()] == [new, old]
    assert keyring.renew(keyring.load()[1].id).text == new
    with pytest.raises(RegisterLocked, match="put a new key before it"):
        keyring.renew(keyring.load()[0].id)
    assert list(tmp_path.iterdir()) == []


def test_the_file_lies_in_the_users_settings_or_where_a_variable_says():
    assert Keyring.from_environment({"XDG_CONFIG_HOME": "/s"}).file == Path("/s/rl_assets/register.key")
    assert Keyring.from_environment({"RL_ASSETS_REGISTER_KEY_FILE": "/k/key"}).file == Path("/k/key")


def test_keys_that_others_may_read_are_refused(tmp_path: Path):
    keyring = Keyring(tmp_path / "key")
    keyring.newest()
    keyring.file.chmod(0o640)
    with pytest.raises(RegisterLocked, match=r"mode 0640.*expected 0600; `chmod 600"):
        keyring.newest()


@pytest.mark.parametrize("text", ["", "# nothing\n", "secret", "QUJD", KEY[:-2], f"{KEY}\nrubbish"])
def test_what_is_no_key_is_refused_without_repeating_it_and_never_replaced(tmp_path: Path, text: str):
    keyring = Keyring(tmp_path / "key")
    keyring.file.write_text(text)
    keyring.file.chmod(0o600)
    with pytest.raises(RegisterLocked) as caught:
        keyring.newest()
    assert not set(text.split()) & {"secret", "QUJD", "rubbish"} & set(str(caught.value).split())
    assert keyring.file.read_text() == text


def test_a_folder_that_takes_no_key_is_told_with_what_to_do(tmp_path: Path):
    (tmp_path / "settings").write_text("a file")
    with pytest.raises(RegisterLocked, match=r"cannot be (read|written)"):
        Keyring(tmp_path / "settings" / "key").newest()


def test_a_key_shows_nothing_of_itself():
    key = Keyring(Path("/nowhere"), given=draw_key()).newest()
    assert key.text not in repr(key) + key.id


def test_a_user_without_a_home_is_asked_for_nothing_until_a_key_is_needed(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("os.path.expanduser", lambda path: path)
    assert Keyring.from_environment({}).file == Path("/.config/rl_assets/register.key")
    assert Keyring.from_environment({"RL_ASSETS_REGISTER_KEY": KEY}).newest().text == KEY
