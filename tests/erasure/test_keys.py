import stat
import subprocess
import sys
from pathlib import Path

import pytest

from rl_assets.erasure.keys import PublicKey, SigningKey, SigningKeyPlace, draw_signing_key
from rl_assets.errors import BadInput, SigningKeyLocked

# RFC 8032, section 7.1, test 2: secret key, public key, message and signature.
SEED = bytes.fromhex("4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb")
PUBLIC = "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c"
SIGNATURE = (
    "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da"
    "085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00"
)


def test_signatures_are_those_of_the_standard():
    key = SigningKey(seed=SEED)
    assert key.public.raw.hex() == PUBLIC
    assert key.sign(b"\x72").hex() == SIGNATURE
    assert key.public.has_signed(b"\x72", bytes.fromhex(SIGNATURE))
    assert not key.public.has_signed(b"\x73", bytes.fromhex(SIGNATURE))
    assert not key.public.has_signed(b"\x72", b"short")


def test_a_public_key_names_its_instance_and_survives_as_text():
    one, other = SigningKey(seed=SEED).public, SigningKey(seed=bytes(32)).public
    assert PublicKey.parse(f" {one.text}\n") == one
    assert len(one.text) == 44
    assert one.instance_id.startswith("i-")
    assert one.instance_id != other.instance_id


@pytest.mark.parametrize("text", ["", "no key", "QUJD", "A" * 44, "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh9="])
def test_what_is_no_public_key_is_refused(text: str):
    with pytest.raises(BadInput, match=r"public\.key of the instance's ledger"):
        PublicKey.parse(text)


def test_a_signing_key_does_not_show_its_secret():
    key = SigningKey(seed=SEED)
    assert key.text not in repr(key)
    assert SEED.hex() not in repr(key)
    assert repr(SEED) not in repr(key)


def test_the_first_use_draws_a_key_into_a_private_file_and_keeps_it(tmp_path: Path):
    place = SigningKeyPlace(tmp_path / "settings" / "erasure.key")
    assert place.load() is None
    key = place.obtain()
    assert stat.S_IMODE(place.file.stat().st_mode) == 0o600
    assert stat.S_IMODE(place.file.parent.stat().st_mode) == 0o700
    assert SigningKeyPlace(place.file).obtain() == place.load() == key
    assert "show it to nobody" in place.file.read_text()


def test_processes_that_draw_the_first_key_at_once_agree(tmp_path: Path):
    script = (
        "import sys; from pathlib import Path; from rl_assets.erasure.keys import SigningKeyPlace\n"
        "sys.stdin.readline()\n"
        "print(SigningKeyPlace(Path(sys.argv[1])).obtain().public.instance_id)"
    )
    children = [
        subprocess.Popen([sys.executable, "-c", script, tmp_path / "key"], cwd=Path(__file__).parents[2],
                         stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for _ in range(3)
    ]  # fmt: skip
    said = {child.communicate("go\n")[0] for child in children}
    key = SigningKeyPlace(tmp_path / "key").load()
    assert key is not None
    assert said == {f"{key.public.instance_id}\n"}


def test_a_variable_counts_instead_of_the_file(tmp_path: Path):
    text = draw_signing_key()
    environ = {"RL_ASSETS_ERASURE_KEY": text, "RL_ASSETS_ERASURE_KEY_FILE": str(tmp_path / "key")}
    assert SigningKeyPlace.from_environment(environ).obtain().text == text
    assert list(tmp_path.iterdir()) == []


def test_the_file_lies_in_the_users_settings_or_where_a_variable_says():
    assert SigningKeyPlace.from_environment({"XDG_CONFIG_HOME": "/s"}).file == Path("/s/rl_assets/erasure.key")
    assert SigningKeyPlace.from_environment({"RL_ASSETS_ERASURE_KEY_FILE": "/k/key"}).file == Path("/k/key")


def test_a_key_that_others_may_read_is_refused(tmp_path: Path):
    place = SigningKeyPlace(tmp_path / "key")
    place.obtain()
    place.file.chmod(0o644)
    with pytest.raises(SigningKeyLocked, match=r"mode 0644.*expected 0600; `chmod 600"):
        place.obtain()


@pytest.mark.parametrize("text", ["", "# nothing\n", "secret", "A" * 43 + "=\nrubbish"])
def test_what_is_no_key_is_refused_without_repeating_it_and_never_replaced(tmp_path: Path, text: str):
    place = SigningKeyPlace(tmp_path / "key")
    place.file.write_text(text)
    place.file.chmod(0o600)
    with pytest.raises(SigningKeyLocked, match="is no key") as caught:
        place.obtain()
    assert not {"secret", "rubbish"} & set(str(caught.value).split())
    assert place.file.read_text() == text


def test_a_key_that_cannot_be_drawn_says_what_to_do():
    with pytest.raises(SigningKeyLocked, match="RL_ASSETS_ERASURE_KEY_FILE, or give the key in RL_ASSETS_ERASURE_KEY"):
        SigningKeyPlace(Path("/proc/no-place-for-keys/key")).obtain()
