"""What is erased is refused, by whatever it is known, and at once."""

import json
import os
from dataclasses import replace

import pytest

from rl_assets.errors import CorruptObject, ErasedData
from rl_assets.store.objects import ObjectStore
from rl_assets.store.tombstones import FOLDER, Erased, Tombstone, Tombstones

ORDER, LATER = "e-00000000aa", "e-00000000bb"
AT = "2026-01-02T03:04:05+00:00"
CLIENT, OTHER = "c-0123456789", "c-aaaaaaaaaa"
POLICY = Erased(asset="trained_policies", partition="CartPole-v1|a", event_id=7, data_version="a" * 64)
BOARD = Erased(asset="eval_leaderboards", partition="CartPole-v1", event_id=9, data_version="b" * 64)


def tombstone(**changes):
    return replace(
        Tombstone(
            order=ORDER, at=AT, clients=frozenset({CLIENT}), datasets=frozenset({f"{CLIENT}.d1"}), erased=(POLICY,)
        ),
        **changes,
    )


@pytest.fixture
def store(tmp_path):
    return ObjectStore(tmp_path / "store")


def test_without_a_tombstone_nothing_is_refused_and_asking_creates_nothing(store):
    tombstones = Tombstones(store)
    tombstones.refuse(owners=[CLIENT], datasets=[f"{CLIENT}.d1"], data_versions=["a" * 64], events=[POLICY], what="x")
    assert tombstones.all() == ()
    assert tombstones.order_of("a" * 64) is None
    assert not store.root.exists()


def test_what_was_written_is_what_is_read(store):
    Tombstones(store).write(tombstone())
    assert Tombstones(store).all() == (tombstone(),)
    assert tombstone().data_versions == {"a" * 64}
    assert Tombstone.from_json(json.loads(json.dumps(tombstone().to_json()))) == tombstone()


@pytest.mark.parametrize(
    ("asked", "named"),
    [
        ({"owners": [OTHER, CLIENT]}, f"all data of client '{CLIENT}'"),
        ({"datasets": [f"{CLIENT}.d1"]}, f"dataset '{CLIENT}.d1'"),
        ({"data_versions": ["f" * 64, "a" * 64]}, "data version 'aaaaaaaaaaaa'"),
        ({"events": [POLICY]}, r"trained_policies\[CartPole-v1\|a\]"),
    ],
)
def test_what_is_erased_is_refused_by_name_and_order(store, asked, named):
    Tombstones(store).write(tombstone())
    with pytest.raises(ErasedData, match=f"^the thing: {named} was erased by order {ORDER} on 2026-01-02: .*train wit"):
        Tombstones(store).refuse(**asked, what="the thing")


@pytest.mark.parametrize(
    "asked",
    [
        {"owners": [OTHER]},
        {"datasets": [f"{CLIENT}.d2"]},
        {"data_versions": ["f" * 64]},
        {"events": [replace(POLICY, event_id=8), replace(POLICY, data_version="f" * 64), replace(POLICY, asset="x")]},
    ],
)
def test_everything_else_is_not_refused(store, asked):
    Tombstones(store).write(tombstone())
    Tombstones(store).refuse(**asked, what="the thing")


def test_a_look_sees_what_was_written_a_moment_ago(store):
    reader, writer = Tombstones(store), Tombstones(ObjectStore(store.root))
    for number in range(20):
        erased = replace(POLICY, event_id=number)
        reader.refuse(events=[erased], what="not yet")
        writer.write(tombstone(erased=(erased,)))
        with pytest.raises(ErasedData):
            reader.refuse(events=[erased], what="now")


def test_files_are_read_again_only_when_the_folder_changed(store, monkeypatch):
    reader = Tombstones(store)
    reader.write(tombstone())
    reader.all()
    read = []
    monkeypatch.setattr(Tombstones, "_read", lambda self, name: read.append(name))
    reader.refuse(owners=[OTHER], what="x")
    reader.refuse(owners=[OTHER], what="x")
    assert read == []


def test_a_folder_that_has_been_still_for_a_while_is_not_even_listed_until_it_changes(store, monkeypatch):
    reader, writer = Tombstones(store), Tombstones(ObjectStore(store.root))
    writer.write(tombstone())
    reader.all()
    listed = []
    real = Tombstones._listing
    monkeypatch.setattr(Tombstones, "_listing", lambda self: (listed.append(1), real(self))[1])
    reader.all()
    assert listed == [1], "just changed, it may change again within the same tick of the clock"
    an_hour_ago = os.stat(store.root / FOLDER).st_mtime - 3600
    os.utime(store.root / FOLDER, (an_hour_ago, an_hour_ago))
    for _ in range(3):
        assert reader.all() == (tombstone(),)
    assert listed == [1, 1]
    writer.write(tombstone(order=LATER))
    assert len(reader.all()) == 2


