from dataclasses import replace
from pathlib import Path

import pytest

from rl_assets.errors import CorruptObject, InvalidPartitionKey, PromotionConflict, StoreUnavailable
from rl_assets.store.history import Champion, ChampionHistory
from rl_assets.store.objects import ObjectStore

POLICY = {"namespace": "c-00000000aa", "sha256": "a" * 64, "size_bytes": 10}
CHAMPION = """
from rl_assets.errors import PromotionConflict
from rl_assets.store.history import Champion, ChampionHistory
from rl_assets.store.objects import ObjectStore
def champion(env, generation, actor):
    return Champion(
        env=env, hparam="ppo-lr=0.001-0123456789", member_seed=0, generation=generation, actor=actor, reason="gate",
        policy={"namespace": "public", "sha256": "a" * 64, "size_bytes": 1}, data_version="b" * 64,
        verdict={"verdict": "pass"}, promoted_at="2026-01-02T03:04:05+00:00",
    )
"""


def champion(generation: int, *, hparam: str = "ppo-lr=0.001-0123456789", env: str = "CartPole-v1") -> Champion:
    return Champion(
        env=env,
        hparam=hparam,
        member_seed=3,
        policy=POLICY,
        data_version="b" * 64,
        verdict={"verdict": "pass", "numbers": {"mean": 499.5}},
        promoted_at="2026-01-02T03:04:05+00:00",
        actor="sensor",
        reason="the floor of 475 is reached",
        generation=generation,
    )


@pytest.fixture
def store(tmp_path: Path) -> ObjectStore:
    return ObjectStore(tmp_path / "store")


@pytest.fixture
def history(store: ObjectStore) -> ChampionHistory:
    return ChampionHistory(store, "CartPole-v1")


def test_an_environment_starts_without_a_champion_and_asking_creates_nothing(store, history):
    assert history.current() is None
    assert history.entries() == ()
    assert not store.root.exists()


def test_entries_are_kept_in_order_and_the_last_one_reigns(store, history):
    first = history.append(champion(1), expected_generation=0)
    second = history.append(champion(2, hparam="ppo-lr=0.003-0123456789"), expected_generation=1)
    assert history.entries() == (first, second)
    assert ChampionHistory(store, "CartPole-v1").current() == second
    names = [path.name for path in (store.root / "champions" / "CartPole-v1").glob("*.json")]
    assert sorted(names) == ["000001.json", "000002.json"]


def test_environments_do_not_share_a_history(store, history):
    history.append(champion(1), expected_generation=0)
    assert ChampionHistory(store, "Pong-v5").current() is None


@pytest.mark.parametrize("expected", [0, 1, 3])
def test_a_decision_against_another_champion_is_refused_and_the_champion_stays(history, expected: int):
    history.append(champion(1), expected_generation=0)
    reigning = history.append(champion(2), expected_generation=1)
    with pytest.raises(
        PromotionConflict, match=f"decided against generation {expected}, but the current one is 2: evaluate against"
    ):
        history.append(champion(expected + 1, hparam="late-0123456789"), expected_generation=expected)
    assert history.current() == reigning


def test_losing_between_the_look_and_the_write_is_a_conflict_too(history, monkeypatch: pytest.MonkeyPatch):
    winner = history.append(champion(1), expected_generation=0)
    with monkeypatch.context() as patch:
        patch.setattr(ChampionHistory, "current", lambda self: None)
        with pytest.raises(PromotionConflict, match="the current one is 1 or later"):
            history.append(champion(1, hparam="late-0123456789"), expected_generation=0)
    assert history.entries() == (winner,)


def test_of_two_processes_that_promote_at_once_exactly_one_wins(store, start_child):
    rounds = 25
    script = (
        CHAMPION
        + """
import sys
store = ObjectStore(sys.argv[1])
print("ready", flush=True)
for number in range(int(sys.argv[3])):
    sys.stdin.readline()
    env = f"Env-v{number}"
    try:
        ChampionHistory(store, env).append(champion(env, 1, sys.argv[2]), expected_generation=0)
        print("won", flush=True)
    except PromotionConflict:
        print("lost", flush=True)
"""
    )
    children = [start_child(script, store.root, actor, rounds) for actor in ("left", "right")]
    for child in children:
        assert child.stdout.readline() == "ready\n"
    for number in range(rounds):
        for child in children:
            child.stdin.write("go\n")
            child.stdin.flush()
        said = [child.stdout.readline().strip() for child in children]
        assert sorted(said) == ["lost", "won"]
        (entry,) = ChampionHistory(store, f"Env-v{number}").entries()
        assert entry.actor == ("left", "right")[said.index("won")]


