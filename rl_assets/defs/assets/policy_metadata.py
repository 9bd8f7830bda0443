"""What the UI shows of a trained policy and of its evaluation."""

import dataclasses
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import dagster as dg
import numpy as np

from rl_assets.errors import GuardrailTripped, MemberDiverged, ParentMissing
from rl_assets.reports.curves import as_data_uri, learning_curve_svg
from rl_assets.reports.learning_card import LOSS
from rl_assets.reports.numbers import count_of
from rl_assets.reports.seed_bands import steps_of
from rl_assets.resources.event_log import STOP_KEY, WAITS_KEY
from rl_assets.resources.films import Film
from rl_assets.rl.evaluation import EpisodeRecords
from rl_assets.rl.outcomes import MemberFailure, RecipeStop, TrainedMember
from rl_assets.rl.plan import TrainingPlan

MAX_ROWS = 20
METRICS_KEY = "rl/metrics"
"""Metric -> version of those that an evaluation recorded beside returns and lengths."""


def describe_training(
    members: Mapping[int, TrainedMember], plan: TrainingPlan, incidents: Sequence[str] = ()
) -> dict[str, Any]:
    """Numbers that chart over partitions, a short table of members, and a picture of each member's learning curve.

    The mean training return is left out where a member never finished an episode: without it the mean would flatter.
    """
    returns = [_last_known(member.history["mean_return"]) for member in members.values()]
    known = [value for value in returns if value is not None]
    partly = "" if len(known) == len(returns) else f", {len(known)} of {count_of(len(returns), 'seed')}"
    clones = all(LOSS in member.history for member in members.values())
    column, title = (
        (LOSS, "Negative log-likelihood of demonstrated actions")
        if clones
        else ("mean_return", f"Mean return of training episodes{partly}")
    )
    curves = {
        f"seed {seed}": (steps_of(member.history), member.history[column]) for seed, member in sorted(members.items())
    }
    picture = as_data_uri(learning_curve_svg(curves, title=title))
    return {
        "learning_curve": dg.MetadataValue.md(f"![learning curve]({picture})"),
        "members": dg.MetadataValue.table(
            [
                dg.TableRecord(
                    {
                        "seed": seed,
                        "last_mean_return": _last_known(member.history["mean_return"]),
                        "best_segment_return": None if member.best is None else member.best.mean_return,
                        "env_steps": member.env_steps,
                        "resumed_at_update": member.resumed_at,
                    }
                )
                for seed, member in sorted(members.items())[:MAX_ROWS]
            ]
        ),
        **_early_stops(members),
        **({"training_mean_return": float(np.mean(known))} if len(known) == len(returns) else {}),
        "env_steps": sum(member.env_steps for member in members.values()),
        "steps_per_s": round(float(np.mean([member.steps_per_s for member in members.values()]))),
        "wall_time_s": round(max(member.wall_time_s for member in members.values()), 2),
        "plan": describe_plan(plan),
        **(
            {"incidents": dg.MetadataValue.md("\n".join(f"- {incident}" for incident in incidents))}
            if incidents
            else {}
        ),
    }


def describe_stop(asset: dg.AssetKey, partition: str, stop: RecipeStop) -> dg.AssetObservation:
    """What stands on the partition of a recipe that was stopped before its budget was used."""
    return dg.AssetObservation(
        asset_key=asset,
        partition=partition,
        metadata={
            STOP_KEY: dg.MetadataValue.json(dataclasses.asdict(stop)),
            "reason": stop.reason,
            "score": stop.score,
            "rung": stop.rung,
        },
    )


def describe_wait(asset: dg.AssetKey, missing: ParentMissing) -> dg.AssetObservation:
    """What stands on the partition of a recipe whose parent is not there: it is asked for again when that lands."""
    return dg.AssetObservation(
        asset_key=asset,
        partition=missing.child,
        metadata={
            WAITS_KEY: dg.MetadataValue.json({"partition": missing.parent, "event_id": missing.seen}),
            "reason": str(missing),
        },
    )


