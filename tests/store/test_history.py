from dataclasses import replace
from pathlib import Path

import pytest

from rl_assets.errors import CorruptObject, InvalidPartitionKey, PromotionConflict, StoreUnavailable
from rl_assets.store.history import ChampionHistory
from rl_assets.store.numbered import NumberedEntries
from rl_assets.store.objects import ObjectStore
from tests.store.model_entries import entry, version

CHAMPION = """
from rl_assets.errors import PromotionConflict
from rl_assets.store.history import ChampionHistory
from rl_assets.store.objects import ObjectStore
from tests.store.model_entries import entry
"""


@pytest.fixture
def store(tmp_path: Path) -> ObjectStore:
    return ObjectStore(tmp_path / "store")


@pytest.fixture
def history(store: ObjectStore) -> ChampionHistory:
    return ChampionHistory(store, "CartPole-v1")


def test_an_environment_starts_without_a_champion_and_asking_creates_nothing(store, history):
    assert history.current() is None
    assert history.transitions() == ()
    assert history.reign() == 0
    assert not store.root.exists()


def test_entries_are_kept_in_order_and_the_last_promotion_reigns(store, history):
    assert history.append(entry("a"), expected_generation=0) == 1
    assert history.append(entry("b", "stage"), expected_generation=1) == 2
    assert history.append(entry("c"), expected_generation=1) == 3
    assert history.transitions() == (entry("a"), entry("b", "stage"), entry("c"))
    current = ChampionHistory(store, "CartPole-v1").current()
    assert (current.data_version, current.generation, current.transition) == ("c" * 64, 2, 3)
    assert history.reign() == 2
    names = [path.name for path in (store.root / "champions" / "CartPole-v1").glob("*.json")]
    assert sorted(names) == ["000001.json", "000002.json", "000003.json"]


def test_environments_do_not_share_a_history(store, history):
    history.append(entry(), expected_generation=0)
    assert ChampionHistory(store, "Pong-v5").current() is None


@pytest.mark.parametrize("expected", [0, 1, 3])
@pytest.mark.parametrize("action", ["stage", "promote", "roll_back"])
def test_a_decision_against_another_champion_is_refused_and_both_attempts_are_kept(history, expected: int, action: str):
    history.append(entry("a"), expected_generation=0)
    history.append(entry("b"), expected_generation=1)
    with pytest.raises(
        PromotionConflict, match=f"decided against generation {expected}, but the current one is 2: .*evaluate against"
    ) as conflict:
        history.append(entry("c", action), expected_generation=expected)
    assert history.current().data_version == "b" * 64
    assert history.transitions()[2:] == (entry("c", action, outcome="lost", note=str(conflict.value)),)


def test_losing_between_the_look_and_the_write_is_a_conflict_too(history, monkeypatch: pytest.MonkeyPatch):
    look = ChampionHistory.transitions
    looks = []

    def look_and_be_overtaken(self):
        seen = look(self)
        if not looks:
            looks.append(seen)
            history.append(entry("a"), expected_generation=0)
        return seen

    monkeypatch.setattr(ChampionHistory, "transitions", look_and_be_overtaken)
    with pytest.raises(PromotionConflict, match="the current one is 1"):
        history.append(entry("b"), expected_generation=0)
    assert [(kept.model.data_version[0], kept.outcome) for kept in history.transitions()] == [
        ("a", "done"),
        ("b", "lost"),
    ]


def test_a_note_or_a_staging_that_comes_between_costs_nobody_a_promotion(history, monkeypatch: pytest.MonkeyPatch):
    look = ChampionHistory.transitions
    looks = []

    def look_and_be_overtaken(self):
        seen = look(self)
        if not looks:
            looks.append(seen)
            history.note(entry("a", outcome="refused"))
        return seen

    monkeypatch.setattr(ChampionHistory, "transitions", look_and_be_overtaken)
    assert history.append(entry("b"), expected_generation=0) == 2
    assert history.current().transition == 2


def test_what_was_done_is_not_noted_and_what_was_not_is_not_appended(history):
    with pytest.raises(ValueError, match="what was done is not noted"):
        history.note(entry())
    with pytest.raises(ValueError, match="its outcome is 'lost'"):
        history.append(entry(outcome="lost"), expected_generation=0)
    assert history.transitions() == ()


