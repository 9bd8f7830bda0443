"""A trained policy and its evaluation as files: one folder of tensors for each member, tables for what happened."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from rl_assets.errors import CorruptObject
from rl_assets.rl.checkpoints import Checkpoint
from rl_assets.rl.evaluation import EpisodeRecords, mode_name
from rl_assets.rl.normalization import OBSERVATION_STATISTICS, RunningMoments
from rl_assets.rl.outcomes import TrainedMember
from rl_assets.rl.policy import PolicySpec
from rl_assets.store.artifacts import Artifact
from rl_assets.store.checkpoints import encode_checkpoint
from rl_assets.store.tensors import decode_table, decode_tensors, encode_table, encode_tensors

EPISODES_FILE = "episodes.parquet"
TIMINGS_FILE = "timings.parquet"
CHAMPION_FILE = "policy.safetensors"

_METRIC = "metric_"
"""Begins the names of the columns that hold metrics."""


def policy_file(seed: int) -> str:
    """The file that holds all that one member needs to act: weights and normaliser."""
    return f"member-{seed}/policy.safetensors"


def optimizer_file(seed: int) -> str:
    """The file that holds what one member needs to go on learning."""
    return f"member-{seed}/optimizer.safetensors"


def history_file(seed: int) -> str:
    """The file that holds one member's metrics, a row for each update."""
    return f"member-{seed}/history.parquet"


def best_policy_file(seed: int) -> str:
    """The file with which one member acts as it did at the end of its best segment; missing where that is the last."""
    return f"member-{seed}/best.safetensors"


def checkpoint_file(seed: int, update: int) -> str:
    """The file from which one member can be trained on as it stood after an update, where all were to be kept."""
    return f"member-{seed}/checkpoints/{update:012d}.safetensors"


def member_files(member: TrainedMember, *, checkpoints: Sequence[Checkpoint] = ()) -> dict[str, bytes]:
    """Encode one trained member and the checkpoints on its way; equal members give equal bytes."""
    files = {
        policy_file(member.seed): encode_tensors(member.tensors),
        optimizer_file(member.seed): encode_tensors(member.optimizer_state),
        history_file(member.seed): encode_table(member.history),
    }
    if member.best is not None and member.best.update < len(next(iter(member.history.values()))):
        files[best_policy_file(member.seed)] = encode_tensors(member.best.tensors)
    for checkpoint in checkpoints:
        data = encode_checkpoint(dataclasses.replace(checkpoint, wall_time_s=0.0))
        files[checkpoint_file(member.seed, checkpoint.update)] = data
    return files


def member_facts(member: TrainedMember) -> dict[str, Any]:
    """What there is to know of a trained member beside its files; equal members have equal facts."""
    best = member.best
    return {
        "env_steps": member.env_steps,
        "numerics": dict(member.numerics),
        "best": None if best is None else {"update": best.update, "mean_return": best.mean_return},
        **({} if member.early_stop is None else {"early_stop": dataclasses.asdict(member.early_stop)}),
        **({"inexact_resumes": list(member.inexact_resumes)} if member.inexact_resumes else {}),
    }


def copy_member_files(policy: Artifact, seed: int) -> dict[str, bytes]:
    """The same files of a member that was trained before."""
    return {name: policy.read(name) for name in policy.file_names if name.startswith(f"member-{seed}/")}


def member_seeds(policy: Artifact) -> tuple[int, ...]:
    """Seeds of the members that a trained policy holds, in ascending order."""
    return tuple(sorted(int(seed) for seed in policy.facts["members"]))


def load_member(policy: Artifact, seed: int) -> dict[str, npt.NDArray[Any]]:
    """Read the tensors with which one member acts."""
    name = policy_file(seed)
    return decode_tensors(policy.read(name), source=f"'{name}' of policy '{policy.ref.data_version[:12]}'")


def load_moments(policy: Artifact, seed: int) -> RunningMoments:
    """Read the statistics behind one member's observation normaliser.

    Raises:
        CorruptObject: the member has none.
    """
    name = optimizer_file(seed)
    source = f"'{name}' of policy '{policy.ref.data_version[:12]}'"
    state = decode_tensors(policy.read(name), source=source)
    arrays = {
        key.removeprefix(OBSERVATION_STATISTICS): array
        for key, array in state.items()
        if key.startswith(OBSERVATION_STATISTICS)
    }
    if not arrays:
        raise CorruptObject(f"{source} has no statistics of observations: train the policy again")
    return RunningMoments.from_arrays(arrays)


def load_history(policy: Artifact, seed: int) -> dict[str, npt.NDArray[Any]]:
    """Read one member's metrics, a row for each update."""
    name = history_file(seed)
    return decode_table(policy.read(name), source=f"'{name}' of policy '{policy.ref.data_version[:12]}'")


def trained_member(policy: Artifact, seed: int) -> tuple[PolicySpec, dict[str, npt.NDArray[Any]]]:
    """Spec and exact tensors of one member of a trained policy, as evaluation takes them."""
    return PolicySpec.from_json(policy.facts["policy"]), load_member(policy, seed)


