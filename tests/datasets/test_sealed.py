import json
import subprocess
import sys
from pathlib import Path

import pytest

from rl_assets.datasets.keyring import Keyring, draw_key
from rl_assets.datasets.register import ClientRegister
from rl_assets.datasets.sealed import SealedFile
from rl_assets.errors import CorruptObject, RegisterLocked

WORDS = {"client_id": "ACME Corp", "project": "Robots", "data_source": "plant 3", "domain": "logistics"}
PLAIN = {
    "clients": {"c-0123456789": {"client_id": "ACME Corp", "last_number": 1}},
    "datasets": {"c-0123456789.d1": {**WORDS, "path": None}},
}


@pytest.fixture
def keyring(tmp_path: Path) -> Keyring:
    return Keyring(tmp_path / "keys" / "register.key")


@pytest.fixture
def register(tmp_path: Path, keyring: Keyring) -> ClientRegister:
    return ClientRegister(tmp_path / "register", keyring=keyring)


def file_of(tmp_path: Path) -> Path:
    return tmp_path / "register" / "clients.sealed"


def test_no_word_stands_in_the_file_and_its_size_says_little(register, tmp_path: Path):
    register.add_dataset(**WORDS)
    data = file_of(tmp_path).read_bytes()
    assert not [word for word in ("ACME", "Robots", "plant", "logistics", "client_id") if word.encode() in data]
    register.add_dataset(**WORDS | {"project": "a somewhat longer project"})
    assert len(file_of(tmp_path).read_bytes()) == len(data)
    assert file_of(tmp_path).read_bytes() != data


@pytest.mark.parametrize("at", [0, 30, 44, 50, 500, -1])
def test_any_changed_byte_is_found_and_never_taken_for_an_empty_register(register, tmp_path: Path, at: int):
    register.add_dataset(**WORDS)
    data = bytearray(file_of(tmp_path).read_bytes())
    data[at] ^= 1
    file_of(tmp_path).write_bytes(bytes(data))
    for ask in (register.names, lambda: register.add_dataset(**WORDS)):
        with pytest.raises((CorruptObject, RegisterLocked), match="client register"):
            ask()
    assert file_of(tmp_path).read_bytes() == bytes(data)


@pytest.mark.parametrize("data", [b"", b"{}", b"rl_assets client register 1 \n"])
def test_what_is_no_register_is_never_taken_for_an_empty_one(register, tmp_path: Path, data: bytes):
    register.add_dataset(**WORDS)
    file_of(tmp_path).write_bytes(data)
    with pytest.raises(CorruptObject, match=r"clients\.sealed' is damaged.*restore it from a backup"):
        register.names()
    with pytest.raises(CorruptObject):
        register.add_dataset(**WORDS)
    assert file_of(tmp_path).read_bytes() == data


def test_without_its_key_it_is_locked_and_nothing_is_created_or_changed(register, keyring, tmp_path: Path):
    register.add_dataset(**WORDS)
    key, data = keyring.newest(), file_of(tmp_path).read_bytes()
    keyring.file.unlink()
    for ask in (register.names, lambda: register.add_dataset(**WORDS)):
        with pytest.raises(RegisterLocked, match=f"encrypted with key {key.id}, and .* holds none: put that key back"):
            ask()
    assert not keyring.file.exists(), "a new key would hide that the old one is missed"
    assert file_of(tmp_path).read_bytes() == data


def test_with_another_key_it_is_locked(register, tmp_path: Path):
    register.add_dataset(**WORDS)
    stranger = ClientRegister(tmp_path / "register", keyring=Keyring(tmp_path / "none", given=draw_key()))
    with pytest.raises(RegisterLocked, match="RL_ASSETS_REGISTER_KEY holds"):
        stranger.names()


def test_a_rotated_register_opens_with_the_new_key_and_a_backup_with_the_old(register, keyring, tmp_path: Path):
    register.add_dataset(**WORDS)
    backup, old = file_of(tmp_path).read_bytes(), keyring.newest()
    new = register.sealed.rotate()
    assert register.sealed.key_id() == new.id != old.id
    alone = Keyring(tmp_path / "none", given=new.text)
    assert ClientRegister(tmp_path / "register", keyring=alone).names() == ("ACME Corp",)
    register.add_dataset(**WORDS | {"project": "later"})
    assert register.sealed.key_id() == new.id
    file_of(tmp_path).write_bytes(backup)
    assert register.names() == ("ACME Corp",)


def test_a_plain_register_of_an_earlier_version_is_encrypted_once(register, tmp_path: Path):
    (tmp_path / "register").mkdir()
    plain = tmp_path / "register" / "clients.json"
    plain.write_text(json.dumps(PLAIN))
    assert register.names() == ("ACME Corp",)
    assert not plain.exists()
    assert b"ACME" not in file_of(tmp_path).read_bytes()
    dataset = register.dataset("c-0123456789.d1")
    assert (dataset.project, dataset.env, dataset.terms.lawful_basis) == ("Robots", None, None)
    assert register.add_dataset(**WORDS) == "c-0123456789.d1"


def test_a_migration_that_was_killed_is_finished_and_a_restored_plain_file_is_not_dropped(register, tmp_path: Path):
    (tmp_path / "register").mkdir()
    plain = tmp_path / "register" / "clients.json"
    plain.write_text(json.dumps(PLAIN))
    register.names()
    plain.write_text(json.dumps(PLAIN))
    assert register.names() == ("ACME Corp",)
    assert not plain.exists()
    register.add_dataset(**WORDS | {"project": "later"})
    plain.write_text(json.dumps(PLAIN))
    with pytest.raises(CorruptObject, match="both exist and differ"):
        register.names()
    assert plain.exists()


@pytest.mark.parametrize("data", [b"", b"{", b"[]", b'{"clients":{}}', b"\xff\xfe", b"7"])
def test_a_damaged_plain_register_is_never_taken_for_an_empty_one(register, tmp_path: Path, data: bytes):
    (tmp_path / "register").mkdir()
    plain = tmp_path / "register" / "clients.json"
    plain.write_bytes(data)
    for ask in (register.names, lambda: register.add_dataset(**WORDS)):
        with pytest.raises(CorruptObject, match=r"clients\.json' is damaged.*restore it from a backup"):
            ask()
    assert plain.read_bytes() == data


def test_a_block_that_fails_changes_nothing(keyring, tmp_path: Path):
    sealed = SealedFile(tmp_path / "register", keyring=keyring)

    def fail_half_way() -> None:
        with sealed.changed() as record:
            record["clients"]["c-0123456789"] = {}
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail_half_way()
    assert sealed.read() == {"clients": {}, "datasets": {}}


def test_processes_that_migrate_at_once_lose_nothing(keyring, tmp_path: Path):
    (tmp_path / "register").mkdir()
    (tmp_path / "register" / "clients.json").write_text(json.dumps(PLAIN))
    script = (
        "import sys; from pathlib import Path; from rl_assets.datasets.keyring import Keyring;"
        "from rl_assets.datasets.register import ClientRegister; sys.stdin.readline();"
        "print(ClientRegister(sys.argv[1], keyring=Keyring(Path(sys.argv[2]))).names())"
    )
    children = [
        subprocess.Popen([sys.executable, "-c", script, tmp_path / "register", keyring.file],
                         cwd=Path(__file__).parents[2], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for _ in range(4)
    ]  # fmt: skip
    assert {child.communicate("go\n")[0] for child in children} == {"('ACME Corp',)\n"}
