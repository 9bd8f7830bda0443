import os
import re
import stat
import subprocess
import sys
from datetime import date
from pathlib import Path

import pytest

from rl_assets.datasets.files import read_dataset
from rl_assets.datasets.register import ClientRegister
from rl_assets.datasets.terms import DatasetTerms, LawfulBasis
from rl_assets.errors import BadInput, InvalidDataset, StoreUnavailable, UnknownClient, UnknownPartition
from rl_assets.store.artifacts import write_artifact
from rl_assets.store.history import ChampionHistory
from rl_assets.store.namespaces import namespace_of
from rl_assets.store.objects import ObjectStore
from tests.store.model_entries import entry, version

REPOSITORY = Path(__file__).parents[2]
WORDS = {"client_id": "ACME Corp", "project": "Robots", "data_source": "plant 3", "domain": "logistics"}
CANARY = "Canary Quxworth Ltd"


@pytest.fixture
def register(tmp_path: Path) -> ClientRegister:
    return ClientRegister(tmp_path / "register")


def start_child(script: str, *args: object) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", script, *map(str, args)],
        cwd=REPOSITORY,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_a_dataset_gets_a_key_that_says_nothing_and_leads_back_to_its_words(register):
    key = register.add_dataset(**WORDS)
    assert re.fullmatch(r"c-[0-9a-f]{10}\.d1", key)
    dataset = register.dataset(key)
    assert {name: getattr(dataset, name) for name in WORDS} == WORDS
    assert (dataset.key, dataset.path) == (key, None)
    assert dataset.pseudonym == key.partition(".")[0] == register.pseudonym_of("ACME Corp")
    assert register.client_of(dataset.pseudonym) == "ACME Corp"
    assert register.names() == ("ACME Corp",)


def test_the_same_four_words_give_the_same_key_in_any_layout(register, tmp_path: Path):
    key = register.add_dataset(**WORDS)
    assert register.add_dataset(**{name: f"  {word.replace(' ', '   ')}\n" for name, word in WORDS.items()}) == key
    assert ClientRegister(tmp_path / "register").add_dataset(**WORDS) == key
    composed, decomposed = ({**WORDS, "project": text} for text in ("Caf\u00e9", "Cafe\u0301"))
    assert register.add_dataset(**composed) == register.add_dataset(**decomposed) != key


@pytest.mark.parametrize("field", ["project", "data_source", "domain"])
def test_another_word_is_another_dataset_of_the_same_client(register, field: str):
    first = register.add_dataset(**WORDS)
    second = register.add_dataset(**WORDS | {field: "something else"})
    assert second == f"{first.partition('.')[0]}.d2"
    assert register.datasets_of("ACME Corp") == (first, second)


def test_datasets_are_listed_in_the_order_of_registration(register):
    keys = [register.add_dataset(**WORDS | {"project": f"p{number}"}) for number in range(12)]
    register.add_dataset(**WORDS | {"client_id": "Globex"})
    assert register.datasets_of("ACME Corp") == tuple(keys)
    assert keys[-1].endswith(".d12")


def test_two_clients_share_nothing_but_the_register(register):
    acme, globex = (register.add_dataset(**WORDS | {"client_id": name}) for name in ("ACME Corp", "Globex"))
    assert acme.partition(".")[0] != globex.partition(".")[0]
    assert register.datasets_of("Globex") == (globex,)


def test_pseudonyms_are_random_and_not_derived_from_the_name(tmp_path: Path):
    keys = {ClientRegister(tmp_path / str(number)).add_dataset(**WORDS) for number in range(20)}
    assert len(keys) == 20


def test_a_pseudonym_already_taken_is_drawn_again(register, monkeypatch: pytest.MonkeyPatch):
    draws = iter(["aaaaaaaaaa", "aaaaaaaaaa", "bbbbbbbbbb"])
    monkeypatch.setattr("secrets.token_hex", lambda count: next(draws))
    assert register.add_dataset(**WORDS) == "c-aaaaaaaaaa.d1"
    assert register.add_dataset(**WORDS | {"client_id": "Globex"}) == "c-bbbbbbbbbb.d1"


def test_pseudonyms_are_owners_that_the_store_accepts(register):
    pseudonym = register.dataset(register.add_dataset(**WORDS)).pseudonym
    assert namespace_of(frozenset({pseudonym})) == pseudonym


