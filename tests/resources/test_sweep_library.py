from pathlib import Path

import pytest

from rl_assets.config.sweep import SweepConfig
from rl_assets.errors import CorruptObject, InvalidConfig, UnknownPartition
from rl_assets.resources.sweep_library import SweepLibrary

KEY = "c-0123456789.d1"


def library(folder: Path) -> SweepLibrary:
    (folder / "files").mkdir(exist_ok=True)
    return SweepLibrary(files=folder / "files", submitted=folder / "submitted")


def make(name: str, **changes: object) -> SweepConfig:
    return SweepConfig.parse({"name": name, "envs": ["CartPole-v1"], "dataset": KEY, **changes}, source=name)


def test_what_was_submitted_is_loaded_again_unchanged(tmp_path: Path) -> None:
    sweep = make("one", grid={"learning_rate": [1e-3], "hidden_sizes": [[8, 8], [16]]}, seeds=[3, 1])
    library(tmp_path).submit(sweep)
    assert library(tmp_path).load("one") == sweep


def test_the_newest_submission_of_a_name_counts(tmp_path: Path) -> None:
    shelf = library(tmp_path)
    shelf.submit(make("one"))
    shelf.submit(make("one", total_timesteps=5_000))
    assert shelf.load("one").total_timesteps == 5_000


def test_a_declaration_with_a_clients_name_is_never_written(tmp_path: Path) -> None:
    words = {"client_id": "Acme", "project": "p", "data_source": "s", "domain": "d"}
    with pytest.raises(InvalidConfig, match="declaration"):
        library(tmp_path).submit(make("one", dataset=words))
    assert not (tmp_path / "submitted").exists()


def test_a_file_of_the_project_wins_over_a_submission(tmp_path: Path) -> None:
    shelf = library(tmp_path)
    shelf.submit(make("one", total_timesteps=5_000))
    (tmp_path / "files" / "any-name.yaml").write_text(
        f"name: one\nenvs: [CartPole-v1]\ntotal_timesteps: 7000\ndataset: {KEY}\n"
    )
    assert shelf.load("one").total_timesteps == 7_000


def test_two_files_of_one_name_are_both_named_as_wrong_but_the_first_counts(tmp_path: Path) -> None:
    shelf = library(tmp_path)
    for stem in ("a", "b"):
        (tmp_path / "files" / f"{stem}.yaml").write_text(f"name: one\nenvs: [CartPole-v1]\ndataset: {KEY}\n")
    sweeps, wrong = shelf.filed()
    assert set(sweeps) == {"one"}
    assert [path.name for path in wrong] == ["b.yaml"]


@pytest.mark.parametrize("damage", [b"{", b"\xff\xfe", b""])
def test_a_damaged_submission_is_named_with_what_to_do(tmp_path: Path, damage: bytes) -> None:
    shelf = library(tmp_path)
    shelf.submit(make("one"))
    (tmp_path / "submitted" / "one.json").write_bytes(damage)
    with pytest.raises(CorruptObject, match=r"one\.json' is damaged .*: launch it again with `rlctl sweep -f FILE`"):
        shelf.load("one")


def test_an_unknown_sweep_is_refused_and_broken_files_are_told(tmp_path: Path) -> None:
    shelf = library(tmp_path)
    (tmp_path / "files" / "broken.yaml").write_text("name: [\n")
    with pytest.raises(UnknownPartition, match=r"(?s)no sweep 'two'.*broken\.yaml"):
        shelf.load("two")


def test_an_experiment_file_is_read_as_a_sweep_of_one(tmp_path: Path) -> None:
    (tmp_path / "files").mkdir()
    (tmp_path / "files" / "charter.yaml").write_text(
        "name: one\nenv: {id: CartPole-v1, num_envs: 4, seed: 7}\npolicy: {algo: ppo, discrete: true}\n"
        "train: {epochs: 2, steps_per_epoch: 64, batch_size: 32, lr: 3e-4}\n"
    )
    sweep = library(tmp_path).load("one")
    assert (sweep.seed_list, sweep.total_timesteps, sweep.action_space) == ((7,), 128, "discrete")
