"""Registering a client's dataset."""

from datetime import UTC, date, datetime
from pathlib import Path

import dagster as dg

from rl_assets.api.drive import execute, reason_of
from rl_assets.api.installation import Installation
from rl_assets.datasets.files import scan_files
from rl_assets.datasets.terms import read_terms
from rl_assets.defs.partitions import DATASETS, add_keys
from rl_assets.errors import InvalidDataset, StoreError, UnknownClient
from rl_assets.resources.dataset_check import check_episodes
from rl_assets.resources.event_log import Event
from rl_assets.resources.home import Home
from rl_assets.rl.envs.catalogue import resolve_env_id
from rl_assets.store.objects import ObjectStore


def add_dataset(
    installation: Installation,
    *,
    client_id: str,
    project: str,
    data_source: str,
    domain: str,
    path: Path | None = None,
    env: str | None = None,
    lawful_basis: str | None = None,
    purpose: str | None = None,
    retention: str | int | date | None = None,
    licence: str | None = None,
) -> Event:
    """Register a dataset under its client and materialize it; the same words again give the same key.

    Args:
        installation: where.
        client_id: the client's name; only the register keeps it.
        project: the client's project.
        data_source: where the data comes from.
        domain: what it is about.
        path: a file or folder of data; None declares work in a simulator only, or keeps the path on record.
        env: the environment whose spaces the episodes have to fit, by its id or short name.
        lawful_basis: why the data may be processed, one of `LawfulBasis`.
        purpose: what it was given for.
        retention: days from today, or the last day on which it may be kept, such as `2027-12-31`.
        licence: under which licence or contract.

    Returns:
        The materialization, whose partition is the dataset's key and whose data version is that of its bytes.

    Raises:
        InvalidDataset: a word is missing, the files cannot be taken, their episodes are damaged or do not fit the
            environment, or they are this installation's own state; nothing was written.
        UnknownEnvironment, UnsupportedEnvironment: the environment is none that can be trained in.
        ErasedData: the dataset or its client is being erased; once that is done, the same words give a new key.
        StoreError: the bytes could not be kept.
    """
    words = {"client_id": client_id, "project": project, "data_source": data_source, "domain": domain}
    terms = read_terms(
        lawful_basis=lawful_basis,
        purpose=purpose,
        retention=retention,
        licence=licence,
        today=datetime.now(UTC).date(),
    )
    exact_env = None if env is None else resolve_env_id(env)
    known = installation.register.find_dataset(**words)
    _refuse_erased(installation, client_id, known)
    before = None if known is None else installation.register.dataset(known)
    place = path or (Path(before.path) if before is not None and before.path else None)
    if path is not None:
        _refuse_own_state(installation.home, path)
    files = {} if place is None else scan_files(place).originals
    expected = exact_env or (None if before is None else before.env)
    check_episodes(files, env=expected, what="the dataset" if place is None else f"dataset path '{place}'")
    key = installation.register.add_dataset(**words, path=path, terms=terms, env=exact_env)
    return materialize_dataset(installation, key)


def materialize_dataset(installation: Installation, key: str) -> Event:
    """Materialize a registered dataset.

    Raises:
        StoreError: it did not succeed; the run tells why.
    """
    add_keys(installation.instance, DATASETS, [key])
    result = execute(installation, assets=[dg.AssetKey("datasets")], partition=key)
    event = installation.log.latest("datasets", key)
    if not result.success or event is None:
        raise StoreError(f"dataset '{key}' could not be materialized: {reason_of(result)}")
    return event


def dataset_versions(installation: Installation, key: str) -> tuple[str, ...]:
    """The data versions that a dataset had at each of its materializations, oldest first; empty where there is none."""
    return tuple(event.data_version for event in installation.log.history("datasets", key))


def list_datasets(installation: Installation) -> list[dict[str, str | None]]:
    """Every registered dataset with its owner's name and its terms, from the client register."""
    register = installation.register
    keys = [key for client in register.names() for key in register.datasets_of(client)]
    return [
        {
            "dataset": entry.key,
            "client_id": entry.client_id,
            "project": entry.project,
            "data_source": entry.data_source,
            "domain": entry.domain,
            "path": entry.path,
            "env": entry.env,
        }
        | entry.terms.to_json()
        for entry in map(register.dataset, keys)
    ]


def _refuse_erased(installation: Installation, client_id: str, key: str | None) -> None:
    """Refuse a client or dataset that the register still knows while an order erases it."""
    tombstones = ObjectStore(installation.home.store_url).tombstones
    try:
        owner = installation.register.pseudonym_of(client_id)
    except UnknownClient:
        return
    tombstones.refuse(owners=[owner], datasets=[] if key is None else [key], what=f"dataset '{key or owner + '.d…'}'")


def _refuse_own_state(home: Home, path: Path) -> None:
    if home.overlaps_own_state(path):
        raise InvalidDataset(
            f"dataset path '{path}' lies in this installation's own state '{home.state}', or holds it: expected a "
            "client's files; copy them to a folder of their own and name that"
        )