def test_a_path_is_kept_absolute_and_can_be_given_later(register, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    key = register.add_dataset(**WORDS)
    assert register.add_dataset(**WORDS, path="data") == key
    assert register.dataset(key).path == str(tmp_path / "data")
    register.add_dataset(**WORDS)
    assert register.dataset(key).path == str(tmp_path / "data")
    register.add_dataset(**WORDS, path=tmp_path / "moved")
    assert register.dataset(key).path == str(tmp_path / "moved")


@pytest.mark.parametrize("field", list(WORDS))
@pytest.mark.parametrize("word", ["", "   ", "\t\n", None, 7])
def test_a_missing_word_is_refused_by_name_and_nothing_is_written(register, tmp_path: Path, field: str, word: object):
    with pytest.raises(InvalidDataset, match=f"field '{field}': expected a non-empty text, got .*: fill it in"):
        register.add_dataset(**WORDS | {field: word})
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("word", "problem"),
    [("x" * 201, "at most 200 characters, got 201"), ("a\0b", "control character"), ("a\ud800b", "control character")],
)
def test_a_word_that_cannot_be_shown_is_refused(register, word: str, problem: str):
    with pytest.raises(InvalidDataset, match=f"field 'project': .*{problem}"):
        register.add_dataset(**WORDS | {"project": word})


@pytest.mark.parametrize("name", ["!!!", "🦊", "- -"])
def test_a_client_without_a_letter_is_refused_as_no_text_could_be_checked_for_it(register, name: str):
    with pytest.raises(InvalidDataset, match="'client_id': expected at least one letter or digit"):
        register.add_dataset(**WORDS | {"client_id": name})


@pytest.mark.parametrize("path", ["", "  ", "a\0b"])
def test_a_path_that_is_none_is_refused(register, path: str):
    with pytest.raises(InvalidDataset, match="field 'path'"):
        register.add_dataset(**WORDS, path=path)


@pytest.mark.parametrize("other", ["acme corp", "ACME-Corp", "ＡＣＭＥ Corp", "ÁCME CORP"])
def test_another_spelling_is_neither_merged_with_a_client_nor_kept_apart_from_it(register, other: str):
    register.add_dataset(**WORDS)
    with pytest.raises(
        InvalidDataset, match=r"differs only in spelling from client 'c-.*', 'ACME Corp': use that spelling"
    ):
        register.add_dataset(**WORDS | {"client_id": other})
    with pytest.raises(UnknownClient, match="did you mean 'ACME Corp'"):
        register.pseudonym_of(other)
    assert register.names() == ("ACME Corp",)


def test_a_name_that_contains_another_is_another_client(register):
    short = register.add_dataset(**WORDS | {"client_id": "Acme"})
    long = register.add_dataset(**WORDS | {"client_id": "Acme Labs"})
    assert register.pseudonym_of("Acme") == short.partition(".")[0]
    assert register.pseudonym_of("Acme Labs") == long.partition(".")[0]
    assert register.datasets_of("Acme") == (short,)


@pytest.mark.parametrize("name", ["株式会社アクメ", "Łódź Robotics", "Société Générale", "مختبر", "O'Reilly & Söhne"])
def test_names_in_any_script_work(register, name: str):
    key = register.add_dataset(**WORDS | {"client_id": name})
    assert register.client_of(register.pseudonym_of(name)) == name
    assert name not in key
    with pytest.raises(BadInput):
        register.refuse_client_names(f"sweep for {name}", field="sweep name")


def test_unknown_names_and_keys_are_told_with_what_to_do(register):
    register.add_dataset(**WORDS)
    with pytest.raises(UnknownClient, match="client 'Globex' is not registered: register one of its datasets"):
        register.pseudonym_of("Globex")
    with pytest.raises(UnknownClient):
        register.datasets_of("ACME")
    with pytest.raises(UnknownClient, match="'c-0000000000' is not registered"):
        register.client_of("c-0000000000")
    with pytest.raises(UnknownPartition, match=r"'c-0000000000\.d1' is not registered: register it with"):
        register.dataset("c-0000000000.d1")


def test_asking_an_empty_register_creates_nothing(register, tmp_path: Path):
    assert register.names() == ()
    register.refuse_client_names("anything", field="name")
    with pytest.raises(UnknownClient):
        register.pseudonym_of("ACME Corp")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("text", ["acme-corp-lr", "ACME_CORP", "for Acme Corp.", "acmecorp2"])