def promoted_member(champion: Artifact) -> tuple[PolicySpec, dict[str, npt.NDArray[Any]]]:
    """Spec and exact tensors of a promoted model, as evaluation and serving take them."""
    source = f"'{CHAMPION_FILE}' of promoted model '{champion.ref.data_version[:12]}'"
    return PolicySpec.from_json(champion.facts["policy"]), decode_tensors(champion.read(CHAMPION_FILE), source=source)


def champion_weights(champion: Artifact) -> str:
    """SHA-256 of a promoted model's tensors, equal to that of the member's file that it was copied from."""
    return champion.checksum(CHAMPION_FILE)


def encode_episodes(episodes: Mapping[int, EpisodeRecords]) -> bytes:
    """Encode evaluation episodes: a row for each, members in ascending order of their seeds; no wall times.

    A member's episodes in the other mode follow those that rank it.

    Raises:
        ValueError: members differ in their metrics.
    """
    blocks = _blocks(episodes)
    names = {tuple(sorted(records.metrics)) for _, records in blocks}
    if len(names) > 1:
        raise ValueError(f"members have the metrics {sorted(names)}: expected the same of all")
    return encode_table(
        _keys(blocks)
        | {
            "episode_return": np.concatenate([records.returns for _, records in blocks]),
            "length": np.concatenate([records.lengths for _, records in blocks]),
            "terminated": np.concatenate([records.terminated for _, records in blocks]),
            "truncated": np.concatenate([records.truncated for _, records in blocks]),
        }
        | {
            _METRIC + name: np.concatenate([records.metrics[name] for _, records in blocks])
            for name in next(iter(names))
        }
    )


def encode_timings(episodes: Mapping[int, EpisodeRecords]) -> bytes:
    """Encode how long the same episodes took: rows and keys as `encode_episodes` has them; NaN where not known."""
    blocks = _blocks(episodes)
    times = [
        np.full(len(records.returns), np.nan) if records.wall_times_s is None else records.wall_times_s
        for _, records in blocks
    ]
    return encode_table(_keys(blocks) | {"wall_time_s": np.concatenate(times)})


def _blocks(episodes: Mapping[int, EpisodeRecords]) -> list[tuple[int, EpisodeRecords]]:
    """Member seed and episodes of one mode each."""
    members = [(seed, episodes[seed]) for seed in sorted(episodes)]
    return [(seed, records) for seed, own in members for records in (own, own.other_mode) if records is not None]


def _keys(blocks: Sequence[tuple[int, EpisodeRecords]]) -> dict[str, npt.NDArray[Any]]:
    """The columns that name an episode: member, mode, stream and number within the stream."""
    return {
        "member_seed": np.concatenate([np.full(len(e.returns), seed, np.int64) for seed, e in blocks]),
        "mode": np.concatenate([np.full(len(e.returns), e.mode) for _, e in blocks]),
        "env_seed": np.concatenate([e.seeds for _, e in blocks]),
        "episode": np.concatenate([e.numbers for _, e in blocks]),
    }


def load_episodes(evaluation: Artifact) -> dict[int, EpisodeRecords]:
    """Read evaluation episodes: member seed -> its episodes in the order they were played, without wall times."""
    source = f"'{EPISODES_FILE}' of evaluation '{evaluation.ref.data_version[:12]}'"
    table = decode_table(evaluation.read(EPISODES_FILE), source=source)
    episodes: dict[int, EpisodeRecords] = {}
    for seed in np.unique(table["member_seed"]):
        is_own = table["member_seed"] == seed
        modes = dict.fromkeys(table["mode"][is_own].tolist())  # the mode that ranks comes first
        ranked, *other = (_records(table, is_own & (table["mode"] == mode), mode=mode) for mode in modes)
        episodes[int(seed)] = dataclasses.replace(ranked, other_mode=other[0]) if other else ranked
    return episodes


def _records(table: Mapping[str, npt.NDArray[Any]], rows: npt.NDArray[np.bool_], *, mode: str) -> EpisodeRecords:
    return EpisodeRecords(
        returns=table["episode_return"][rows],
        lengths=table["length"][rows],
        seeds=table["env_seed"][rows],
        terminated=table["terminated"][rows],
        truncated=table["truncated"][rows],
        is_deterministic=mode == mode_name(is_deterministic=True),
        metrics={name.removeprefix(_METRIC): table[name][rows] for name in table if name.startswith(_METRIC)},
    )


def mean_curve(
    histories: Sequence[Mapping[str, npt.NDArray[Any]]], column: str
) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
    """Mean over members of one metric against environment steps.

    Returns:
        `[num_updates]` environment steps and `[num_updates]` float64 means, cut to the shortest history; updates at
        which a member has no value yet count the others alone, and are NaN where nobody has one.
    """
    length = min(len(history[column]) for history in histories)
    values = np.stack([np.asarray(history[column][:length], np.float64) for history in histories])
    known = np.isfinite(values)
    counts = known.sum(axis=0)
    sums = np.where(known, values, 0.0).sum(axis=0)
    means = np.divide(sums, counts, out=np.full(length, np.nan), where=counts > 0)
    return np.asarray(histories[0]["env_steps"][:length]), means
