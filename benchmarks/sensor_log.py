"""Event logs of large installations, written straight into Dagster's storage: what sensors look at, and no more."""

import hashlib
import itertools
import logging
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import dagster as dg
from dagster._core.events import DagsterEvent, DagsterEventType, StepMaterializationData
from dagster._core.events.log import EventLogEntry
from dagster._core.instance.utils import RUNLESS_JOB_NAME, RUNLESS_RUN_ID
from dagster._core.storage.event_log import SqlEventLogStorage
from dagster._core.utils import make_new_run_id

from rl_assets.config.keys import short_hash
from rl_assets.defs.partitions import CELLS, ENVS, HPARAMS, SWEEPS, add_keys, cell_key
from rl_assets.resources.demand import CELLS_KEY, cells_metadata
from rl_assets.resources.event_log import ARTIFACT_KEY, INPUTS_KEY
from rl_assets.resources.inputs import FILES_KEY, Publication
from rl_assets.resources.provenance import provenance
from rl_assets.resources.stages import EVALUATIONS_KEY

_SENTENCE = "100 episodes have a mean of 481.27, with 95 % confidence at least 470.11: the floor of 475 is not reached"


class LargeLog:
    """An installation's log that goes through the stages of many environments at once; nothing is trained or stored.

    Args:
        instance: empty; its event log is one of Dagster's on SQL.
        num_envs: environments.
        num_recipes: recipes in each, the same everywhere.
        num_sweeps: that share the environments among them.
    """

    def __init__(self, instance: dg.DagsterInstance, *, num_envs: int, num_recipes: int, num_sweeps: int) -> None:
        self.envs = [f"Env{number:03d}-v1" for number in range(num_envs)]
        self.hparams = [f"ppo-lr={number / 1e4:g}-{number:010x}" for number in range(num_recipes)]
        self.sweeps = {f"sweep-{place}": self.envs[place::num_sweeps] for place in range(num_sweeps)}
        self._instance = instance
        self._versions = itertools.count()
        self._queued: list[dg.DagsterRun] = []
        self._newest: dict[tuple[str, str], dict[str, Any]] = {}

    def configure(self) -> None:
        """All sweeps are materialized."""
        add_keys(self._instance, SWEEPS, list(self.sweeps))
        add_keys(self._instance, ENVS, self.envs)
        add_keys(self._instance, HPARAMS, self.hparams)
        self._log(
            self._publish(
                "sweep_configs", sweep, {CELLS_KEY: dg.MetadataValue.json(cells_metadata(envs, self.hparams))}
            )
            for sweep, envs in self.sweeps.items()
        )

    def evaluate(self) -> None:
        """Every cell is evaluated, also once more."""
        members = dg.MetadataValue.table(
            [dg.TableRecord({"seed": seed, "mean_return": 481.27, "std_return": 9.5}) for seed in range(5)]
        )
        numbers = {"mean_return": 481.27, "worst_seed_return": 440.0, "num_episodes": 500, "members": members}
        for env in self.envs:
            self._log(self._publish("policy_evaluations", cell_key(env, hparam), numbers) for hparam in self.hparams)

    def rank(self) -> None:
        """Every environment has a leaderboard of its newest evaluations."""
        rows = [dg.TableRecord({"rank": rank, "hparam": key}) for rank, key in enumerate(self.hparams[:20], start=1)]
        self._log(
            self._publish(
                "eval_leaderboards",
                env,
                {"leaderboard": dg.MetadataValue.table(rows), EVALUATIONS_KEY: short_hash(self._evaluations(env))},
                reads=[("policy_evaluations", cell_key(env, hparam)) for hparam in self.hparams],
            )
            for env in self.envs
        )

    def judge(self, verdict: str = "pass") -> None:
        """Every leaderboard has this verdict."""
        reasons = "\n".join([f"- **meets_floor** {verdict}: {_SENTENCE}"] * 4)
        self._log(
            self._publish(
                "gate_evaluations",
                env,
                {"verdict": verdict, "rl/verdict": verdict, "reasons": dg.MetadataValue.md(reasons)},
                reads=[("eval_leaderboards", env)],
            )
            for env in self.envs
        )

    def promote(self) -> None:
        """Every verdict is acted on."""
        self._log(
            self._publish(
                "promoted_models",
                env,
                {"verdict_id": self._newest["gate_evaluations", env]["data_version"], "reason": _SENTENCE},
                reads=[("gate_evaluations", env)],
            )
            for env in self.envs
        )

    def report(self) -> None:
        """Every sweep has its report."""
        self._log(self._publish("sweep_reports", sweep, {"num_envs": len(envs)}) for sweep, envs in self.sweeps.items())

    def queue(self, requests: Iterable[dg.RunRequest]) -> None:
        """These runs wait to be launched."""
        for request in requests:
            run = dg.DagsterRun(
                job_name="__ASSET_JOB",
                run_id=make_new_run_id(),
                status=dg.DagsterRunStatus.NOT_STARTED,
                asset_selection=frozenset(request.asset_selection or ()),
                tags={
                    **request.tags,
                    **({"dagster/partition": request.partition_key} if request.partition_key else {}),
                },
            )
            self._queued.append(self._instance.add_run(run))

    def fail(self) -> None:
        """All runs that wait fail."""
        for run in self._queued:
            event = DagsterEvent(event_type_value=DagsterEventType.RUN_FAILURE.value, job_name=run.job_name)
            self._instance.run_storage.handle_run_event(run.run_id, event)
        self._queued.clear()

    def _evaluations(self, env: str) -> dict[str, str]:
        return {
            hparam: self._newest["policy_evaluations", cell_key(env, hparam)]["data_version"] for hparam in self.hparams
        }

    def _publish(
        self, asset: str, partition: str, metadata: Mapping[str, Any], *, reads: Sequence[tuple[str, str]] = ()
    ) -> Publication:
        """A publication with all that `OutputScope.publish` would write."""
        version = hashlib.sha256(str(next(self._versions)).encode()).hexdigest()
        files = dg.MetadataValue.table(
            [dg.TableRecord({"file": name, "object": f"/store/objects/{version}"}) for name in ("a.json", "b.parquet")]
        )
        inputs = [self._newest[read] | {"role": "evidence"} for read in reads]
        return Publication(
            asset=asset,
            partition=partition,
            data_version=version,
            metadata={
                **metadata,
                INPUTS_KEY: dg.MetadataValue.json(inputs),
                ARTIFACT_KEY: dg.MetadataValue.json({"owner": version[:12], "sha256": version, "size_bytes": 4096}),
                FILES_KEY: files,
                "rl/config_hash": version[:10],
                **{
                    name: dg.MetadataValue.json(value) if isinstance(value, dict) else value
                    for name, value in provenance().items()
                },
            },
        )

    def _log(self, publications: Iterable[Publication]) -> None:
        """Write events of one asset, and remember them as inputs."""
        written = list(publications)
        for publication, event_id in zip(written, log_publications(self._instance, written), strict=True):
            self._newest[publication.asset, publication.partition] = {
                "asset": publication.asset,
                "partition": publication.partition,
                "event_id": event_id,
                "data_version": publication.data_version,
            }