def describe_origins(origins: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """What each member started from, in a short table; nothing where all started from fresh weights.

    Args:
        origins: seed -> asset, partition, data version and member of its parent.
    """
    rows = [
        dg.TableRecord(
            {
                "seed": int(seed),
                "starts_from": f"{origin['asset']}[{origin['partition']}]",
                "version": origin["data_version"][:12],
                "member_seed": origin["member_seed"],
            }
        )
        for seed, origin in sorted(origins.items(), key=lambda item: int(item[0]))[:MAX_ROWS]
    ]
    return {"parents": dg.MetadataValue.table(rows)} if rows else {}


def describe_stops(partition: str, failures: Sequence[MemberFailure]) -> list[dict[str, Any]]:
    """What guardrails stopped in one partition, as plain JSON: where, why, at which update and at which value.

    JSON has no word for NaN and infinity: such values are texts.
    """
    return [
        {
            "partition": partition,
            "member_seed": failure.seed,
            "error": type(failure.error).__name__,
            "guardrail": failure.error.guardrail,
            "update": failure.error.update,
            "quantity": failure.error.quantity,
            "value": failure.error.value if math.isfinite(failure.error.value) else str(failure.error.value),
            "expected": failure.error.expected,
            **({"share": failure.error.share} if isinstance(failure.error, MemberDiverged) else {}),
        }
        for failure in failures
        if isinstance(failure.error, GuardrailTripped)
    ]


def describe_plan(plan: TrainingPlan) -> str:
    """A training plan in one line: who trains with whom, where, and what it takes."""
    sizes = "+".join(str(len(chunk.members)) for chunk in plan.chunks) or "nobody"
    parts = [
        f"plan for {plan.env.id}: {count_of(len(plan.members), 'member')} in {count_of(plan.num_groups, 'group')}",
        f"populations of {sizes}",
        f"{count_of(plan.num_processes, 'process', 'processes')} with "
        f"{count_of(plan.env_threads, 'environment thread')} each",
        f"{plan.env_steps:,} steps",
        f"about {plan.memory_bytes / 1e6:.0f} MB and {plan.seconds:.0f} s",
    ]
    if plan.num_resumed:
        parts.insert(1, f"{plan.num_resumed} of them go on from a checkpoint")
    if plan.oversized:
        parts.append(f"without {count_of(len(plan.oversized), 'member')} too large for this machine's memory")
    return ", ".join(parts)


def describe_evaluation(
    episodes: Mapping[int, EpisodeRecords], *, metric_versions: Mapping[str, str]
) -> dict[str, Any]:
    """The score of each member on its selection episodes, further metrics, and the mean in the other mode if played.

    Args:
        episodes: member seed -> its episodes in the mode that ranks it.
        metric_versions: metric -> version.
    """
    means = {seed: float(np.mean(records.returns)) for seed, records in sorted(episodes.items())}
    return {
        "mean_return": float(np.mean(list(means.values()))),
        "worst_seed_return": min(means.values()),
        "best_seed_return": max(means.values()),
        "mean_length": _mean_over_seeds(records.lengths for records in episodes.values()),
        "num_episodes": sum(len(records.returns) for records in episodes.values()),
        "num_seeds": len(episodes),
        "mode": next(iter(episodes.values())).mode,
        **_other_mode(episodes),
        **{
            f"metric_{name}": _mean_over_seeds(by_seed.metrics[name] for by_seed in episodes.values())
            for name in metric_versions
        },
        METRICS_KEY: dg.MetadataValue.json(dict(metric_versions)),
        "members": dg.MetadataValue.table(
            [
                dg.TableRecord(
                    {
                        "seed": seed,
                        "mean_return": round(mean, 2),
                        "std_return": round(float(np.std(episodes[seed].returns)), 2),
                        "episodes": len(episodes[seed].returns),
                    }
                )
                for seed, mean in list(means.items())[:MAX_ROWS]
            ]
        ),
    }


def describe_films(films: Mapping[str, Film], reasons: Mapping[str, str]) -> dict[str, Any]:
    """Where each video can be opened, what it shows and how fast; and why there is none of others.

    Args:
        films: by name.
        reasons: name -> why there is no video.
    """
    rows = [
        dg.TableRecord(
            {
                "video": name,
                "seed": film.episode.member_seed,
                "env_seed": film.episode.env_seed,
                "episode": film.episode.number,
                "return": round(film.episode.episode_return, 2),
                "length": film.episode.length,
                "seconds": round(film.video.seconds, 1),
                "steps_per_frame": film.video.steps_per_frame,
                "pixels": f"{film.video.width} x {film.video.height}",
            }
        )
        for name, film in films.items()
    ]
    without = [f"- no video of the {name} episode: {reason}" for name, reason in reasons.items()]
    return {
        **{f"video_{name}": dg.MetadataValue.path(str(film.path)) for name, film in films.items()},
        **({"videos": dg.MetadataValue.table(rows)} if rows else {}),
        **({"videos_missing": dg.MetadataValue.md("\n".join(without))} if without else {}),
    }


def _mean_over_seeds(values: Iterable[np.ndarray]) -> float:
    """Mean of the means of each seed's episodes."""
    return float(np.mean([np.mean(each) for each in values]))


def _other_mode(episodes: Mapping[int, EpisodeRecords]) -> dict[str, float]:
    """The mean return in the other mode, named for it; nothing where it was not played."""
    others = [records.other_mode for records in episodes.values() if records.other_mode is not None]
    return {f"mean_return_{others[0].mode}": _mean_over_seeds(other.returns for other in others)} if others else {}


def _early_stops(members: Mapping[int, TrainedMember]) -> dict[str, Any]:
    """A row for each member that reached its target; nothing where none did."""
    stops = {seed: member.early_stop for seed, member in sorted(members.items()) if member.early_stop is not None}
    if not stops:
        return {}
    records = [dg.TableRecord({"seed": seed} | dataclasses.asdict(stop)) for seed, stop in stops.items()]
    return {"early_stops": dg.MetadataValue.table(records[:MAX_ROWS]), "num_early_stops": len(stops)}


def _last_known(values: np.ndarray) -> float | None:
    known = values[np.isfinite(values)]
    return round(float(known[-1]), 2) if len(known) else None