def test_weights_that_were_rolled_back_are_recognised(history):
    for generation, kept in enumerate([entry("a"), entry("b"), entry("a", "roll_back", reason="b crashes")]):
        history.append(kept, expected_generation=generation)
    assert history.was_rolled_back("b" * 64).reason == "b crashes"
    assert history.was_rolled_back("a" * 64) is None
    assert history.was_rolled_back("") is None


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
        ChampionHistory(store, env).append(entry(env=env, actor=sys.argv[2]), expected_generation=0)
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
        winner, loser = ChampionHistory(store, f"Env-v{number}").transitions()
        assert (winner.actor, winner.outcome) == (("left", "right")[said.index("won")], "done")
        assert (loser.actor, loser.outcome) == (("left", "right")[said.index("lost")], "lost")


def test_a_promotion_killed_in_the_middle_promotes_nothing_and_can_be_repeated(store, history, start_held_child):
    script = CHAMPION + (
        "import sys; store = ObjectStore(sys.argv[1]);"
        "ChampionHistory(store, 'CartPole-v1').append(entry(actor='killed'), expected_generation=0)"
    )
    child = start_held_child(script, store.root)
    child.kill()
    child.wait()
    assert history.current() is None
    history.append(entry(), expected_generation=0)
    assert history.transitions() == (entry(),)
    staging = store.root / "champions" / "CartPole-v1" / "incoming"
    assert [path.name for path in staging.iterdir()] == [".lock"]


@pytest.mark.parametrize("position", [1, 15, 60, 200, -20, -1])
def test_a_flipped_byte_in_an_entry_is_found_and_blocks_promotion(store, history, position: int):
    history.append(entry(), expected_generation=0)
    path = store.root / "champions" / "CartPole-v1" / "000001.json"
    data = bytearray(path.read_bytes())
    data[position] ^= 1
    path.write_bytes(data)
    with pytest.raises(CorruptObject, match=r"000001\.json' is damaged.*restore the file from a backup"):
        history.current()
    with pytest.raises(CorruptObject):
        history.append(entry("c"), expected_generation=1)


def test_a_removed_entry_is_noticed(store, history):
    for generation in (1, 2, 3):
        history.append(entry(str(generation)), expected_generation=generation - 1)
    (store.root / "champions" / "CartPole-v1" / "000002.json").unlink()
    with pytest.raises(CorruptObject, match=r"'CartPole-v1': entry 2 is missing .* restore the file from a backup"):
        history.transitions()


def test_an_inspection_keeps_whole_entries_and_names_each_of_the_others(store, history):
    assert history.inspect() == ({}, {})
    for generation in (1, 2, 3, 4):
        history.append(entry(str(generation)), expected_generation=generation - 1)
    assert history.inspect() == ({number: entry(str(number)) for number in (1, 2, 3, 4)}, {})
    (store.root / history.path(1)).write_bytes(b"{}")
    (store.root / history.path(3)).unlink()
    whole, flaws = history.inspect()
    assert whole == {number: entry(str(number)) for number in (2, 4)}
    assert list(flaws) == ["champions/CartPole-v1/000001.json", "champions/CartPole-v1/000003.json"]
    assert "is damaged" in str(flaws[history.path(1)])
    assert "champions of 'CartPole-v1': entry 3 is missing" in str(flaws[history.path(3)])


def test_an_entry_copied_from_another_environment_is_noticed(store, history):
    other = ChampionHistory(store, "Pong-v5")
    other.append(entry(env="Pong-v5"), expected_generation=0)
    folder = store.root / "champions" / "CartPole-v1"
    folder.mkdir()
    (store.root / "champions" / "Pong-v5" / "000001.json").rename(folder / "000001.json")
    with pytest.raises(CorruptObject, match="entry 1 is none of this environment"):
        history.current()


@pytest.mark.parametrize("key", ["../objects", "..", ".", "", "a/b", "CartPole v1", "a" * 200])
def test_an_environment_key_that_is_no_folder_name_is_refused(store, key: str):
    with pytest.raises(InvalidPartitionKey):
        ChampionHistory(store, key)


def test_an_entry_under_another_number_is_noticed(store, history):
    for generation in (1, 2):
        history.append(entry(str(generation)), expected_generation=generation - 1)
    (store.root / history.path(1)).replace(store.root / history.path(2))
    with pytest.raises(CorruptObject, match="entry 1 is missing"):
        history.current()
    assert "its checksum or number does not match" in str(history.inspect()[1][history.path(2)])


def test_an_entry_for_another_environment_is_refused(history):
    for enter in (lambda: history.append(entry(env="Pong-v5"), expected_generation=0),
                  lambda: history.note(replace(entry(env="Pong-v5"), outcome="lost"))):  # fmt: skip
        with pytest.raises(ValueError, match="transition of 'Pong-v5': expected one of 'CartPole-v1'"):
            enter()
    assert history.current() is None