def log_publications(instance: dg.DagsterInstance, publications: Sequence[Publication]) -> list[int]:
    """Write events of one asset in one transaction, as Dagster's storage writes each; returns their ids."""
    storage = instance.event_log_storage
    assert isinstance(storage, SqlEventLogStorage), "the log is written through the storage's own SQL"
    entries = [_entry(one.as_event(CELLS if "|" in one.partition else ENVS)) for one in publications]
    with storage.index_connection() as connection:
        results = [connection.execute(storage.prepare_insert_event(entry)) for entry in entries]
        ids = [result.inserted_primary_key[0] for result in results]
    storage.store_asset_event_tags(entries, ids)
    storage.store_asset_event(entries[-1], ids[-1])
    return ids


def _entry(materialization: dg.AssetMaterialization) -> EventLogEntry:
    return EventLogEntry(
        user_message="",
        level=logging.INFO,
        job_name=RUNLESS_JOB_NAME,
        run_id=RUNLESS_RUN_ID,
        error_info=None,
        timestamp=1_700_000_000.0,
        step_key=None,
        dagster_event=DagsterEvent(
            event_type_value=DagsterEventType.ASSET_MATERIALIZATION.value,
            event_specific_data=StepMaterializationData(materialization),
            job_name=RUNLESS_JOB_NAME,
        ),
    )
