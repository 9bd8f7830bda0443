import dataclasses
import os

import numpy as np
import pytest

from rl_assets.errors import CorruptObject, ErasedData, StoreUnavailable
from rl_assets.rl.checkpoints import BestPolicy, Checkpoint
from rl_assets.store.checkpoints import (
    NUM_KEPT,
    TrainingCheckpoints,
    decode_checkpoint,
    encode_checkpoint,
    training_name,
)
from rl_assets.store.objects import ObjectStore
from rl_assets.store.tensors import encode_tensors
from rl_assets.store.tombstones import Tombstone

NOBODY = frozenset()
CLIENT = frozenset({"c-0123456789"})


def make_checkpoint(update=4, **changes):
    rng = np.random.default_rng(update)
    checkpoint = Checkpoint(
        update=update,
        is_final=False,
        env_steps=update * 64,
        tensors={"actor.0.weight": rng.random((3, 2), np.float32), "actor.0.bias": rng.random(3, np.float32)},
        optimizer_state={"steps": np.array(7), "exp_avg.actor.0.bias": rng.random(3, np.float32)},
        history={"env_steps": np.arange(update), "mean_return": np.full(update, np.nan)},
        best=BestPolicy(update=2, mean_return=9.5, tensors={"actor.0.bias": rng.random(3, np.float32)}),
        numerics={"numerics_version": 2, "backend": "fused"},
        inexact_resumes=({"update": 2, "numerics": {"backend": "torch"}},),
        wall_time_s=1.5,
    )
    return dataclasses.replace(checkpoint, **changes)