def test_an_unwritable_history_is_told_clearly(store, history):
    store.root.mkdir()
    (store.root / "champions").write_text("a file")
    with pytest.raises(StoreUnavailable, match=r"cannot read the champions of 'CartPole-v1'.*a file stands where"):
        history.append(entry(), expected_generation=0)


ORDER = "e-00000000aa"


def test_production_is_vacated_by_compare_and_swap(history):
    history.append(entry("a"), expected_generation=0)
    vacated = entry(action="vacate", model=None)
    with pytest.raises(PromotionConflict):
        history.append(vacated, expected_generation=0)
    assert history.current() is not None
    history.append(vacated, expected_generation=1)
    assert history.current() is None
    assert history.reign() == 2
    with pytest.raises(PromotionConflict):
        history.append(entry("b"), expected_generation=1)
    history.append(entry("b"), expected_generation=2)
    assert (history.current().data_version, history.reign()) == ("b" * 64, 3)


def write_a_history(history):
    """Two champions and attempts at each, of which `a` was judged against `b`, and `b` is about to be erased."""
    history.append(entry("b", evidence={"id": "v-of-b", "decisions": [{"reason": "mean 400"}]}), expected_generation=0)
    history.note(entry("b", outcome="lost", note="somebody was faster"))
    name = entry("b").model.hparam
    history.note(entry(model=None, outcome="refused", evidence={}, note=f"no role (asked for recipe '{name}')"))
    history.note(entry(model=None, outcome="refused", evidence={}, note="no role (asked for recipe 'another')"))
    history.append(
        entry("a", "promote", model=version("a", policy=OTHER_POLICY), evidence={"id": "v-of-a", "decisions": [1]}),
        expected_generation=1,
    )
    return history.transitions()


OTHER_POLICY = {"namespace": "c-00000000bb", "sha256": "9" * 64, "size_bytes": 10}


def test_what_names_an_erased_model_keeps_hashes_alone_and_the_rest_stays(history):
    before = write_a_history(history)
    assert history.redact({"b" * 64}, order=ORDER) == 3
    after = history.transitions()
    assert after[0] == before[0].without_model(order=ORDER)
    assert after[1] == before[1].without_model(order=ORDER)
    assert after[2] == before[2].without_words(order=ORDER)
    assert after[3:] == before[3:]
    assert history.current().data_version == "a" * 64
    assert "ppo-lr=0.001-bbbbbbbbbb" not in "".join(path.read_text() for path in files_of(history))


def files_of(history):
    return sorted(history._entries.folder.glob("*.json"))


def test_an_erased_verdict_takes_its_words_along_and_leaves_the_model(history):
    before = write_a_history(history)
    assert history.redact({"v-of-a"}, order=ORDER) == 1
    after = history.transitions()
    assert after[4] == before[4].without_words(order=ORDER)
    assert after[4].model == before[4].model
    assert after[:4] == before[:4]
    assert history.current().verdict == {"id": "v-of-a"}


def test_redacting_again_changes_nothing_and_so_does_a_later_order(history):
    write_a_history(history)
    history.redact({"b" * 64, "v-of-b", "v-of-a"}, order=ORDER)
    once = history.transitions()
    assert history.redact({"b" * 64, "v-of-b", "v-of-a"}, order=ORDER) == 0
    assert history.redact({"v-of-a"}, order="e-00000000bb") == 0
    assert history.transitions() == once


@pytest.mark.parametrize("writes", [0, 1, 2])
def test_a_redaction_that_is_killed_is_finished_by_the_next(store, history, monkeypatch, writes):
    write_a_history(history)
    write_a_history(other := ChampionHistory(ObjectStore(store.root / "other"), "CartPole-v1"))
    other.redact({"b" * 64}, order=ORDER)
    real, done = NumberedEntries.replace, []

    def replace_until_killed(self, number, body):
        if len(done) == writes:
            raise KeyboardInterrupt
        done.append(number)
        real(self, number, body)

    monkeypatch.setattr(NumberedEntries, "replace", replace_until_killed)
    with pytest.raises(KeyboardInterrupt):
        history.redact({"b" * 64}, order=ORDER)
    monkeypatch.undo()
    assert history.redact({"b" * 64}, order=ORDER) == 3 - writes
    assert [path.read_bytes() for path in files_of(history)] == [path.read_bytes() for path in files_of(other)]
