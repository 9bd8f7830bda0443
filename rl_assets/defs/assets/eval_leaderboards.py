"""Leaderboards: which recipe is best in an environment, and which of its members would be served."""

from collections.abc import Sequence
from typing import Any

import dagster as dg
import numpy as np

from rl_assets.config.canonical import canonical_json
from rl_assets.config.keys import short_hash
from rl_assets.defs.partitions import ENVS, cell_key
from rl_assets.errors import InputNotFound
from rl_assets.reports.leaderboard_page import leaderboard_page
from rl_assets.reports.numbers import format_interval, format_number, format_share
from rl_assets.resources.configured import InputsResource, PagesResource
from rl_assets.resources.demand import read_demand
from rl_assets.resources.inputs import Input
from rl_assets.resources.stages import EVALUATIONS_KEY, evaluations_by_env
from rl_assets.rl.evaluation import EpisodeRecords
from rl_assets.statistics.ranking import CellEpisodes, LeaderboardRow, metric_names, rank_policies
from rl_assets.store.bundles import load_episodes

MAX_ROWS = 20


@dg.asset(
    partitions_def=ENVS,
    deps=[dg.AssetDep("policy_evaluations", partition_mapping=dg.MultiToSingleDimensionPartitionMapping("env"))],
    group_name="selection",
    owners=["team:rl"],
    kinds={"leaderboard"},
    description=(
        "All evaluated recipes of an environment that live sweeps ask for, ranked by the mean over seeds of each "
        "seed's mean return, with confidence intervals over seeds. "
        "Its best recipe's best member is the candidate that the gates look at."
    ),
)
def eval_leaderboards(
    context: dg.AssetExecutionContext, inputs: InputsResource, pages: PagesResource
) -> dg.MaterializeResult:
    """Rank every recipe that a sweep asks for and that has been evaluated."""
    env = context.partition_key
    with inputs.for_output("eval_leaderboards", env) as scope:
        demand = read_demand(inputs.log)
        versions = evaluations_by_env(demand, inputs.log.latest_versions("policy_evaluations"), [env]).get(env, {})
        if not versions:
            raise InputNotFound(
                f"no recipe has been evaluated in '{env}' yet: materialize its policy_evaluations first"
            )
        events = inputs.log.newest("policy_evaluations", [cell_key(env, hparam) for hparam in versions])
        left = [hparam for hparam in versions if not scope.is_erased(events[cell_key(env, hparam)])]
        if not left:
            raise InputNotFound(f"every recipe that was evaluated in '{env}' is erased: train one without that data")
        evaluations = {hparam: scope.open(events[cell_key(env, hparam)]) for hparam in left}
        episodes = {hparam: load_episodes(item.artifact) for hparam, item in evaluations.items()}
        rows = rank_policies({hparam: _cell(by_seed, evaluations[hparam]) for hparam, by_seed in episodes.items()})
        candidate = _candidate(rows[0], episodes, evaluations)
        page = leaderboard_page(env, rows, candidate=candidate)
        publication = scope.publish(
            kind="leaderboard",
            files={"leaderboard.json": canonical_json([row.to_json() for row in rows]), "leaderboard.html": page},
            facts={"env": env, "candidate": candidate},
            config_hash=short_hash(sorted(left)),
            metadata={
                "best_hparam": rows[0].hparam,
                "best_mean_return": rows[0].mean_return,
                "num_recipes": len(rows),
                "num_may_be_best": sum(row.may_be_best for row in rows),
                "num_episodes": sum(row.num_episodes for row in rows),
                "leaderboard": dg.MetadataValue.table(_records(rows[:MAX_ROWS])),
                "candidate": dg.MetadataValue.json(candidate),
                "page": dg.MetadataValue.path(str(pages.write(f"leaderboard-{env}.html", page))),
                EVALUATIONS_KEY: short_hash(versions),
            },
        )
    return publication.as_result()


def _cell(by_seed: dict[int, EpisodeRecords], evaluation: Input) -> CellEpisodes:
    return CellEpisodes(
        returns=[by_seed[seed].returns for seed in sorted(by_seed)],
        lengths=[by_seed[seed].lengths for seed in sorted(by_seed)],
        env_steps=evaluation.event.metadata.get("env_steps"),
        steps_per_s=evaluation.event.metadata.get("steps_per_s"),
        metrics={
            name: [by_seed[seed].metrics[name] for seed in sorted(by_seed)]
            for name in next(iter(by_seed.values())).metrics
        },
    )


def _candidate(
    best: LeaderboardRow, episodes: dict[str, dict[int, EpisodeRecords]], evaluations: dict[str, Input]
) -> dict[str, Any]:
    """The member of the best recipe with the highest mean on selection episodes; the lowest seed where they tie."""
    means = {seed: float(np.mean(records.returns)) for seed, records in episodes[best.hparam].items()}
    seed = min(means, key=lambda candidate: (-means[candidate], candidate))
    return {
        "hparam": best.hparam,
        "member_seed": seed,
        "selection_mean_return": means[seed],
        "policy": evaluations[best.hparam].artifact.facts["policy"],
    }


def _records(rows: Sequence[LeaderboardRow]) -> list[dg.TableRecord]:
    """The lines of the table, all with the same columns."""
    metrics = metric_names(rows)
    return [_record(row, metrics=metrics) for row in rows]


def _record(row: LeaderboardRow, *, metrics: Sequence[str]) -> dg.TableRecord:
    """A line of the table; what may be unknown is text, because a column has one type."""
    return dg.TableRecord(
        {
            "rank": row.rank,
            "hparam": row.hparam,
            "mean_return": round(row.mean_return, 2),
            "interval": format_interval(row.ci_low, row.ci_high, decimals=1),
            "iqm": format_number(row.iqm, decimals=2),
            "beats_best": format_share(row.probability_of_improvement),
            "worst_seed": round(row.worst_seed_return, 2),
            "cvar10": round(row.cvar10, 2),
            "mean_length": format_number(row.mean_length, decimals=1),
            "steps_per_s": format_number(row.steps_per_s, decimals=0),
            "process_s": format_number(row.process_s, decimals=1),
            "seeds": row.num_seeds,
            "episodes": row.num_episodes,
            **{name: format_number(row.metrics.get(name), decimals=3) for name in metrics},
            "note": ", ".join(_notes(row)),
        }
    )


def _notes(row: LeaderboardRow) -> list[str]:
    tie = ["cannot be told apart from the best"] if row.may_be_best and row.rank > 1 else []
    return tie + ([] if row.is_replicated else ["unreplicated"])
