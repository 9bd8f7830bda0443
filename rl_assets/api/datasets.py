"""Registering a client's dataset."""

from pathlib import Path

import dagster as dg

from rl_assets.api.drive import execute, reason_of
from rl_assets.api.installation import Installation
from rl_assets.datasets.files import scan_files
from rl_assets.defs.partitions import DATASETS, add_keys
from rl_assets.errors import InvalidDataset, StoreError
from rl_assets.resources.event_log import Event
from rl_assets.resources.home import Home


def add_dataset(
    installation: Installation, *, client_id: str, project: str, data_source: str, domain: str, path: Path | None = None
) -> Event:
    """Register a dataset under its client and materialize it; the same words again give the same key.

    Args:
        installation: where.
        client_id: the client's name; only the register keeps it.
        project: the client's project.
        data_source: where the data comes from.
        domain: what it is about.
        path: a file or folder of data; None declares work in a simulator only.

    Returns:
        The materialization, whose partition is the dataset's key and whose data version is that of its bytes.

    Raises:
        InvalidDataset: a word is missing, the files cannot be taken, or they are this installation's own state; nothing
            was written.
        StoreError: the bytes could not be kept.
    """
    if path is not None:
        _refuse_own_state(installation.home, path)
        scan_files(path)
    key = installation.register.add_dataset(
        client_id=client_id, project=project, data_source=data_source, domain=domain, path=path
    )
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
    """Every registered dataset with its owner's name, from the client register."""
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
        }
        for entry in map(register.dataset, keys)
    ]


def _refuse_own_state(home: Home, path: Path) -> None:
    if home.overlaps_own_state(path):
        raise InvalidDataset(
            f"dataset path '{path}' lies in this installation's own state '{home.state}', or holds it: expected a "
            "client's files; copy them to a folder of their own and name that"
        )