def test_a_text_with_a_clients_name_is_refused_without_repeating_it(register, text: str):
    pseudonym = register.add_dataset(**WORDS).partition(".")[0]
    with pytest.raises(
        BadInput, match=f"sweep name: contains the name of client '{pseudonym}'.*choose another"
    ) as caught:
        register.refuse_client_names(text, field="sweep name")
    assert "acme" not in str(caught.value).lower()
    register.refuse_client_names("cartpole-learning-rates", field="sweep name")


def test_the_register_is_readable_by_its_owner_only(register, tmp_path: Path):
    old = os.umask(0)
    try:
        register.add_dataset(**WORDS)
        register.add_dataset(**WORDS | {"project": "another"})
    finally:
        os.umask(old)
    folder = tmp_path / "register"
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in [folder, *folder.iterdir()]}
    assert modes == {"register": 0o700, "clients.sealed": 0o600, "clients.lock": 0o600}


def test_a_logged_dataset_shows_no_free_text(register):
    key = register.add_dataset(**WORDS, path="/data/acme")
    assert repr(register.dataset(key)) == f"RegisteredDataset(key='{key}', pseudonym='{key.partition('.')[0]}')"


def test_a_canary_name_is_in_no_file_and_the_register_is_encrypted(tmp_path: Path):
    folder = tmp_path / "incoming" / CANARY
    folder.mkdir(parents=True)
    (folder / f"{CANARY}.parquet").write_bytes(b"episodes")
    (folder / f"episodes.{CANARY.split()[1]}").write_bytes(b"more")
    register = ClientRegister(tmp_path / "state" / "register")
    words = {"client_id": CANARY, "project": CANARY, "data_source": CANARY, "domain": CANARY}
    keys = [register.add_dataset(**words, path=folder), register.add_dataset(**words | {"domain": "simulator"})]
    store = ObjectStore(tmp_path / "state" / "store")
    for key in keys:
        dataset = register.dataset(key)
        content = read_dataset(dataset)
        facts = {"dataset": key, "merkle_root": content.merkle_root}
        owners = frozenset({dataset.pseudonym})
        policy = write_artifact(store, kind="dataset", files=content.files, facts=facts, owners=owners)
    model = version(policy=policy.to_json(), data_version=policy.data_version)
    ChampionHistory(store, "Pong-v5").append(entry(env="Pong-v5", model=model), expected_generation=0)
    words_of_canary = [re.compile(word.encode(), re.IGNORECASE) for word in CANARY.split()]
    holders = {
        str(path.relative_to(tmp_path / "state"))
        for path in (tmp_path / "state").rglob("*")
        for word in words_of_canary[:2]
        if word.search(str(path.relative_to(tmp_path)).encode()) or (path.is_file() and word.search(path.read_bytes()))
    }
    assert holders == set(), "and there it is encrypted"
    assert register.client_of(keys[0].partition(".")[0]) == CANARY
    assert len(list((tmp_path / "state" / "store").rglob("*"))) > 5


ADD = """
import sys
from rl_assets.datasets.register import ClientRegister
register = ClientRegister(sys.argv[1])
print("ready", flush=True)
sys.stdin.readline()
for number in range(25):
    for client in ("ACME Corp", f"Client {sys.argv[2]}{number}"):
        project = f"{sys.argv[2]}{number}"
        print(register.add_dataset(client_id=client, project=project, data_source="s", domain="d"), flush=True)
    project = f"shared{number}"
    print(register.add_dataset(client_id="ACME Corp", project=project, data_source="s", domain="d"), flush=True)
"""


def test_processes_that_register_at_once_lose_nothing_and_agree(tmp_path: Path):
    folder = tmp_path / "register"
    children = [start_child(ADD, folder, name) for name in ("left", "right")]
    try:
        for child in children:
            assert child.stdout is not None
            assert child.stdout.readline() == "ready\n"
        for child in children:
            assert child.stdin is not None
            child.stdin.write("go\n")
            child.stdin.flush()
        said = [child.communicate() for child in children]
    finally:
        for child in children:
            child.kill()
    assert [errors for _, errors in said] == ["", ""]
    left, right = (output.split() for output, _ in said)
    register = ClientRegister(folder)
    assert left[2::3] == right[2::3]
    assert len(register.datasets_of("ACME Corp")) == 75
    assert len(register.names()) == 51
    for name, keys in (("left", left), ("right", right)):
        for number in range(25):
            assert register.dataset(keys[3 * number]).project == f"{name}{number}"
            assert register.dataset(keys[3 * number + 1]).client_id == f"Client {name}{number}"