def plain(value):
    if isinstance(value, np.ndarray):
        return value.dtype, value.shape, value.tobytes()
    if isinstance(value, dict):
        return {name: plain(own) for name, own in value.items()}
    if dataclasses.is_dataclass(value):
        return {field.name: plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
    return value


@pytest.fixture
def checkpoints(tmp_path):
    return TrainingCheckpoints(ObjectStore(tmp_path), training="ab" * 16, owners=CLIENT)


@pytest.mark.parametrize(
    "best",
    [
        None,
        BestPolicy(update=4, mean_return=1.0, tensors=make_checkpoint().tensors),
        make_checkpoint().best,
    ],
)
def test_what_is_read_back_is_what_was_kept(best):
    checkpoint = make_checkpoint(best=best)
    assert plain(decode_checkpoint(encode_checkpoint(checkpoint), source="it")) == plain(checkpoint)


def test_a_best_policy_that_is_the_checkpoint_itself_takes_no_room():
    itself = make_checkpoint(best=BestPolicy(update=4, mean_return=1.0, tensors=make_checkpoint().tensors))
    assert len(encode_checkpoint(itself)) < len(encode_checkpoint(make_checkpoint()))


def test_equal_checkpoints_are_equal_bytes():
    assert encode_checkpoint(make_checkpoint()) == encode_checkpoint(make_checkpoint())


def test_the_newest_counts_and_the_one_before_stays(checkpoints):
    assert checkpoints.newest() is None
    for update in (4, 8, 12):
        checkpoints.save(make_checkpoint(update))
    assert checkpoints.newest().update == 12
    assert [file.update for file in checkpoints.files()] == [8, 12]
    assert NUM_KEPT == 2


def test_all_are_kept_where_that_is_asked_for(tmp_path):
    checkpoints = TrainingCheckpoints(ObjectStore(tmp_path), training="ab" * 16, owners=NOBODY, keeps_all=True)
    for update in (4, 8, 12):
        checkpoints.save(make_checkpoint(update))
    assert [checkpoint.update for checkpoint in checkpoints.all()] == [4, 8, 12]


@pytest.mark.parametrize("damage", ["flip", "cut", "empty", "other"])
def test_a_damaged_one_is_told_and_the_one_before_helps(tmp_path, damage):
    told = []
    checkpoints = TrainingCheckpoints(
        ObjectStore(tmp_path), training="ab" * 16, owners=CLIENT, on_damage=lambda error: told.append(str(error))
    )
    for update in (4, 8):
        checkpoints.save(make_checkpoint(update))
    path = checkpoints.files()[-1].path
    data = bytearray(path.read_bytes())
    if damage == "flip":
        data[len(data) // 2] ^= 1
    path.write_bytes({"flip": data, "cut": data[:-1], "empty": b"", "other": encode_tensors({})}[damage])
    assert checkpoints.newest().update == 4
    (words,) = told
    assert str(path) in words
    assert "is damaged: expected bytes with SHA-256" in words
    assert "remove it; the training goes on from an older one" in words
    with pytest.raises(CorruptObject):
        checkpoints.all()


def test_nothing_is_left_where_all_are_damaged(checkpoints):
    checkpoints.save(make_checkpoint())
    checkpoints.files()[0].path.write_bytes(b"")
    assert checkpoints.newest() is None


def test_whole_bytes_that_are_no_checkpoint_are_refused():
    with pytest.raises(CorruptObject, match="says nothing of itself"):
        decode_checkpoint(encode_tensors({"a": np.zeros(2)}), source="file 'x'")
    with pytest.raises(CorruptObject, match="file 'x' is no checkpoint of this version"):
        decode_checkpoint(encode_tensors({"a": np.zeros(2)}, note="{}"), source="file 'x'")


def test_one_that_vanishes_is_no_error(checkpoints, monkeypatch):
    checkpoints.save(make_checkpoint(4))
    checkpoints.save(make_checkpoint(8))
    files = checkpoints.files()
    monkeypatch.setattr(checkpoints, "files", lambda: files)
    files[-1].path.unlink()
    assert checkpoints.newest().update == 4


def test_forgetting_leaves_nothing_and_the_neighbours_alone(tmp_path):
    store = ObjectStore(tmp_path)
    mine, other = (TrainingCheckpoints(store, training=name * 16, owners=CLIENT) for name in ("aa", "bb"))
    mine.save(make_checkpoint())
    other.save(make_checkpoint())
    mine.forget()
    mine.forget()
    assert mine.newest() is None
    assert other.newest().update == 4
    assert not (tmp_path / "checkpoints" / "c-0123456789" / ("aa" * 16)).exists()


def test_checkpoints_lie_under_their_owner(tmp_path):
    TrainingCheckpoints(ObjectStore(tmp_path), training="ab" * 16, owners=CLIENT).save(make_checkpoint())
    (file,) = (path for path in tmp_path.rglob("*.safetensors"))
    assert file.relative_to(tmp_path).parts[:3] == ("checkpoints", "c-0123456789", "ab" * 16)


def test_what_cannot_be_written_leaves_the_older_ones(checkpoints, monkeypatch):
    checkpoints.save(make_checkpoint(4))

    def refuse(descriptor):
        raise OSError(28, os.strerror(28))

    monkeypatch.setattr(os, "fsync", refuse)
    with pytest.raises(StoreUnavailable, match=r"cannot keep checkpoint .*No space left on device: free some space"):
        checkpoints.save(make_checkpoint(8))
    monkeypatch.undo()
    assert [file.update for file in checkpoints.files()] == [4]


def test_a_training_is_named_after_all_that_decides_it():
    facts = {"seed": 0, "env": {"id": "CartPole-v1"}, "data": "abc"}
    assert training_name(facts) == training_name(dict(reversed(facts.items())))
    assert len({training_name(facts | {name: "other"}) for name in facts} | {training_name(facts)}) == 4
    assert len(training_name(facts)) == 32


def erase(store):
    at = "2026-01-02T03:04:05+00:00"
    ObjectStore(store.root).tombstones.write(Tombstone(order="e-00000000aa", at=at, clients=CLIENT))


def test_a_training_whose_client_is_erased_keeps_no_checkpoint_and_goes_on_from_none(tmp_path):
    store = ObjectStore(tmp_path)
    checkpoints = TrainingCheckpoints(store, training="ab" * 16, owners=CLIENT)
    checkpoints.save(make_checkpoint())
    erase(store)
    with pytest.raises(ErasedData, match=r"checkpoints of training 'abababababab': .*order e-00000000aa"):
        checkpoints.newest()
    with pytest.raises(ErasedData):
        checkpoints.all()
    assert checkpoints.files(), "asking removes nothing"
    with pytest.raises(ErasedData):
        checkpoints.save(make_checkpoint(8))
    assert checkpoints.files() == []


def test_a_checkpoint_that_is_overtaken_by_an_erasure_is_taken_back(tmp_path, monkeypatch):
    store = ObjectStore(tmp_path)
    checkpoints = TrainingCheckpoints(store, training="ab" * 16, owners=CLIENT)
    real = TrainingCheckpoints._write
    monkeypatch.setattr(TrainingCheckpoints, "_write", lambda *given: (real(*given), erase(store)))
    with pytest.raises(ErasedData):
        checkpoints.save(make_checkpoint())
    assert checkpoints.files() == []


def test_whoever_knows_more_of_a_training_may_refuse_it_too(tmp_path):
    refusals = []

    def refuse():
        if refusals:
            raise ErasedData("its dataset is erased")

    checkpoints = TrainingCheckpoints(ObjectStore(tmp_path), training="ab" * 16, owners=CLIENT, refuse=refuse)
    checkpoints.save(make_checkpoint())
    refusals.append(1)
    with pytest.raises(ErasedData, match="its dataset"):
        checkpoints.save(make_checkpoint(8))
    assert checkpoints.files() == []


def test_checkpoints_of_several_clients_are_found_by_each(tmp_path):
    store, both = ObjectStore(tmp_path), CLIENT | {"c-aaaaaaaaaa"}
    TrainingCheckpoints(store, training="ab" * 16, owners=both).save(make_checkpoint())
    assert len(ObjectStore(tmp_path).namespaces_of("c-aaaaaaaaaa")) == 2
