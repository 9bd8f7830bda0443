"""An event log of many clients' policies, written straight into Dagster's storage as the lifecycle would."""

import hashlib
import itertools
from collections.abc import Mapping
from typing import Any

import dagster as dg

from benchmarks.sensor_log import log_publications
from rl_assets.defs.partitions import cell_key
from rl_assets.resources.event_log import ARTIFACT_KEY, INPUTS_KEY
from rl_assets.resources.inputs import FILES_KEY, Publication
from rl_assets.resources.provenance import provenance

_PICTURE = "![learning curve](data:image/svg+xml;base64," + "PHN2Zy" * 1_200 + ")"
_CHUNK = 1_000


def write_policies(instance: dg.DagsterInstance, *, num_policies: int, num_clients: int, num_envs: int) -> str:
    """Log datasets, policies that stand on them, evaluations, leaderboards and a champion of each environment.

    Every tenth policy is trained from one before it as well.

    Returns:
        Key of the first client's dataset.
    """
    writer = _Writer(instance)
    datasets = [writer.make("datasets", f"c-{client:010x}.d1") for client in range(num_clients)]
    writer.flush()
    sweeps = [writer.make("sweep_configs", f"sweep-{place}", read) for place, read in enumerate(datasets)]
    writer.flush()
    policies: list[dict[str, Any]] = []
    envs: dict[str, list[dict[str, Any]]] = {f"Env{number:03d}-v1": [] for number in range(num_envs)}
    for number in range(num_policies):
        client, env = number % num_clients, list(envs)[number % num_envs]
        parents = [policies[number - _CHUNK - num_clients]] if number % 10 == 0 and number >= 2 * _CHUNK else []
        cell = cell_key(env, f"ppo-lr={number / 1e7:g}-envs=64-hidden=64x64-steps=1000000-{number:010x}")
        policies.append(
            writer.make("trained_policies", cell, sweeps[client], datasets[client], *parents, is_large=True)
        )
        if len(writer) == _CHUNK:
            writer.flush()
    writer.flush()
    for number, policy in enumerate(policies):
        evaluation = writer.make("policy_evaluations", policy["partition"], sweeps[number % num_clients], policy)
        envs[policy["partition"].partition("|")[0]].append(evaluation)
        if len(writer) == _CHUNK:
            writer.flush()
    writer.flush()
    boards = {env: writer.make("eval_leaderboards", env, *evaluations) for env, evaluations in envs.items()}
    writer.flush()
    for number, env in enumerate(envs):
        evidence = boards[env] | {"role": "evidence"}
        writer.make("promoted_models", env, policies[number], evidence)
    writer.flush()
    return str(datasets[0]["partition"])


class _Writer:
    """Makes publications and logs them in chunks of one asset; an input is complete once its chunk is logged."""

    def __init__(self, instance: dg.DagsterInstance) -> None:
        self._instance = instance
        self._waiting: list[tuple[Publication, dict[str, Any]]] = []
        self._versions = itertools.count()

    def __len__(self) -> int:
        return len(self._waiting)

    def make(self, asset: str, partition: str, *reads: Mapping[str, Any], is_large: bool = False) -> dict[str, Any]:
        """Queue a materialization; returns its input record, whose event id is known after `flush`."""
        version = hashlib.sha256(str(next(self._versions)).encode()).hexdigest()
        record = {"asset": asset, "partition": partition, "event_id": 0, "data_version": version, "role": "data"}
        files = [dg.TableRecord({"file": f"member-{n}/policy.safetensors", "object": f"/{version}"}) for n in range(5)]
        metadata: dict[str, Any] = {
            INPUTS_KEY: dg.MetadataValue.json([dict(read) for read in reads]),
            ARTIFACT_KEY: dg.MetadataValue.json(
                {"namespace": f"c-{version[:10]}", "sha256": version, "size_bytes": 4096}
            ),
            FILES_KEY: dg.MetadataValue.table(files),
            "rl/config_hash": version[:10],
            "rl/seeds": dg.MetadataValue.json(list(range(5))),
            **{
                name: dg.MetadataValue.json(value) if isinstance(value, dict) else value
                for name, value in provenance().items()
            },
        }
        if is_large:
            metadata["learning_curve"] = dg.MetadataValue.md(_PICTURE)
        publication = Publication(asset=asset, partition=partition, data_version=version, metadata=metadata)
        self._waiting.append((publication, record))
        return record

    def flush(self) -> None:
        """Log what waits."""
        if not self._waiting:
            return
        ids = log_publications(self._instance, [publication for publication, _ in self._waiting])
        for event_id, (_, record) in zip(ids, self._waiting, strict=True):
            record["event_id"] = event_id
        self._waiting.clear()