def test_a_writer_killed_before_it_published_leaves_the_register_as_it_was(register, tmp_path: Path):
    key = register.add_dataset(**WORDS)
    script = """
import os, sys
from rl_assets.datasets.register import ClientRegister
os.replace = lambda *paths: (print("held", flush=True), sys.stdin.readline())
ClientRegister(sys.argv[1]).add_dataset(client_id="Globex", project="p", data_source="s", domain="d")
"""
    child = start_child(script, tmp_path / "register")
    assert child.stdout is not None
    assert child.stdout.readline() == "held\n"
    assert register.names() == ("ACME Corp",)
    child.kill()
    child.communicate()
    assert register.names() == ("ACME Corp",)
    assert register.add_dataset(**WORDS | {"project": "next"}) == key.replace(".d1", ".d2")
    assert sorted(path.name for path in (tmp_path / "register").iterdir()) == ["clients.lock", "clients.sealed"]


def test_a_register_that_cannot_be_written_is_told_clearly(tmp_path: Path):
    (tmp_path / "register").write_text("a file")
    register = ClientRegister(tmp_path / "register")
    with pytest.raises(StoreUnavailable, match=r"client register '.*': .*let this user read and write there"):
        register.add_dataset(**WORDS)
    with pytest.raises(StoreUnavailable):
        register.names()


def test_a_name_that_reads_like_a_pseudonym_is_refused_and_both_find_a_client(register):
    pseudonym = register.add_dataset(**WORDS).partition(".")[0]
    assert register.find_client("ACME Corp") == register.find_client(pseudonym) == pseudonym
    with pytest.raises(InvalidDataset, match="reads like a pseudonym"):
        register.add_dataset(**WORDS | {"client_id": "c-0123456789"})
    with pytest.raises(UnknownClient):
        register.find_client("c-0123456789")


def test_terms_and_env_are_kept_and_only_what_is_said_again_replaces_them(register):
    terms = DatasetTerms(lawful_basis=LawfulBasis.CONTRACT, purpose="robots", retain_until=date(2027, 1, 2))
    key = register.add_dataset(**WORDS, terms=terms, env="CartPole-v1")
    register.add_dataset(**WORDS, terms=DatasetTerms(purpose="other robots"))
    dataset = register.dataset(key)
    assert dataset.env == "CartPole-v1"
    assert dataset.terms == DatasetTerms(
        lawful_basis=LawfulBasis.CONTRACT, purpose="other robots", retain_until=date(2027, 1, 2)
    )
    assert "robots" not in repr(dataset)


def test_a_forgotten_client_leaves_nothing_and_the_same_name_is_somebody_new(tmp_path: Path):
    register = ClientRegister(tmp_path)
    key = register.add_dataset(client_id="Aurora", project="p", data_source="s", domain="d")
    other = register.add_dataset(client_id="Borealis", project="p", data_source="s", domain="d")
    register.forget_client(key.split(".")[0])
    assert register.names() == ("Borealis",)
    assert register.dataset(other).client_id == "Borealis"
    with pytest.raises(UnknownPartition):
        register.dataset(key)
    again = register.add_dataset(client_id="Aurora", project="p", data_source="s", domain="d")
    assert again.split(".")[0] != key.split(".")[0]


def test_a_forgotten_dataset_s_key_is_never_given_again(tmp_path: Path):
    register = ClientRegister(tmp_path)
    first = register.add_dataset(client_id="Aurora", project="p", data_source="s", domain="d")
    register.forget_datasets([first])
    assert register.datasets_of("Aurora") == ()
    assert register.add_dataset(client_id="Aurora", project="p", data_source="s", domain="d") != first


def test_the_words_of_a_client_are_those_that_could_give_it_away(tmp_path: Path):
    register = ClientRegister(tmp_path)
    key = register.add_dataset(
        client_id="Aurora",
        project="p",
        data_source="s",
        domain="d",
        path=tmp_path / "aurora.npz",
        terms=DatasetTerms(purpose="to balance the Aurora pole"),
    )
    pseudonym = key.split(".")[0]
    register.contacts.add(pseudonym, name="Ada", address="ada@aurora.example")
    own = {str(tmp_path / "aurora.npz"), "to balance the Aurora pole"}
    assert register.words_of(pseudonym, datasets=[key]) == own
    assert register.words_of(pseudonym) == own | {"Aurora", "Ada", "ada@aurora.example"}
    register.forget_client(pseudonym)
    assert register.words_of(pseudonym) == frozenset()