def test_a_promotion_killed_in_the_middle_promotes_nothing_and_can_be_repeated(store, history, start_held_child):
    script = CHAMPION + (
        "import sys; store = ObjectStore(sys.argv[1]);"
        "ChampionHistory(store, 'CartPole-v1').append(champion('CartPole-v1', 1, 'killed'), expected_generation=0)"
    )
    child = start_held_child(script, store.root)
    child.kill()
    child.wait()
    assert history.current() is None
    history.append(champion(1), expected_generation=0)
    assert history.entries() == (champion(1),)
    staging = store.root / "champions" / "CartPole-v1" / "incoming"
    assert [path.name for path in staging.iterdir()] == [".lock"]


@pytest.mark.parametrize("position", [1, 15, 60, 200, -20, -1])
def test_a_flipped_byte_in_an_entry_is_found_and_blocks_promotion(store, history, position: int):
    history.append(champion(1), expected_generation=0)
    path = store.root / "champions" / "CartPole-v1" / "000001.json"
    data = bytearray(path.read_bytes())
    data[position] ^= 1
    path.write_bytes(data)
    with pytest.raises(CorruptObject, match=r"000001\.json' is damaged.*restore the file from a backup"):
        history.current()
    with pytest.raises(CorruptObject):
        history.append(champion(2), expected_generation=1)


def test_a_removed_entry_is_noticed(store, history):
    for generation in (1, 2, 3):
        history.append(champion(generation), expected_generation=generation - 1)
    (store.root / "champions" / "CartPole-v1" / "000002.json").unlink()
    with pytest.raises(CorruptObject, match=r"expected generations 1 to 2, got \[1, 3\]: restore the missing files"):
        history.entries()


def test_an_inspection_keeps_whole_entries_and_names_each_of_the_others(store, history):
    assert history.inspect() == ((), {})
    for generation in (1, 2, 3, 4):
        history.append(champion(generation), expected_generation=generation - 1)
    assert [entry.generation for entry in history.inspect()[0]] == [1, 2, 3, 4]
    (store.root / history.path(1)).write_bytes(b"{}")
    (store.root / history.path(3)).unlink()
    whole, flaws = history.inspect()
    assert [entry.generation for entry in whole] == [2, 4]
    assert list(flaws) == ["champions/CartPole-v1/000001.json", "champions/CartPole-v1/000003.json"]
    assert "is damaged" in str(flaws[history.path(1)])
    assert "champion entry 3 of 'CartPole-v1' is missing" in str(flaws[history.path(3)])


def test_an_entry_copied_from_another_environment_is_noticed(store, history):
    other = ChampionHistory(store, "Pong-v5")
    other.append(champion(1, env="Pong-v5"), expected_generation=0)
    folder = store.root / "champions" / "CartPole-v1"
    folder.mkdir()
    (store.root / "champions" / "Pong-v5" / "000001.json").rename(folder / "000001.json")
    with pytest.raises(CorruptObject, match="checksum, environment or number does not match"):
        history.current()


@pytest.mark.parametrize("key", ["../objects", "..", ".", "", "a/b", "CartPole v1", "a" * 200])
def test_an_environment_key_that_is_no_folder_name_is_refused(store, key: str):
    with pytest.raises(InvalidPartitionKey):
        ChampionHistory(store, key)


def test_an_entry_for_another_place_is_refused(history):
    with pytest.raises(ValueError, match="expected 'CartPole-v1', generation 1"):
        history.append(champion(1, env="Pong-v5"), expected_generation=0)
    with pytest.raises(ValueError, match="expected 'CartPole-v1', generation 1"):
        history.append(champion(2), expected_generation=0)
    assert history.current() is None


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"generation": 0}, "generation 0 is below 1"),
        ({"promoted_at": "2026-01-02T03:04:05"}, "lacks a time zone"),
        ({"promoted_at": "yesterday"}, "Invalid isoformat"),
        ({"policy": {"sha256": "a" * 64}}, "object reference"),
    ],
)
def test_a_champion_that_cannot_be_right_is_refused(change, words: str):
    with pytest.raises(ValueError, match=words):
        replace(champion(1), **change)


def test_a_champion_survives_json_and_unknown_fields_are_refused():
    assert Champion.from_json(champion(1).to_json()) == champion(1)
    with pytest.raises(ValueError, match="champion entry: expected the fields"):
        Champion.from_json(champion(1).to_json() | {"colour": "blue"})


def test_an_unwritable_history_is_told_clearly(store, history):
    store.root.mkdir()
    (store.root / "champions").write_text("a file")
    with pytest.raises(StoreUnavailable, match=r"cannot read the champions of 'CartPole-v1'.*a file stands where"):
        history.append(champion(1), expected_generation=0)