def test_a_store_whose_tombstones_vanish_and_come_back_is_read_again(store):
    reader = Tombstones(store)
    reader.write(tombstone())
    reader.all()
    (store.root / FOLDER).rename(store.root / "elsewhere")
    assert reader.all() == ()
    (store.root / "elsewhere").rename(store.root / FOLDER)
    assert reader.all() == (tombstone(),)


def test_an_orders_tombstone_only_grows(store):
    tombstones = Tombstones(store)
    tombstones.write(tombstone())
    before = os.stat(store.root / FOLDER / f"{ORDER}.json")
    assert tombstones.write(tombstone()) == tombstone()
    assert os.stat(store.root / FOLDER / f"{ORDER}.json").st_ino == before.st_ino, "nothing was to be written"
    later = Tombstone(order=ORDER, at="2026-02-02T00:00:00+00:00", erased=(BOARD, POLICY))
    assert tombstones.write(later) == tombstone(erased=(POLICY, BOARD))
    assert Tombstones(store).all() == (tombstone(erased=(POLICY, BOARD)),)


def test_the_order_that_erased_first_is_the_one_that_is_named(store):
    tombstones = Tombstones(store)
    tombstones.write(tombstone(order=LATER, at="2026-03-01T00:00:00+00:00"))
    tombstones.write(tombstone())
    assert [item.order for item in tombstones.all()] == [ORDER, LATER]
    assert tombstones.order_of("a" * 64) == ORDER
    assert tombstones.order_of_event(POLICY) == ORDER
    assert tombstones.order_of_event(replace(POLICY, event_id=8)) is None
    assert tombstones.clients == {CLIENT}


def test_once_the_bytes_are_gone_an_equal_version_may_be_made_of_other_data(store):
    tombstones = Tombstones(store)
    tombstones.write(tombstone())
    tombstones.write(tombstone(bytes_are_gone=True))
    tombstones.refuse(data_versions=["a" * 64], what="made again")
    assert tombstones.order_of("a" * 64) == ORDER
    for asked in ({"events": [POLICY]}, {"owners": [CLIENT]}, {"datasets": [f"{CLIENT}.d1"]}):
        with pytest.raises(ErasedData):
            tombstones.refuse(**asked, what="the thing itself")


def test_what_is_added_later_is_not_gone_yet(store):
    tombstones = Tombstones(store)
    tombstones.write(tombstone(bytes_are_gone=True))
    assert tombstones.write(tombstone()).bytes_are_gone, "the same again takes nothing back"
    assert not tombstones.write(tombstone(erased=(BOARD,))).bytes_are_gone
    with pytest.raises(ErasedData):
        tombstones.refuse(data_versions=["b" * 64], what="x")


@pytest.mark.parametrize("damage", [b"", b"{}", b"[1]"])
def test_where_a_tombstone_is_damaged_nothing_is_read(store, damage):
    tombstones = Tombstones(store)
    tombstones.write(tombstone())
    (store.root / FOLDER / f"{ORDER}.json").write_bytes(damage)
    an_hour_ago = os.stat(store.root / FOLDER).st_mtime - 3600
    os.utime(store.root / FOLDER, (an_hour_ago, an_hour_ago))
    for _ in range(3):
        with pytest.raises(CorruptObject, match=r"nobody can say what was erased.*from a backup"):
            tombstones.refuse(owners=[OTHER], what="x")


def test_a_changed_byte_is_noticed(store):
    tombstones = Tombstones(store)
    tombstones.write(tombstone())
    path = store.root / FOLDER / f"{ORDER}.json"
    path.write_bytes(path.read_bytes().replace(CLIENT.encode(), OTHER.encode()))
    with pytest.raises(CorruptObject, match="checksum"):
        tombstones.all()


@pytest.mark.parametrize(
    ("change", "words"),
    [({"order": "x"}, "'e-' and 10 hex"), ({"at": "2026-01-02T03:04:05"}, "time zone")],
)
def test_a_tombstone_that_cannot_be_right_is_refused(change, words):
    with pytest.raises(ValueError, match=words):
        tombstone(**change)


def test_a_tombstone_of_another_order_is_not_taken_in():
    with pytest.raises(ValueError, match=f"'{LATER}'"):
        tombstone().united(tombstone(order=LATER))


@pytest.mark.parametrize("change", [{"order": None}, {"further": 1}, {"erased": [{"asset": "x"}]}])
def test_a_file_that_is_no_tombstone_is_refused(change):
    with pytest.raises(ValueError, match=r"tombstone|order"):
        Tombstone.from_json(tombstone().to_json() | change)
