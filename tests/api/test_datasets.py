"""Registering client data: what is refused is refused before anything is written."""

from pathlib import Path
from typing import Any

import pytest

from rl_assets import api
from rl_assets.api.datasets import materialize_dataset
from rl_assets.api.installation import Installation
from rl_assets.errors import ErasedData, InvalidDataset, StoreError, UnknownClient, UnknownEnvironment
from rl_assets.store.objects import ObjectStore
from rl_assets.store.tombstones import Tombstone
from tests.datasets.episode_files import columns_of, npz, parquet
from tests.defs.tiny_sweeps import ACME


@pytest.fixture
def recordings(tmp_path: Path) -> Path:
    folder = tmp_path / "recordings"
    folder.mkdir()
    (folder / "a.npz").write_bytes(npz(**columns_of((3, 5))))
    (folder / "b.parquet").write_bytes(parquet(**columns_of((2,))))
    (folder / "notes.txt").write_text("from the rig")
    return folder


def test_a_card_tells_what_the_episodes_are(installation: Installation, recordings: Path) -> None:
    event = api.add_dataset(installation, **ACME, path=recordings, env="cartpole", lawful_basis="consent")
    card = event.metadata
    assert (card["num_episodes"], card["num_steps"], card["num_terminated"], card["nan_share"]) == (3, 10, 3, 0.0)
    assert (card["env"], card["lawful_basis"], card["retain_until"]) == ("CartPole-v1", "consent", "not said")
    assert card["formats"] == "npz: 1 file, other: 1 file, parquet: 1 file"
    assert card["mean_return"] == card["mean_length"] == pytest.approx(10 / 3)
    assert card["distributions"].startswith("![returns and lengths](data:image/svg+xml;base64,")
    assert len(card["distributions"]) < 10_000


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"env": "Pendulum-v1"}, "does not fit env 'Pendulum-v1': expected observations"),
        ({"lawful_basis": "because"}, "'lawful_basis'"),
        ({"retention": "soon"}, "'retention'"),
        ({"purpose": " "}, "'purpose'"),
        ({"project": " "}, "'project'"),
        ({"path": None, "env": "CartPole-v1"}, "there are no episodes to compare with it"),
    ],
)
def test_what_is_refused_leaves_no_client_and_no_event(
    installation: Installation, recordings: Path, changes: dict[str, Any], words: str
) -> None:
    with pytest.raises(InvalidDataset, match=words):
        api.add_dataset(installation, **{**ACME, "path": recordings, **changes})
    assert installation.register.names() == ()
    assert installation.log.latest_ids("datasets") == {}
    with pytest.raises(UnknownEnvironment):
        api.add_dataset(installation, **ACME, path=recordings, env="Nowhere-v1")


def test_a_half_written_file_is_refused_by_its_own_name_and_the_version_before_stays(
    installation: Installation, recordings: Path
) -> None:
    first = api.add_dataset(installation, **ACME, path=recordings)
    whole = (recordings / "b.parquet").read_bytes()
    (recordings / "b.parquet").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(InvalidDataset, match=r"'b\.parquet' is half-written or damaged"):
        api.add_dataset(installation, **ACME, path=recordings)
    latest = installation.log.latest("datasets", first.partition)
    assert latest is not None
    assert latest.event_id == first.event_id
    (recordings / "b.parquet").write_bytes(whole)
    assert api.add_dataset(installation, **ACME, path=recordings).data_version == first.data_version


def test_an_env_on_record_is_asked_for_again_when_files_change(installation: Installation, recordings: Path) -> None:
    api.add_dataset(installation, **ACME, path=recordings, env="CartPole-v1")
    (recordings / "a.npz").write_bytes(npz(**columns_of((2,), actions=columns_of((2,))["actions"] + 5)))
    with pytest.raises(InvalidDataset, match="expected action between 0 and 1, got 0 to 6"):
        api.add_dataset(installation, **ACME, path=recordings)


def test_terms_alone_can_be_said_later_and_keep_the_version(installation: Installation, recordings: Path) -> None:
    first = api.add_dataset(installation, **ACME, path=recordings)
    second = api.add_dataset(installation, **ACME, purpose="walking", retention="2099-12-31")
    assert (second.partition, second.data_version) == (first.partition, first.data_version)
    (listed,) = api.list_datasets(installation)
    assert (listed["path"], listed["purpose"], listed["retain_until"]) == (str(recordings), "walking", "2099-12-31")


def test_a_link_out_of_the_folder_is_refused(installation: Installation, recordings: Path, tmp_path: Path) -> None:
    (tmp_path / "other.npz").write_bytes(npz(**columns_of((2,))))
    (recordings / "link.npz").symlink_to(tmp_path / "other.npz")
    with pytest.raises(InvalidDataset, match="leaves the dataset's folder"):
        api.add_dataset(installation, **ACME, path=recordings)
    with pytest.raises(UnknownClient):
        installation.register.pseudonym_of(ACME["client_id"])


def erase(installation: Installation, **scope: frozenset[str]) -> None:
    at = "2026-01-02T03:04:05+00:00"
    ObjectStore(installation.home.store_url).tombstones.write(Tombstone(order="e-00000000aa", at=at, **scope))


def test_an_erased_dataset_is_not_registered_again_under_its_key_and_others_of_the_client_are(
    installation: Installation,
) -> None:
    first = api.add_dataset(installation, **ACME)
    erase(installation, datasets=frozenset({first.partition}))
    with pytest.raises(ErasedData, match=f"dataset '{first.partition}' was erased by order e-00000000aa"):
        api.add_dataset(installation, **ACME, purpose="again")
    assert installation.register.dataset(first.partition).terms.purpose is None, "nothing was changed"
    with pytest.raises(StoreError, match="was erased by order e-00000000aa"):
        materialize_dataset(installation, first.partition)
    assert api.add_dataset(installation, **ACME | {"project": "another"}).partition != first.partition


def test_nothing_is_registered_of_a_client_that_is_being_erased(installation: Installation) -> None:
    first = api.add_dataset(installation, **ACME)
    erase(installation, clients=frozenset({first.partition.split(".")[0]}))
    for words in (ACME, ACME | {"project": "another"}):
        with pytest.raises(ErasedData, match=r"all data of client 'c-.* was erased by order e-00000000aa"):
            api.add_dataset(installation, **words)
    assert installation.register.datasets_of(ACME["client_id"]) == (first.partition,)
